// Code fences of Markdown, line by line. Any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::chat {

struct Fence {
  char sign = '`';         // or ~
  std::size_t length = 0;  // 3 to kLongestFence
  std::size_t indent = 0;
  std::string info;  // what follows, such as the language

  // The lines without their ends.
  std::string opening() const;
  std::string closing() const;
};

inline constexpr std::size_t kLongestFence = 40;

// The fence that a line opens, whatever its indent.
std::optional<Fence> opened_by(std::string_view line);
bool closes(const Fence& fence, std::string_view line);

// Without the line's end, and with what comes behind it.
struct Line {
  std::string_view text;
  std::size_t size = 0;  // with its end
  bool has_end = false;
};
Line line_at(std::string_view text, std::size_t begin);

}  // namespace viaduct::chat
