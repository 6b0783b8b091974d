// What plugins show of what other programs and servers say: cut without breaking a character, on
// one line, and without secrets; and which of their JSON is not to be parsed. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::net {

// The longest prefix of at most `limit` bytes that does not cut a character of UTF-8 in two.
std::string_view prefix(std::string_view text, std::size_t limit);

// One line for a person: control characters and runs of white space become one space, and what is
// longer than `limit` bytes ends in "…".
std::string one_line(std::string_view text, std::size_t limit);

// The last whole lines of at most `limit` bytes together, as one line for a person.
std::string last_lines(std::string_view text, std::size_t limit);

// With every secret, what is left of one where the text was cut, and everything that looks like a
// key, replaced by "***".
std::string redacted(std::string text, const std::vector<std::string>& secrets);

// More than any message needs: arrays and objects in each other, and values in all.
inline constexpr int kDeepestJson = 200;
inline constexpr std::size_t kMostJsonValues = 1'000'000;

// Whether a JSON text has more than that: what works on a value that is nested so by recursion
// would run out of stack, and small values take many times their text in memory. To be asked
// before a text of somebody else is parsed.
bool too_complex(std::string_view json, std::size_t most_values = kMostJsonValues,
                 int deepest = kDeepestJson);

}  // namespace viaduct::net
