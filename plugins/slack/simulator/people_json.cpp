// What people do in the simulator's page, as Slack would deliver it.
#include <viaduct/chat/text.hpp>
#include "plugins/slack/manifest.hpp"
#include "plugins/slack/simulator/stand_in.hpp"
#include "plugins/slack/simulator/view_json.hpp"

#include <nlohmann/json.hpp>

#include <ctime>
#include <utility>

namespace viaduct::slack::simulator {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestText = 12'000;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}
std::string text_of(const json& from, const char* name) {
  const auto found = from.is_object() ? from.find(name) : from.end();
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The control with this action in a message's blocks, and the block's id; null: none.
json control_of(const json& blocks, std::string_view action, std::string& block_id) {
  for (const json& block : blocks) {
    json all = block.value("elements", json::array());
    if (block.contains("accessory")) all.push_back(block["accessory"]);
    for (const json& one : all)
      if (text_of(one, "action_id") == action) {
        block_id = text_of(block, "block_id");
        return one;
      }
  }
  return {};
}

// The option of a select, or null.
json option_of(const json& control, std::string_view value) {
  for (const json& one : control.value("options", json::array()))
    if (text_of(one, "value") == value) return one;
  for (const json& group : control.value("option_groups", json::array()))
    for (const json& one : group.value("options", json::array()))
      if (text_of(one, "value") == value) return one;
  return {};
}

json user_json(const Person& who) {
  return {
      {"id", who.id}, {"username", who.name}, {"name", who.name}, {"team_id", std::string(kTeam)}};
}

}  // namespace

std::string StandIn::snapshot() {
  std::string messages;
  for (const Message& one : workspace_.messages())
    messages += (messages.empty() ? "" : ",") + message_view(one);
  return R"({"whole":true,"command":)" + dump(json(command_)) + R"(,"bot":)" +
         dump({{"id", std::string(kBot)}, {"name", std::string(kBotName)}}) + R"(,"people":)" +
         people_view(workspace_) + R"(,"channels":)" + channels_view(workspace_) +
         R"(,"messages":[)" + messages + R"(],"homes":)" + homes_view(homes_) + R"(,"statuses":)" +
         statuses_view(statuses_) + R"(,"prompts":)" + prompts_view(prompts_) + "}";
}

Message& StandIn::add(Message message) {
  std::vector<std::string> gone;
  Message& added = workspace_.add(std::move(message), gone);
  if (!gone.empty()) tell("gone", dump(json(gone)));
  changed(added);
  return added;
}

void StandIn::changed(const Message& message) {
  tell("messages", "[" + message_view(message) + "]");
}

void StandIn::tell(std::string_view part, const std::string& items) {
  if (watcher_) watcher_("{\"" + std::string(part) + "\":" + items + "}");
}

void StandIn::recall(const std::string& channel, const std::string& thread) {
  if (workspace_.channel(channel) == nullptr && !channel.starts_with('D'))
    workspace_.add_channel(channel, "channel-" + chat::lower(channel));
  if (thread.empty() || workspace_.channel(channel) == nullptr ||
      workspace_.message(channel, thread) != nullptr)
    return;
  Message message;
  message.ts = thread;
  message.channel = channel;
  message.user = kBot;
  message.text = "_A conversation from before a restart: what was said here is no longer shown._";
  add(std::move(message));
}

void StandIn::deliver(std::string type, std::string payload, SocketModeOptions::Ack ack) {
  if (!deliver_) return;
  Envelope envelope;
  envelope.takes_payload = type == "slash_commands";
  envelope.type = std::move(type);
  envelope.payload = std::move(payload);
  deliver_(std::move(envelope), ack ? std::move(ack) : [](const std::string&) {});
}

void StandIn::event(const std::string& event_json) {
  deliver("events_api", R"({"type":"event_callback","team_id":")" + std::string(kTeam) +
                            R"(","api_app_id":")" + std::string(kApp) + R"(","event_id":")" +
                            workspace_.new_id("Ev") + R"(","event_time":)" +
                            std::to_string(std::time(nullptr)) + R"(,"event":)" + event_json + "}");
}

