#include "plugins/slack/message_json.hpp"

#include "plugins/slack/guard.hpp"
#include "plugins/slack/mentions.hpp"

#include <viaduct/chat/value.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ranges>
#include <viaduct/net/text.hpp>

namespace viaduct::slack {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestSection = 3000;
constexpr std::size_t kLongestFallback = 3000;
constexpr std::size_t kLongestLabel = 75;
constexpr std::size_t kMostButtons = 25;
constexpr std::size_t kMostItems = 48;  // of a list, which has two more blocks of the 50

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Characters are counted by Slack, bytes here: never too many. Verbatim: a name in somebody's words
// is no link and calls nobody, only what is in <…>.
json mrkdwn(std::string_view text) {
  const std::string harmless = without_calls(text);
  return {{"type", "mrkdwn"},
          {"text", std::string(net::prefix(harmless, kLongestSection))},
          {"verbatim", true}};
}

json section(std::string_view text) {
  return {{"type", "section"}, {"text", mrkdwn(text)}};
}

json button_of(const chat::Button& button) {
  json one = {{"type", "button"},
              {"action_id", button.action},
              {"text",
               {{"type", "plain_text"},
                {"text", net::one_line(button.label, kLongestLabel)},
                {"emoji", false}}},
              {"value", button.value}};
  if (button.style == chat::Button::Style::kPrimary) one["style"] = "primary";
  if (button.style == chat::Button::Style::kDanger) one["style"] = "danger";
  return one;
}

json actions(const std::vector<chat::Button>& buttons) {
  json elements = json::array();
  for (const chat::Button& button : buttons) {
    if (elements.size() == kMostButtons) break;
    elements.push_back(button_of(button));
  }
  return {{"type", "actions"}, {"elements", std::move(elements)}};
}

chat::Body body_of(std::string_view text, json first, const std::vector<chat::Button>& buttons) {
  json blocks = json::array({std::move(first)});
  if (!buttons.empty()) blocks.push_back(actions(buttons));
  return {without_calls(net::prefix(text, kLongestFallback)), dump(blocks)};
}

json with_body(json args, const chat::Body& body) {
  args["text"] = body.text;
  args["blocks"] = body.rich.empty() ? json::array() : json::parse(body.rich, nullptr, false);
  return args;
}

json to_place(const chat::Place& place) {
  json args = {{"channel", place.channel}};
  if (!place.thread.empty()) args["thread_ts"] = place.thread;
  return args;
}

std::string_view words(std::string_view kind) {
  if (kind == "allow_once") return "Allow once";
  if (kind == "allow_always") return "Always allow";
  if (kind == "reject_once") return "Deny";
  if (kind == "reject_always") return "Always deny";
  return "Choose";
}

std::string chosen_name(const chat::Entry& entry) {
  for (const chat::PermissionChoice& choice : entry.choices)
    if (choice.id == entry.chosen)
      return choice.name.empty() ? std::string(words(choice.kind)) : choice.name;
  return entry.chosen;
}

}  // namespace

chat::Body answer_body(std::string_view markdown) {
  return {without_calls(escaped(net::prefix(markdown, kLongestFallback))),
          dump(json::array({{{"type", "markdown"}, {"text", std::string(markdown)}}}))};
}

chat::Body note_body(std::string_view text, const std::vector<chat::Button>& buttons) {
  return body_of(text, section(text), buttons);
}

chat::Body work_body(std::string_view text, const std::vector<chat::Button>& buttons) {
  const std::string data = escaped(text);
  return body_of(data, {{"type", "context"}, {"elements", json::array({mrkdwn(data)})}}, buttons);
}

chat::Body list_body(std::string_view title, const std::vector<chat::ListItem>& items,
                     std::string_view below) {
  json blocks = json::array({section("*" + std::string(title) + "*")});
  const std::size_t shown = std::min(items.size(), kMostItems);
  for (const chat::ListItem& item : items | std::views::take(shown)) {
    json line = section(item.words);
    if (!item.button.action.empty()) line["accessory"] = button_of(item.button);
    blocks.push_back(std::move(line));
  }
  std::string end;
  if (items.size() > shown) end = "… " + std::to_string(items.size() - shown) + " more";
  if (!below.empty()) end += (end.empty() ? "" : ". ") + std::string(below);
  if (!end.empty())
    blocks.push_back({{"type", "context"}, {"elements", json::array({mrkdwn("_" + end + "_")})}});
  return {without_calls(title), dump(blocks)};
}

