#include "plugins/acp/look_up.hpp"
#include "plugins/acp/protocol.hpp"
#include "plugins/acp/tool_output.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace viaduct::acp {
namespace {

using nlohmann::json;

constexpr std::size_t kMostOutput = 64 << 10;
constexpr std::size_t kMostContent = 1 << 20;  // of one call
constexpr std::size_t kMostKept = 64;          // terminals, and calls

std::string text_at(const json& value, const std::string& place) {
  const json::json_pointer pointer(place);
  if (!value.contains(pointer)) return {};
  const json& found = value[pointer];
  return found.is_string() ? found.get<std::string>() : std::string();
}

}  // namespace

void ToolOutput::add(const std::string& terminal, std::string_view text) {
  if (text.empty()) return;
  if (said_.size() >= kMostKept && !said_.contains(terminal)) said_.erase(said_.begin());
  std::string& said = said_[terminal];
  said += text;
  if (said.size() <= kMostOutput) return;
  std::size_t begin = said.size() - kMostOutput;
  while (begin < said.size() && (static_cast<unsigned char>(said[begin]) & 0xC0) == 0x80) ++begin;
  said.erase(0, begin);
}

std::string ToolOutput::shown(const Update& update, const Ours& ours) {
  const bool ended = update.status == "completed" || update.status == "failed";
  const auto kept = contents_.find(update.item);
  const bool names = update.json.find("terminal") != std::string::npos;
  if (!names && !(ended && kept != contents_.end())) return update.json;
  json call = json::parse(update.json);

  // What terminals of the agent's own say it tells here, by pieces.
  for (const char* piece : {"/_meta/terminal_output", "/_meta/terminal_output_delta"})
    add(text_at(call, std::string(piece) + "/terminal_id"),
        text_at(call, std::string(piece) + "/data"));
  if (const auto content = call.find("content"); content != call.end()) {
    if (contents_.size() >= kMostKept && kept == contents_.end())
      contents_.erase(contents_.begin());
    contents_[update.item] = dump(*content);
    if (contents_[update.item].size() > kMostContent) {
      contents_.erase(update.item);
      return update.json;
    }
  } else if (!ended || kept == contents_.end()) {
    return update.json;
  }

  json parts = json::array();
  for (json& part : json::parse(contents_[update.item])) {
    if (text_at(part, "/type") != "terminal") {
      parts.push_back(std::move(part));
      continue;
    }
    const std::string terminal = text_at(part, "/terminalId");
    std::string said = ours(terminal);
    if (said.empty() && said_.contains(terminal)) said = said_[terminal];
    if (ended && !said.empty())
      parts.push_back({{"type", "content"}, {"content", {{"type", "text"}, {"text", said}}}});
  }
  call["content"] = std::move(parts);
  if (ended) contents_.erase(update.item);
  return dump(call);
}

}  // namespace viaduct::acp
