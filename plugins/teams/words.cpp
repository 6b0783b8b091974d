#include "plugins/teams/words.hpp"

#include <viaduct/chat/guard.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/net/text.hpp>

#include "plugins/teams/literal.hpp"

#include <algorithm>
#include <cctype>

namespace viaduct::teams {
namespace {

// Teams makes links of addresses by itself; these are data.
std::string without_links(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_address = text.substr(i).starts_with("//") && out.ends_with(':');
    const bool is_site =
        text[i] == '.' && chat::lower(text.substr(i < 3 ? 0 : i - 3, i < 3 ? 0 : 3)) == "www";
    // A date or a time that cards would write out: {{DATE(…)}}.
    const bool is_call = text[i] == '{' && out.ends_with('{');
    if (is_address || is_site || is_call) out += chat::kBreak;
    out += text[i];
  }
  return out;
}

std::string escaped_line(std::string_view line) {
  const std::size_t blanks = std::min(line.find_first_not_of(" \t"), line.size());
  // More of them would make code of it.
  constexpr std::size_t kMostBlanks = 3;
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(blanks, 40); ++i)
    out += blanks > kMostBlanks ? "\xC2\xA0" : " ";
  std::string words;
  append_literal(words, without_links(line.substr(blanks)));
  // A bracket is no link's, and no citation's.
  for (std::size_t at = 0; (at = words.find('[', at)) != words.npos; at += 2)
    if (at == 0 || words[at - 1] != '\\') words.insert(at, "\\");
  return out + words;
}

// Without control characters, and with plain line ends.
std::string plain_lines(std::string_view text) {
  std::string out;
  for (const char c : chat::valid_utf8(text))
    if (c == '\n' || c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7F)) out += c;
  return out;
}

template <class OnLine>
void each_line(std::string_view text, OnLine on_line) {
  while (true) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    on_line(text.substr(0, end), end == text.size());
    if (end == text.size()) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string escaped(std::string_view plain) {
  std::string out;
  each_line(plain_lines(plain), [&out](std::string_view line, bool is_last) {
    out += escaped_line(line);
    if (!is_last) out += '\n';
  });
  return out;
}

std::string code(std::string_view plain) {
  std::string inside = plain_lines(plain);
  std::replace(inside.begin(), inside.end(), '\n', ' ');
  // Cards show the signs, and some clients know only one: there is no other inside.
  std::replace(inside.begin(), inside.end(), '`', '\'');
  return chat::trimmed(inside).empty() ? "` `" : "`" + inside + "`";
}

std::string bold(std::string_view words) {
  return words.empty() ? "" : "**" + std::string(words) + "**";
}

std::string italic(std::string_view words) {
  return words.empty() ? "" : "*" + std::string(words) + "*";
}

std::string with_code(std::string_view plain) {
  std::string out;
  while (true) {
    const std::size_t begin = plain.find('`');
    const std::size_t end = begin == plain.npos ? begin : plain.find('`', begin + 1);
    if (end == plain.npos || plain.substr(begin, end - begin).find('\n') != plain.npos)
      return out + escaped(plain);
    out += escaped(plain.substr(0, begin)) + code(plain.substr(begin + 1, end - begin - 1));
    plain.remove_prefix(end + 1);
  }
}

std::string link(std::string_view address, std::string_view words) {
  const std::string to = address_of(address);
  std::string label = escaped(words);
  if (to.empty()) return label;
  for (std::size_t at = 0; (at = label.find(']', at)) != label.npos; at += 2)
    label.insert(at, "\\");
  return "[" + label + "](" + to + ")";
}

std::string message_text(std::string_view words) {
  std::string out;
  bool in_code = false;
  each_line(words, [&](std::string_view line, bool is_last) {
    const bool is_fence = line.starts_with("```");
    out += line;
    if (is_fence) in_code = !in_code;
    if (!is_last) out += line.empty() || in_code || is_fence ? "\n" : "  \n";
  });
  return out;
}

std::string plain_text(std::string_view words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view rest = words.substr(i);
    if (rest.starts_with(chat::kBreak)) {
      i += chat::kBreak.size() - 1;
    } else if (rest.starts_with("&lt;") || rest.starts_with("&gt;")) {
      out += rest[1] == 'l' ? '<' : '>';
      i += 3;
    } else if (rest.starts_with("&amp;")) {
      out += '&';
      i += 4;
    } else if (rest.size() > 1 && rest[0] == '\\' &&
               std::ispunct(static_cast<unsigned char>(rest[1])) != 0) {
      out += words[++i];
    } else if (words[i] != '*' && words[i] != '`') {
      out += words[i];
    }
  }
  constexpr std::size_t kLongest = 300;
  return net::one_line(out, kLongest);
}

}  // namespace viaduct::teams
