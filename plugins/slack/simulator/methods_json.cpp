// The Web API of the StandIn.
#include "plugins/slack/simulator/stand_in.hpp"
#include "plugins/slack/simulator/view_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>
#include <viaduct/chat/base64.hpp>
#include <viaduct/chat/file.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::slack::simulator {
namespace {

using nlohmann::json;

constexpr std::size_t kMostReplies = 200;     // response_urls that are known
constexpr std::size_t kMostUploads = 20;      // that wait for their end
constexpr std::size_t kMostOfAFile = 64'000;  // of its text that is kept
constexpr std::size_t kLargestPicture = 1'000'000;
constexpr std::size_t kLongestStream = 12'000;
constexpr std::string_view kOrigin = "https://simulator.invalid/";

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}
json read(std::string_view text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}
std::string refused(std::string_view error) {
  return dump({{"ok", false}, {"error", std::string(error)}});
}
std::string done(json more = json::object()) {
  more["ok"] = true;
  return dump(more);
}
std::string text_of(const json& from, const char* name) {
  const auto found = from.is_object() ? from.find(name) : from.end();
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string();
}
// The list as it was given, or empty.
std::string list_of(const std::string& text) {
  const json list = read(text);
  return list.is_array() && !list.empty() ? dump(list) : std::string();
}

json person_json(const Person& person) {
  return {{"id", person.id},
          {"team_id", std::string(kTeam)},
          {"name", person.name},
          {"is_restricted", person.is_guest},
          {"profile", {{"display_name", person.name}}}};
}

}  // namespace

net::Task<net::HttpResult<net::HttpResponse>> StandIn::fetch(net::HttpRequest request) {
  co_return answer(request);
}

net::HttpResponse StandIn::answer(const net::HttpRequest& request) {
  const std::string_view url = request.url;
  const auto below = [url](std::string_view prefix) {
    return url.starts_with(prefix) ? url.substr(prefix.size()) : std::string_view();
  };
  if (const auto method = below(kBase); !method.empty()) {
    const std::string bearer = "Bearer " + std::string(kToken);
    const bool is_known = std::ranges::any_of(request.headers, [&](const net::HttpHeader& one) {
      return one.name == "Authorization" && one.value == bearer;
    });
    return {{200, {}}, is_known ? called(method, Form(request.body)) : refused("not_authed")};
  }
  if (const auto id = below(std::string(kOrigin) + "response/"); !id.empty()) {
    const auto found = std::ranges::find(replies_, id, &ReplyPlace::id);
    if (found == replies_.end()) return {{404, {}}, refused("expired_url")};
    return {{200, {}}, responded(ReplyPlace(*found), request.body)};
  }
  if (const auto id = below(std::string(kOrigin) + "upload/"); !id.empty()) {
    const auto found = std::ranges::find(uploads_, id, &Upload::id);
    if (found == uploads_.end()) return {{404, {}}, ""};
    found->is_there = true;
    std::string type;
    for (const net::HttpHeader& one : request.headers)
      if (one.name == "Content-Type") type = one.value;
    const std::string& bytes = request.body;
    if (type.starts_with("image/") && bytes.size() <= kLargestPicture)
      found->bytes = "data:" + type + ";base64," + chat::base64(bytes);
    else if (chat::valid_utf8(bytes) == bytes)
      found->bytes = net::prefix(bytes, kMostOfAFile);
    else
      found->bytes = chat::size_words(bytes.size()) + " that are no text";
    return {{200, {}}, "OK"};
  }
  return {{404, {}}, ""};
}

std::string StandIn::called(std::string_view method, const Form& form) {
  if (method == "auth.test")
    return done({{"url", std::string(kOrigin)},
                 {"team", "Simulator"},
                 {"team_id", std::string(kTeam)},
                 {"user", std::string(kBotName)},
                 {"user_id", std::string(kBot)},
                 {"bot_id", std::string(kBotId)}});
  if (method == "users.info") {
    if (form.get("user") == kBot)
      return done({{"user",
                    {{"id", std::string(kBot)},
                     {"name", std::string(kBotName)},
                     {"team_id", std::string(kTeam)},
                     {"is_bot", true}}}});
    const Person* person = workspace_.person(form.get("user"));
    return person == nullptr ? refused("user_not_found") : done({{"user", person_json(*person)}});
  }
  if (method == "conversations.info") {
    const Channel* channel = workspace_.channel(form.get("channel"));
    if (channel == nullptr) return refused("channel_not_found");
    return done({{"channel",
                  {{"id", channel->id},
                   {"name", channel->name},
                   {"is_im", channel->is_direct()},
                   {"is_member", channel->has_bot}}}});
  }
  if (method == "chat.postMessage") return posted(form, false);
  if (method == "chat.startStream") return posted(form, true);
  if (method == "chat.appendStream") return grown(form, false);
  if (method == "chat.stopStream") return grown(form, true);
  if (method == "chat.postEphemeral") return whispered(form);
  if (method == "chat.update") return updated(form);
  if (method == "reactions.add") return reacted(form, true);
  if (method == "reactions.remove") return reacted(form, false);
  if (method == "conversations.history") return listed(form, false);
  if (method == "conversations.replies") return listed(form, true);
  if (method == "conversations.create") return made_channel(form);
  if (method == "conversations.invite") return done();  // everybody is everywhere
  if (method == "views.publish") return shown_home(form);
  if (method == "assistant.threads.setStatus") return shown_status(form);
  if (method == "assistant.threads.setTitle") return done();
  if (method == "assistant.threads.setSuggestedPrompts") {
    const json prompts = read(form.get("prompts"));
    if (!prompts.is_array() || workspace_.channel(form.get("channel_id")) == nullptr)
      return refused("invalid_arguments");
    prompts_[form.get("channel_id")] = dump(prompts);
    tell("prompts", prompts_view(prompts_));
    return done();
  }
  if (method == "files.getUploadURLExternal") {
    uploads_.push_back({workspace_.new_id("F"), form.get("filename"), form.get("alt_txt"), ""});
    if (uploads_.size() > kMostUploads) uploads_.pop_front();
    const std::string& id = uploads_.back().id;
    return done({{"upload_url", std::string(kOrigin) + "upload/" + id}, {"file_id", id}});
  }
  if (method == "files.completeUploadExternal") return completed(form);
  return refused("unknown_method");
}