std::expected<void, std::string> StandIn::act(std::string_view text) {
  const json act = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Person* who = workspace_.person(text_of(act, "as"));
  if (who == nullptr) return std::unexpected("nobody is called that");
  const std::string what = text_of(act, "do");
  if (what == "home") {
    event(dump({{"type", "app_home_opened"},
                {"user", who->id},
                {"channel", workspace_.direct(who->id)},
                {"tab", "home"}}));
    return {};
  }
  Channel* channel = workspace_.channel(text_of(act, "channel"));
  if (channel == nullptr || (channel->is_direct() && channel->person != who->id))
    return std::unexpected("there is no such channel");
  if (what == "say") {
    const std::string typed = text_of(act, "text");
    const std::string thread = text_of(act, "thread");
    if (chat::trimmed(typed).empty()) return std::unexpected("there is nothing to send");
    if (typed.size() > kLongestText)
      return std::unexpected("that is longer than Slack takes as one message");
    if (!thread.empty()) {
      const Message* first = workspace_.message(channel->id, thread);
      if (first == nullptr || !first->thread.empty() || !first->to.empty())
        return std::unexpected("that thread is not there any more");
    }
    const std::string_view said = chat::trimmed(typed);
    const bool is_slash = said.starts_with('/');
    const std::string_view word = said.substr(0, said.find_first_of(" \t\n"));
    if (is_slash && word != command_)
      return std::unexpected("there is no command " + std::string(word) + "; this app's is " +
                             command_);
    if (is_slash && !thread.empty())
      return std::unexpected("Slack has no slash commands in threads: mention the bot, @" +
                             std::string(kBotName) + std::string(said.substr(word.size())));
    if (is_slash)
      slash(*who, *channel, said);
    else
      say(*who, *channel, thread, typed);
    return {};
  }
  if (what == "invite") {
    invite(*who, *channel);
    return {};
  }
  Message* message = workspace_.message(channel->id, text_of(act, "message"));
  if (message == nullptr || (!message->to.empty() && message->to != who->id))
    return std::unexpected("that message is not there any more");
  if (what == "press")
    return press(*who, *channel, *message, text_of(act, "action"), text_of(act, "option"));
  if (what == "send_to_agent") {
    send_message(*who, *channel, *message);
    return {};
  }
  if (what == "stop") {
    event(dump({{"type", "agent_session_stopped"},
                {"user", who->id},
                {"channel", channel->id},
                {"thread_ts", message->thread.empty() ? message->ts : message->thread}}));
    return {};
  }
  if (what == "react") {
    const std::string name = text_of(act, "name");
    if (!Workspace::react(*message, who->id, name, true)) {
      Workspace::react(*message, who->id, name, false);
      changed(*message);
      return {};
    }
    changed(*message);
    event(dump({{"type", "reaction_added"},
                {"user", who->id},
                {"reaction", name},
                {"item", {{"type", "message"}, {"channel", channel->id}, {"ts", message->ts}}}}));
    return {};
  }
  return std::unexpected("nobody knows how to do that");
}

void StandIn::say(const Person& who, Channel& channel, const std::string& thread,
                  std::string_view typed) {
  Message message;
  message.channel = channel.id;
  message.thread = thread;
  message.user = who.id;
  message.text = encoded(typed, workspace_);
  json said = json::parse(slack_message(add(std::move(message))));
  if (!channel.has_bot) return;
  said["channel"] = channel.id;
  said["channel_type"] = channel.is_direct() ? "im" : "channel";
  said["event_ts"] = said["ts"];
  said["client_msg_id"] = workspace_.new_id("M");
  const std::string text = said["text"];
  event(dump(said));
  if (channel.is_direct() || text.find("<@" + std::string(kBot) + ">") == std::string::npos) return;
  said["type"] = "app_mention";  // comes twice, as with Slack
  said.erase("channel_type");
  event(dump(said));
}

