// Splits text into words, the same way for categories and for the full-text index. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace viaduct::store {

// The next word of `text` from `position` on, as it is written there; empty: no more. `position`
// goes behind it. Letters and digits make words; ASCII punctuation, and Latin-1 and general
// punctuation and spaces of Unicode, part them.
std::string_view next_word(std::string_view text, std::size_t& position);

// In lower case; letters outside of ASCII stay as they are.
std::string lower(std::string_view text);

// The length in bytes of the white space that `text` begins with: Unicode's, as \s means it.
std::size_t leading_space(std::string_view text);

std::string_view trim(std::string_view text);

}  // namespace viaduct::store
