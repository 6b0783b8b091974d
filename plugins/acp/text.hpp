// Small functions on text that the parts of the ACP client share. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace viaduct::acp {

// A JSON text that its writer got wrong, made into one that can be read, without losing the rest:
// bytes that are not UTF-8 and halves of a surrogate pair become U+FFFD, control characters in
// strings are escaped, and numbers that no double holds, NaN and Infinity become null.
std::string mended(std::string_view json);

// In lower case, ASCII only.
std::string lower(std::string_view text);

}  // namespace viaduct::acp
