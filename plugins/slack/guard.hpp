// Markdown of a model, made harmless for a `markdown` block: it calls nobody. Everything else, and
// all code, stays as it is. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

// A zero-width space goes into <!channel>, <!here>, <!everyone>, <!subteam^…>, <@U…>, @channel,
// @here and @everyone outside of code. Of a text that has not `ended`, only what stays when more
// comes behind it: the result of a longer text begins with that of a shorter one.
std::string guarded(std::string_view markdown, bool ended = true);
// Only the words, of a text without code that is escaped besides.
std::string without_calls(std::string_view text);

// The same as valid UTF-8, as the texts of `markdown` blocks or of a stream
// (viaduct/chat/split.hpp). A last one of nothing but blanks is left out.
std::vector<std::string> split_markdown(std::string_view text, std::size_t longest_in_bytes,
                                        bool ended);

}  // namespace viaduct::slack
