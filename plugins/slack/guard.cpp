#include "plugins/slack/guard.hpp"

#include <viaduct/chat/split.hpp>

#include <viaduct/chat/guard.hpp>
#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <array>

namespace viaduct::slack {
namespace {

// An underscore may be emphasis: _@here_ calls.
bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Whether @channel and the like end with line[i].
bool ends_call(std::string_view line, std::size_t i) {
  constexpr std::array<std::string_view, 3> kCalls = {"@channel", "@everyone", "@here"};
  for (const std::string_view call : kCalls) {
    if (i + 1 < call.size() || (line[i] | 0x20) != call.back()) continue;
    const std::size_t begin = i + 1 - call.size();
    if (chat::lower(line.substr(begin, call.size())) != call) continue;
    // An address such as me@here.test calls nobody.
    return begin == 0 || !is_word(line[begin - 1]);
  }
  return false;
}

// Whether a break belongs in front of line[i]. It looks only back, so that nothing that comes later
// changes it.
bool breaks(std::string_view line, std::size_t i) {
  const char c = line[i];
  const std::string_view before = line.substr(i < 2 ? 0 : i - 2, i < 2 ? 0 : 2);
  if (before == "<!") return c == 'c' || c == 'h' || c == 'e' || c == 's' || c == 'g';
  if (before == "<@") return c == 'U' || c == 'W' || c == 'B' || c == 'S';
  return ends_call(line, i);
}

}  // namespace

std::string without_calls(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 4);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (ends_call(text, i)) out += chat::kBreak;
    out += text[i];
  }
  return out;
}

std::string guarded(std::string_view text, bool ended) {
  return chat::guarded(text, ended, breaks);
}

std::vector<std::string> split_markdown(std::string_view text, std::size_t longest_in_bytes,
                                        bool ended) {
  std::vector<std::string> texts;
  const std::string harmless =
      guarded(chat::valid_utf8(ended ? text : chat::whole_characters(text)), ended);
  for (const chat::Piece& piece :
       chat::split(harmless, longest_in_bytes, chat::Count::kBytes, ended))
    texts.push_back(piece.text());
  // Slack refuses a message of nothing but blanks.
  if (texts.size() > 1 && chat::trimmed(texts.back()).empty()) texts.pop_back();
  return texts;
}

}  // namespace viaduct::slack
