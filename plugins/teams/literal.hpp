// Data in Teams' Markdown: text that formats nothing, addresses that lead only where they may. Pure
// functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace viaduct::teams {

// Puts a text behind what a line has already; `text` has no line ends.
void append_literal(std::string& line, std::string_view text);

// A footnote's number as Teams knows it: [^1] is [1].
std::string with_numbers(std::string_view text);

// An address that a link may lead to, as it stands in (…); empty: it may not.
std::string address_of(std::string_view url);

// A name of a format or a language, for a code block's first line; empty: it is none.
std::string language_of(std::string_view info);

}  // namespace viaduct::teams
