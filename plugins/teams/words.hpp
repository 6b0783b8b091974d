// This plugin's own words in Teams' Markdown: what comes from elsewhere stands in them by escaped()
// or code() only, and neither formats, mentions nor links. Line ends are single: a message and a
// card each show them as they need. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

std::string escaped(std::string_view plain);
std::string code(std::string_view plain);
std::string bold(std::string_view words);
std::string italic(std::string_view words);
// Plain text in which `…` is code.
std::string with_code(std::string_view plain);
// A link to an address that this plugin made.
std::string link(std::string_view address, std::string_view words);

// As the text of a message: a line end is one there.
std::string message_text(std::string_view words);
// Without any markup, on one line: for notifications.
std::string plain_text(std::string_view words);

}  // namespace viaduct::teams