std::string home_args(std::string_view user, std::string_view command,
                      const std::vector<chat::ListItem>& sessions) {
  json blocks = json::array();
  blocks.push_back(
      {{"type", "header"}, {"text", {{"type", "plain_text"}, {"text", "Your sessions"}}}});
  if (sessions.empty())
    blocks.push_back(section("_None yet._ Write me a message, mention me in a channel, or say `" +
                             std::string(command) + " new` there."));
  for (const chat::ListItem& item : sessions) blocks.push_back(section(item.words));
  blocks.push_back({{"type", "divider"}});
  blocks.push_back({{"type", "context"},
                    {"elements", json::array({mrkdwn("`" + std::string(command) +
                                                     " help` tells what I can do.")})}});
  return dump({{"user_id", std::string(user)},
               {"view", {{"type", "home"}, {"blocks", std::move(blocks)}}}});
}

std::string prompts_args(std::string_view channel, std::string_view thread) {
  json args = {
      {"channel_id", std::string(channel)},
      {"prompts", json::array({{{"title", "What can you do?"}, {"message", "What can you do?"}},
                               {{"title", "My sessions"}, {"message", "sessions"}},
                               {{"title", "Commands"}, {"message", "help"}}})}};
  if (!thread.empty()) args["thread_ts"] = std::string(thread);
  return dump(args);
}

std::string created_channel(std::string_view answer) {
  return chat::Value::parsed(answer).at("channel").text("id");
}

std::string next_cursor(std::string_view answer) {
  return chat::Value::parsed(answer).at("response_metadata").text("next_cursor");
}

std::vector<Conversation> parse_conversations(std::string_view answer) {
  std::vector<Conversation> all;
  for (const chat::Value& one : chat::Value::parsed(answer).at("channels").items())
    all.push_back({one.text("id"), one.text("name")});
  return all;
}

FileInfo parse_file_info(std::string_view answer) {
  const chat::Value file = chat::Value::parsed(answer).at("file");
  FileInfo info{file.text("url_private_download"), file.text("name"), file.text("mimetype")};
  if (info.url.empty()) info.url = file.text("url_private");
  return info;
}

chat::Body permission_body(const chat::Entry& entry, std::string_view session) {
  const std::string title = "*" + escaped(entry.title.empty() ? "Permission" : entry.title) + "*";
  if (entry.status == "selected")
    return note_body(title + "\n" + escaped(chosen_name(entry)) +
                     (entry.by.empty() ? "" : ", decided by " + escaped(entry.by)));
  if (entry.status != "pending") {
    const std::string why = entry.status + (entry.reason.empty() ? "" : ": " + entry.reason);
    std::vector<chat::Button> again;
    if (!session.empty())
      again.push_back({std::string(chat::kRetryAction), "Ask again",
                       chat::turn_value({std::string(session), entry.turn}),
                       chat::Button::Style::kPlain});
    return note_body(title + "\n" + escaped(why), again);
  }
  std::vector<chat::Button> buttons;
  for (const chat::PermissionChoice& choice : entry.choices) {
    const auto style = choice.kind == "allow_once"         ? chat::Button::Style::kPrimary
                       : choice.kind.starts_with("reject") ? chat::Button::Style::kDanger
                                                           : chat::Button::Style::kPlain;
    buttons.push_back({std::string(chat::kPermitAction) + ":" + std::to_string(buttons.size()),
                       choice.name.empty() ? std::string(words(choice.kind)) : choice.name,
                       chat::permit_value({std::string(session), entry.number, choice.id}), style});
  }
  return note_body(title + "\nThe agent asks for permission.", buttons);
}

std::string key_metadata(std::string_view key) {
  return dump({{"event_type", "viaduct_part"}, {"event_payload", {{"key", std::string(key)}}}});
}

std::string post_args(const chat::Place& place, const chat::Body& body, std::string_view key) {
  json args = with_body(to_place(place), body);
  args["unfurl_links"] = false;
  args["unfurl_media"] = false;
  args["metadata"] = json::parse(key_metadata(key));
  return dump(args);
}

std::string stream_args(const chat::Place& place, std::string_view asker,
                        std::string_view markdown) {
  json args = to_place(place);
  args["markdown_text"] = std::string(markdown);
  args["recipient_user_id"] = std::string(asker);
  args["recipient_team_id"] = place.team;
  return dump(args);
}

std::string file_args(const chat::Place& place, std::string_view comment) {
  json args = {{"channel_id", place.channel}};
  if (!comment.empty()) args["initial_comment"] = without_calls(escaped(comment));
  if (!place.thread.empty()) args["thread_ts"] = place.thread;
  return dump(args);
}

std::string whisper_args(const chat::Place& place, std::string_view user, const chat::Body& body) {
  json args = with_body(to_place(place), body);
  args["user"] = std::string(user);
  return dump(args);
}

std::string update_args(const chat::Body& body) {
  return dump(with_body(json::object(), body));
}

std::string response_json(const chat::Body& body, bool ephemeral, bool replaces) {
  json args = with_body(json::object(), body);
  args["response_type"] = ephemeral ? "ephemeral" : "in_channel";
  args["replace_original"] = replaces;
  return dump(args);
}

}  // namespace viaduct::slack
