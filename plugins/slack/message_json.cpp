#include "plugins/slack/message_json.hpp"

#include <viaduct/chat/value.hpp>
#include "plugins/slack/mentions.hpp"

#include <nlohmann/json.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::slack {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestSection = 3000;
constexpr std::size_t kLongestFallback = 3000;
constexpr std::size_t kLongestLabel = 75;
constexpr std::size_t kMostButtons = 25;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Characters are counted by Slack, bytes here: never too many.
json mrkdwn(std::string_view text) {
  return {{"type", "mrkdwn"}, {"text", std::string(net::prefix(text, kLongestSection))}};
}

json section(std::string_view text) {
  return {{"type", "section"}, {"text", mrkdwn(text)}};
}

json button_of(const Button& button) {
  json one = {{"type", "button"},
              {"action_id", button.action},
              {"text",
               {{"type", "plain_text"},
                {"text", net::one_line(button.label, kLongestLabel)},
                {"emoji", false}}},
              {"value", button.value}};
  if (button.style == Button::Style::kPrimary) one["style"] = "primary";
  if (button.style == Button::Style::kDanger) one["style"] = "danger";
  return one;
}

json actions(const std::vector<Button>& buttons) {
  json elements = json::array();
  for (const Button& button : buttons) {
    if (elements.size() == kMostButtons) break;
    elements.push_back(button_of(button));
  }
  return {{"type", "actions"}, {"elements", std::move(elements)}};
}

Body body_of(std::string_view text, json first, const std::vector<Button>& buttons) {
  json blocks = json::array({std::move(first)});
  if (!buttons.empty()) blocks.push_back(actions(buttons));
  return {std::string(net::prefix(text, kLongestFallback)), dump(blocks)};
}

