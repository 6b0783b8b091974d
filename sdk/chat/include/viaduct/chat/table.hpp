// Tables for networks that have none: columns of the same width, for a fixed-width font. Any
// thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::chat {

enum class Align { kLeft, kRight, kCenter };

// That a phone can still scroll, and a window shows whole.
inline constexpr std::size_t kWidestTable = 72;

// How many columns of a fixed-width font a text takes.
std::size_t width_of(std::string_view text);

// A line for each row, each with its end, and a rule below the first. nullopt: it is wider.
std::optional<std::string> aligned(const std::vector<Align>& columns,
                                   const std::vector<std::vector<std::string>>& rows,
                                   std::size_t widest = kWidestTable);

}  // namespace viaduct::chat
