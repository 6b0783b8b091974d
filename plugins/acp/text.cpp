#include "plugins/acp/text.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace viaduct::acp {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

unsigned char byte(char c) {
  return static_cast<unsigned char>(c);
}

// Bytes of the UTF-8 character that `text` begins with; 0: none.
std::size_t character(std::string_view text) {
  const unsigned char first = byte(text[0]);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(text[i]) & 0xC0) != 0x80) return 0;
  const unsigned char second = byte(text[1]);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second > 0x9F;
  const bool too_large = first == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : size;
}

// The number of an escape \uXXXX that `text` begins with.
std::optional<unsigned> escape(std::string_view text) {
  if (text.size() < 6 || !text.starts_with("\\u")) return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, value, 16);
  if (error != std::errc{} || end != text.data() + 6) return std::nullopt;
  return value;
}
bool high(unsigned unit) {
  return unit >= 0xD800 && unit <= 0xDBFF;
}
bool low(unsigned unit) {
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

// Appends what `text`, inside of a string, begins with; gives the bytes that were taken.
std::size_t mend_in_string(std::string_view text, std::string& out) {
  if (text[0] == '\\') {
    const auto unit = escape(text);
    if (!unit) {
      out += text.substr(0, 2);
      return std::min<std::size_t>(2, text.size());
    }
    if (high(*unit)) {
      if (const auto next = escape(text.substr(6)); next && low(*next)) {
        out += text.substr(0, 12);
        return 12;
      }
    }
    out += high(*unit) || low(*unit) ? std::string_view("\\ufffd") : text.substr(0, 6);
    return 6;
  }
  if (byte(text[0]) < 0x20) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += byte(text[0]) < 0x10 ? "\\u000" : "\\u001";
    out += kDigits[byte(text[0]) % 16];
    return 1;
  }
  const std::size_t size = character(text);
  out += size == 0 ? kReplacement : text.substr(0, size);
  return std::max<std::size_t>(size, 1);
}

bool in_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
         c == '-' || c == '.';
}
std::string_view mended_word(std::string_view word) {
  if (word == "NaN" || word == "Infinity" || word == "-Infinity") return "null";
  double number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool all = end == word.data() + word.size();
  return all && error == std::errc::result_out_of_range ? "null" : word;
}

}  // namespace

std::string mended(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 16);
  bool in_string = false;
  for (std::size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (c == '"') {
      in_string = !in_string;
      out += c;
      ++i;
    } else if (in_string) {
      i += mend_in_string(json.substr(i), out);
    } else if (in_word(c)) {
      const std::size_t begin = i;
      while (i < json.size() && in_word(json[i])) ++i;
      out += mended_word(json.substr(begin, i - begin));
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

}  // namespace viaduct::acp
