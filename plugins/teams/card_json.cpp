#include "plugins/teams/card.hpp"

#include <viaduct/chat/text.hpp>
#include <viaduct/chat/value.hpp>
#include <viaduct/net/text.hpp>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "plugins/teams/words.hpp"

namespace viaduct::teams {
namespace {

using nlohmann::json;

constexpr std::string_view kCardType = "application/vnd.microsoft.card.adaptive";
constexpr std::string_view kMessageType = "application/vnd.microsoft.activity.message";
constexpr std::string_view kErrorType = "application/vnd.microsoft.error";

constexpr std::size_t kLongestLine = 2000;  // bytes of what a card says in one place
constexpr std::size_t kMostLines = 60;
constexpr std::size_t kMostRows = 40;
constexpr std::size_t kLongestLabel = 60;
constexpr std::size_t kMostButtons = 24;
constexpr std::size_t kButtonsInARow = 6;  // Teams shows no more
constexpr std::size_t kLongestSummary = 300;
constexpr std::size_t kMostCitations = 20;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Characters are counted by Teams, bytes here: never too many.
std::string short_text(std::string_view text, std::size_t longest) {
  return std::string(net::prefix(text, longest));
}

// ---- elements of cards

json text_block(std::string_view words) {
  return {{"type", "TextBlock"}, {"text", short_text(words, kLongestLine)}, {"wrap", true}};
}

// Data: a text run knows no markup.
json plain_block(std::string_view plain) {
  json run = {{"type", "TextRun"}, {"text", net::one_line(plain, kLongestLine)}};
  return {{"type", "RichTextBlock"}, {"inlines", json::array({std::move(run)})}};
}

json heading_block(std::string_view plain) {
  json block = plain_block(plain);
  block["inlines"][0]["weight"] = "Bolder";
  return block;
}

json small_block(std::string_view plain) {
  json block = plain_block(plain);
  block["inlines"][0]["size"] = "Small";
  block["inlines"][0]["isSubtle"] = true;
  return block;
}

// A block for each line, since line ends inside of one are shown by some clients only.
void add_lines(json& body, std::string_view text, json (*block)(std::string_view)) {
  bool is_apart = true;
  std::size_t lines = 0;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (chat::trimmed(line).empty()) {
      is_apart = true;
      continue;
    }
    if (++lines > kMostLines) {
      body.push_back(plain_block("…"));
      return;
    }
    body.push_back(block(line));
    if (!std::exchange(is_apart, false)) body.back()["spacing"] = "None";
  }
}

json data_of(const Press& press) {
  return {{"viaduct", 1}, {"action", press.action}, {"value", press.value}};
}

json action_of(const chat::Button& button) {
  const std::string title = net::one_line(button.label, kLongestLabel);
  const json data = data_of({button.action, button.value});
  json action = {{"type", "Action.Execute"},
                 {"title", title},
                 {"verb", button.action.substr(0, button.action.find(':'))},
                 {"data", data},
                 // Of clients that do not know it, which send a message instead.
                 {"fallback", {{"type", "Action.Submit"}, {"title", title}, {"data", data}}}};
  if (button.style == chat::Button::Style::kPrimary) action["style"] = "positive";
  if (button.style == chat::Button::Style::kDanger) action["style"] = "destructive";
  return action;
}

Card card_of(std::string_view summary, json body, const std::vector<chat::Button>& buttons = {}) {
  json rows = json::array();
  std::size_t count = 0;
  for (const chat::Button& button : buttons) {
    if (button.action.empty() || count == kMostButtons) continue;
    if (count++ % kButtonsInARow == 0) rows.push_back(json::array());
    rows.back().push_back(action_of(button));
  }
  json card = {{"type", "AdaptiveCard"},
               {"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
               {"version", "1.5"},
               {"msteams", {{"width", "Full"}}}};
  if (rows.size() == 1)
    card["actions"] = rows[0];
  else
    for (json& row : rows) body.push_back({{"type", "ActionSet"}, {"actions", std::move(row)}});
  if (body.empty()) body.push_back(plain_block(" "));
  card["body"] = std::move(body);
  return {net::one_line(summary, kLongestSummary), dump(card)};
}

json parsed(std::string_view text) {
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? json() : value;
}

json attachment_of(const Card& card) {
  return {{"contentType", kCardType}, {"content", parsed(card.json)}};
}

std::string_view words_of(std::string_view kind) {
  if (kind == "allow_once") return "Allow once";
  if (kind == "allow_always") return "Always allow";
  if (kind == "reject_once") return "Deny";
  if (kind == "reject_always") return "Always deny";
  return "Choose";
}

std::string name_of(const chat::PermissionChoice& choice) {
  return choice.name.empty() ? std::string(words_of(choice.kind)) : choice.name;
}

std::string chosen_name(const chat::Entry& entry) {
  for (const chat::PermissionChoice& choice : entry.choices)
    if (choice.id == entry.chosen) return name_of(choice);
  return entry.chosen;
}

std::vector<chat::Button> choices_of(const chat::Entry& entry, std::string_view session) {
  using Style = chat::Button::Style;
  std::vector<chat::Button> buttons;
  for (const chat::PermissionChoice& choice : entry.choices)
    buttons.push_back({std::string(chat::kPermitAction) + ":" + std::to_string(buttons.size()),
                       name_of(choice),
                       chat::permit_value({std::string(session), entry.number, choice.id}),
                       choice.kind == "allow_once"         ? Style::kPrimary
                       : choice.kind.starts_with("reject") ? Style::kDanger
                                                           : Style::kPlain});
  return buttons;
}

// ---- messages

json message_of(std::string_view text, Flavour flavour) {
  return {{"type", "message"},
          {"textFormat", flavour == Flavour::kExtended ? "extendedmarkdown" : "markdown"},
          {"text", text}};
}

json citation_of(const Citation& one) {
  json appearance = {{"@type", "DigitalDocument"},
                     {"name", net::one_line(one.name, 80)},
                     {"abstract", net::one_line(one.abstract, 160)}};
  if (!one.url.empty()) appearance["url"] = one.url;
  return {{"@type", "Claim"}, {"position", one.position}, {"appearance", std::move(appearance)}};
}

json root_entity(const Answer& answer) {
  json root = {{"type", "https://schema.org/Message"},
               {"@type", "Message"},
               {"@context", "https://schema.org"},
               {"@id", ""}};
  if (answer.ai_label) root["additionalType"] = json::array({"AIGeneratedContent"});
  json citations = json::array();
  for (const Citation& one : answer.citations)
    if (citations.size() < kMostCitations) citations.push_back(citation_of(one));
  if (!citations.empty()) root["citation"] = std::move(citations);
  return root;
}

// As it stands in the text and in the entity, which must be the same.
std::string mention_text(const Person& person) {
  std::string name;
  for (const char c : net::one_line(person.name, 100))
    if (std::string_view("<>&*_`~[]\\").find(c) == std::string_view::npos) name += c;
  return "<at>" + (name.empty() ? "you" : name) + "</at>";
}

json addressed_to(const json& activity, std::string_view person) {
  json all = activity;
  all["recipient"] = {{"id", person}};
  return all;
}

InvokeAnswer action_answer(int status, std::string_view type, json value) {
  return {200, dump({{"statusCode", status}, {"type", type}, {"value", std::move(value)}})};
}

json dialog(std::string_view title, const Card& card) {
  return {{"title", net::one_line(title, 100)},
          {"height", "medium"},
          {"width", "medium"},
          {"card", attachment_of(card)}};
}

}  // namespace

// ---------------------------------------------------------------- cards

Card note_card(std::string_view words, const std::vector<chat::Button>& buttons) {
  json body = json::array();
  add_lines(body, words, text_block);
  return card_of(plain_text(words), std::move(body), buttons);
}

Card work_card(std::string_view plain, const std::vector<chat::Button>& buttons) {
  json body = json::array();
  add_lines(body, plain, small_block);
  return card_of(plain, std::move(body), buttons);
}

Card list_card(std::string_view title, const std::vector<chat::ListItem>& items,
               std::string_view below) {
  json body = json::array({heading_block(title)});
  std::size_t rows = 0;
  for (const chat::ListItem& item : items) {
    if (++rows > kMostRows) {
      body.push_back(small_block("… " + std::to_string(items.size() - kMostRows) + " more"));
      break;
    }
    json lines = json::array();
    add_lines(lines, item.words, text_block);
    json columns =
        json::array({{{"type", "Column"}, {"width", "stretch"}, {"items", std::move(lines)}}});
    if (!item.button.action.empty())
      columns.push_back(
          {{"type", "Column"},
           {"width", "auto"},
           {"verticalContentAlignment", "Center"},
           {"items", json::array({{{"type", "ActionSet"},
                                   {"actions", json::array({action_of(item.button)})}}})}});
    body.push_back({{"type", "ColumnSet"}, {"columns", std::move(columns)}});
    if (rows > 1) body.back()["separator"] = true;
  }
  if (!below.empty()) add_lines(body, below, small_block);
  return card_of(title, std::move(body));
}

Card permission_card(const chat::Entry& entry, std::string_view session) {
  const std::string title = entry.title.empty() ? "Permission" : entry.title;
  json body = json::array({heading_block(title)});
  if (entry.status == "pending") {
    body.push_back(small_block("The agent asks for permission."));
    return card_of("Permission: " + title, std::move(body), choices_of(entry, session));
  }
  if (entry.status == "selected") {
    const std::string by = entry.by.empty() ? "" : ", decided by " + entry.by;
    body.push_back(plain_block(chosen_name(entry) + by));
    return card_of(title + ": " + chosen_name(entry) + by, std::move(body));
  }
  const std::string why = entry.status + (entry.reason.empty() ? "" : ": " + entry.reason);
  body.push_back(plain_block(why));
  std::vector<chat::Button> again;
  if (entry.turn > 0 && !session.empty())
    again.push_back({std::string(chat::kRetryAction), "Try again",
                     chat::turn_value({std::string(session), entry.turn}),
                     chat::Button::Style::kPlain});
  return card_of(title + ": " + why, std::move(body), again);
}

Card welcome_card(const Welcome& welcome) {
  json body = json::array({heading_block(welcome.title)});
  add_lines(body, welcome.words, text_block);
  json row = json::array();
  for (const std::string& prompt : welcome.prompts) {
    if (row.size() == kButtonsInARow) break;
    // As if the person had said it.
    row.push_back({{"type", "Action.Submit"},
                   {"title", net::one_line(prompt, kLongestLabel)},
                   {"data", {{"msteams", {{"type", "imBack"}, {"value", prompt}}}}}});
  }
  if (!row.empty()) body.push_back({{"type", "ActionSet"}, {"actions", std::move(row)}});
  return card_of(welcome.title, std::move(body));
}

// ---------------------------------------------------------------- bodies

chat::Body card_body(const Card& card) {
  return {card.summary, dump({{"type", "message"},
                              {"summary", card.summary},
                              {"attachments", json::array({attachment_of(card)})}})};
}

chat::Body note_body(std::string_view words, const std::vector<chat::Button>& buttons) {
  if (!buttons.empty()) return card_body(note_card(words, buttons));
  return {plain_text(words), dump(message_of(message_text(words), Flavour::kMarkdown))};
}

chat::Body work_body(std::string_view plain, const std::vector<chat::Button>& buttons) {
  return card_body(work_card(plain, buttons));
}

chat::Body list_body(std::string_view title, const std::vector<chat::ListItem>& items,
                     std::string_view below) {
  return card_body(list_card(title, items, below));
}

chat::Body permission_body(const chat::Entry& entry, std::string_view session) {
  return card_body(permission_card(entry, session));
}

chat::Body answer_body(const Answer& answer) {
  json message = message_of(answer.text, answer.flavour);
  json entities = json::array();
  if (answer.ai_label || !answer.citations.empty()) entities.push_back(root_entity(answer));
  if (answer.mention) {
    const std::string text = mention_text(*answer.mention);
    // Whatever begins a block needs a line of its own.
    const bool is_word =
        !answer.text.empty() && std::isalnum(static_cast<unsigned char>(answer.text[0])) != 0;
    message["text"] = text + (is_word ? " " : "\n\n") + answer.text;
    entities.push_back(
        {{"type", "mention"},
         {"text", text},
         {"mentioned", {{"id", answer.mention->id}, {"name", answer.mention->name}}}});
  }
  if (!entities.empty()) message["entities"] = std::move(entities);
  if (answer.feedback) message["channelData"]["feedbackLoop"] = {{"type", "default"}};
  const std::string summary = plain_text(net::prefix(answer.text, 4 * kLongestSummary));
  if (answer.alert) {
    message["channelData"]["notification"] = {{"alert", true}};
    message["summary"] = summary;
  }
  return {summary, dump(message)};
}

std::string typing_body() {
  return R"({"type":"typing"})";
}

chat::Body file_consent_body(std::string_view name, std::string_view words, std::size_t size,
                             std::string_view context) {
  const json consent = {{"contentType", "application/vnd.microsoft.teams.card.file.consent"},
                        {"name", name},
                        {"content",
                         {{"description", net::one_line(words, kLongestSummary)},
                          {"sizeInBytes", size},
                          {"acceptContext", data_of({"file", std::string(context)})},
                          {"declineContext", data_of({"file", std::string(context)})}}}};
  const std::string summary = "A file: " + net::one_line(name, 100);
  return {
      summary,
      dump({{"type", "message"}, {"summary", summary}, {"attachments", json::array({consent})}})};
}

chat::Body file_info_body(const SentFile& file) {
  const json info = {{"contentType", "application/vnd.microsoft.teams.card.file.info"},
                     {"contentUrl", file.url},
                     {"name", file.name},
                     {"content", {{"uniqueId", file.id}, {"fileType", file.extension}}}};
  const std::string summary = "A file: " + net::one_line(file.name, 100);
  return {summary,
          dump({{"type", "message"}, {"summary", summary}, {"attachments", json::array({info})}})};
}

std::string to_person(std::string_view activity, std::string_view person_id) {
  const json all = parsed(activity);
  return all.is_object() ? dump(addressed_to(all, person_id)) : std::string();
}

std::size_t payload_size(std::string_view text) {
  return 2 * chat::characters(text);
}

// ---------------------------------------------------------------- buttons

std::string press_json(const Press& press) {
  return dump(data_of(press));
}

std::optional<Press> parse_press(std::string_view text) {
  const chat::Value from = chat::Value::parsed(text);
  if (from.number("viaduct") != 1) return std::nullopt;
  Press press{from.text("action"), from.text("value")};
  if (press.action.empty()) return std::nullopt;
  return press;
}

// ---------------------------------------------------------------- answers to invokes

InvokeAnswer card_answer(const Card& card) {
  return action_answer(200, kCardType, parsed(card.json));
}

InvokeAnswer message_answer(std::string_view plain) {
  return action_answer(200, kMessageType, net::one_line(plain, kLongestLine));
}

InvokeAnswer error_answer(int status, std::string_view code, std::string_view plain) {
  return action_answer(status, kErrorType,
                       {{"code", code}, {"message", net::one_line(plain, kLongestLine)}});
}

InvokeAnswer empty_answer() {
  return {200, "{}"};
}

InvokeAnswer task_answer(std::string_view title, const Card& card) {
  return {200, dump({{"task", {{"type", "continue"}, {"value", dialog(title, card)}}}})};
}

InvokeAnswer task_answer(std::string_view plain) {
  return {200,
          dump({{"task", {{"type", "message"}, {"value", net::one_line(plain, kLongestLine)}}}})};
}

InvokeAnswer config_answer(std::string_view title, const Card& card) {
  return {200, dump({{"config", {{"type", "continue"}, {"value", dialog(title, card)}}}})};
}

InvokeAnswer sign_in_failed() {
  return {412, R"({"failureDetail":"This bot needs no sign-in."})"};
}

InvokeAnswer not_implemented() {
  return {501, ""};
}

}  // namespace viaduct::teams
