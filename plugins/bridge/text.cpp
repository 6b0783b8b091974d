#include "plugins/bridge/text.hpp"

#include <cctype>

namespace viaduct::bridge {
namespace {

constexpr std::size_t kShortestSecret = 4;

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

std::string redacted(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets)
    if (secret.size() >= kShortestSecret) replace_all(text, secret);
  replace_keys(text);
  return text;
}

}  // namespace viaduct::bridge
