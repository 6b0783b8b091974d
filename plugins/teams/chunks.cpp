#include "plugins/teams/chunks.hpp"

#include <viaduct/chat/fence.hpp>
#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <optional>

namespace viaduct::teams {
namespace {

using chat::Line;

// Bytes: the parser takes quadratic time for some texts.
constexpr std::size_t kLongestChunk = 12'000;
constexpr std::size_t kLongestLine = 16'000;
constexpr std::size_t kLongestItem = 64'000;  // with code in it

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_foreign(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}
bool is_inside_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80;
}
bool is_punctuation(char c) {
  return c > ' ' && c < 0x7F && !is_digit(c) && !is_letter(c);
}

std::size_t indent_of(std::string_view line) {
  std::size_t columns = 0;
  for (const char c : line) {
    if (c == ' ')
      ++columns;
    else if (c == '\t')
      columns += 4 - columns % 4;
    else
      break;
  }
  return columns;
}

bool is_empty(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

bool is_heading(std::string_view line) {
  const std::size_t signs = std::min(line.find_first_not_of('#'), line.size());
  return signs > 0 && signs < 7 && (signs == line.size() || is_blank(line[signs]));
}

// "- ", "12. " at the left of a line.
struct Marker {
  std::size_t size = 0;  // with one blank behind it
  int number = -1;
  bool has_content = false;
};
std::optional<Marker> marker_of(std::string_view line) {
  if (line.empty()) return std::nullopt;
  Marker marker;
  std::size_t end = 0;
  if (line[0] == '-' || line[0] == '+' || line[0] == '*') {
    end = 1;
  } else {
    while (end < line.size() && end < 9 && is_digit(line[end])) ++end;
    if (end == 0 || end == line.size() || (line[end] != '.' && line[end] != ')'))
      return std::nullopt;
    marker.number = 0;
    for (const char c : line.substr(0, end)) marker.number = marker.number * 10 + (c - '0');
    ++end;
  }
  if (end < line.size() && !is_blank(line[end])) return std::nullopt;
  marker.size = end + 1;
  marker.has_content = !is_empty(line.substr(end));
  return marker;
}

// Whether a line that is not there wholly yet begins with words, whatever comes behind it.
bool is_words(std::string_view line) {
  if (line.empty()) return false;
  if (is_letter(line[0]) || is_foreign(line[0])) return true;
  if (line[0] == '"' || line[0] == '\'' || line[0] == '(') return true;
  const std::size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  return digits > 0 && digits < line.size() && line[digits] != '.' && line[digits] != ')';
}

// The same, or an item of such.
bool is_certain(std::string_view line) {
  const auto marker = marker_of(line);
  return is_words(marker && marker->has_content ? line.substr(marker->size) : line);
}

class Walk {
 public:
  Walk(std::string_view text, bool ended) : text_(text), ended_(ended) {}

  std::vector<Chunk> run() {
    for (std::size_t i = 0; i < text_.size();) {
      const Line line = chat::line_at(text_, i);
      const bool is_whole = line.has_end || ended_;
      if (!take(i, line, is_whole)) break;
      i += line.size;
    }
    finish(ended_);
    return std::move(chunks_);
  }

 private:
  // False: what the line will be is not known yet.
  bool take(std::size_t at, const Line& line, bool is_whole) {
    if (fence_ && is_fence_chunk_) {
      end_ = at + line.size;
      if (is_whole && chat::closes(*fence_, line.text)) {
        fence_.reset();
        finish(true);
      }
      return true;
    }
    if (is_empty(line.text)) {
      if (!is_whole) return false;
      was_empty_ = true;
      if (fence_) end_ = at + line.size;
      return true;
    }
    const std::size_t indent = indent_of(line.text);
    bool must_begin = false;
    if (fence_) {
      if (indent >= content_) {
        end_ = at + line.size;
        if (is_whole && chat::closes(*fence_, line.text)) fence_.reset();
        if (end_ - begin_ > kLongestItem && is_whole) break_off();
        return true;
      }
      // A fence in an item ends with it.
      fence_.reset();
      must_begin = true;
    }
    if (!is_whole && (indent > 0 || !is_certain(line.text))) return false;
    if (must_begin || begins(line.text, indent, at)) begin(at, line.text, indent);
    end_ = at + line.size;
    was_empty_ = false;
    if (kind_ == Chunk::Kind::kHeading) {
      finish(true);
    } else if (!is_fence_chunk_) {
      if (!fence_ && kind_ == Chunk::Kind::kItem && indent >= content_ && indent > 0)
        fence_ = chat::opened_by(line.text);
      cut_long_line(at + line.text.size());
    }
    was_tight_ = true;
    return true;
  }

  bool begins(std::string_view line, std::size_t indent, std::size_t at) const {
    if (!is_open_) return true;
    if (at - begin_ > kLongestChunk) return true;
    const bool is_item = kind_ == Chunk::Kind::kItem;
    if (indent < 4 && (!is_item || indent < content_) && chat::opened_by(line)) return true;
    if (indent > 0) return false;
    if (was_empty_ || is_heading(line)) return true;
    const auto marker = marker_of(line);
    if (!marker) return false;
    return is_item || (marker->has_content && marker->number <= 1 && marker->number != 0);
  }

  void begin(std::size_t at, std::string_view line, std::size_t indent) {
    finish(true);
    is_open_ = true;
    begin_ = at;
    join_ = was_empty_ || !was_tight_ ? Chunk::Join::kEmptyLine : Chunk::Join::kLineEnd;
    kind_ = Chunk::Kind::kText;
    number_ = -1;
    content_ = 0;
    const auto marker = indent == 0 ? marker_of(line) : std::nullopt;
    if (const auto fence = indent < 4 ? chat::opened_by(line) : std::nullopt) {
      kind_ = Chunk::Kind::kFence;
      fence_ = fence;
      is_fence_chunk_ = true;
    } else if (indent == 0 && is_heading(line)) {
      kind_ = Chunk::Kind::kHeading;
    } else if (marker) {
      kind_ = Chunk::Kind::kItem;
      content_ = marker->size;
      if (marker->number >= 0)
        number_ =
            marker->number > last_number_ || last_number_ < 0 ? marker->number : last_number_ + 1;
      fence_ = chat::opened_by(line.substr(std::min(marker->size, line.size())));
    }
    last_number_ = number_;
  }

  void finish(bool is_done) {
    if (!is_open_) return;
    chunks_.push_back({kind_, join_, text_.substr(begin_, end_ - begin_), number_, is_done});
    is_open_ = false;
    is_fence_chunk_ = false;
    fence_.reset();
  }

  void break_off() {
    finish(true);
    was_tight_ = true;
    was_empty_ = false;
  }

  // A line that is too long goes on in a chunk of its own: at a word, or else at a character.
  // `end`: as far as the line is known.
  void cut_long_line(std::size_t end) {
    while (end - begin_ > kLongestLine) {
      std::size_t cut = begin_ + kLongestChunk;
      while (cut < begin_ + kLongestLine &&
             !(is_blank(text_[cut - 1]) && (is_letter(text_[cut]) || is_foreign(text_[cut]))))
        ++cut;
      const bool is_word = cut < begin_ + kLongestLine;
      while (!is_word && is_inside_character(text_[cut])) --cut;
      const std::size_t line_end = end_;
      end_ = cut;
      finish(true);
      is_open_ = true;
      begin_ = cut;
      end_ = line_end;
      kind_ = Chunk::Kind::kText;
      join_ = is_word ? Chunk::Join::kBlank : Chunk::Join::kNothing;
      number_ = -1;
      content_ = 0;
    }
  }

  std::string_view text_;
  bool ended_;
  std::vector<Chunk> chunks_;
  // The chunk that grows.
  bool is_open_ = false;
  Chunk::Kind kind_ = Chunk::Kind::kText;
  Chunk::Join join_ = Chunk::Join::kEmptyLine;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t content_ = 0;  // columns of an item's marker
  int number_ = -1;
  std::optional<chat::Fence> fence_;
  bool is_fence_chunk_ = false;
  int last_number_ = -1;
  bool was_empty_ = false;
  bool was_tight_ = false;
};

// ---- what is settled of a line

bool is_wide_blank(std::string_view text) {
  return text.starts_with("\xC2\xA0") || text.starts_with("\xE2\x80") ||
         text.starts_with("\xE2\x81\x9F") || text.starts_with("\xE3\x80\x80");
}

class Inline {
 public:
  Inline(std::string_view line, bool has_end) : line_(line), has_end_(has_end) {}

  // Up to where everything is closed; `whole`: that is the end of the line.
  std::size_t settled(std::size_t begin, bool& whole) const {
    std::size_t safe = begin;
    bool only_foreign = true;  // in this word
    whole = false;
    char last = ' ';  // that is no blank
    for (std::size_t i = begin; i < line_.size();) {
      const char c = line_[i];
      if (is_blank(c)) {
        if (i > begin && std::string_view("*_~`\\").find(last) == std::string_view::npos) safe = i;
        only_foreign = true;
        ++i;
      } else if (is_foreign(c)) {
        if (only_foreign && i > begin && is_foreign(line_[i - 1])) safe = i;
        last = c;
        i += chat::character_size(line_.substr(i));
      } else {
        only_foreign = false;
        const std::size_t size = closed(i);
        if (size == 0) return safe;
        i += size;
        last = line_[i - 1];
      }
    }
    whole = has_end_;
    return has_end_ ? line_.size() : safe;
  }

 private:
  char before(std::size_t i) const { return i == 0 ? ' ' : line_[i - 1]; }
  // '\0': not known yet.
  char after(std::size_t i) const { return i < line_.size() ? line_[i] : has_end_ ? ' ' : '\0'; }
  std::size_t run(std::size_t i) const {
    return std::min(line_.find_first_not_of(line_[i], i), line_.size()) - i;
  }
  static bool is_word(char c) { return is_letter(c) || is_digit(c); }

  // Bytes of what begins at line_[i], if what comes later does not matter to it; else 0.
  std::size_t closed(std::size_t i) const {
    switch (line_[i]) {
      case '\\':
        return after(i + 1) == '\0' || i + 1 == line_.size() ? 0
               : is_punctuation(line_[i + 1])                ? 2
                                                             : 1;
      case '`': return code(i);
      case '*':
      case '_': return sign(i);
      case '~': return before(i) == '~' || after(i + 1) == '~' || after(i + 1) == '\0' ? 0 : 1;
      case '[': return bracket(i);
      case '<': return 0;
      default: return 1;
    }
  }

  std::size_t code(std::size_t i) const {
    const std::size_t signs = run(i);
    if (i + signs == line_.size()) return 0;
    for (std::size_t at = i + signs; (at = line_.find('`', at)) != std::string_view::npos;) {
      const std::size_t other = run(at);
      at += other;
      if (other == signs) return at == line_.size() && !has_end_ ? 0 : at - i;
    }
    return 0;
  }

  std::size_t sign(std::size_t i) const {
    const std::size_t signs = run(i);
    const char next = after(i + signs);
    if (next == '\0') return 0;
    if (is_blank(before(i)) && is_blank(next) && i > 0) return signs;
    if (line_[i] == '_' && is_word(before(i)) && is_word(next)) return signs;
    return emphasis(i, signs);
  }

  std::size_t emphasis(std::size_t i, std::size_t signs) const {
    const char c = before(i);
    if (signs > 2 || !(is_blank(c) || c == '(' || c == '"')) return 0;
    const std::size_t begin = i + signs;
    if (begin >= line_.size() || is_blank(line_[begin]) || is_wide_blank(line_.substr(begin)))
      return 0;
    for (std::size_t at = begin; at < line_.size();) {
      const char here = line_[at];
      if (here == line_[i]) {
        const std::size_t other = run(at);
        if (here == '_' && is_word(before(at)) && is_word(after(at + other))) {
          at += other;
          continue;
        }
        return at > begin && other == signs && ends(at, other) ? at + other - i : 0;
      }
      if (here == '`') {
        const std::size_t size = code(at);
        if (size == 0) return 0;
        at += size;
        continue;
      }
      const bool is_plain_line = here == '_' && is_word(before(at)) && is_word(after(at + 1));
      if (std::string_view("*_~[<\\|&!").find(here) != std::string_view::npos && !is_plain_line)
        return 0;
      ++at;
    }
    return 0;
  }
  // Whether the signs at `at` close for certain.
  bool ends(std::size_t at, std::size_t signs) const {
    if (is_blank(line_[at - 1]) || is_foreign_blank_before(at)) return false;
    const char next = after(at + signs);
    return next != '\0' &&
           (is_blank(next) || std::string_view(".,;:!?)").find(next) != std::string_view::npos);
  }
  bool is_foreign_blank_before(std::size_t at) const {
    return (at >= 2 && is_wide_blank(line_.substr(at - 2, 2))) ||
           (at >= 3 && is_wide_blank(line_.substr(at - 3, 3)));
  }

  std::size_t bracket(std::size_t i) const {
    std::size_t end = i + 1;
    while (end < line_.size() && line_[end] != ']') {
      const bool is_plain_line =
          line_[end] == '_' && is_word(before(end)) && is_word(after(end + 1));
      if (std::string_view("[`*_~<\\!").find(line_[end]) != std::string_view::npos &&
          !is_plain_line)
        return 0;
      ++end;
    }
    if (end >= line_.size()) return 0;
    const char next = after(end + 1);
    if (next == '\0' || next == '[' || next == ':') return 0;
    if (next != '(') return end + 1 - i;
    const std::size_t close = line_.find_first_of(" \t()<>\\[]", end + 2);
    if (close == std::string_view::npos || line_[close] != ')') return 0;
    return close + 1 - i;
  }

  std::string_view line_;
  bool has_end_;
};

// Behind ">", markers and blanks.
std::string_view content_of(std::string_view line) {
  while (true) {
    const std::size_t first = std::min(line.find_first_not_of(" \t>"), line.size());
    line.remove_prefix(first);
    const auto marker = marker_of(line);
    if (!marker || !marker->has_content) return line;
    line.remove_prefix(marker->size);
  }
}

// Or the first line of one.
bool is_definition(std::string_view content) {
  if (!content.starts_with('[')) return false;
  const std::size_t end = content.find(']');
  return end == std::string_view::npos || content.substr(end + 1).starts_with(':');
}

// The line below a table's heading.
bool is_delimiter(std::string_view line) {
  const std::size_t first = std::min(line.find_first_not_of(" \t>"), line.size());
  line = line.substr(first);
  return line.find('-') != std::string_view::npos &&
         line.find_first_of("|:") != std::string_view::npos &&
         line.find_first_not_of("|:- \t") == std::string_view::npos;
}

}  // namespace

std::vector<Chunk> chunks_of(std::string_view text, bool ended) {
  return Walk(text, ended).run();
}

std::size_t settled_size(const Chunk& chunk) {
  std::size_t begin = 0;
  const bool is_item = chunk.kind == Chunk::Kind::kItem;
  if (is_item) {
    const Line first = chat::line_at(chunk.source, 0);
    const auto marker = marker_of(first.text);
    if (!marker || !marker->has_content) return 0;
    begin = first.text.find_first_not_of(" \t", marker->size - 1);
    if (begin > marker->size + 3) return 0;  // code
    const std::string_view rest = first.text.substr(begin);
    for (const std::string_view box : {"[ ] ", "[x] ", "[X] "})
      if (rest.starts_with(box)) begin += box.size();
  }
  std::size_t settled = 0;
  // Behind that a line may be cut.
  const std::string_view source = chunk.source.substr(0, kLongestChunk);
  for (std::size_t at = 0; at < source.size();) {
    const Line line = chat::line_at(source, at);
    if (!is_words(line.text.substr(begin))) break;
    bool whole = false;
    const std::size_t size = Inline(line.text, line.has_end).settled(begin, whole);
    if (size > begin) settled = at + size;
    if (!whole || is_item) break;
    at += line.size;
    begin = 0;
  }
  return settled;
}

std::string for_parser(std::string_view source) {
  std::string out;
  out.reserve(source.size() + 16);
  std::optional<chat::Fence> fence;
  bool was_row = false;
  for (std::size_t i = 0; i < source.size();) {
    const Line line = chat::line_at(source, i);
    i += line.size;
    const std::string_view content = content_of(line.text);
    if (fence) {
      if (chat::closes(*fence, content)) fence.reset();
      was_row = false;
    } else {
      fence = chat::opened_by(content);
      if (is_definition(content) || (is_delimiter(line.text) && !was_row)) {
        const std::string_view from =
            is_definition(content)
                ? content
                : line.text.substr(std::min(line.text.find_first_not_of(" \t>"), line.text.size()));
        out += line.text.substr(0, line.text.size() - from.size());
        out += '\\';
        out += from;
        if (line.has_end) out += '\n';
        was_row = false;
        continue;
      }
      was_row = content.starts_with('|');
    }
    out += line.text;
    if (line.has_end) out += '\n';
  }
  return out;
}

}  // namespace viaduct::teams
