// A model's Markdown as Teams shows it. Everything of the model is data: it mentions nobody, loads
// nothing, and links only to addresses of the web, mail and phone. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

// How a message's text is written: `textFormat` of the activity.
enum class Flavour {
  kMarkdown,  // bold, italic, code, quotes, links, lists: all clients show it
  kExtended   // "extendedmarkdown": tables and headings, too; old clients show it raw
};

// UTF-16 units of one message's text. With all that is escaped in JSON and all that stands around
// it, it stays below the 80 KB that are safe.
inline constexpr std::size_t kLongestPart = 18'000;

// For Flavour::kMarkdown: what Teams cannot show is shown as text. Headings are bold, images are
// links, a small table is aligned code and a large one has a line for each row, lines end as they
// were written. Of a text that has not `ended`, only what stays when more comes behind it: the
// result of a longer text begins with that of a shorter one.
std::string teams_markdown(std::string_view markdown, bool ended = true);

// For Flavour::kExtended: the same text, with a zero-width space where it would mention, load an
// image or link elsewhere. `ended` as above.
std::string extended_markdown(std::string_view markdown, bool ended = true);

// An answer as the texts of messages, ready to be sent. While it has not ended they only grow: of a
// longer answer all but the last are the same, and the last begins as it did. chat::joined() of
// them is teams_markdown() or extended_markdown() of the answer.
std::vector<std::string> parts_of(std::string_view markdown, Flavour flavour, bool ended,
                                  std::size_t longest_in_utf16 = kLongestPart);

}  // namespace viaduct::teams
