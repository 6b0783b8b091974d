#include "plugins/teams/citations.hpp"

#include <viaduct/chat/text.hpp>

#include "plugins/teams/literal.hpp"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm-extension_api.h>
#include <cmark-gfm.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace viaduct::teams {
namespace {

constexpr std::size_t kMost = 20;          // Teams takes no more in a message
constexpr std::size_t kMostNumbers = 100;  // that are looked for
constexpr std::size_t kMostOfIt = 128 << 10;

using Node = std::unique_ptr<cmark_node, decltype(&cmark_node_free)>;
using Walk = std::unique_ptr<cmark_iter, decltype(&cmark_iter_free)>;

// Whose definition may be there: what stands in front of "]:".
std::set<std::uint32_t> numbers_in(std::string_view text) {
  std::set<std::uint32_t> all;
  for (std::size_t at = 0; (at = text.find("]:", at)) != text.npos && all.size() < kMostNumbers;
       ++at) {
    std::size_t begin = at;
    while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
    std::uint32_t number = 0;
    const auto read = std::from_chars(text.data() + begin, text.data() + at, number);
    const bool is_label = begin > 0 && (text[begin - 1] == '[' || text[begin - 1] == '^');
    constexpr std::uint32_t kHighest = 999;
    if (is_label && read.ec == std::errc{} && number > 0 && number <= kHighest) all.insert(number);
  }
  return all;
}

Node parsed(std::string_view text) {
  static const bool kRegistered = (cmark_gfm_core_extensions_ensure_registered(), true);
  const std::unique_ptr<cmark_parser, decltype(&cmark_parser_free)> parser(
      cmark_parser_new(CMARK_OPT_VALIDATE_UTF8 | CMARK_OPT_FOOTNOTES), &cmark_parser_free);
  if (cmark_syntax_extension* links = cmark_find_syntax_extension("autolink");
      kRegistered && links != nullptr)
    cmark_parser_attach_syntax_extension(parser.get(), links);
  cmark_parser_feed(parser.get(), text.data(), text.size());
  return {cmark_parser_finish(parser.get()), &cmark_node_free};
}

// An empty line in front of what may be a definition: models write them right below other lines,
// where they would be a part of these.
std::string apart(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find('\n', i), text.size() - 1) + 1;
    const std::string_view line = text.substr(i, end - i);
    const std::size_t first = line.find_first_not_of(' ');
    if (first != line.npos && line[first] == '[' && line.find("]:") != line.npos) out += '\n';
    out += line;
    i = end;
  }
  return out;
}

std::string text_of(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

std::string web_address(const char* url) {
  std::string address = address_of(text_of(url));
  return address.starts_with("http") ? address : std::string();
}

std::string without_scheme(const std::string& url) {
  const std::size_t begin = url.find("//");
  return begin == url.npos ? url : url.substr(begin + 2);
}

// All that is said below a node, on one line.
std::string said_in(cmark_node* top) {
  std::string text;
  const Walk walk(cmark_iter_new(top), &cmark_iter_free);
  for (auto event = cmark_iter_next(walk.get()); event != CMARK_EVENT_DONE;
       event = cmark_iter_next(walk.get())) {
    cmark_node* const node = cmark_iter_get_node(walk.get());
    if (event != CMARK_EVENT_ENTER) continue;
    const auto type = cmark_node_get_type(node);
    if (type == CMARK_NODE_TEXT || type == CMARK_NODE_CODE)
      text += text_of(cmark_node_get_literal(node));
    else if (type == CMARK_NODE_SOFTBREAK || type == CMARK_NODE_PARAGRAPH)
      text += ' ';
  }
  return std::string(chat::trimmed(text));
}

// The first address in a definition; an empty one where there is none.
Citation defined_by(cmark_node* definition) {
  Citation one;
  const Walk walk(cmark_iter_new(definition), &cmark_iter_free);
  for (auto event = cmark_iter_next(walk.get()); event != CMARK_EVENT_DONE && one.url.empty();
       event = cmark_iter_next(walk.get())) {
    cmark_node* const node = cmark_iter_get_node(walk.get());
    if (event != CMARK_EVENT_ENTER || cmark_node_get_type(node) != CMARK_NODE_LINK) continue;
    one.url = web_address(cmark_node_get_url(node));
    one.name = said_in(node);
  }
  one.abstract = said_in(definition);
  // The address alone says less than the words around it.
  if (one.name == one.url || one.name.empty()) {
    one.name = one.abstract;
    if (const std::size_t at = one.name.find(one.url); at != one.name.npos)
      one.name.erase(at, one.url.size());
    one.name = chat::trimmed(one.name);
    while (!one.name.empty() &&
           std::string_view(" :,;-(").find(one.name.back()) != std::string::npos)
      one.name.pop_back();
  }
  return one;
}

}  // namespace