json with_body(json args, const Body& body) {
  args["text"] = body.text;
  args["blocks"] = body.blocks.empty() ? json::array() : json::parse(body.blocks, nullptr, false);
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

Body answer_body(std::string_view markdown) {
  return {escaped(net::prefix(markdown, kLongestFallback)),
          dump(json::array({{{"type", "markdown"}, {"text", std::string(markdown)}}}))};
}

Body note_body(std::string_view text, const std::vector<Button>& buttons) {
  return body_of(text, section(text), buttons);
}

Body work_body(std::string_view text, const std::vector<Button>& buttons) {
  const std::string data = escaped(text);
  return body_of(data, {{"type", "context"}, {"elements", json::array({mrkdwn(data)})}}, buttons);
}

Body list_body(std::string_view title, const std::vector<ListItem>& items, std::string_view below) {
  json blocks = json::array({section("*" + std::string(title) + "*")});
  for (const ListItem& item : items) {
    json line = section(item.mrkdwn);
    if (!item.button.action.empty()) line["accessory"] = button_of(item.button);
    blocks.push_back(std::move(line));
  }
  if (!below.empty())
    blocks.push_back(
        {{"type", "context"}, {"elements", json::array({mrkdwn("_" + std::string(below) + "_")})}});
  return {std::string(title), dump(blocks)};
}

std::string home_args(std::string_view user, std::string_view command,
                      const std::vector<ListItem>& sessions) {
  json blocks = json::array();
  blocks.push_back(
      {{"type", "header"}, {"text", {{"type", "plain_text"}, {"text", "Your sessions"}}}});
  if (sessions.empty())
    blocks.push_back(section("_None yet._ Write me a message, mention me in a channel, or say `" +
                             std::string(command) + " new` there."));
  for (const ListItem& item : sessions) blocks.push_back(section(item.mrkdwn));
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

std::string remembered_words(std::string_view answer) {
  const chat::Value memory = chat::Value::parsed(answer);
  std::string tags;
  for (const chat::Value& tag : memory.at("tags").items())
    tags += (tags.empty() ? "" : ", ") + tag.text();
  return "Remembered `" + memory.text("id") + "` (category: _" + escaped(memory.text("category")) +
         "_" + (tags.empty() ? "" : ", tags: " + escaped(tags)) + ")\n> " +
         escaped(net::one_line(memory.text("content"), kLongestFallback / 2));
}

std::string recalled_words(std::string_view answer, std::string_view query) {
  const auto matches = chat::Value::parsed(answer).at("matches").items();
  if (matches.empty()) return "_No memories found matching '" + escaped(query) + "'._";
  std::string words = "*Found " + std::to_string(matches.size()) +
                      (matches.size() == 1 ? " memory" : " memories") + ":*\n";
  for (const chat::Value& one : matches)
    words += "\n- `" + one.text("id") + "` (" + escaped(one.text("category")) + ") " +
             escaped(net::one_line(one.text("content"), 300));
  return words;
}

std::string work_words(std::string_view answer) {
  const auto items = chat::Value::parsed(answer).at("items").items();
  if (items.empty()) return "_No work log entries._";
  std::string words = "*Work log:*\n";
  for (const chat::Value& one : items)
    words += "\n- [" + escaped(one.text("status")) + "] " +
             escaped(net::one_line(one.text("task"), 300));
  return words;
}

std::string created_channel(std::string_view answer) {
  return chat::Value::parsed(answer).at("channel").text("id");
}

std::string next_cursor(std::string_view answer) {
  return chat::Value::parsed(answer).at("response_metadata").text("next_cursor");
}

std::string file_url(std::string_view answer) {
  const chat::Value file = chat::Value::parsed(answer).at("file");
  const std::string url = file.text("url_private_download");
  return url.empty() ? file.text("url_private") : url;
}

Body permission_body(const chat::Entry& entry, std::string_view session) {
  const std::string title = "*" + escaped(entry.title.empty() ? "Permission" : entry.title) + "*";
  if (entry.status == "selected")
    return note_body(title + "\n" + escaped(chosen_name(entry)) +
                     (entry.by.empty() ? "" : ", decided by " + escaped(entry.by)));
  if (entry.status != "pending") {
    const std::string why = entry.status + (entry.reason.empty() ? "" : ": " + entry.reason);
    return note_body(title + "\n" + escaped(why),
                     {{std::string(kRetryAction), "Ask again",
                       turn_value({std::string(session), entry.turn}), Button::Style::kPlain}});
  }
  std::vector<Button> buttons;
  for (const chat::PermissionChoice& choice : entry.choices) {
    const auto style = choice.kind == "allow_once"         ? Button::Style::kPrimary
                       : choice.kind.starts_with("reject") ? Button::Style::kDanger
                                                           : Button::Style::kPlain;
    buttons.push_back({std::string(kPermitAction) + ":" + std::to_string(buttons.size()),
                       choice.name.empty() ? std::string(words(choice.kind)) : choice.name,
                       permit_value({std::string(session), entry.number, choice.id}), style});
  }
  return note_body(title + "\nThe agent asks for permission.", buttons);
}

std::string permit_value(const PermitValue& value) {
  return dump({{"s", value.session}, {"e", value.entry}, {"o", value.option}});
}

std::optional<PermitValue> parse_permit(std::string_view text) {
  const chat::Value from = chat::Value::parsed(text);
  PermitValue value{from.text("s"), from.number("e"), from.text("o")};
  if (value.session.empty() || value.entry == 0) return std::nullopt;
  return value;
}

std::string turn_value(const TurnValue& value) {
  return dump({{"s", value.session}, {"t", value.turn}});
}

std::optional<TurnValue> parse_turn(std::string_view text) {
  const chat::Value from = chat::Value::parsed(text);
  TurnValue value{from.text("s"), from.number("t")};
  if (value.session.empty() || value.turn == 0) return std::nullopt;
  return value;
}

std::string post_args(const chat::Place& place, const Body& body, std::string_view key) {
  json args = with_body(to_place(place), body);
  args["unfurl_links"] = false;
  args["unfurl_media"] = false;
  args["metadata"] = {{"event_type", "viaduct_part"},
                      {"event_payload", {{"key", std::string(key)}}}};
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
  json args = {{"channel_id", place.channel}, {"initial_comment", std::string(comment)}};
  if (!place.thread.empty()) args["thread_ts"] = place.thread;
  return dump(args);
}

std::string whisper_args(const chat::Place& place, std::string_view user, const Body& body) {
  json args = with_body(to_place(place), body);
  args["user"] = std::string(user);
  return dump(args);
}

std::string update_args(const Body& body) {
  return dump(with_body(json::object(), body));
}

std::string response_json(const Body& body, bool ephemeral, bool replaces) {
  json args = with_body(json::object(), body);
  args["response_type"] = ephemeral ? "ephemeral" : "in_channel";
  args["replace_original"] = replaces;
  return dump(args);
}

}  // namespace viaduct::slack
