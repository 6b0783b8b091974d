#include <viaduct/chat/split.hpp>

#include <viaduct/chat/fence.hpp>
#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace viaduct::chat {
namespace {

// For a line that closes a fence, and its line end.
constexpr std::size_t kForTail = kLongestFence + 24;
// What must be known behind a place to judge it.
constexpr std::size_t kLookAhead = 64;
constexpr std::size_t kLongestAtom = 2000;

bool is_inside_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// Bytes of the beginning of `text` that count for at most `most`.
std::size_t prefix_of(std::string_view text, std::size_t most, Count count) {
  if (count == Count::kBytes) {
    if (text.size() <= most) return text.size();
    std::size_t at = most;
    while (at > 0 && most - at < 4 && is_inside_character(text[at])) --at;
    return most - at < 4 ? at : most;
  }
  std::size_t units = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = character_size(text.substr(i));
    units += static_cast<unsigned char>(text[i]) >= 0xF0 ? 2U : 1U;
    if (units > most) return i;
    i += size;
  }
  return text.size();
}
bool is_longer(std::string_view text, std::size_t most, Count count) {
  return prefix_of(text, most, count) < text.size();
}

// How good a place to cut is.
enum Rank : int {
  kNone,
  kCharacter,  // inside of a link, or of what has no other place
  kInWord,     // outside of links
  kWord,       // behind a blank
  kRow,        // between rows of a table
  kLine,       // between lines
  kBlankLine,  // between paragraphs of an item, or of code
  kParagraph   // between blocks
};

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Marks what must not be cut: inside[i] says that a cut in front of text[i] is one of these. A link
// that is not closed counts as far as the text goes.
class Atoms {
 public:
  explicit Atoms(std::string_view line) : inside_(line.size() + 1, false) {
    std::vector<std::size_t> brackets;
    std::size_t next_paren = 0;
    for (std::size_t i = 0; i < line.size();) {
      const char c = line[i];
      std::size_t end = 0;
      if (c == '`') {
        end = span_end(line, i);
      } else if (c == '<') {
        end = bracket_end(line, i);
      } else if (c == '&') {
        end = i + 1 + line.substr(i, 8).find(';');  // npos + 1 is 0
      } else if (c == '[') {
        brackets.push_back(i);
      } else if (c == ']' && !brackets.empty()) {
        const std::size_t begin = brackets.back();
        brackets.pop_back();
        if (i + 1 < line.size() && line[i + 1] == '(') {
          if (next_paren < i) next_paren = line.find(')', i);
          const std::size_t close = end_of(line, begin, next_paren);
          if (close != 0) mark(begin, close);
        }
      } else if (line.substr(i).starts_with("http://") || line.substr(i).starts_with("https://")) {
        end = std::min(line.find_first_of(" \t<>)", i), line.size());
        if (end - i > kLongestAtom) end = 0;
      }
      if (end > i) {
        mark(i, end);
        // Brackets may be closed behind an address, but not inside of code.
        i = end;
      } else {
        ++i;
      }
    }
  }
  bool inside(std::size_t i) const { return inside_[i]; }

 private:
  // Behind `found`, or 0 if there is none near.
  static std::size_t end_of(std::string_view line, std::size_t begin, std::size_t found) {
    if (found == std::string_view::npos)
      return line.size() - begin > kLongestAtom ? 0 : line.size();
    return found - begin > kLongestAtom ? 0 : found + 1;
  }
  // Also of <https://…|a label with blanks>; 0: it is only a sign.
  static std::size_t bracket_end(std::string_view line, std::size_t begin) {
    line = line.substr(0, begin + kLongestAtom);
    const std::size_t stop = line.find_first_of("> |", begin);
    if (stop == std::string_view::npos) return line.size();
    if (line[stop] == ' ') return 0;
    return std::min(line.find('>', stop), line.size() - 1) + 1;
  }
  static std::size_t span_end(std::string_view line, std::size_t i) {
    const std::size_t run = std::min(line.find_first_not_of('`', i), line.size()) - i;
    const std::size_t limit = std::min(line.size(), i + kLongestAtom);
    for (std::size_t at = i + run; at < limit;) {
      if (line[at] != '`') {
        ++at;
        continue;
      }
      const std::size_t other = std::min(line.find_first_not_of('`', at), line.size()) - at;
      at += other;
      if (other == run) return at;
    }
    return i + run;
  }
  void mark(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin + 1; i < end; ++i) inside_[i] = true;
  }

  std::vector<bool> inside_;
};

struct Cut {
  std::size_t at = 0;
  Rank rank = kNone;
  std::optional<Fence> fence;  // that is open there
};