std::vector<Citation> citations_of(std::string_view markdown) {
  // Definitions stand at the end.
  if (markdown.size() > kMostOfIt)
    markdown.remove_prefix(
        std::min(markdown.find('\n', markdown.size() - kMostOfIt), markdown.size()));
  const std::set<std::uint32_t> numbers = numbers_in(markdown);
  if (numbers.empty()) return {};
  // A paragraph for each number, of each kind, in front: what becomes of it tells what is defined.
  std::string asked;
  for (const std::uint32_t number : numbers)
    asked += "[^" + std::to_string(number) + "]\n\n[x][" + std::to_string(number) + "]\n\n";
  const Node document = parsed(asked + apart(chat::valid_utf8(markdown)));
  std::vector<Citation> all;
  std::vector<std::uint32_t> notes;  // in the order of the definitions in the tree
  cmark_node* node = cmark_node_first_child(document.get());
  for (const std::uint32_t number : numbers) {
    for (const bool is_note : {true, false}) {
      cmark_node* const first = node == nullptr ? nullptr : cmark_node_first_child(node);
      if (node != nullptr) node = cmark_node_next(node);
      if (first == nullptr) continue;
      const auto type = cmark_node_get_type(first);
      if (is_note && type == CMARK_NODE_FOOTNOTE_REFERENCE) notes.push_back(number);
      if (is_note || type != CMARK_NODE_LINK) continue;
      Citation one{number, text_of(cmark_node_get_title(first)), "",
                   web_address(cmark_node_get_url(first))};
      if (one.name.empty()) one.name = without_scheme(one.url);
      one.abstract = one.url;
      if (!one.url.empty()) all.push_back(std::move(one));
    }
  }
  auto note = notes.begin();
  for (; node != nullptr && note != notes.end(); node = cmark_node_next(node)) {
    if (cmark_node_get_type(node) != CMARK_NODE_FOOTNOTE_DEFINITION) continue;
    Citation one = defined_by(node);
    one.position = *note++;
    if (one.url.empty()) continue;
    if (one.name.empty()) one.name = without_scheme(one.url);
    std::erase_if(all, [&](const Citation& other) { return other.position == one.position; });
    all.push_back(std::move(one));
  }
  std::ranges::sort(all, {}, &Citation::position);
  return all;
}

std::vector<Citation> cited_in(std::string_view shown, const std::vector<Citation>& all) {
  std::vector<Citation> cited;
  for (const Citation& one : all) {
    const std::string mark = "[" + std::to_string(one.position) + "]";
    for (std::size_t at = 0; (at = shown.find(mark, at)) != shown.npos; at += mark.size()) {
      const bool is_escaped = at > 0 && shown[at - 1] == '\\';
      const std::string_view behind = shown.substr(at + mark.size());
      if (is_escaped || behind.starts_with('(')) continue;
      cited.push_back(one);
      break;
    }
    if (cited.size() == kMost) break;
  }
  return cited;
}

}  // namespace viaduct::teams