// ---------------------------------------------------------------- messages

std::string StandIn::posted(const Form& form, bool is_stream) {
  const Channel* channel = workspace_.channel(form.get("channel"));
  if (channel == nullptr) return refused("channel_not_found");
  if (!channel->has_bot) return refused("not_in_channel");
  Message message;
  message.channel = channel->id;
  message.thread = form.get("thread_ts");
  if (!message.thread.empty() && workspace_.message(channel->id, message.thread) == nullptr)
    return refused("thread_not_found");
  message.user = kBot;
  message.text = form.get(is_stream ? "markdown_text" : "text");
  message.blocks = is_stream ? std::string() : list_of(form.get("blocks"));
  message.metadata = form.get("metadata");
  message.streams = is_stream;
  if (!is_stream && message.text.empty() && message.blocks.empty()) return refused("no_text");
  // An answer is the end of the sign that somebody writes.
  if (statuses_.erase(channel->id + "/" + message.thread) > 0)
    tell("statuses", statuses_view(statuses_));
  const Message& added = add(std::move(message));
  return done({{"channel", added.channel},
               {"ts", added.ts},
               {"message", json::parse(slack_message(added))}});
}

std::string StandIn::whispered(const Form& form) {
  const Channel* channel = workspace_.channel(form.get("channel"));
  if (channel == nullptr) return refused("channel_not_found");
  if (!channel->has_bot) return refused("not_in_channel");
  if (workspace_.person(form.get("user")) == nullptr) return refused("user_not_in_channel");
  Message message;
  message.channel = channel->id;
  message.thread = form.get("thread_ts");
  message.user = kBot;
  message.to = form.get("user");
  message.text = form.get("text");
  message.blocks = list_of(form.get("blocks"));
  return done({{"message_ts", add(std::move(message)).ts}});
}

std::string StandIn::updated(const Form& form) {
  Message* message = workspace_.message(form.get("channel"), form.get("ts"));
  if (message == nullptr) return refused("message_not_found");
  if (message->user != kBot || !message->to.empty()) return refused("cant_update_message");
  if (message->streams) return refused("streaming_state_conflict");
  message->text = form.get("text");
  if (form.has("blocks")) message->blocks = list_of(form.get("blocks"));
  if (form.has("metadata")) message->metadata = form.get("metadata");
  message->is_edited = true;
  changed(*message);
  return done({{"channel", message->channel}, {"ts", message->ts}, {"text", message->text}});
}

std::string StandIn::grown(const Form& form, bool ends) {
  Message* message = workspace_.message(form.get("channel"), form.get("ts"));
  if (message == nullptr) return refused("message_not_found");
  if (!message->streams) return refused("message_not_in_streaming_state");
  const std::string& more = form.get("markdown_text");
  if (message->text.size() + more.size() > kLongestStream) return refused("msg_too_long");
  message->text += more;
  if (ends) {
    message->streams = false;
    message->blocks = dump(json::array({{{"type", "markdown"}, {"text", message->text}}}));
  }
  changed(*message);
  return done({{"channel", message->channel}, {"ts", message->ts}});
}

// The newest of a channel first, or a thread in its order. There are few: all at once.
std::string StandIn::listed(const Form& form, bool is_thread) {
  const std::string& channel = form.get("channel");
  if (workspace_.channel(channel) == nullptr) return refused("channel_not_found");
  const std::string& thread = form.get("ts");
  const std::string& latest = form.get("latest");
  const std::string& oldest = form.get("oldest");
  json messages = json::array();
  for (const Message& one : workspace_.messages()) {
    if (one.channel != channel || !one.to.empty()) continue;
    if (is_thread ? one.ts != thread && one.thread != thread : !one.thread.empty()) continue;
    if ((!latest.empty() && one.ts > latest) || (!oldest.empty() && one.ts < oldest)) continue;
    messages.push_back(json::parse(slack_message(one)));
  }
  if (is_thread && messages.empty()) return refused("thread_not_found");
  if (!is_thread) std::reverse(messages.begin(), messages.end());
  return done({{"messages", std::move(messages)}, {"has_more", false}});
}

