#include "plugins/slack/mentions.hpp"

#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace viaduct::slack {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kEntities{
    {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}}};

// What stands in <…>. `target` begins with @, # or !, or is an address.
struct Token {
  std::string_view target;
  std::string_view label;  // behind the |, if any
  std::size_t size = 0;    // with its brackets

  // The id, if it is a mention of that kind: '@' or '#'.
  std::string_view id(char kind) const {
    return !target.empty() && target[0] == kind ? target.substr(1) : std::string_view();
  }
  std::string_view group() const {
    constexpr std::string_view kGroup = "!subteam^";
    return target.starts_with(kGroup) ? target.substr(kGroup.size()) : std::string_view();
  }
  bool is_everybody() const {
    return target == "!here" || target == "!channel" || target == "!everyone";
  }
};

// A bracket of the person's own has been escaped by Slack, so that each < begins one.
std::optional<Token> token_at(std::string_view text) {
  if (!text.starts_with('<')) return std::nullopt;
  const std::size_t end = text.find_first_of("<>", 1);
  if (end == std::string_view::npos || text[end] == '<' || end == 1) return std::nullopt;
  const std::string_view inside = text.substr(1, end - 1);
  const std::size_t bar = std::min(inside.find('|'), inside.size());
  return Token{.target = inside.substr(0, bar),
               .label = inside.substr(std::min(bar + 1, inside.size())),
               .size = end + 1};
}

// `on_token` for each token, `on_text` for what is between them.
template <class OnToken, class OnText>
void walk(std::string_view text, OnToken on_token, OnText on_text) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto token = text[i] == '<' ? token_at(text.substr(i)) : std::nullopt;
    if (!token) {
      ++i;
      continue;
    }
    on_text(text.substr(begin, i - begin));
    on_token(*token);
    i += token->size;
    begin = i;
  }
  on_text(text.substr(begin));
}

void add_once(std::vector<std::string>& all, std::string_view id) {
  if (!id.empty() && std::find(all.begin(), all.end(), id) == all.end()) all.emplace_back(id);
}

// A name is one line, and cannot be taken for anything else.
std::string named(char sign, std::string_view id, std::string_view label, const Names& names) {
  std::string name(1, sign);
  if (const auto found = names.find(id); found != names.end() && !found->second.empty())
    name += found->second;
  else if (!label.empty())
    name += unescaped(label.starts_with(sign) ? label.substr(1) : label);
  else
    name += id;
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return name;
}

std::string link(std::string_view target, std::string_view label) {
  const std::string address = unescaped(target);
  const std::string words = unescaped(label);
  // What the person typed, which Slack made a link of.
  for (const std::string_view scheme : {"", "http://", "https://", "mailto:", "tel:"}) {
    if (!address.starts_with(scheme)) continue;
    const std::string_view rest = std::string_view(address).substr(scheme.size());
    if (!words.empty() && (rest == words || (rest == words + "/"))) return words;
  }
  if (words.empty()) return address.starts_with("mailto:") ? address.substr(7) : address;
  return "[" + words + "](" + address + ")";
}

std::string readable_token(const Token& token, const Names& names) {
  if (const auto user = token.id('@'); !user.empty()) return named('@', user, token.label, names);
  if (const auto channel = token.id('#'); !channel.empty())
    return named('#', channel, token.label, names);
  if (const auto group = token.group(); !group.empty())
    return named('@', group, token.label, names);
  if (token.target.starts_with('!')) {
    if (token.is_everybody()) return "@" + std::string(token.target.substr(1));
    if (!token.label.empty()) return unescaped(token.label);  // a date
    return std::string(token.target.substr(1));
  }
  return link(token.target, token.label);
}

}  // namespace

std::string unescaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    std::size_t size = 0;
    if (text[i] == '&')
      for (const auto& [entity, sign] : kEntities)
        if (size == 0 && text.substr(i).starts_with(entity)) {
          result += sign;
          size = entity.size();
        }
    if (size == 0) {
      result += text[i];
      size = 1;
    }
    i += size;
  }
  return result;
}

std::string escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else
      result += c;
  }
  return result;
}

Mentioned mentioned(std::string_view text) {
  Mentioned all;
  walk(
      text,
      [&all](const Token& token) {
        if (!token.label.empty()) return;
        add_once(all.users, token.id('@'));
        add_once(all.channels, token.id('#'));
        add_once(all.groups, token.group());
      },
      [](std::string_view) {});
  return all;
}

std::string_view without_own_mention(std::string_view text, std::string_view bot_user) {
  text = chat::trimmed(text);
  for (;;) {
    const auto token = token_at(text);
    if (!token || bot_user.empty() || token->id('@') != bot_user) return text;
    text = chat::trimmed(text.substr(token->size));
    if (!text.empty() && (text[0] == ',' || text[0] == ':')) text = chat::trimmed(text.substr(1));
  }
}

bool mentions(std::string_view text, std::string_view user) {
  bool found = false;
  walk(
      text,
      [&found, user](const Token& token) {
        found = found || (!user.empty() && token.id('@') == user);
      },
      [](std::string_view) {});
  return found;
}

bool is_for_others(std::string_view text, std::string_view bot_user) {
  bool others = false;
  for (;;) {
    text = chat::trimmed(text);
    while (!text.empty() && (text[0] == ',' || text[0] == '&')) {
      const bool is_and = text.starts_with("&amp;");
      if (text[0] == '&' && !is_and) break;
      text = chat::trimmed(text.substr(is_and ? 5 : 1));
    }
    const auto token = token_at(text);
    if (!token) return others;
    if (!bot_user.empty() && token->id('@') == bot_user) return false;
    if (token->id('@').empty() && token->group().empty() && !token->is_everybody()) return others;
    others = true;
    text.remove_prefix(token->size);
  }
}

std::string readable(std::string_view text, const Names& names) {
  std::string result;
  result.reserve(text.size());
  walk(
      text, [&](const Token& token) { result += readable_token(token, names); },
      [&](std::string_view between) { result += unescaped(between); });
  return result;
}

}  // namespace viaduct::slack
