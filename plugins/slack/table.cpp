#include "plugins/slack/table.hpp"

#include "plugins/slack/mentions.hpp"

#include <utility>

namespace viaduct::slack {

std::string Table::text() const {
  if (rows.empty()) return "";
  std::vector<std::vector<std::string>> plain;
  for (const auto& row : rows) {
    plain.emplace_back();
    for (const Cell& cell : row) plain.back().push_back(cell.plain);
  }
  const auto lines = has_links ? std::nullopt : chat::aligned(columns, plain);
  if (lines) return "```\n" + escaped(*lines) + "```";
  std::string text;
  for (std::size_t r = rows.size() == 1 ? 0 : 1; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      if (rows[r][i].mrkdwn.empty()) continue;
      const std::string& heading = i < rows[0].size() ? rows[0][i].plain : std::string();
      line += line.empty() ? "• " : "  ";
      if (r > 0 && !heading.empty()) line += "*" + escaped(heading) + ":* ";
      line += rows[r][i].mrkdwn;
    }
    if (!line.empty()) text.append(text.empty() ? "" : "\n").append(line);
  }
  return text;
}

}  // namespace viaduct::slack
