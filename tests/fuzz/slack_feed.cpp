#include "tests/fuzz/slack_feed.hpp"

#include <viaduct/chat/command.hpp>
#include <viaduct/chat/split.hpp>
#include <viaduct/chat/text.hpp>
#include "plugins/slack/event.hpp"
#include "plugins/slack/form.hpp"
#include "plugins/slack/guard.hpp"
#include "plugins/slack/markdown.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/signature.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace viaduct::slack {
namespace {

void expect(bool holds, const char* what, std::string_view text) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\ntext: %.*s\n", what, static_cast<int>(text.size()),
               text.data());
  std::abort();
}

constexpr const char* kJson = "application/json";
constexpr const char* kForm = "application/x-www-form-urlencoded";

void feed_message(const Message& message, std::string_view body) {
  const Self self{"U_BOT", "B1", "A1"};
  const Ignored why = why_ignored(message, self);
  expect(!words(why).empty(), "there is a word for why", body);
  if (why == Ignored::kNot) {
    expect(is_ts(message.ts) && is_ts(message.thread()), "a message has its place", body);
    expect(!message.user.empty() && message.user != self.user, "somebody said it", body);
  }
  const std::string said = readable(without_own_mention(message.text, self.user), {});
  (void)chat::parse_addressed(said, "/amp");
}

void feed_request(const std::expected<Request, std::string>& request, std::string_view body) {
  if (!request) {
    expect(!request.error().empty(), "an error has words", body);
    return;
  }
  expect(!request->key.empty(), "a request has a key", body);
  if (const auto* event = std::get_if<Event>(&request->what))
    if (const auto* message = std::get_if<Message>(&event->what)) feed_message(*message, body);
  if (const auto* command = std::get_if<SlashCommand>(&request->what)) {
    expect(command->command.starts_with('/'), "a command has its slash", body);
    (void)chat::parse_slash(readable(command->text, {}));
  }
}

// Every < of mrkdwn begins an address, never a mention.
void expect_no_mention(std::string_view text, std::string_view markdown) {
  for (std::size_t i = 0; (i = text.find('<', i)) != std::string_view::npos; ++i) {
    const std::string start = chat::lower(text.substr(i + 1, 8));
    expect(start.starts_with("http://") || start.starts_with("https://") ||
               start.starts_with("mailto:") || start.starts_with("tel:"),
           "mrkdwn of a model links only to addresses", markdown);
  }
}

std::string without_breaks(std::string text) {
  constexpr std::string_view kBreak = "\xE2\x80\x8B";
  for (std::size_t i = 0; (i = text.find(kBreak, i)) != std::string::npos;)
    text.erase(i, kBreak.size());
  return text;
}

// Whether there is no run in which a cut cannot be told from the text.
bool has_places(std::string_view text) {
  std::size_t run = 0;
  for (const char c : text) {
    run = c == '`' || c == '~' || c == ' ' || c == '\t' || c == '\r' || c == '\n' ? run + 1 : 0;
    if (run > 40) return false;
  }
  return true;
}

void feed_split(std::string_view text, std::size_t longest, chat::Count count) {
  const std::vector<chat::Piece> pieces = chat::split(text, longest, count, true);
  std::string bodies;
  std::vector<std::string> texts;
  for (const chat::Piece& piece : pieces) {
    bodies += piece.body;
    texts.push_back(piece.text());
    const std::size_t size =
        count == chat::Count::kBytes ? texts.back().size() : chat::characters(texts.back());
    expect(size <= longest, "a part is no longer than it may be", text);
    expect(!piece.body.empty() || pieces.size() == 1, "a part has something in it", text);
  }
  expect(bodies == text, "nothing is lost", text);
  if (has_places(text)) expect(chat::joined(texts) == text, "parts can be joined", text);
}

void feed_growth(std::string_view text, std::size_t longest) {
  std::vector<std::string> shown;
  const std::size_t step = 1 + text.size() / 23;
  for (std::size_t size = 0;; size = std::min(size + step, text.size())) {
    const bool ended = size == text.size();
    const std::vector<std::string> now = split_markdown(text.substr(0, size), longest, ended);
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

void feed_event(std::string_view body) {
  for (const char* type : {kJson, kForm}) {
    const auto request = parse_http(type, body);
    feed_request(request, body);
    const auto again = parse_http(type, body);
    expect(request.has_value() == again.has_value() && (!request || request->key == again->key),
           "a second copy has the same key", body);
  }
  for (const char* type : {"events_api", "slash_commands", "interactive", "other"})
    feed_request(parse_envelope(type, body), body);
  if (const auto messages = parse_messages(body, "C1"))
    for (const Message& message : *messages) feed_message(message, body);
  if (const auto person = parse_person(body))
    expect(!person->id.empty() && !person->name.empty(), "a person has a name", body);
  if (is_ssl_check(kForm, body))
    expect(std::holds_alternative<SslCheck>(parse_http(kForm, body)->what),
           "what is not signed is not run", body);
  const auto signatures = Signatures::make({"secret"});
  expect(signatures->check(body.substr(0, 10), body, body, 1729000000) != Proof::kGood,
         "nobody signs by chance", body);
  expect(signatures->check("1729000000", signature_of("secret", "1729000000", body), body,
                           1729000000) == Proof::kGood,
         "what is signed is taken", body);
}

void feed_command(std::string_view raw) {
  expect(unescaped(escaped(raw)) == raw, "escaping loses nothing", raw);
  const std::string_view rest = without_own_mention(raw, "U_BOT");
  expect(!mentions(rest.substr(0, 8), "U_BOT"), "the own mention is gone", raw);
  (void)is_for_others(raw, "U_BOT");
  const Mentioned all = mentioned(raw);
  Names names;
  for (const std::string& user : all.users) names[user] = "Ada";
  const std::string text = readable(rest, names);
  for (const std::string& said : {text, std::string(raw)}) {
    const chat::Command command = chat::parse_slash(said);
    if (const auto* wrong = std::get_if<chat::WrongCommand>(&command))
      expect(!wrong->usage.empty(), "what is wrong has words", raw);
    if (const auto* unknown = std::get_if<chat::UnknownCommand>(&command)) {
      expect(unknown->words("/amp").size() < 700, "what is said stays short", raw);
      expect(!chat::parse_addressed(said, ""), "unknown words are for the agent", raw);
    }
    if (const auto* begin = std::get_if<chat::NewCommand>(&command))
      expect(begin->description.size() <= said.size(), "nothing is put in", raw);
    const auto in_thread = chat::parse_in_thread(said, "");
    expect(!in_thread || std::holds_alternative<chat::CancelCommand>(*in_thread),
           "in a thread only stop is a command", raw);
    (void)chat::parse_addressed("/amp " + said, "/amp");
  }
}

void feed_markdown(std::string_view text) {
  const std::string harmless = guarded(text);
  expect(without_breaks(harmless) == without_breaks(std::string(text)), "only breaks are put in",
         text);
  const std::string plain = mrkdwn(text);
  expect_no_mention(plain, text);
  expect(chat::valid_utf8(plain) == plain, "mrkdwn is text", text);
  feed_split(text, 400, chat::Count::kBytes);
  feed_split(chat::valid_utf8(text), 600, chat::Count::kCharacters);
  feed_split(plain, 400, chat::Count::kCharacters);
  feed_growth(text, 400);
}

}  // namespace viaduct::slack
