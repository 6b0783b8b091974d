#include "plugins/slack/message_json.hpp"

#include "plugins/slack/mentions.hpp"
#include "plugins/slack/value.hpp"

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

json actions(const std::vector<Button>& buttons) {
  json elements = json::array();
  for (const Button& button : buttons) {
    if (elements.size() == kMostButtons) break;
    json one = {{"type", "button"},
                {"action_id", button.action},
                {"text",
                 {{"type", "plain_text"},
                  {"text", net::one_line(button.label, kLongestLabel)},
                  {"emoji", false}}},
                {"value", button.value}};
    if (button.style == Button::Style::kPrimary) one["style"] = "primary";
    if (button.style == Button::Style::kDanger) one["style"] = "danger";
    elements.push_back(std::move(one));
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

json to_place(const Place& place) {
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

std::string chosen_name(const Entry& entry) {
  for (const PermissionChoice& choice : entry.choices)
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

Body permission_body(const Entry& entry, std::string_view session) {
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
  for (const PermissionChoice& choice : entry.choices) {
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
  const Value from = Value::parsed(text);
  PermitValue value{from.text("s"), from.number("e"), from.text("o")};
  if (value.session.empty() || value.entry == 0) return std::nullopt;
  return value;
}

std::string turn_value(const TurnValue& value) {
  return dump({{"s", value.session}, {"t", value.turn}});
}

std::optional<TurnValue> parse_turn(std::string_view text) {
  const Value from = Value::parsed(text);
  TurnValue value{from.text("s"), from.number("t")};
  if (value.session.empty() || value.turn == 0) return std::nullopt;
  return value;
}

std::string post_args(const Place& place, const Body& body, std::string_view key) {
  json args = with_body(to_place(place), body);
  args["unfurl_links"] = false;
  args["unfurl_media"] = false;
  args["metadata"] = {{"event_type", "viaduct_part"},
                      {"event_payload", {{"key", std::string(key)}}}};
  return dump(args);
}

std::string stream_args(const Place& place, std::string_view asker, std::string_view markdown) {
  json args = to_place(place);
  args["markdown_text"] = std::string(markdown);
  args["recipient_user_id"] = std::string(asker);
  args["recipient_team_id"] = place.team;
  return dump(args);
}

std::string whisper_args(const Place& place, std::string_view user, const Body& body) {
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
