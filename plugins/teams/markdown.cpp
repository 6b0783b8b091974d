#include "plugins/teams/markdown.hpp"

#include <viaduct/chat/fence.hpp>
#include <viaduct/chat/guard.hpp>
#include <viaduct/chat/split.hpp>
#include <viaduct/chat/text.hpp>

#include "plugins/teams/chunks.hpp"
#include "plugins/teams/literal.hpp"
#include "plugins/teams/renderer.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace viaduct::teams {
namespace {

// Valid text with plain line ends and without control characters.
std::string normal(std::string_view text, bool ended) {
  const std::string valid = chat::valid_utf8(ended ? text : chat::whole_characters(text));
  std::string out;
  out.reserve(valid.size());
  for (std::size_t i = 0; i < valid.size(); ++i) {
    const char c = valid[i];
    if (c == '\r') {
      const bool is_last = i + 1 == valid.size();
      if (is_last ? ended : valid[i + 1] != '\n') out += '\n';
    } else if (c == '\n' || c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7F)) {
      out += c;
    }
  }
  return out;
}

std::string_view joint(const Chunk& before, const Chunk& after) {
  using Kind = Chunk::Kind;
  if (after.join == Chunk::Join::kNothing) return "";
  if (after.join == Chunk::Join::kBlank) return " ";
  if (after.join == Chunk::Join::kEmptyLine) return "\n\n";
  const bool is_list = before.kind == Kind::kItem && after.kind == Kind::kItem;
  const bool is_text = before.kind == Kind::kText && after.kind == Kind::kText;
  return is_list || is_text ? "  \n" : "\n\n";
}

// ---- what the extended flavour must not do

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Of the tags of HTML those that load or lead somewhere, mention and quote.
bool begins_tag(std::string_view line, std::size_t i) {
  constexpr std::string_view kFirst = "aioqvelAIOQVEL";
  return i > 0 && line[i - 1] == '<' && kFirst.find(line[i]) != std::string_view::npos;
}

bool begins_image(std::string_view line, std::size_t i) {
  return i > 0 && line[i] == '[' && line[i - 1] == '!';
}

// The colon of an address in a link that is none of the web, mail or phone.
bool ends_bad_scheme(std::string_view line, std::size_t i) {
  if (line[i] != ':') return false;
  std::size_t begin = i;
  while (begin > 0 && i - begin < 40 &&
         (is_letter(line[begin - 1]) ||
          std::string_view("0123456789+.-").find(line[begin - 1]) != std::string_view::npos))
    --begin;
  const std::string scheme = chat::lower(line.substr(begin, i - begin));
  constexpr std::array<std::string_view, 4> kFine = {"http", "https", "mailto", "tel"};
  if (scheme.empty() || std::ranges::find(kFine, scheme) != kFine.end()) return false;
  if (begin > 0 && line[begin - 1] == '<') return true;
  while (begin > 0 && (line[begin - 1] == ' ' || line[begin - 1] == '\t')) --begin;
  const std::string_view before = line.substr(0, begin);
  return before.ends_with("](") || before.ends_with("]:");
}

// A letter of an address that is written as a number or a name: &#106;, &colon;.
bool is_hidden(std::string_view line, std::size_t i) {
  if (line[i] == '#') return i > 0 && line[i - 1] == '&';
  if (line[i] != ';') return false;
  const std::string_view before = line.substr(0, i);
  return before.ends_with("&colon") || before.ends_with("&Tab") || before.ends_with("&NewLine");
}

bool breaks(std::string_view line, std::size_t i) {
  return begins_tag(line, i) || begins_image(line, i) || ends_bad_scheme(line, i) ||
         is_hidden(line, i);
}

// Footnotes' numbers outside of code. Of a text that has not ended, without one that is not whole.
std::string numbered(std::string_view text, bool ended) {
  if (!ended) {
    const std::size_t digits = text.find_last_not_of("0123456789");
    if (digits != text.npos && digits > 0 && text.substr(digits - 1, 2) == "[^")
      text = text.substr(0, digits);
  }
  std::string out;
  std::optional<chat::Fence> fence;
  for (std::size_t i = 0; i < text.size();) {
    const chat::Line line = chat::line_at(text, i);
    const std::string_view whole = text.substr(i, line.size);
    i += line.size;
    const bool is_code = fence.has_value();
    if (fence && chat::closes(*fence, line.text))
      fence.reset();
    else if (!fence)
      fence = chat::opened_by(line.text);
    const bool is_plain = !is_code && !fence && line.text.find('`') == std::string_view::npos;
    out += is_plain ? with_numbers(whole) : std::string(whole);
  }
  return out;
}

}  // namespace

std::string teams_markdown(std::string_view markdown, bool ended) {
  const std::string text = normal(markdown, ended);
  std::string out;
  const Chunk* before = nullptr;
  const std::vector<Chunk> chunks = chunks_of(text, ended);
  for (const Chunk& chunk : chunks) {
    const std::string shown = rendered(chunk);
    if (shown.empty()) continue;
    if (before != nullptr) out += joint(*before, chunk);
    out += shown;
    before = &chunk;
  }
  return out;
}

std::string extended_markdown(std::string_view markdown, bool ended) {
  return numbered(chat::guarded(normal(markdown, ended), ended, breaks), ended);
}

std::vector<std::string> parts_of(std::string_view markdown, Flavour flavour, bool ended,
                                  std::size_t longest_in_utf16) {
  const std::string text = flavour == Flavour::kExtended ? extended_markdown(markdown, ended)
                                                         : teams_markdown(markdown, ended);
  std::vector<std::string> texts;
  for (const chat::Piece& piece :
       chat::split(text, longest_in_utf16, chat::Count::kCharacters, ended))
    texts.push_back(piece.text());
  // Teams refuses a message of nothing but blanks.
  if (texts.size() > 1 && chat::trimmed(texts.back()).empty()) texts.pop_back();
  return texts;
}

}  // namespace viaduct::teams