std::string StandIn::reacted(const Form& form, bool add) {
  Message* message = workspace_.message(form.get("channel"), form.get("timestamp"));
  if (message == nullptr) return refused("message_not_found");
  if (!Workspace::react(*message, kBot, form.get("name"), add))
    return refused(add ? "already_reacted" : "no_reaction");
  changed(*message);
  return done();
}

std::string StandIn::responded(const ReplyPlace& place, std::string_view text) {
  const json body = read(text);
  if (!body.is_object()) return refused("invalid_payload");
  Message* old = workspace_.message(place.channel, place.message);
  if (body.value("delete_original", json()) == true && old != nullptr) {
    tell("gone", dump(json::array({place.message})));
    workspace_.remove(place.channel, place.message);
    return done();
  }
  const json blocks = body.value("blocks", json());
  const std::string list = blocks.is_array() && !blocks.empty() ? dump(blocks) : std::string();
  if (body.value("replace_original", json()) == true && old != nullptr) {
    old->text = text_of(body, "text");
    old->blocks = list;
    old->is_edited = true;
    changed(*old);
    return done();
  }
  Message message;
  message.channel = place.channel;
  message.thread = place.thread;
  message.user = kBot;
  if (text_of(body, "response_type") != "in_channel") message.to = place.user;
  message.text = text_of(body, "text");
  message.blocks = list;
  if (message.text.empty() && message.blocks.empty()) return refused("no_text");
  const std::string ts = add(std::move(message)).ts;
  // What a command was acknowledged with can be replaced.
  const auto asked = std::ranges::find(replies_, place.id, &ReplyPlace::id);
  if (asked != replies_.end() && asked->message.empty()) asked->message = ts;
  return done();
}

std::string StandIn::new_reply(ReplyPlace place) {
  place.id = workspace_.new_id("R");
  replies_.push_back(std::move(place));
  if (replies_.size() > kMostReplies) replies_.pop_front();
  return std::string(kOrigin) + "response/" + replies_.back().id;
}

// ---------------------------------------------------------------- everything else

std::string StandIn::made_channel(const Form& form) {
  const std::string& name = form.get("name");
  if (name.empty()) return refused("invalid_name");
  if (workspace_.channel_named(name) != nullptr) return refused("name_taken");
  const Channel* made = workspace_.add_channel(workspace_.new_id("C"), name);
  if (made == nullptr) return refused("restricted_action");
  tell("channels", channels_view(workspace_));
  return done({{"channel", {{"id", made->id}, {"name", made->name}}}});
}

std::string StandIn::completed(const Form& form) {
  const Channel* channel = workspace_.channel(form.get("channel_id"));
  if (channel == nullptr) return refused("channel_not_found");
  if (!channel->has_bot) return refused("not_in_channel");
  const json files = read(form.get("files"));
  const std::string id =
      files.is_array() && !files.empty() ? text_of(files.front(), "id") : std::string();
  const auto found = std::ranges::find(uploads_, id, &Upload::id);
  if (found == uploads_.end() || !found->is_there) return refused("file_not_found");
  Message message;
  message.channel = channel->id;
  message.thread = form.get("thread_ts");
  message.user = kBot;
  message.text = form.get("initial_comment");
  message.blocks = list_of(form.get("blocks"));
  message.file_name = found->name;
  message.file_text = std::move(found->bytes);
  message.file_words = std::move(found->words);
  uploads_.erase(found);
  add(std::move(message));
  return done({{"files", json::array({{{"id", id}}})}});
}

std::string StandIn::shown_home(const Form& form) {
  if (workspace_.person(form.get("user_id")) == nullptr) return refused("user_not_found");
  const json view = read(form.get("view"));
  const json blocks = view.is_object() ? view.value("blocks", json()) : json();
  if (!blocks.is_array()) return refused("invalid_arguments");
  homes_[form.get("user_id")] = dump(blocks);
  tell("homes", homes_view(homes_));
  return done();
}

std::string StandIn::shown_status(const Form& form) {
  const Channel* channel = workspace_.channel(form.get("channel_id"));
  if (channel == nullptr) return refused("channel_not_found");
  const std::string& thread = form.get("thread_ts");
  if (workspace_.message(channel->id, thread) == nullptr) return refused("invalid_thread_ts");
  const std::string key = channel->id + "/" + thread;
  if (form.get("status").empty())
    statuses_.erase(key);
  else
    statuses_[key] = form.get("status");
  tell("statuses", statuses_view(statuses_));
  return done();
}

}  // namespace viaduct::slack::simulator
