#include <viaduct/chat/command.hpp>

#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace viaduct::chat {
namespace {

constexpr std::uint32_t kMostDiscovered = 40;  // networks take some 50 blocks

enum class Word {
  kHelp,
  kList,
  kProjects,
  kNew,
  kConnect,
  kResume,
  kStatus,
  kSessions,
  kBreakout,
  kEnd,
  kUnbind,
  kCancel,
  kRetry,
  kDiscover,
  kConfig,
  kRemember,
  kRecall,
  kWorkStatus
};

struct Known {
  std::string_view name;
  Word word;
  std::string_view arguments = "";
  std::string_view what = "";  // for the help; empty: another name of it
};

// The names come first, in the help's order.
constexpr std::array kKnown = {
    Known{"help", Word::kHelp, "", "this list"},
    Known{"new", Word::kNew, "[--dir PATH] [--backend NAME] [description]",
          "start a session in a thread of its own"},
    Known{"list", Word::kList, "[project]", "sessions that can be connected"},
    Known{"projects", Word::kProjects, "", "folders that have sessions"},
    Known{"connect", Word::kConnect, "ID", "go on with a session here"},
    Known{"resume", Word::kResume, "[ID]", "wake a session up that has been lost or ended"},
    Known{"status", Word::kStatus, "[ID]", "how the session is doing"},
    Known{"sessions", Word::kSessions, "", "your sessions here"},
    Known{"breakout", Word::kBreakout, "[name]", "move this thread's session to its own channel"},
    Known{"cancel", Word::kCancel, "[ID]", "stop what the agent is doing; also `stop`"},
    Known{"retry", Word::kRetry, "[ID]", "send the last message again"},
    Known{"disconnect", Word::kUnbind, "[ID]", "let go of the session here; it lives on"},
    Known{"end", Word::kEnd, "[ID]", "end the session"},
    Known{"discover", Word::kDiscover, "[limit]",
          "for operators: sessions that other programs left on the host, to take over"},
    Known{"remember", Word::kRemember, "TEXT", "keep something in memory"},
    Known{"recall", Word::kRecall, "QUERY", "look something up in memory"},
    Known{"work-status", Word::kWorkStatus, "", "the work log"},
    Known{"config", Word::kConfig, "", "how this bridge is set up"},
    Known{"?", Word::kHelp},
    Known{"ls", Word::kList},
    Known{"start", Word::kNew},
    Known{"create", Word::kNew},
    Known{"attach", Word::kConnect},
    Known{"join", Word::kConnect},
    Known{"info", Word::kStatus},
    Known{"stop", Word::kCancel},
    Known{"unbind", Word::kUnbind},
    Known{"quit", Word::kEnd},
    Known{"close", Word::kEnd},
    Known{"work_status", Word::kWorkStatus},
};

const Known* find_known(std::string_view word) {
  const std::string name = lower(word);
  for (const Known& known : kKnown)
    if (known.name == name) return &known;
  return nullptr;
}

std::string_view name_of(Word word) {
  for (const Known& known : kKnown)
    if (known.word == word) return known.name;
  return "";
}

std::string code(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '`', '\'');
  return "`" + plain + "`";
}

// What stands in front of a command's word.
std::string before(std::string_view slash_command) {
  return slash_command.empty() ? "" : std::string(slash_command) + " ";
}

std::string usage(Word word) {
  for (const Known& known : kKnown)
    if (known.word == word)
      return std::string(known.name) + (known.arguments.empty() ? "" : " ") +
             std::string(known.arguments);
  return "";
}

std::string nearest_to(std::string_view word) {
  const std::string name = lower(word);
  const std::size_t most = name.size() < 4 ? 1 : 2;
  std::size_t least = most + 1;
  Word nearest = Word::kHelp;
  for (const Known& known : kKnown) {
    if (known.name.size() < 2) continue;
    const std::size_t edits = edits_between(name, known.name, most);
    // "s" is near to nothing.
    if (edits >= least || edits >= name.size()) continue;
    least = edits;
    nearest = known.word;
  }
  return least > most ? std::string() : std::string(name_of(nearest));
}

