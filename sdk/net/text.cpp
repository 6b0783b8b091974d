#include "viaduct/net/text.hpp"

#include <algorithm>
#include <cctype>

namespace viaduct::net {
namespace {

constexpr std::size_t kShortestSecret = 4;
constexpr std::size_t kShortestPiece = 8;  // of one that was cut; less may be chance

bool in_key(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '*';
}

void replace_all(std::string& text, const std::string& what) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 3))
    text.replace(at, what.size(), "***");
}

// How keys begin: OpenAI's, Anthropic's and OpenRouter's (servers quote them, half masked),
// Google's, GitHub's, Slack's.
void replace_keys(std::string& text) {
  for (const std::string_view start :
       {"sk-", "AIza", "ghp_", "gho_", "ghs_", "github_pat_", "xoxb-", "xoxp-", "xapp-"}) {
    for (std::size_t at = text.find(start); at != std::string::npos;
         at = text.find(start, at + 1)) {
      if (at > 0 && in_key(text[at - 1])) continue;
      std::size_t end = at + start.size();
      while (end < text.size() && in_key(text[end])) ++end;
      if (end - at >= 8) text.replace(at, end - at, "***");
    }
  }
}

// What is left of a secret where the text was cut, at its beginning or its end.
void replace_pieces(std::string& text, const std::string& secret) {
  const std::string_view whole = secret;
  for (std::size_t size = std::min(whole.size() - 1, text.size()); size >= kShortestPiece; --size)
    if (text.starts_with(whole.substr(whole.size() - size))) {
      text.replace(0, size, "***");
      break;
    }
  for (std::size_t size = std::min(whole.size() - 1, text.size()); size >= kShortestPiece; --size)
    if (text.ends_with(whole.substr(0, size))) {
      text.replace(text.size() - size, size, "***");
      break;
    }
}

}  // namespace

std::string_view prefix(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

std::string one_line(std::string_view text, std::size_t limit) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte != 0x7F)
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (line.size() <= limit) return line;
  return std::string(prefix(line, limit)) + "…";
}

std::string last_lines(std::string_view text, std::size_t limit) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  if (text.size() > limit) {
    text.remove_prefix(text.size() - limit);
    if (const std::size_t end = text.find('\n'); end != std::string_view::npos)
      text.remove_prefix(end + 1);
    while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xC0) == 0x80)
      text.remove_prefix(1);
  }
  return one_line(text, limit);
}

std::string redacted(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets)
    if (secret.size() >= kShortestSecret) replace_all(text, secret);
  for (const std::string& secret : secrets)
    if (secret.size() > kShortestPiece) replace_pieces(text, secret);
  replace_keys(text);
  return text;
}

bool too_complex(std::string_view json, std::size_t most_values, int deepest) {
  int depth = 0;
  std::size_t values = 1;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      for (++i; i < json.size() && json[i] != '"'; ++i)
        if (json[i] == '\\') ++i;
    } else if (c == '{' || c == '[') {
      ++values;
      if (++depth > deepest) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == ',') {
      ++values;
    }
    if (values > most_values) return true;
  }
  return false;
}

}  // namespace viaduct::net
