// A Markdown table as mrkdwn, which has none. Any thread.
#pragma once

#include <viaduct/chat/table.hpp>

#include <string>
#include <vector>

namespace viaduct::slack {

struct Cell {
  std::string mrkdwn;
  std::string plain;
};

struct Table {
  std::vector<chat::Align> columns;
  std::vector<std::vector<Cell>> rows;  // the first is the heading
  bool has_links = false;

  // As code, if it is narrow and loses nothing so; else a line for each row. Without a line end
  // behind it.
  std::string text() const;
};

}  // namespace viaduct::slack