// A word of the line: its text without quotes, and where it stands.
struct Part {
  std::string text;
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_quoted = false;
};

constexpr std::array<std::string_view, 4> kDoubleQuotes = {"\"", "\xE2\x80\x9C", "\xE2\x80\x9D",
                                                           "\xE2\x80\x9E"};
constexpr std::array<std::string_view, 4> kSingleQuotes = {"'", "\xE2\x80\x98", "\xE2\x80\x99",
                                                           "\xE2\x80\x9A"};

// Size of the quotation mark at the beginning of `text`; 0: there is none.
std::size_t quote_size(std::string_view text, const std::array<std::string_view, 4>& marks) {
  for (const std::string_view mark : marks)
    if (text.starts_with(mark)) return mark.size();
  return 0;
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// What is quoted at `begin`, if its end is there and a word ends with it: an apostrophe is no
// quote.
std::optional<Part> quoted_at(std::string_view line, std::size_t begin) {
  for (const auto& marks : {kDoubleQuotes, kSingleQuotes}) {
    const std::size_t size = quote_size(line.substr(begin), marks);
    if (size == 0) continue;
    for (std::size_t i = begin + size; i < line.size(); ++i) {
      const std::size_t closing = quote_size(line.substr(i), marks);
      if (closing == 0 || (i + closing < line.size() && !is_blank(line[i + closing]))) continue;
      return Part{.text = std::string(line.substr(begin + size, i - begin - size)),
                  .begin = begin,
                  .end = i + closing,
                  .is_quoted = true};
    }
  }
  return std::nullopt;
}

// The word that begins at `begin`, which is not blank; quotes may begin inside of it behind "=".
Part part_at(std::string_view line, std::size_t begin) {
  if (auto quoted = quoted_at(line, begin)) return *std::move(quoted);
  std::size_t end = begin;
  while (end < line.size() && !is_blank(line[end])) {
    if (line[end] == '=' && end + 1 < line.size())
      if (const auto quoted = quoted_at(line, end + 1))
        return {.text = std::string(line.substr(begin, end + 1 - begin)) + quoted->text,
                .begin = begin,
                .end = quoted->end};
    ++end;
  }
  return {.text = std::string(line.substr(begin, end - begin)), .begin = begin, .end = end};
}

std::vector<Part> parts_of(std::string_view line) {
  std::vector<Part> all;
  for (std::size_t i = 0; i < line.size();) {
    if (is_blank(line[i])) {
      ++i;
      continue;
    }
    all.push_back(part_at(line, i));
    i = all.back().end;
  }
  return all;
}

// "--dir", also where a dash has been made of the two.
std::string option_of(const Part& part) {
  if (part.is_quoted) return "";
  for (const std::string_view dash : {"--", "\xE2\x80\x94", "\xE2\x80\x93"})
    if (part.text.starts_with(dash)) return "--" + part.text.substr(dash.size());
  return "";
}

// An id as people copy it: with the backticks or stars of a message around it.
std::string bare(std::string_view text) {
  while (!text.empty() && (text.front() == '`' || text.front() == '*')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == '`' || text.back() == '*' || text.back() == '.'))
    text.remove_suffix(1);
  return std::string(text);
}

// Whether it can be nothing but the beginning of an id: digits among letters.
bool looks_like_id(std::string_view text) {
  return text.size() >= 4 && text.find_first_of("0123456789") != std::string_view::npos &&
         text.find_first_not_of(
             "0123456789abcdefghijklmnopqrstuvwxyz"
             "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:") == std::string_view::npos;
}

// The words behind a command, of which each kind of command takes another number.
class Line {
 public:
  // `rest`: all behind the word. Not strict: what does not fit is an error, not for the agent.
  Line(Word word, std::string_view rest, bool strict)
      : word_(word), rest_(trimmed(rest)), parts_(parts_of(rest_)), strict_(strict) {}

