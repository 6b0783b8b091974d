// Small functions on text that surfaces share. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace viaduct::chat {

std::string lower(std::string_view text);  // ASCII only
std::string_view trimmed(std::string_view text);

// Bytes of the UTF-8 character that `text`, which is not empty, begins with; 1 for a byte that
// belongs to none.
std::size_t character_size(std::string_view text);
// Every byte that belongs to no character becomes U+FFFD.
std::string valid_utf8(std::string_view text);
// As chat networks count what they limit: UTF-16 units.
std::size_t characters(std::string_view text);

// How many letters are added, left out, replaced or swapped with their neighbour; more than `most`
// counts as most + 1.
std::size_t edits_between(std::string_view a, std::string_view b, std::size_t most);

}  // namespace viaduct::chat
