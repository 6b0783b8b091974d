#include "tests/fuzz/teams_feed.hpp"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>
#include <viaduct/chat/command.hpp>
#include <viaduct/chat/fence.hpp>
#include <viaduct/chat/split.hpp>
#include <viaduct/chat/text.hpp>

#include "plugins/teams/activity.hpp"
#include "plugins/teams/card.hpp"
#include "plugins/teams/markdown.hpp"
#include "plugins/teams/text.hpp"
#include "plugins/teams/words.hpp"

namespace viaduct::teams {
namespace {

void expect(bool holds, const char* what, std::string_view text) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\ntext: %.*s\n", what, static_cast<int>(text.size()),
               text.data());
  std::abort();
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t') || c == 0x7F;
}
void expect_text(std::string_view said, std::string_view from) {
  expect(chat::valid_utf8(said) == said, "what was said is text", from);
  for (const char c : said) expect(!is_control(c), "what was said has no control characters", from);
}

void feed_message(const Activity& activity, const Message& message, std::string_view body) {
  expect(!words(why_ignored(activity, message)).empty(), "there is a word for why", body);
  const std::string said = text_of(activity, message);
  expect_text(chat::valid_utf8(said), body);
  for (const Quote& quote : quotes_of(message))
    expect(!quote.text.empty(), "a quote has words", body);
  expect(files_of(message).size() >= message.files.size(), "no file is lost", body);
  (void)chat::parse_addressed(said, "");
  (void)parse_press(message.value);
  if (activity.conversation.kind == ConversationKind::kPersonal)
    expect(is_addressed(activity, message), "a personal chat is for the bot", body);
}

// Every < of what is shown is written out, but in code.
void expect_no_tag(std::string_view shown, std::string_view from) {
  std::optional<chat::Fence> fence;
  for (std::size_t i = 0; i < shown.size();) {
    const chat::Line line = chat::line_at(shown, i);
    i += line.size;
    if (fence && chat::closes(*fence, line.text)) {
      fence.reset();
    } else if (!fence) {
      fence = chat::opened_by(line.text);
      const bool has_code = line.text.find('`') != std::string_view::npos;
      expect(has_code || line.text.find('<') == std::string_view::npos, "a model writes no tag",
             from);
    }
  }
}

// Whether there is no run in which a cut cannot be told from the text.
bool has_places(std::string_view text) {
  std::size_t run = 0;
  for (const char c : text) {
    run = c == '`' || c == '~' || c == ' ' || c == '\t' || c == '\n' ? run + 1 : 0;
    if (run > 40) return false;
  }
  return true;
}

void feed_parts(std::string_view text, Flavour flavour, std::size_t longest) {
  const std::string whole =
      flavour == Flavour::kMarkdown ? teams_markdown(text) : extended_markdown(text);
  const std::vector<std::string> parts = parts_of(text, flavour, true, longest);
  expect(!parts.empty(), "there is a part", text);
  for (const std::string& part : parts) {
    expect(chat::characters(part) <= longest, "a part is no longer than it may be", text);
    expect(chat::valid_utf8(part) == part, "a part is text", text);
  }
  const bool ends_blank = chat::trimmed(whole).size() < whole.size();
  if (has_places(whole) && !ends_blank)
    expect(chat::joined(parts) == whole, "parts can be joined", text);
}

void feed_growth(std::string_view text, Flavour flavour, std::size_t longest) {
  std::vector<std::string> shown;
  const std::size_t step = 1 + text.size() / 23;
  for (std::size_t size = 0;; size = std::min(size + step, text.size())) {
    const bool ended = size == text.size();
    const std::vector<std::string> now = parts_of(text.substr(0, size), flavour, ended, longest);
    expect(now.size() >= shown.size(), "parts stay", text);
    for (std::size_t i = 0; i < shown.size(); ++i) {
      expect(now[i].starts_with(shown[i]), "what is shown only grows", text);
      expect(i + 1 == shown.size() || now[i] == shown[i], "a part that is done stays", text);
    }
    shown = now;
    if (ended) return;
  }
}

}  // namespace

void feed_activity(std::string_view body) {
  const auto activity = parse_activity(body);
  if (!activity) {
    expect(!activity.error().empty(), "an error has words", body);
    return;
  }
  expect(!activity->key.empty() && activity->key.size() <= 512, "a key fits the inbox", body);
  expect(parse_activity(body)->key == activity->key, "a second copy has the same key", body);
  const chat::Place place = place_of(*activity);
  expect((place.team + place.channel + place.thread).find('/') == std::string::npos,
         "no part of a place has a slash", body);
  expect(base_conversation_of(place) == activity->conversation.base, "a place leads back", body);
  if (const auto* message = std::get_if<Message>(&activity->what))
    feed_message(*activity, *message, body);
  if (const auto* edited = std::get_if<MessageEdited>(&activity->what))
    feed_message(*activity, edited->message, body);
  if (const auto* invoke = std::get_if<Invoke>(&activity->what))
    if (const auto* action = std::get_if<CardAction>(&invoke->what))
      if (const auto press = parse_press(action->data))
        expect(!press->action.empty(), "a button does something", body);
}

void feed_html(std::string_view html) {
  const auto named = html_text(html);
  if (!named) return;
  expect_text(named->text, html);
  const auto read = html_text(html, {});
  if (read) expect(read->text == named->text, "without mentions both are the same", html);
}

void feed_markdown(std::string_view text) {
  const std::string shown = teams_markdown(text);
  expect_text(shown, text);
  expect_no_tag(shown, text);
  for (const Flavour flavour : {Flavour::kMarkdown, Flavour::kExtended}) {
    feed_parts(text, flavour, 400);
    feed_growth(text, flavour, kLongestPart);
    feed_growth(text, flavour, 400);
  }
  const std::string plain = chat::valid_utf8(text);
  const std::string harmless = escaped(plain);
  expect(harmless.find('<') == std::string::npos, "data makes no tag", text);
  expect(code(plain).find('`', 1) == code(plain).size() - 1, "code ends where it should", text);
  expect_text(message_text(with_code(plain)), text);
  (void)plain_text(harmless);
}

}  // namespace viaduct::teams