// Walks over one window of the text and keeps the best place in it.
class Window {
 public:
  // The window is text[begin, end); places up to `soft` do not count. `text` goes on behind it.
  Window(std::string_view text, std::size_t begin, std::size_t soft, std::size_t end,
         std::optional<Fence> open, bool in_line)
      : text_(text),
        begin_(begin),
        soft_(soft),
        end_(end),
        open_(std::move(open)),
        in_line_(in_line) {
    walk();
  }
  const Cut& best() const { return best_; }
  // The last one between blocks, which nothing better can follow.
  std::size_t last_paragraph() const { return last_paragraph_; }

 private:
  void offer(std::size_t at, Rank rank) {
    if (at <= soft_ || at > end_ || rank < best_.rank) return;
    best_ = {at, rank, open_};
    if (rank == kParagraph) last_paragraph_ = at;
  }

  void walk() {
    bool was_blank = false;
    bool was_row = false;
    for (std::size_t i = begin_; i <= end_ && i < text_.size();) {
      const Line line = line_at(text_, i);
      const bool is_fragment = i == begin_ && in_line_;
      const std::size_t first = line.text.find_first_not_of(" \t\r");
      const bool is_blank_line = first == std::string_view::npos;
      const bool is_row = !is_blank_line && line.text[first] == '|';
      if (i > begin_) offer_line(i, line, is_blank_line, was_blank, was_row && is_row);
      const std::optional<Fence> before = open_;
      if (!is_fragment) {
        if (open_ && closes(*open_, line.text))
          open_.reset();
        else if (!open_)
          open_ = opened_by(line.text);
      }
      // A fence's line is whole, or is none.
      const bool is_fence = before.has_value() != open_.has_value();
      offer_inside(i, line, before, is_fence);
      was_blank = is_blank_line;
      was_row = is_row;
      i += line.size;
      if (!line.has_end) break;
    }
  }

  void offer_line(std::size_t at, const Line& line, bool is_blank_line, bool was_blank,
                  bool in_table) {
    if (in_table) return offer(at, kRow);
    // In front of a line that closes there is nothing to open again.
    if (open_ && closes(*open_, line.text)) return;
    if (is_blank_line || !was_blank) return offer(at, kLine);
    const bool is_indented = !line.text.empty() && is_blank(line.text[0]);
    offer(at, open_ || is_indented ? kBlankLine : kParagraph);
  }

  // A rest that looks like a fence would be taken for one.
  bool may_begin(std::size_t at) const {
    if (at >= text_.size()) return false;
    const char c = text_[at];
    return !is_blank(c) && c != '\n' && c != '\r' && c != '`' && c != '~';
  }

  void offer_inside(std::size_t begin, const Line& line, const std::optional<Fence>& fence,
                    bool is_fence) {
    // Nothing of this line can be better than what there is.
    const std::size_t last = std::min(begin + line.text.size(), end_);
    if (last <= soft_ || best_.rank > kWord) return;
    const std::optional<Fence> after = std::exchange(open_, fence);
    const Atoms atoms(text_.substr(begin, std::min(line.text.size(), end_ - begin + kLookAhead)));
    // A beginning that looks like a fence would be taken for one, too.
    const std::size_t from =
        begin + std::min(line.text.find_first_not_of(" \t`~"), line.text.size());
    for (std::size_t at = std::max(begin + 1, soft_ + 1); at <= last; ++at) {
      if (at < text_.size() && is_inside_character(text_[at])) continue;
      if (is_fence || at <= from || !may_begin(at)) {
        offer(at, kCharacter);
        continue;
      }
      if (fence)
        offer(at, kInWord);
      else if (!atoms.inside(at - begin))
        offer(at, is_blank(text_[at - 1]) ? kWord : kInWord);
      else
        offer(at, kCharacter);
    }
    open_ = after;
  }

  std::string_view text_;
  std::size_t begin_;
  std::size_t soft_;
  std::size_t end_;
  std::optional<Fence> open_;
  bool in_line_;
  Cut best_;
  std::size_t last_paragraph_ = 0;
};

// Without the beginning of a character at its end.
std::string tail_of(const Fence& fence, bool in_line) {
  return in_line ? "\n" + fence.closing() + fence.sign : fence.closing();
}

}  // namespace

std::string_view whole_characters(std::string_view text) {
  for (std::size_t i = 0; i < 4 && i < text.size(); ++i) {
    const auto last = static_cast<unsigned char>(text[text.size() - 1 - i]);
    if (last >= 0x80 && last < 0xC0) continue;
    const std::size_t size = last >= 0xF0 ? 4 : last >= 0xE0 ? 3 : last >= 0xC0 ? 2 : 1;
    return size > i + 1 ? text.substr(0, text.size() - 1 - i) : text;
  }
  return text;
}

