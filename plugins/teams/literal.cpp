#include "plugins/teams/literal.hpp"

#include <viaduct/chat/text.hpp>

#include <algorithm>

namespace viaduct::teams {
namespace {

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_punctuation(char c) {
  return c > ' ' && c < 0x7F && !is_word(c);
}

// Where a backslash belongs into the beginning of a line, so that it is no list, heading or rule;
// npos: nowhere.
std::size_t escape_at_begin(std::string_view line) {
  if (line.empty()) return line.npos;
  const auto is_end = [line](std::size_t i) { return i >= line.size() || line[i] == ' '; };
  const char c = line[0];
  if (c == '#') return is_end(std::min(line.find_first_not_of('#'), line.size())) ? 0 : line.npos;
  if (c == '+' || c == '-')
    return is_end(1) || line.find_first_not_of("- ") == line.npos ? 0 : line.npos;
  if (c == '=') return line.find_first_not_of("= ") == line.npos ? 0 : line.npos;
  if (c == '[') return line.find("]:") == line.npos ? line.npos : 0;
  const std::size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  const bool is_number = digits > 0 && digits < 10 && digits < line.size() &&
                         (line[digits] == '.' || line[digits] == ')') && is_end(digits + 1);
  return is_number ? digits : line.npos;
}

}  // namespace

void append_literal(std::string& out, std::string_view text) {
  const std::size_t escape = out.empty() ? escape_at_begin(text) : text.npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char before = out.empty() ? '\n' : out.back();
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    bool needs_sign = i == escape;
    switch (c) {
      case '<': out += "&lt;"; continue;
      case '>': out += out.empty() ? "&gt;" : ">"; continue;
      case '&': out += is_word(next) || next == '#' ? "&amp;" : "&"; continue;
      case '*': needs_sign = before != ' ' || next != ' '; break;
      case '_': needs_sign = !is_word(before) || !is_word(next); break;
      case '`': needs_sign = true; break;
      case '~': needs_sign = before == '~' || next == '~'; break;
      case '\\': needs_sign = next == '\0' || is_punctuation(next); break;
      case '(': needs_sign = before == ']'; break;
      default: break;
    }
    if (needs_sign) out += '\\';
    out += c;
  }
}

std::string with_numbers(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (!text.substr(i).starts_with("[^")) continue;
    const std::size_t end = text.find_first_not_of("0123456789", i + 2);
    if (end != text.npos && end > i + 2 && text[end] == ']') ++i;
  }
  return out;
}

std::string address_of(std::string_view url) {
  const std::string scheme = chat::lower(url.substr(0, 8));
  const bool is_fine = scheme.starts_with("http://") || scheme.starts_with("https://") ||
                       scheme.starts_with("mailto:") || scheme.starts_with("tel:");
  std::string address;
  if (!is_fine) return address;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : url) {
    if (std::string_view(" ()<>\\\"`").find(c) != std::string_view::npos) {
      address += '%';
      address += kHex[static_cast<unsigned char>(c) >> 4U];
      address += kHex[static_cast<unsigned char>(c) & 0xFU];
    } else if (static_cast<unsigned char>(c) > ' ') {
      address += c;
    }
  }
  return address;
}

std::string language_of(std::string_view info) {
  info = chat::trimmed(info);
  const std::string_view word = info.substr(0, info.find_first_of(" \t,{"));
  constexpr std::size_t kLongest = 30;
  const bool is_name =
      word.size() <= kLongest && std::ranges::all_of(word, [](char c) {
        return is_word(c) || std::string_view("+#.-_").find(c) != std::string_view::npos;
      });
  return is_name ? std::string(word) : std::string();
}

}  // namespace viaduct::teams
