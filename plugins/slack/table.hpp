// A Markdown table as mrkdwn, which has none. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

enum class Align { kLeft, kRight, kCenter };

struct Cell {
  std::string mrkdwn;
  std::string plain;
};

struct Table {
  std::vector<Align> columns;
  std::vector<std::vector<Cell>> rows;  // the first is the heading
  bool has_links = false;

  // As code, if it is narrow and loses nothing so; else a line for each row. Without a line end
  // behind it.
  std::string text() const;
};

// How many columns of a fixed-width font a text takes.
std::size_t width_of(std::string_view text);

}  // namespace viaduct::slack