std::vector<Piece> split(std::string_view text, std::size_t longest, Count count, bool ended) {
  std::vector<Piece> pieces;
  std::size_t begin = 0;
  std::optional<Fence> open;
  bool in_line = false;
  for (;;) {
    Piece piece;
    if (open) piece.head = open->opening() + "\n";
    const std::string_view rest = text.substr(begin);
    const std::size_t room = longest - std::min(piece.head.size(), longest / 2);
    const std::size_t needed = ended ? room : room + kLookAhead;
    const std::size_t most = room - kForTail;
    const std::size_t end = begin + prefix_of(rest, most, count);
    const std::size_t soft = begin + prefix_of(rest, most / 4 * 3, count);
    if (!is_longer(rest, needed, count)) {
      std::size_t shown = text.size();
      if (!ended && shown > soft)
        shown = std::max(soft, Window(text, begin, soft, end, open, in_line).last_paragraph());
      piece.body = text.substr(begin, shown - begin);
      pieces.push_back(std::move(piece));
      return pieces;
    }
    const Cut cut = Window(text, begin, soft, end, open, in_line).best();
    const std::size_t at = cut.rank == kNone ? end : cut.at;
    piece.body = text.substr(begin, at - begin);
    open = cut.fence;
    in_line = piece.body.back() != '\n';
    if (open) piece.tail = tail_of(*open, in_line);
    pieces.push_back(std::move(piece));
    begin = at;
  }
}

std::optional<std::size_t> cut_behind(std::string_view text, std::size_t from, bool hurried) {
  std::optional<Fence> open;
  bool was_blank = false;
  bool was_row = false;
  std::optional<std::size_t> word;
  for (std::size_t i = 0; i < text.size();) {
    const Line line = line_at(text, i);
    const std::size_t first = line.text.find_first_not_of(" \t\r");
    const bool is_blank_line = first == std::string_view::npos;
    const bool is_row = !is_blank_line && line.text[first] == '|';
    const bool is_close = open && closes(*open, line.text);
    const bool is_between = was_blank && !is_blank_line && first == 0 && !open;
    if (i != 0 && i >= from && (is_between || (hurried && !is_close && !(was_row && is_row))))
      return i;
    if (is_close)
      open.reset();
    else if (!open && (open = opened_by(line.text)))
      word.reset();
    else if (hurried && !word && !open && i + line.size > from) {
      const Atoms atoms(line.text);
      for (std::size_t at = std::max(i + first + 1, from); at < i + line.text.size(); ++at)
        if (is_blank(text[at - 1]) && !is_blank(text[at]) && !atoms.inside(at - i)) word = at;
    }
    was_blank = is_blank_line;
    was_row = is_row;
    i += line.size;
  }
  return word;
}

std::vector<Piece> sections(std::string_view text, const std::vector<std::uint64_t>& cuts) {
  std::vector<Piece> all(1);
  std::optional<Fence> open;
  auto cut = cuts.begin();
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Line line = line_at(text, i);
    for (; cut != cuts.end() && *cut < i + line.size && *cut < text.size(); ++cut) {
      const auto at = static_cast<std::size_t>(*cut);
      all.back().body = text.substr(begin, at - begin);
      if (open) all.back().tail = tail_of(*open, at != i);
      begin = at;
      all.emplace_back();
      if (open) all.back().head = open->opening() + "\n";
    }
    if (open && closes(*open, line.text))
      open.reset();
    else if (!open)
      open = opened_by(line.text);
    i += line.size;
  }
  all.back().body = text.substr(begin);
  return all;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  bool drop_first = false;
  for (std::size_t part = 0; part < texts.size(); ++part) {
    std::string_view text = texts[part];
    std::optional<Fence> open;
    std::size_t last_line = 0;
    std::optional<Fence> before_last;
    for (std::size_t i = 0; i < text.size();) {
      const Line line = line_at(text, i);
      last_line = i;
      before_last = open;
      if (open && closes(*open, line.text))
        open.reset();
      else if (!open)
        open = opened_by(line.text);
      i += line.size;
    }
    const std::size_t first = drop_first ? line_at(text, 0).size : 0;
    const bool has_tail = part + 1 < texts.size() && before_last && !open && !text.ends_with('\n');
    if (has_tail) {
      const bool was_in_line =
          text.size() - last_line == before_last->indent + before_last->length + 1;
      text = text.substr(0, last_line - (was_in_line ? 1 : 0));
    }
    all += text.substr(std::min(first, text.size()));
    drop_first = has_tail;
  }
  return all;
}

}  // namespace viaduct::chat
