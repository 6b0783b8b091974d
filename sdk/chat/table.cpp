#include <viaduct/chat/table.hpp>
#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <utility>

namespace viaduct::chat {
namespace {

char32_t code_point(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first;
  char32_t code = first & (0xFFU >> (character.size() + 1));
  for (std::size_t i = 1; i < character.size(); ++i)
    code = (code << 6U) | (static_cast<unsigned char>(character[i]) & 0x3FU);
  return code;
}

bool in(char32_t code, std::initializer_list<std::pair<char32_t, char32_t>> ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [code](const auto& range) {
    return code >= range.first && code <= range.second;
  });
}

// Letters of East Asia and emoji take two columns, marks on other letters none.
std::size_t width_of(char32_t code) {
  if (in(code, {{0x300, 0x36F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}})) return 0;
  const bool is_wide = in(code, {{0x1100, 0x115F},
                                 {0x2E80, 0x303E},
                                 {0x3041, 0xA4CF},
                                 {0xAC00, 0xD7A3},
                                 {0xF900, 0xFAFF},
                                 {0xFE30, 0xFE6F},
                                 {0xFF00, 0xFF60},
                                 {0xFFE0, 0xFFE6},
                                 {0x1F300, 0x1F64F},
                                 {0x1F680, 0x1F6FF},
                                 {0x1F900, 0x1FAFF},
                                 {0x20000, 0x3FFFD}});
  return is_wide ? 2 : 1;
}

std::string padded(const std::string& text, std::size_t width, Align align) {
  const std::size_t blanks = width - std::min(width, chat::width_of(text));
  const std::size_t left = align == Align::kRight    ? blanks
                           : align == Align::kCenter ? blanks / 2
                                                     : 0;
  return std::string(left, ' ') + text + std::string(blanks - left, ' ');
}

std::string without_end_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = character_size(text.substr(i));
    width += width_of(code_point(text.substr(i, size)));
    i += size;
  }
  return width;
}

std::optional<std::string> aligned(const std::vector<Align>& columns,
                                   const std::vector<std::vector<std::string>>& rows,
                                   std::size_t widest) {
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], chat::width_of(row[i]));
  std::size_t total = 0;
  for (const std::size_t width : widths) total += width + 3;
  if (total > widest) return std::nullopt;
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    std::string rule;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (i > 0) line += " | ";
      if (i > 0) rule += "-|-";
      line += padded(i < rows[r].size() ? rows[r][i] : "", widths[i], columns[i]);
      rule += std::string(widths[i], '-');
    }
    text += without_end_blanks(std::move(line)) + "\n";
    if (r == 0) text += rule + "\n";
  }
  return text;
}

}  // namespace viaduct::chat
