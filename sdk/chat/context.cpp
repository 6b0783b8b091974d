#include <viaduct/chat/context.hpp>

#include <viaduct/sdk/base.hpp>

#include <algorithm>
#include <utility>

namespace viaduct::chat {

std::string context_json(const std::vector<EarlierLine>& lines, std::size_t limit) {
  std::vector<std::string> kept;
  std::size_t size = 2;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    std::string one = R"({"author":)" + sdk::json_string(line->author) + R"(,"text":)" +
                      sdk::json_string(line->text) + "}";
    size += one.size() + 1;
    if (size > limit) break;
    kept.push_back(std::move(one));
  }
  if (kept.empty()) return "";
  std::ranges::reverse(kept);
  std::string json = "[";
  for (const std::string& one : kept) json += (json.size() > 1 ? "," : "") + one;
  return json + "]";
}

}  // namespace viaduct::chat
