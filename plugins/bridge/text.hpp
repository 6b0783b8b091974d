// Small functions on text that several parts of the bridge share. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::bridge {

// The longest prefix of at most `limit` bytes that does not cut a character in two.
std::string_view prefix(std::string_view text, std::size_t limit);

// One line for a person: control characters and runs of white space become one space, and what is
// longer than `limit` bytes ends in "…".
std::string one_line(std::string_view text, std::size_t limit);

// With every secret, and everything that looks like a key, replaced by "***".
std::string redacted(std::string text, const std::vector<std::string>& secrets);

}  // namespace viaduct::bridge
