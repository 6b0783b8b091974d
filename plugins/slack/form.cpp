#include "plugins/slack/form.hpp"

#include <viaduct/chat/text.hpp>

namespace viaduct::slack {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    if (is_escape) {
      bytes += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      bytes += text[i] == '+' ? ' ' : text[i];
    }
  }
  return chat::valid_utf8(bytes);
}

}  // namespace

Form::Form(std::string_view body) {
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('&'), body.size());
    const std::string_view field = body.substr(0, end);
    const std::size_t equals = std::min(field.find('='), field.size());
    if (!field.empty())
      fields_.emplace_back(
          decoded(field.substr(0, equals)),
          equals == field.size() ? std::string() : decoded(field.substr(equals + 1)));
    body.remove_prefix(std::min(end + 1, body.size()));
  }
}

const std::string& Form::get(std::string_view name) const {
  static const std::string kNothing;
  for (const auto& [known, value] : fields_)
    if (known == name) return value;
  return kNothing;
}

bool Form::has(std::string_view name) const {
  for (const auto& [known, value] : fields_)
    if (known == name) return true;
  return false;
}

bool is_type(std::string_view content_type, std::string_view type) {
  return chat::lower(chat::trimmed(content_type.substr(0, content_type.find(';')))) == type;
}

std::string form_encoded(std::string_view text) {
  std::string to;
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || std::string_view("-._*").contains(c);
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain)
      to += c;
    else if (c == ' ')
      to += '+';
    else
      (to += '%') += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return to;
}

bool is_ssl_check(std::string_view content_type, std::string_view body) {
  if (!is_type(content_type, "application/x-www-form-urlencoded")) return false;
  int checks = 0;
  for (const auto& [name, value] : Form(body).fields()) {
    if (name != "ssl_check") continue;
    if (value != "1") return false;
    ++checks;
  }
  return checks == 1;
}

}  // namespace viaduct::slack
