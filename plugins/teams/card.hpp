// What goes to Teams: the bodies of activities, as the connector's methods take them but for whom
// and where they are from and for, Adaptive Cards (version 1.5, which all clients show), and the
// answers to invokes. Pure functions; any thread.
//
// A body has either text or a card, never both: Teams would make two messages of it and tell the id
// of neither.
#pragma once

#include "plugins/teams/markdown.hpp"

#include <viaduct/chat/button.hpp>
#include <viaduct/chat/network.hpp>
#include <viaduct/chat/session.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

// chat::Body has in `text` what notifications say, and in `rich` the activity's JSON.

// An Adaptive Card, which is its own value: the same is sent as a message, replaces one, and
// answers whoever pressed a button of it.
struct Card {
  std::string summary;  // for notifications, plain
  std::string json;     // the card itself, not the attachment
};

// ---- cards. `words` as words.hpp makes them; `plain` is data.
Card note_card(std::string_view words, const std::vector<chat::Button>& buttons);
// `title` and `below` are plain.
Card list_card(std::string_view title, const std::vector<chat::ListItem>& items,
               std::string_view below);
// Tools and plan, a line each, plain.
Card work_card(std::string_view plain, const std::vector<chat::Button>& buttons);
// An entry of type kPermission: what is asked, with a button for each choice while it is pending;
// then who decided what, or why nobody can any more, and a button to ask again.
Card permission_card(const chat::Entry& entry, std::string_view session);
// For whoever has installed the app. `prompts` are said with a button each.
struct Welcome {
  std::string title;  // plain
  std::string words;
  std::vector<std::string> prompts;  // plain
};
Card welcome_card(const Welcome& welcome);

// ---- bodies of activities
chat::Body card_body(const Card& card);
// Words with buttons are a card, without they are a message.
chat::Body note_body(std::string_view words, const std::vector<chat::Button>& buttons = {});
chat::Body work_body(std::string_view plain, const std::vector<chat::Button>& buttons);
chat::Body list_body(std::string_view title, const std::vector<chat::ListItem>& items,
                     std::string_view below);
chat::Body permission_body(const chat::Entry& entry, std::string_view session);

struct Citation {
  std::uint32_t position = 0;  // the number in the text: [1]
  std::string name;
  std::string abstract;
  std::string url;  // empty: none
};
// Somebody who is told of a message.
struct Person {
  std::string id;
  std::string name;
};
// A part of an answer: one of parts_of().
struct Answer {
  std::string text;
  Flavour flavour = Flavour::kMarkdown;
  bool ai_label = true;
  bool feedback = false;  // buttons for it: on the last part of an answer
  std::vector<Citation> citations;
  std::optional<Person> mention;  // in front of the text
  bool alert = false;             // in the activity feed
};
chat::Body answer_body(const Answer& answer);
std::string typing_body();

struct SentFile {
  std::string name;
  std::string id;
  std::string extension;
  std::string url;
};
// Asks a person, in a personal chat, whether a file may be put into their OneDrive. `context` comes
// back with the answer.
chat::Body file_consent_body(std::string_view name, std::string_view words, std::size_t size,
                             std::string_view context);
// Shows one that is there.
chat::Body file_info_body(const SentFile& file);

// The same message for one person alone, where it is sent so. Empty: `activity` is no JSON object.
std::string to_person(std::string_view activity, std::string_view person_id);

// UTF-16 units of a payload, twice: bytes as Teams counts them.
std::size_t payload_size(std::string_view json);
inline constexpr std::size_t kLargestPayload = 80'000;

// ---- buttons
struct Press {
  std::string action;
  std::string value;
  bool operator==(const Press&) const = default;
};
std::string press_json(const Press& press);
// CardAction::data, or Message::value. nullopt: it is no button of this plugin.
std::optional<Press> parse_press(std::string_view json);

// ---- answers to invokes
struct InvokeAnswer {
  int status = 200;
  std::string body;  // JSON, or empty
};
// adaptiveCard/action: the card instead of the one that was pressed, for whoever pressed.
InvokeAnswer card_answer(const Card& card);
InvokeAnswer message_answer(std::string_view plain);
// What was pressed is not right (400), or the bot has failed (500).
InvokeAnswer error_answer(int status, std::string_view code, std::string_view plain);
InvokeAnswer empty_answer();  // feedback, suggested actions, file consent, signin: 200
// message/fetchTask, task/*: a dialog that says something.
InvokeAnswer task_answer(std::string_view title, const Card& card);
InvokeAnswer task_answer(std::string_view plain);
// config/*.
InvokeAnswer config_answer(std::string_view title, const Card& card);
InvokeAnswer sign_in_failed();   // 412
InvokeAnswer not_implemented();  // 501

}  // namespace viaduct::teams
