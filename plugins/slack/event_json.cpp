// No JSON library is needed here: value.hpp looks into it.
#include <viaduct/chat/value.hpp>
#include "plugins/slack/event.hpp"
#include "plugins/slack/form.hpp"
#include "plugins/slack/interaction.hpp"

#include <openssl/evp.h>

#include <array>

namespace viaduct::slack {
namespace {

std::string first_of(std::string a, std::string b) {
  return a.empty() ? std::move(b) : std::move(a);
}

std::int64_t seconds(const chat::Value& from, std::string_view name) {
  const std::uint64_t number = from.number(name);
  return number <= 253'402'300'799U ? static_cast<std::int64_t>(number) : 0;  // the year 9999
}

// For what has no id of its own: a second copy has the same text.
std::string key_of_text(std::string_view body) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  EVP_Digest(body.data(), body.size(), hash.data(), &size, EVP_sha256(), nullptr);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string key = "body/";
  for (unsigned int i = 0; i < size; ++i) {
    key += kHex[hash[i] >> 4U];
    key += kHex[hash[i] & 0xFU];
  }
  return key;
}

std::string key_of(std::string_view kind, const Workspace& workspace, const std::string& id,
                   std::string_view body) {
  if (id.empty()) return key_of_text(body);
  const std::string& team = workspace.team.empty() ? workspace.enterprise : workspace.team;
  return std::string(kind) + "/" + workspace.app + "/" + team + "/" + id;
}

// The installation that the event was delivered for, which in a shared channel may be another one
// than the author's.
Workspace workspace_of_event(const chat::Value& envelope) {
  Workspace workspace;
  workspace.app = envelope.text("api_app_id");
  const std::string team = first_of(envelope.text("context_team_id"), envelope.text("team_id"));
  workspace.team = team;
  workspace.enterprise =
      first_of(envelope.text("context_enterprise_id"), envelope.text("enterprise_id"));
  const std::vector<chat::Value> all = envelope.at("authorizations").items();
  if (!all.empty()) {
    workspace.org_wide = all[0].yes("is_enterprise_install");
    workspace.team = first_of(all[0].text("team_id"), team);
    workspace.enterprise = first_of(all[0].text("enterprise_id"), workspace.enterprise);
  }
  return workspace;
}

AssistantThread assistant_thread_of(const chat::Value& event, bool has_started) {
  const chat::Value thread = event.at("assistant_thread");
  return {.has_started = has_started,
          .user = thread.text("user_id"),
          .channel = thread.text("channel_id"),
          .thread_ts = thread.text("thread_ts"),
          .context_channel = thread.at("context").text("channel_id")};
}

void take_files(const chat::Value& from, std::vector<File>& files) {
  for (const chat::Value& one : from.at("files").items()) {
    File file{.id = one.text("id"),
              .name = first_of(one.text("name"), one.text("title")),
              .mimetype = one.text("mimetype"),
              .size = one.number("size"),
              .url = first_of(one.text("url_private_download"), one.text("url_private")),
              .needs_info = one.text("file_access") == "check_file_info"};
    if (!file.id.empty()) files.push_back(std::move(file));
  }
}

std::vector<std::string> texts_of(const chat::Value& list) {
  std::vector<std::string> all;
  for (const chat::Value& one : list.items())
    if (std::string text = one.text(); !text.empty()) all.push_back(std::move(text));
  return all;
}

AnyEvent message_event(const chat::Value& event) {
  const std::string subtype = event.text("subtype");
  const std::string channel = event.text("channel");
  if (subtype == "message_changed") {
    MessageChanged changed;
    changed.channel = channel;
    changed.message = message_of(event.at("message"));
    if (changed.message.channel.empty()) changed.message.channel = channel;
    changed.message.channel_type = event.text("channel_type");
    return changed;
  }
  if (subtype == "message_deleted")
    return MessageDeleted{.channel = channel, .ts = event.text("deleted_ts")};
  return message_of(event);
}

// What is most likely meant comes first; lists and canvases have no channel.
ContextChanged context_changed(const chat::Value& event) {
  ContextChanged changed{event.text("user"), ""};
  for (const chat::Value& entity : event.at("context").at("entities").items()) {
    const bool is_channel = entity.text("type") == "slack#/types/channel_id";
    changed.channel = is_channel ? entity.text("value") : entity.at("value").text("channel_id");
    if (!changed.channel.empty()) break;
  }
  return changed;
}

AnyEvent event_of(const chat::Value& event) {
  const std::string type = event.text("type");
  const std::string user = event.text("user");
  const std::string channel = event.text("channel");
  if (type == "message") return message_event(event);
  if (type == "app_mention") {
    Message message = message_of(event);
    message.is_mention = true;
    return message;
  }
  if (type == "app_home_opened") return HomeOpened{user, channel, event.text("tab") == "messages"};
  if (type == "assistant_thread_started") return assistant_thread_of(event, true);
  if (type == "assistant_thread_context_changed") return assistant_thread_of(event, false);
  if (type == "app_context_changed") return context_changed(event);
  if (type == "agent_session_stopped")
    return SessionStopped{user, channel, event.text("thread_ts")};
  if (type == "reaction_added") {
    const chat::Value item = event.at("item");
    return ReactionAdded{user, event.text("reaction"), item.text("channel"), item.text("ts")};
  }
  if (type == "member_joined_channel") return MemberJoined{user, channel};
  if (type == "app_uninstalled") return Uninstalled{};
  if (type == "tokens_revoked") {
    const chat::Value tokens = event.at("tokens");
    return TokensRevoked{texts_of(tokens.at("oauth")), texts_of(tokens.at("bot"))};
  }
  return OtherEvent{type};
}

std::expected<Request, std::string> parse_json_body(std::string_view body) {
  const chat::Value envelope = chat::Value::parsed(body);
  if (!envelope.is_object()) return std::unexpected("the request's body is no JSON object");
  const std::string type = envelope.text("type");
  if (type == "url_verification")
    return Request{key_of_text(body), UrlVerification{envelope.text("challenge")}};
  if (type == "app_rate_limited")
    return Request{key_of_text(body),
                   RateLimited{envelope.text("team_id"), seconds(envelope, "minute_rate_limited")}};
  if (type != "event_callback") return Request{key_of_text(body), OtherRequest{type}};
  Event event;
  event.workspace = workspace_of_event(envelope);
  event.event_id = envelope.text("event_id");
  event.time = seconds(envelope, "event_time");
  event.what = event_of(envelope.at("event"));
  if (auto* changed = std::get_if<ContextChanged>(&event.what); changed && changed->user.empty())
    for (const chat::Value& one : envelope.at("authorizations").items())
      if (changed->user.empty() && !one.yes("is_bot")) changed->user = one.text("user_id");
  std::string key = key_of("event", event.workspace, event.event_id, body);
  return Request{std::move(key), std::move(event)};
}

// `get`: a field by its name.
template <class Get>
SlashCommand command_of(const Get& get) {
  SlashCommand command;
  command.workspace = {.app = get("api_app_id"),
                       .team = get("team_id"),
                       .enterprise = get("enterprise_id"),
                       .org_wide = get("is_enterprise_install") == "true"};
  command.command = get("command");
  command.text = get("text");
  command.user = get("user_id");
  command.user_name = get("user_name");
  command.channel = get("channel_id");
  command.channel_name = get("channel_name");
  command.response_url = get("response_url");
  command.trigger_id = get("trigger_id");
  return command;
}

Request request_of(SlashCommand command, std::string_view body) {
  std::string key = key_of("command", command.workspace, command.trigger_id, body);
  return {std::move(key), std::move(command)};
}

std::expected<Request, std::string> parse_interactive(std::string_view payload) {
  const chat::Value value = chat::Value::parsed(payload);
  if (!value.is_object()) return std::unexpected("the interaction's payload is no JSON object");
  Workspace workspace;
  std::string id;
  AnyRequest what = interaction_of(value, workspace, id);
  return Request{key_of("interaction", workspace, id, payload), std::move(what)};
}

}  // namespace

