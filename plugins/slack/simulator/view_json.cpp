#include "plugins/slack/simulator/view_json.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::slack::simulator {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}
// JSON that was kept as text; empty: nothing.
json kept(const std::string& text) {
  return text.empty() ? json() : json::parse(text, nullptr, /*allow_exceptions=*/false);
}
// Values that are JSON themselves.
std::string by_name(const std::map<std::string, std::string>& values) {
  json all = json::object();
  for (const auto& [name, value] : values) all[name] = kept(value);
  return dump(all);
}

}  // namespace

std::string slack_message(const Message& message) {
  json out = {{"type", "message"},
              {"user", message.user},
              {"team", std::string(kTeam)},
              {"ts", message.ts},
              {"text", message.text}};
  if (!message.thread.empty()) out["thread_ts"] = message.thread;
  if (message.user == kBot) {
    out["bot_id"] = std::string(kBotId);
    out["app_id"] = std::string(kApp);
  }
  if (const json blocks = kept(message.blocks); blocks.is_array()) out["blocks"] = blocks;
  if (const json metadata = kept(message.metadata); metadata.is_object())
    out["metadata"] = metadata;
  return dump(out);
}

std::string message_view(const Message& message) {
  json out = {{"ts", message.ts},           {"channel", message.channel},
              {"thread", message.thread},   {"user", message.user},
              {"text", message.text},       {"to", message.to},
              {"streams", message.streams}, {"edited", message.is_edited}};
  const json blocks = kept(message.blocks);
  out["blocks"] = blocks.is_array() ? blocks : json::array();
  out["reactions"] = json::array();
  for (const Reaction& one : message.reactions)
    out["reactions"].push_back({{"name", one.name}, {"users", one.users}});
  if (!message.file_name.empty())
    out["file"] = {
        {"name", message.file_name}, {"text", message.file_text}, {"words", message.file_words}};
  return dump(out);
}

std::string channels_view(const Workspace& workspace) {
  json all = json::array();
  for (const Channel& one : workspace.channels())
    all.push_back(
        {{"id", one.id}, {"name", one.name}, {"person", one.person}, {"has_bot", one.has_bot}});
  return dump(all);
}

std::string people_view(const Workspace& workspace) {
  json all = json::array();
  for (const Person& one : workspace.people())
    all.push_back({{"id", one.id}, {"name", one.name}, {"guest", one.is_guest}});
  return dump(all);
}

std::string homes_view(const std::map<std::string, std::string>& homes) {
  return by_name(homes);
}

std::string prompts_view(const std::map<std::string, std::string>& prompts) {
  return by_name(prompts);
}

std::string statuses_view(const std::map<std::string, std::string>& statuses) {
  return dump(json(statuses));
}

}  // namespace viaduct::slack::simulator
