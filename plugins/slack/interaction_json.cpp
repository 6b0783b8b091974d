#include "plugins/slack/interaction.hpp"

#include <array>

namespace viaduct::slack {
namespace {

By by_of(const chat::Value& payload) {
  By by;
  const chat::Value user = payload.at("user");
  const chat::Value team = payload.at("team");
  const chat::Value container = payload.at("container");
  const chat::Value message = payload.at("message");
  by.workspace.app = payload.text("api_app_id");
  by.workspace.team = team.text("id");
  by.workspace.enterprise = payload.at("enterprise").text("id");
  by.workspace.org_wide = payload.yes("is_enterprise_install");
  by.user = user.text("id");
  by.user_name = user.text("username");
  if (by.user_name.empty()) by.user_name = user.text("name");
  by.user_team = user.text("team_id");
  if (by.workspace.team.empty()) by.workspace.team = by.user_team;
  by.channel = payload.at("channel").text("id");
  if (by.channel.empty()) by.channel = container.text("channel_id");
  by.message_ts = container.text("message_ts");
  if (by.message_ts.empty()) by.message_ts = payload.text("message_ts");
  if (by.message_ts.empty()) by.message_ts = message.text("ts");
  by.thread_ts = container.text("thread_ts");
  if (by.thread_ts.empty()) by.thread_ts = message.text("thread_ts");
  by.is_ephemeral = container.yes("is_ephemeral");
  by.response_url = payload.text("response_url");
  by.trigger_id = payload.text("trigger_id");
  return by;
}

// What was chosen or typed, whatever the kind of element.
void take_value(const chat::Value& element, std::string& value, std::vector<std::string>& values) {
  value = element.text("value");
  if (value.empty()) value = element.at("selected_option").text("value");
  constexpr std::array kChosen = {"selected_user", "selected_channel", "selected_conversation",
                                  "selected_date", "selected_time"};
  for (const char* name : kChosen)
    if (value.empty()) value = element.text(name);
  for (const chat::Value& option : element.at("selected_options").items())
    values.push_back(option.text("value"));
  for (const char* name : {"selected_users", "selected_channels", "selected_conversations"})
    for (const chat::Value& one : element.at(name).items()) values.push_back(one.text());
}

std::vector<Field> fields_of(const chat::Value& state) {
  std::vector<Field> all;
  for (const auto& [block, elements] : state.at("values").members())
    for (const auto& [action, element] : elements.members()) {
      Field field{.block_id = block, .action_id = action, .value = "", .values = {}};
      take_value(element, field.value, field.values);
      all.push_back(std::move(field));
    }
  return all;
}

View view_of(const chat::Value& from) {
  return {.id = from.text("id"),
          .callback_id = from.text("callback_id"),
          .private_metadata = from.text("private_metadata"),
          .hash = from.text("hash"),
          .fields = fields_of(from.at("state"))};
}

BlockActions block_actions_of(const chat::Value& payload) {
  BlockActions actions;
  actions.by = by_of(payload);
  actions.message_text = payload.at("message").text("text");
  actions.view = view_of(payload.at("view"));
  actions.fields = fields_of(payload.at("state"));
  for (const chat::Value& one : payload.at("actions").items()) {
    Action action;
    action.type = one.text("type");
    action.action_id = one.text("action_id");
    action.block_id = one.text("block_id");
    action.action_ts = one.text("action_ts");
    take_value(one, action.value, action.values);
    actions.actions.push_back(std::move(action));
  }
  return actions;
}

}  // namespace

AnyRequest interaction_of(const chat::Value& payload, Workspace& workspace, std::string& id) {
  const std::string type = payload.text("type");
  By by = by_of(payload);
  workspace = by.workspace;
  // A trigger belongs to one press. block_suggestion has none, and may come again and again.
  id = by.trigger_id;
  if (type == "block_actions") return block_actions_of(payload);
  if (type == "view_submission") return ViewSubmission{std::move(by), view_of(payload.at("view"))};
  if (type == "view_closed")
    return ViewClosed{std::move(by), view_of(payload.at("view")), payload.yes("is_cleared")};
  if (type == "shortcut") return Shortcut{std::move(by), payload.text("callback_id")};
  if (type == "message_action") {
    MessageAction action{std::move(by), payload.text("callback_id"),
                         message_of(payload.at("message"))};
    action.message.channel = action.by.channel;
    return action;
  }
  if (type == "block_suggestion")
    return BlockSuggestion{std::move(by), payload.text("action_id"), payload.text("block_id"),
                           payload.text("value")};
  return OtherRequest{type};
}

}  // namespace viaduct::slack
