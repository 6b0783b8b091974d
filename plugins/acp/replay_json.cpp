// The entries that an agent's replay of its own history stands for.
#include "plugins/acp/look_up.hpp"
#include "plugins/acp/protocol.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::acp {
namespace {

using Json = nlohmann::json;  // ReplayLog::json is another

// What a user said, without what agents put between it for their model.
std::string said(std::string_view text) {
  constexpr std::string_view kContext = "<session_context>", kEnd = "</session_context>";
  if (text.starts_with("[Request interrupted by user") || text.starts_with("[Function Response:"))
    return {};
  if (text.starts_with(kContext)) {
    const std::size_t end = text.find(kEnd);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + kEnd.size());
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  return std::string(text);
}

}  // namespace

void ReplayLog::say(const char* type, const Update& update) {
  const bool is_user = update.kind == Update::Kind::kUserText;
  const std::string text = is_user ? said(update.text) : update.text;
  if (text.empty()) return;
  bytes_ += text.size();
  if (!entries_.empty() && entries_.back().type == type && entries_.back().item == update.item) {
    std::string& before = entries_.back().text;
    // Pieces of an answer are tokens; of a question they are whole blocks.
    if (is_user && !before.ends_with('\n')) before += '\n';
    before += text;
  } else {
    const std::string data =
        update.meta.empty() ? std::string() : R"({"_meta":)" + update.meta + "}";
    bytes_ += data.size();
    entries_.push_back({type, update.item, text, data});
  }
}

void ReplayLog::show(const Update& update) {
  if (!update.item.empty() && !shown_.insert(update.item).second) return;
  bytes_ += update.text.size() + update.json.size();
  entries_.push_back({"content", update.item, update.text, update.json});
}

void ReplayLog::merge(const char* type, const Update& update) {
  const auto known = tools_.find(update.item);
  if (known == tools_.end()) {
    tools_.emplace(update.item, entries_.size());
    entries_.push_back({type, update.item, {}, update.json});
    bytes_ += update.json.size();
    return;
  }
  std::string& data = entries_[known->second].data;
  bytes_ -= data.size();
  Json merged = Json::parse(data, nullptr, false);
  if (const Json now = Json::parse(update.json, nullptr, false); now.is_object())
    merged.update(now);
  data = dump(merged);
  bytes_ += data.size();
}

void ReplayLog::shrink() {
  // Of old images and files the words are enough.
  for (Entry& entry : entries_) {
    if (bytes_ <= most_bytes_ / 2) return;
    if (entry.type != "content") continue;
    bytes_ -= entry.data.size();
    entry.data.clear();
    entry.type = "text";
  }
  if (bytes_ <= most_bytes_) return;
  const std::size_t gone = (entries_.size() + 1) / 2;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(gone));
  tools_.clear();
  bytes_ = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    bytes_ += entries_[i].text.size() + entries_[i].data.size();
    if (entries_[i].type == "tool_call") tools_.emplace(entries_[i].item, i);
  }
}

void ReplayLog::add(const Update& update) {
  switch (update.kind) {
    case Update::Kind::kUserText: say("user_message", update); break;
    case Update::Kind::kText: say("text", update); break;
    case Update::Kind::kThought: say("thought", update); break;
    case Update::Kind::kContent: show(update); break;
    case Update::Kind::kToolCall: {
      merge("tool_call", update);
      Update call = update;
      for (const Update& image : images_.due(call)) show(image);
      break;
    }
    case Update::Kind::kPlan:
      // The newest of its turn holds.
      for (std::size_t i = entries_.size(); i > 0 && entries_[i - 1].type != "user_message"; --i)
        if (entries_[i - 1].type == "plan") {
          bytes_ += update.json.size() - entries_[i - 1].data.size();
          entries_[i - 1].data = update.json;
          return;
        }
      bytes_ += update.json.size();
      entries_.push_back({"plan", {}, {}, update.json});
      break;
    default: return;
  }
  if (update.kind != Update::Kind::kToolCall)
    for (const Update& one : update.also) add(one);
  if (bytes_ > most_bytes_) shrink();
}

std::string ReplayLog::json() const {
  Json list = Json::array();
  for (const Entry& entry : entries_) {
    Json data = Json::parse(entry.data, nullptr, false);
    if (!data.is_object()) data = Json::object();
    list.push_back({{"type", entry.type}, {"text", entry.text}, {"data", std::move(data)}});
  }
  return dump(list);
}

}  // namespace viaduct::acp
