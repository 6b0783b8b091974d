// Written out by hand, as one pass over the text: std::regex recurses, and overflows the stack on
// long messages.
#include "host/memory/memory.hpp"
#include "host/store/words.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace viaduct::memory {
namespace {

using store::leading_space;
using store::lower;
using store::next_word;
using store::trim;

bool take(std::string_view& rest, std::string_view literal) {
  if (lower(rest.substr(0, literal.size())) != literal) return false;
  rest.remove_prefix(literal.size());
  return true;
}

bool take_spaces(std::string_view& rest) {
  const auto length = leading_space(rest);
  rest.remove_prefix(length);
  return length > 0;
}

// The words in their order, white space between them; `rest` goes behind the last one.
bool take_words(std::string_view& rest, std::initializer_list<std::string_view> words) {
  auto ahead = rest;
  bool first = true;
  for (const auto word : words) {
    if (!std::exchange(first, false) && !take_spaces(ahead)) return false;
    if (!take(ahead, word)) return false;
  }
  rest = ahead;
  return true;
}

std::optional<Intent> made(Action action, std::string_view text) {
  if (action == Action::recall) text = text.substr(0, text.find('\n'));
  text = trim(text);
  if (text.empty()) return std::nullopt;
  return Intent{action, std::string(text)};
}

}  // namespace

std::optional<Intent> intent(std::string_view message) {
  message = trim(message);
  // ^remember\s+this:\s*(.+)   ^remember\s+that\s+(.+)   ^remember:\s*(.+)
  auto rest = message;
  if (take_words(rest, {"remember", "this:"})) return made(Action::remember, rest);
  if (take_words(rest, {"remember", "that"}) && take_spaces(rest))
    return made(Action::remember, rest);
  rest = message;
  if (take(rest, "remember:")) return made(Action::remember, rest);
  // ^what\s+do\s+you\s+remember\s+about\s+(.+)   ^recall\s+(.+)
  if (take_words(rest, {"what", "do", "you", "remember", "about"}) && take_spaces(rest))
    return made(Action::recall, rest);
  rest = message;
  if (take(rest, "recall") && take_spaces(rest)) return made(Action::recall, rest);
  // ^search\s+memory\s+(?:for\s+)?(.+)
  rest = message;
  if (take_words(rest, {"search", "memory"}) && take_spaces(rest)) {
    auto behind_for = rest;
    if (take(behind_for, "for") && take_spaces(behind_for)) rest = behind_for;
    return made(Action::recall, rest);
  }
  return std::nullopt;
}

namespace {

struct CategoryWords {
  std::string_view name;
  std::array<std::string_view, 11> keywords;  // in the order in which they become tags
};
// In order of precedence where two have as many words in a text.
constexpr CategoryWords kCategories[] = {
    {"architecture",
     {"architecture", "design", "pattern", "module", "structure", "layer", "component", "system",
      "interface", "abstraction"}},
    {"workflow",
     {"workflow", "process", "step", "pipeline", "deploy", "ci", "cd", "build", "release",
      "sprint"}},
    {"preference",
     {"prefer", "like", "always", "never", "habit", "style", "convention", "standard", "favorite",
      "default"}},
    {"environment",
     {"env", "environment", "setup", "install", "config", "path", "variable", "os", "machine",
      "docker"}},
    {"git",
     {"git", "commit", "branch", "merge", "rebase", "pull request", "pr", "repo", "clone", "push"}},
    {"research",
     {"research", "investigate", "explore", "compare", "evaluate", "benchmark", "study", "analysis",
      "finding", "learned"}},
    {"pattern",
     {"pattern", "idiom", "recipe", "technique", "trick", "approach", "method", "strategy",
      "solution", "workaround"}},
    {"tools",
     {"tool", "editor", "ide", "plugin", "extension", "cli", "command", "utility", "library",
      "package"}},
};
constexpr std::size_t kLongestKeyword = 12;

}  // namespace

Categories categorize(std::string_view text) {
  bool present[std::size(kCategories)][std::tuple_size_v<decltype(CategoryWords::keywords)>] = {};
  std::string before;
  std::size_t position = 0;
  for (auto word = next_word(text, position); !word.empty(); word = next_word(text, position)) {
    if (word.size() > kLongestKeyword) {
      before.clear();
      continue;
    }
    const std::string small = lower(word);
    const std::string pair = before == "pull" ? before + " " + small : std::string();
    for (std::size_t c = 0; c < std::size(kCategories); ++c)
      for (std::size_t k = 0; k < kCategories[c].keywords.size(); ++k)
        if (const auto keyword = kCategories[c].keywords[k];
            !keyword.empty() && (keyword == small || keyword == pair))
          present[c][k] = true;
    before = small;
  }

  const auto count = [&](std::size_t c) { return std::ranges::count(present[c], true); };
  std::size_t best = 0;
  for (std::size_t c = 1; c < std::size(kCategories); ++c)
    if (count(c) > count(best)) best = c;
  if (count(best) == 0) return {"general", {"general"}};

  Categories result{std::string(kCategories[best].name), {std::string(kCategories[best].name)}};
  for (std::size_t c = 0; c < std::size(kCategories); ++c) {
    if (c == best) continue;
    // The first of its words that is not a tag already.
    for (std::size_t k = 0; k < kCategories[c].keywords.size(); ++k) {
      if (!present[c][k]) continue;
      if (std::string tag(kCategories[c].keywords[k]);
          std::ranges::find(result.tags, tag) == result.tags.end()) {
        result.tags.push_back(std::move(tag));
        break;
      }
    }
  }
  return result;
}

}  // namespace viaduct::memory