Message message_of(const chat::Value& from) {
  Message message;
  message.channel = from.text("channel");
  message.channel_type = from.text("channel_type");
  message.user = from.text("user");
  message.user_team = first_of(from.text("user_team"), from.text("source_team"));
  message.text = from.text("text");
  message.ts = from.text("ts");
  message.thread_ts = from.text("thread_ts");
  message.subtype = from.text("subtype");
  message.bot_id = from.text("bot_id");
  message.app_id = first_of(from.text("app_id"), from.at("bot_profile").text("app_id"));
  message.is_edited = from.at("edited").is_object();
  message.is_hidden = from.yes("hidden");
  take_files(from, message.files);
  // What was unfurled has a from_url and is no part of what the person says.
  for (const chat::Value& one : from.at("attachments").items()) {
    if (!one.yes("is_share") && !one.yes("is_msg_unfurl")) continue;
    const std::string author = one.text("author_name");
    if (std::string text = one.text("text"); !text.empty())
      message.quoted.push_back(author.empty() ? std::move(text) : author + ": " + text);
    take_files(one, message.files);
  }
  return message;
}

std::expected<Request, std::string> parse_http(std::string_view content_type,
                                               std::string_view body) {
  if (is_type(content_type, "application/json")) return parse_json_body(body);
  if (!is_type(content_type, "application/x-www-form-urlencoded"))
    return std::unexpected("the request's type is neither JSON nor a form");
  if (is_ssl_check(content_type, body)) return Request{key_of_text(body), SslCheck{}};
  const Form form(body);
  if (form.has("payload")) return parse_interactive(form.get("payload"));
  if (!form.get("command").starts_with('/'))
    return std::unexpected("the form is neither a slash command nor an interaction");
  return request_of(command_of([&form](std::string_view name) { return form.get(name); }), body);
}

