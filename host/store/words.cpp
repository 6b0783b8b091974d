#include "host/store/words.hpp"

namespace viaduct::store {
namespace {

unsigned char byte(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

struct Character {
  std::uint32_t code = 0;
  std::size_t size = 1;
};

// What is no UTF-8 is taken byte by byte, as Latin letters that nothing knows.
Character character(std::string_view text, std::size_t at) {
  const auto first = byte(text, at);
  if (first < 0xC0) return {first < 0x80 ? first : 0xFFFDU, 1};
  const std::size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (at + size > text.size()) return {0xFFFD, 1};
  std::uint32_t code = first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(text, at + i) & 0xC0) != 0x80) return {0xFFFD, 1};
    code = code << 6 | (byte(text, at + i) & 0x3FU);
  }
  return {code, size};
}

bool is_space(std::uint32_t code) {
  return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 ||
         code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_word(std::uint32_t code) {
  if (code < 0x80)
    return (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
           (code >= 'A' && code <= 'Z');
  if (code < 0xC0) return code == 0xAA || code == 0xB5 || code == 0xBA;
  return code != 0xD7 && code != 0xF7 && !is_space(code) && !(code >= 0x2000 && code <= 0x206F) &&
         !(code >= 0x3000 && code <= 0x3003) && !(code >= 0x3008 && code <= 0x3020) &&
         !(code >= 0xFF01 && code <= 0xFF0F) && !(code >= 0xFF1A && code <= 0xFF20);
}

}  // namespace

std::string_view next_word(std::string_view text, std::size_t& position) {
  while (position < text.size()) {
    const auto [code, size] = character(text, position);
    if (is_word(code)) break;
    position += size;
  }
  const auto begin = position;
  while (position < text.size()) {
    const auto [code, size] = character(text, position);
    if (!is_word(code)) break;
    position += size;
  }
  return text.substr(begin, position - begin);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::size_t leading_space(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const auto [code, size] = character(text, length);
    if (!is_space(code)) break;
    length += size;
  }
  return length;
}

std::string_view trim(std::string_view text) {
  text.remove_prefix(leading_space(text));
  while (!text.empty()) {
    auto last = text.size() - 1;
    while (last > 0 && (byte(text, last) & 0xC0) == 0x80) --last;
    const auto [code, size] = character(text, last);
    if (!is_space(code) || last + size != text.size()) break;
    text.remove_suffix(size);
  }
  return text;
}

}  // namespace viaduct::store