void StandIn::slash(const Person& who, const Channel& channel, std::string_view typed) {
  const std::string_view rest = chat::trimmed(typed.substr(command_.size()));
  const std::string url = new_reply({"", channel.id, "", who.id, ""});
  const json payload = {{"command", command_},
                        {"text", std::string(rest)},
                        {"team_id", std::string(kTeam)},
                        {"api_app_id", std::string(kApp)},
                        {"user_id", who.id},
                        {"user_name", who.name},
                        {"channel_id", channel.id},
                        {"channel_name", channel.is_direct() ? "directmessage" : channel.name},
                        {"response_url", url},
                        {"trigger_id", workspace_.new_id("t")}};
  deliver("slash_commands", dump(payload),
          [weak = weak_from_this(), place = replies_.back()](const std::string& answer) {
            if (const auto self = weak.lock(); self && !answer.empty())
              self->responded(place, answer);
          });
}

std::expected<void, std::string> StandIn::press(const Person& who, const Channel& channel,
                                                const Message& message, std::string_view action,
                                                std::string_view option) {
  const json blocks = json::parse(message.blocks, nullptr, false);
  std::string block_id;
  const json control = blocks.is_array() ? control_of(blocks, action, block_id) : json();
  if (control.is_null()) return std::unexpected("that button is not there any more");
  json pressed = {{"type", text_of(control, "type")},
                  {"action_id", std::string(action)},
                  {"block_id", block_id},
                  {"action_ts", message.ts}};
  if (control.contains("value")) pressed["value"] = control["value"];
  if (!option.empty()) {
    const json chosen = option_of(control, option);
    if (chosen.is_null()) return std::unexpected("that cannot be chosen any more");
    pressed["selected_option"] = chosen;
  }
  const bool is_whisper = !message.to.empty();
  json container = {{"type", "message"},
                    {"message_ts", message.ts},
                    {"channel_id", channel.id},
                    {"is_ephemeral", is_whisper}};
  if (!message.thread.empty()) container["thread_ts"] = message.thread;
  json payload = {{"type", "block_actions"},
                  {"team", {{"id", std::string(kTeam)}}},
                  {"user", user_json(who)},
                  {"api_app_id", std::string(kApp)},
                  {"channel", {{"id", channel.id}, {"name", channel.name}}},
                  {"container", std::move(container)},
                  {"trigger_id", workspace_.new_id("t")},
                  {"response_url", new_reply({"", channel.id, message.thread, who.id, message.ts})},
                  {"state", {{"values", json::object()}}},
                  {"actions", json::array({std::move(pressed)})}};
  if (!is_whisper) payload["message"] = json::parse(slack_message(message));
  deliver("interactive", dump(payload));
  return {};
}

void StandIn::send_message(const Person& who, const Channel& channel, const Message& message) {
  deliver("interactive",
          dump({{"type", "message_action"},
                {"callback_id", std::string(kSendShortcut)},
                {"team", {{"id", std::string(kTeam)}}},
                {"user", user_json(who)},
                {"api_app_id", std::string(kApp)},
                {"channel", {{"id", channel.id}, {"name", channel.name}}},
                {"message_ts", message.ts},
                {"message", json::parse(slack_message(message))},
                {"trigger_id", workspace_.new_id("t")},
                {"response_url", new_reply({"", channel.id, message.thread, who.id, ""})}}));
}

void StandIn::invite(const Person& who, Channel& channel) {
  if (channel.has_bot) return;
  channel.has_bot = true;
  tell("channels", channels_view(workspace_));
  event(dump({{"type", "member_joined_channel"},
              {"user", std::string(kBot)},
              {"channel", channel.id},
              {"inviter", who.id}}));
}

}  // namespace viaduct::slack::simulator