std::expected<Request, std::string> parse_envelope(std::string_view type,
                                                   std::string_view payload) {
  if (type == "events_api") return parse_json_body(payload);
  if (type == "interactive") return parse_interactive(payload);
  if (type != "slash_commands")
    return Request{key_of_text(payload), OtherRequest{std::string(type)}};
  const chat::Value value = chat::Value::parsed(payload);
  if (!value.text("command").starts_with('/'))
    return std::unexpected("the envelope holds no slash command");
  SlashCommand command = command_of([&value](std::string_view name) { return value.text(name); });
  command.workspace.org_wide = command.workspace.org_wide || value.yes("is_enterprise_install");
  return request_of(std::move(command), payload);
}

std::expected<std::vector<Message>, std::string> parse_messages(std::string_view json,
                                                                const std::string& channel) {
  const chat::Value answer = chat::Value::parsed(json);
  if (!answer.at("messages").is_list()) return std::unexpected("the answer lists no messages");
  std::vector<Message> all;
  for (const chat::Value& one : answer.at("messages").items()) {
    all.push_back(message_of(one));
    all.back().channel = channel;
  }
  return all;
}

std::expected<Person, std::string> parse_person(std::string_view json) {
  const chat::Value user = chat::Value::parsed(json).at("user");
  Person person;
  person.id = user.text("id");
  if (person.id.empty()) return std::unexpected("the answer names no person");
  const chat::Value profile = user.at("profile");
  person.team = user.text("team_id");
  person.enterprise = user.at("enterprise_user").text("enterprise_id");
  person.teams = texts_of(user.at("enterprise_user").at("teams"));
  person.name = first_of(first_of(profile.text("display_name"), profile.text("real_name")),
                         first_of(first_of(user.text("real_name"), user.text("name")), person.id));
  person.timezone = user.text("tz");
  person.is_bot = user.yes("is_bot") || person.id == "USLACKBOT";
  person.is_deleted = user.yes("deleted");
  person.is_guest = user.yes("is_restricted") || user.yes("is_ultra_restricted");
  person.is_stranger = user.yes("is_stranger");
  return person;
}

}  // namespace viaduct::slack