  std::optional<Command> command() const;

 private:
  std::optional<Command> wrong(const std::string& why) const {
    if (strict_) return std::nullopt;
    return WrongCommand{why, usage(word_)};
  }
  // What takes nothing.
  template <class Kind>
  std::optional<Command> alone() const {
    if (strict_ && !parts_.empty()) return std::nullopt;
    return Kind{};
  }
  template <class Kind>
  std::optional<Command> with_id(bool needs_one) const {
    if (parts_.empty()) {
      if (!needs_one) return Kind{};
      return WrongCommand{"Which session?", usage(word_)};
    }
    std::string id = bare(parts_[0].text);
    if (parts_.size() > 1) return wrong("That is more than one session.");
    // "stop it" is for the agent.
    if (strict_ && word_ != Word::kConnect && word_ != Word::kResume && !looks_like_id(id))
      return std::nullopt;
    return Kind{std::move(id)};
  }
  template <class Kind>
  std::optional<Command> with_name() const {
    if (parts_.size() > 1) return wrong("That is more than one name.");
    return Kind{parts_.empty() ? std::string() : parts_[0].text};
  }
  // All that was said, as it was said.
  template <class Kind>
  std::optional<Command> with_text() const {
    if (parts_.empty()) return WrongCommand{"", usage(word_)};
    if (parts_.size() == 1 && parts_[0].is_quoted) return Kind{parts_[0].text};
    return Kind{std::string(rest_)};
  }
  std::optional<Command> discover() const;
  std::optional<Command> begin() const;

  Word word_;
  std::string_view rest_;
  std::vector<Part> parts_;
  bool strict_;
};

std::optional<Command> Line::discover() const {
  DiscoverCommand command;
  if (parts_.empty()) return command;
  const std::string& text = parts_[0].text;
  std::uint32_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc{} || end != text.data() + text.size() || limit == 0 || parts_.size() > 1)
    return wrong("The limit is a number from 1 to " + std::to_string(kMostDiscovered) + ".");
  command.limit = std::min(limit, kMostDiscovered);
  return command;
}

std::optional<Command> Line::begin() const {
  NewCommand command;
  std::string description;
  std::size_t from = 0;  // of the text that is not yet in the description
  bool takes_options = true;
  const auto take_until = [&](std::size_t end) {
    const std::string_view text = trimmed(rest_.substr(from, end - from));
    if (!text.empty()) description.append(description.empty() ? "" : " ").append(text);
  };
  for (std::size_t i = 0; i < parts_.size() && takes_options; ++i) {
    const std::string option = option_of(parts_[i]);
    if (option.empty()) continue;
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string name = lower(option.substr(0, equals));
    const bool in_text = !description.empty() || (i > 0 && from < parts_[i - 1].end);
    takes_options = in_text || parts_[i].text != "--";
    if (takes_options && name != "--dir" && name != "--backend") {
      // Behind the first word of the description, it is a part of it.
      if (in_text || name == "--") continue;
      return WrongCommand{"Unknown option " + code(name) + ".", usage(word_)};
    }
    take_until(parts_[i].begin);
    from = parts_[i].end;
    if (!takes_options) break;
    std::string value;
    if (equals < option.size()) {
      value = option.substr(equals + 1);
    } else if (i + 1 < parts_.size() && option_of(parts_[i + 1]).empty()) {
      value = parts_[++i].text;
      from = parts_[i].end;
    }
    if (value.empty()) return WrongCommand{"Missing value for `" + name + "`.", usage(word_)};
    (name == "--dir" ? command.dir : command.backend) = std::move(value);
  }
  take_until(rest_.size());
  const std::vector<Part> words = parts_of(description);
  command.description = words.size() == 1 ? words[0].text : description;
  return command;
}

std::optional<Command> Line::command() const {
  switch (word_) {
    case Word::kHelp: return alone<HelpCommand>();
    case Word::kList: return with_name<ListCommand>();
    case Word::kProjects: return alone<ProjectsCommand>();
    case Word::kNew: return begin();
    case Word::kConnect: return with_id<ConnectCommand>(true);
    case Word::kResume: return with_id<ResumeCommand>(false);
    case Word::kStatus: return with_id<StatusCommand>(false);
    case Word::kSessions: return alone<SessionsCommand>();
    case Word::kBreakout: return with_name<BreakoutCommand>();
    case Word::kEnd: return with_id<EndCommand>(false);
    case Word::kUnbind: return with_id<UnbindCommand>(false);
    case Word::kCancel: return with_id<CancelCommand>(false);
    case Word::kRetry: return with_id<RetryCommand>(false);
    case Word::kDiscover: return discover();
    case Word::kConfig: return alone<ConfigCommand>();
    case Word::kRemember: return with_text<RememberCommand>();
    case Word::kRecall: return with_text<RecallCommand>();
    case Word::kWorkStatus: return alone<WorkStatusCommand>();
  }
  return std::nullopt;
}

// The first word, and what is behind it.
std::pair<std::string_view, std::string_view> first_word(std::string_view text) {
  text = trimmed(text);
  const std::size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
  return {text.substr(0, end), text.substr(end)};
}

std::string_view without_slash_command(std::string_view text, std::string_view slash_command) {
  const auto [first, rest] = first_word(text);
  return !slash_command.empty() && lower(first) == lower(slash_command) ? rest : text;
}

}  // namespace

std::string WrongCommand::words(std::string_view slash_command) const {
  return why + (why.empty() ? "" : " ") + "Usage: `" + before(slash_command) + usage + "`";
}

std::string UnknownCommand::words(std::string_view slash_command) const {
  const std::string slash = before(slash_command);
  std::string said = "Unknown command: " + code(word) + ".";
  if (!nearest.empty()) said += " Did you mean `" + slash + nearest + "`?";
  return said + " Try `" + slash + "help` for available commands.";
}

Command parse_slash(std::string_view text) {
  const auto [word, rest] = first_word(text);
  if (word.empty()) return HelpCommand{};
  const Known* const known = find_known(word);
  if (known == nullptr)
    return UnknownCommand{.word = std::string(word.substr(0, 80)), .nearest = nearest_to(word)};
  return Line(known->word, rest, /*strict=*/false).command().value_or(HelpCommand{});
}

std::optional<Command> parse_addressed(std::string_view text, std::string_view slash_command) {
  const std::string_view said = without_slash_command(text, slash_command);
  // What begins with the slash command is meant as one.
  if (said.data() != text.data()) return parse_slash(said);
  const auto [word, rest] = first_word(said);
  if (word.empty()) return HelpCommand{};
  const Known* const known = find_known(word);
  if (known == nullptr) return std::nullopt;
  return Line(known->word, rest, /*strict=*/true).command();
}

std::optional<Command> parse_in_thread(std::string_view text, std::string_view slash_command) {
  const std::string_view said = without_slash_command(text, slash_command);
  if (said.data() != text.data()) return parse_slash(said);
  std::string_view word = trimmed(said);
  while (!word.empty() && (word.back() == '!' || word.back() == '.')) word.remove_suffix(1);
  const Known* const known = find_known(word);
  if (known == nullptr || known->word != Word::kCancel) return std::nullopt;
  return CancelCommand{};
}

std::string help_text(std::string_view slash_command, bool has_channels) {
  const std::string slash = before(slash_command);
  std::string text;
  for (const Known& known : kKnown) {
    if (known.what.empty() || (known.word == Word::kBreakout && !has_channels)) continue;
    text += "• `" + slash + std::string(known.name);
    if (!known.arguments.empty()) text.append(" ").append(known.arguments);
    text.append("` – ").append(known.what).append("\n");
  }
  return text;
}

}  // namespace viaduct::chat
