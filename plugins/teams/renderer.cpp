#include "plugins/teams/renderer.hpp"

#include <viaduct/chat/fence.hpp>
#include <viaduct/chat/guard.hpp>
#include <viaduct/chat/table.hpp>
#include <viaduct/chat/text.hpp>

#include "plugins/teams/literal.hpp"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm-extension_api.h>
#include <cmark-gfm.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace viaduct::teams {
namespace {

constexpr std::string_view kRule = "──────────";
constexpr std::string_view kIndent = "    ";
constexpr std::size_t kDeepestList = 8;  // deeper ones are not indented further
constexpr int kOptions = CMARK_OPT_VALIDATE_UTF8 | CMARK_OPT_STRIKETHROUGH_DOUBLE_TILDE;

using Node = std::unique_ptr<cmark_node, decltype(&cmark_node_free)>;
using Walk = std::unique_ptr<cmark_iter, decltype(&cmark_iter_free)>;

Node parsed(std::string_view text) {
  static const bool kRegistered = (cmark_gfm_core_extensions_ensure_registered(), true);
  const std::unique_ptr<cmark_parser, decltype(&cmark_parser_free)> parser(
      cmark_parser_new(kOptions), &cmark_parser_free);
  for (const char* name : {"table", "strikethrough", "autolink", "tasklist"})
    if (cmark_syntax_extension* extension = cmark_find_syntax_extension(name);
        kRegistered && extension != nullptr)
      cmark_parser_attach_syntax_extension(parser.get(), extension);
  cmark_parser_feed(parser.get(), text.data(), text.size());
  return {cmark_parser_finish(parser.get()), &cmark_node_free};
}

std::string_view literal_of(cmark_node* node) {
  const char* const text = cmark_node_get_literal(node);
  return text == nullptr ? std::string_view() : std::string_view(text);
}
std::string_view type_of(cmark_node* node) {
  return cmark_node_get_type_string(node);
}

std::string one_line(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return std::string(chat::trimmed(text));
}

std::size_t longest_run(std::string_view text, char sign) {
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char c : text) {
    run = c == sign ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

std::string code_span(std::string_view raw) {
  std::string inside(raw);
  std::replace(inside.begin(), inside.end(), '\n', ' ');
  const std::string sign(longest_run(inside, '`') + 1, '`');
  const bool needs_blank = inside.starts_with('`') || inside.ends_with('`') || inside.empty();
  return sign + (needs_blank ? " " + inside + " " : inside) + sign;
}

// What stands in front of the lines of a list's item, or of a quote.
struct Level {
  std::string first;  // of an item: its marker, until it has been shown
  std::string rest;
};

struct Table {
  std::vector<chat::Align> columns;
  std::vector<std::vector<std::string>> rows;  // the first is the heading
  bool has_links = false;
};

class Renderer {
 public:
  // `number`: of the first item, where its list counts.
  explicit Renderer(int number) : number_(number) {}

  std::string render(cmark_node* document) {
    const Walk walk(cmark_iter_new(document), &cmark_iter_free);
    for (auto event = cmark_iter_next(walk.get()); event != CMARK_EVENT_DONE;
         event = cmark_iter_next(walk.get())) {
      cmark_node* const node = cmark_iter_get_node(walk.get());
      if (event == CMARK_EVENT_ENTER)
        enter(node);
      else
        leave(node);
    }
    return std::move(out_);
  }

 private:
  // ---- blocks
  void enter(cmark_node* node) {
    if (enter_block(node) || enter_extension(node)) return;
    switch (cmark_node_get_type(node)) {
      case CMARK_NODE_TEXT: text(literal_of(node)); break;
      case CMARK_NODE_SOFTBREAK:
      case CMARK_NODE_LINEBREAK: line_break(); break;
      case CMARK_NODE_CODE: code(literal_of(node)); break;
      case CMARK_NODE_HTML_INLINE: html(literal_of(node)); break;
      case CMARK_NODE_EMPH: marker("*", emphasis_++, true); break;
      case CMARK_NODE_STRONG: marker("**", strong_++, true); break;
      case CMARK_NODE_LINK:
      case CMARK_NODE_IMAGE: ++link_; break;
      default: break;
    }
  }

  bool enter_block(cmark_node* node) {
    switch (cmark_node_get_type(node)) {
      case CMARK_NODE_BLOCK_QUOTE: levels_.push_back({"", quotes_++ == 0 ? "> " : ""}); return true;
      case CMARK_NODE_LIST: {
        const int start = cmark_node_get_list_start(node);
        lists_.push_back(lists_.empty() && quotes_ == 0 && number_ >= 0 ? number_ : start);
        return true;
      }
      case CMARK_NODE_ITEM:
        levels_.push_back(
            {marker_of(node), std::string(lists_.size() > kDeepestList ? "" : kIndent)});
        return true;
      case CMARK_NODE_PARAGRAPH: begin(node); return true;
      case CMARK_NODE_HEADING:
        begin(node);
        // One that is underlined was a paragraph until then, and stays one.
        if (is_heading(node)) marker("**", strong_++, true);
        return true;
      case CMARK_NODE_CODE_BLOCK: code_block(node); return true;
      case CMARK_NODE_HTML_BLOCK:
        begin(node);
        text(chat::trimmed(literal_of(node)));
        return true;
      case CMARK_NODE_THEMATIC_BREAK:
        begin(node);
        out_ += kRule;
        return true;
      default: return false;
    }
  }
  static bool is_heading(cmark_node* node) {
    return cmark_node_get_start_line(node) == cmark_node_get_end_line(node);
  }

  bool enter_extension(cmark_node* node) {
    const std::string_view type = type_of(node);
    if (type == "strikethrough") {
      marker("~~", strike_++, true);
    } else if (type == "table") {
      begin_table(node);
    } else if (type == "table_row" || type == "table_header") {
      if (table_) table_->rows.emplace_back();
    } else if (type == "table_cell") {
      if (table_) std::swap(out_, outside_);
    } else {
      return false;
    }
    return true;
  }

  void leave(cmark_node* node) {
    const std::string_view type = type_of(node);
    switch (cmark_node_get_type(node)) {
      case CMARK_NODE_BLOCK_QUOTE:
        levels_.pop_back();
        --quotes_;
        break;
      case CMARK_NODE_LIST: lists_.pop_back(); break;
      case CMARK_NODE_ITEM:
        // Of an item without anything in it.
        if (!levels_.back().first.empty()) begin(node);
        levels_.pop_back();
        break;
      case CMARK_NODE_HEADING:
        if (is_heading(node)) marker("**", --strong_, false);
        break;
      case CMARK_NODE_EMPH: marker("*", --emphasis_, false); break;
      case CMARK_NODE_STRONG: marker("**", --strong_, false); break;
      case CMARK_NODE_LINK:
      case CMARK_NODE_IMAGE:
        if (--link_ == 0) link(cmark_node_get_url(node));
        break;
      default: break;
    }
    if (type == "strikethrough") marker("~~", --strike_, false);
    if (type == "table_cell" && table_) end_cell();
    if (type == "table" && table_) end_table(node);
    if (cmark_node_first_child(node) == nullptr ||
        cmark_node_get_type(node) == CMARK_NODE_PARAGRAPH)
      last_line_ = std::max(last_line_, cmark_node_get_end_line(node));
  }

  // Of the list's item: what stands in front of its first line.
  std::string marker_of(cmark_node* item) {
    std::string marker = "- ";
    cmark_node* const list = cmark_node_parent(item);
    if (cmark_node_get_list_type(list) == CMARK_ORDERED_LIST) {
      const bool has_paren = cmark_node_get_list_delim(list) == CMARK_PAREN_DELIM;
      marker = std::to_string(lists_.back()++) + (has_paren ? ") " : ". ");
    }
    if (type_of(item) == "tasklist")
      marker += cmark_gfm_extensions_get_tasklist_item_checked(item) ? "☑ " : "☐ ";
    return marker;
  }

  std::string line_prefix() {
    std::string prefix;
    for (Level& level : levels_)
      prefix += level.first.empty() ? level.rest : std::exchange(level.first, {});
    return prefix;
  }

  // A block that has text: as far from the last one as it was written.
  void begin(cmark_node* node) {
    const int line = cmark_node_get_start_line(node);
    const bool is_heading_block = cmark_node_get_type(node) == CMARK_NODE_HEADING;
    if (!out_.empty()) {
      const bool apart = line > last_line_ + 1 || was_block_ || is_heading_block;
      if (!apart)
        out_ += "  \n";
      else
        out_ += quotes_ > 0 && was_quote_ ? "\n> \n" : "\n\n";
    }
    out_ += line_prefix();
    line_begin_ = out_.size();
    was_quote_ = quotes_ > 0;
    was_block_ = is_heading_block;
    ends_marker_ = false;
    last_line_ = std::max(last_line_, line);
  }
  // What stands on lines of its own, at the left: neither quotes nor indented lines can hold it.
  void own_lines(cmark_node* node, std::string_view lines) {
    const bool has_marker =
        std::ranges::any_of(levels_, [](const Level& level) { return !level.first.empty(); });
    if (has_marker) {
      begin(node);
      while (out_.ends_with(' ')) out_.pop_back();
    }
    if (!out_.empty()) out_ += "\n\n";
    out_ += lines;
    was_block_ = true;
    was_quote_ = false;
    ends_marker_ = false;
    last_line_ = std::max(last_line_, cmark_node_get_end_line(node));
  }

  void code_block(cmark_node* node) {
    std::string_view literal = literal_of(node);
    if (literal.ends_with('\n')) literal.remove_suffix(1);
    const std::string sign(std::max<std::size_t>(longest_run(literal, '`') + 1, 3), '`');
    const char* const info = cmark_node_get_fence_info(node);
    own_lines(node, sign + language_of(info == nullptr ? "" : info) + "\n" + std::string(literal) +
                        "\n" + sign);
  }

  // ---- text
  void line_break() {
    if (link_ > 0) {
      label_ += ' ';
    } else if (table_) {
      out_ += ' ';
    } else {
      out_ += "  \n" + line_prefix();
      line_begin_ = out_.size();
    }
  }

  // The signs in front of and behind formatted text; inside of the same, none.
  void marker(std::string_view signs, int depth, bool opens) {
    if (depth > 0 || link_ > 0) return;
    if (opens && ends_marker_ && out_.ends_with(signs[0])) out_ += chat::kBreak;
    out_ += signs;
    ends_marker_ = !opens;
  }

  void text(std::string_view raw) {
    if (link_ > 0) {
      label_ += raw;
      return;
    }
    ends_marker_ = false;
    const std::string numbered = with_numbers(raw);
    raw = numbered;
    for (bool is_first = true; !raw.empty(); is_first = false) {
      if (!is_first) line_break();
      const std::size_t end = std::min(raw.find('\n'), raw.size());
      std::string line = out_.substr(line_begin_);
      append_literal(line, raw.substr(0, end));
      out_.resize(line_begin_);
      out_ += line;
      raw.remove_prefix(std::min(end + 1, raw.size()));
    }
  }

  void code(std::string_view raw) {
    if (link_ > 0) {
      label_ += raw;
      return;
    }
    if (out_.ends_with('`')) out_ += chat::kBreak;
    out_ += code_span(raw);
    ends_marker_ = false;
  }

  void html(std::string_view raw) {
    const std::string tag = chat::lower(raw);
    if (tag == "<br>" || tag == "<br/>" || tag == "<br />")
      line_break();
    else
      text(raw);
  }

  void link(const char* url) {
    const std::string label = one_line(std::exchange(label_, {}));
    const std::string_view target = url == nullptr ? "" : url;
    const std::string address = address_of(target);
    if (address.empty()) {
      text(label.empty() || label == target ? std::string(target)
           : target.empty()                 ? label
                                            : label + " (" + one_line(std::string(target)) + ")");
      return;
    }
    if (table_) table_->has_links = true;
    // Teams makes a link of an address by itself, where nothing in it is a sign.
    const bool is_bare = label == address && address.find_first_of("*_~&[]\\") == address.npos;
    if (is_bare) {
      out_ += address;
    } else {
      std::string shown;
      append_literal(shown, label.empty() ? std::string(target) : label);
      for (std::size_t at = 0; (at = shown.find_first_of("[]", at)) != shown.npos; at += 2)
        shown.insert(at, "\\");
      out_ += "[" + shown + "](" + address + ")";
    }
    ends_marker_ = false;
  }

  // ---- tables
  void begin_table(cmark_node* node) {
    table_.emplace();
    const std::uint16_t columns = cmark_gfm_extensions_get_table_columns(node);
    const std::uint8_t* const aligns = cmark_gfm_extensions_get_table_alignments(node);
    for (std::uint16_t i = 0; i < columns; ++i)
      table_->columns.push_back(aligns[i] == 'r'   ? chat::Align::kRight
                                : aligns[i] == 'c' ? chat::Align::kCenter
                                                   : chat::Align::kLeft);
    outside_.clear();
    outer_begin_ = std::exchange(line_begin_, 0);
  }
  void end_cell() {
    std::swap(out_, outside_);
    std::string cell(chat::trimmed(std::exchange(outside_, {})));
    if (!table_->rows.empty()) table_->rows.back().push_back(std::move(cell));
  }
  void end_table(cmark_node* node) {
    const Table table = *std::exchange(table_, std::nullopt);
    line_begin_ = outer_begin_;
    const auto plain = plain_cells(node);
    const auto lines = table.has_links ? std::nullopt : chat::aligned(table.columns, plain);
    if (lines) return own_lines(node, "```\n" + *lines + "```");
    bool is_first = true;
    for (std::size_t r = table.rows.size() == 1 ? 0 : 1; r < table.rows.size(); ++r) {
      std::string line;
      for (std::size_t i = 0; i < table.rows[r].size(); ++i) {
        if (table.rows[r][i].empty()) continue;
        std::string heading;
        if (i < plain[0].size()) append_literal(heading, plain[0][i]);
        if (!line.empty()) line += "; ";
        if (r > 0 && !heading.empty()) line += "**" + heading + ":** ";
        line += table.rows[r][i];
      }
      if (line.empty()) continue;
      if (is_first)
        begin(node);
      else
        out_ += "  \n" + line_prefix();
      out_ += "- " + line;
      is_first = false;
    }
    last_line_ = std::max(last_line_, cmark_node_get_end_line(node));
  }
  // What the cells say, without any formatting.
  static std::vector<std::vector<std::string>> plain_cells(cmark_node* table) {
    std::vector<std::vector<std::string>> rows;
    const Walk walk(cmark_iter_new(table), &cmark_iter_free);
    for (auto event = cmark_iter_next(walk.get()); event != CMARK_EVENT_DONE;
         event = cmark_iter_next(walk.get())) {
      if (event != CMARK_EVENT_ENTER) continue;
      cmark_node* const node = cmark_iter_get_node(walk.get());
      const std::string_view type = type_of(node);
      if (type == "table_row" || type == "table_header") rows.emplace_back();
      if (type == "table_cell" && !rows.empty()) rows.back().emplace_back();
      const auto kind = cmark_node_get_type(node);
      const bool has_text =
          kind == CMARK_NODE_TEXT || kind == CMARK_NODE_CODE || kind == CMARK_NODE_HTML_INLINE;
      if (!has_text || rows.empty() || rows.back().empty()) continue;
      std::string text(literal_of(node));
      const std::string tag = chat::lower(text);
      if (kind == CMARK_NODE_HTML_INLINE && tag.starts_with("<br")) text = " ";
      for (std::size_t at = 0; (at = text.find("```", at)) != text.npos; ++at)
        text.insert(at + 1, chat::kBreak);
      std::replace(text.begin(), text.end(), '\n', ' ');
      rows.back().back() += text;
    }
    return rows;
  }

  std::string out_;
  std::string outside_;  // while a cell is read: what was before the table; else what a cell says
  std::string label_;
  std::vector<Level> levels_;
  std::vector<int> lists_;  // numbers of the next items
  std::optional<Table> table_;
  int number_;
  int quotes_ = 0;
  int emphasis_ = 0;
  int strong_ = 0;
  int strike_ = 0;
  int link_ = 0;
  int last_line_ = 0;           // of the text, that has been shown
  std::size_t line_begin_ = 0;  // in out_, behind what stands in front of the line
  std::size_t outer_begin_ = 0;
  bool was_quote_ = false;
  bool was_block_ = false;    // what is there ends with code or a heading
  bool ends_marker_ = false;  // another must not follow at once
};

// A chunk that is a code block is its own lines: nothing of it has to be known beforehand.
std::string code_chunk(const Chunk& chunk) {
  const chat::Line first = chat::line_at(chunk.source, 0);
  const chat::Fence fence = *chat::opened_by(first.text);
  // Teams knows only the other sign.
  const std::size_t length = fence.length + (fence.sign == '~' ? 1 : 0);
  const chat::Fence shown{'`', std::min(length, chat::kLongestFence), 0, ""};
  std::string out = shown.opening() + language_of(fence.info);
  bool is_closed = false;
  for (std::size_t i = first.size; i < chunk.source.size() && !is_closed;) {
    const chat::Line line = chat::line_at(chunk.source, i);
    i += line.size;
    const bool is_whole = line.has_end || chunk.is_done;
    is_closed = is_whole && chat::closes(fence, line.text);
    if (is_closed) break;
    const std::size_t blanks = std::min(line.text.find_first_not_of(' '), line.text.size());
    const std::string_view text = line.text.substr(std::min(blanks, fence.indent));
    const std::string_view rest = line.text.substr(blanks);
    if (!is_whole && (rest.empty() || rest[0] == '`' || rest[0] == '~')) break;
    out += '\n';
    if (chat::closes(shown, text)) out += chat::kBreak;
    out += text;
  }
  if (chunk.is_done) out += "\n" + shown.closing();
  return out;
}

}  // namespace

std::string rendered(const Chunk& chunk) {
  if (chunk.kind == Chunk::Kind::kFence) return code_chunk(chunk);
  const std::string_view source =
      chunk.is_done ? chunk.source : chunk.source.substr(0, settled_size(chunk));
  if (source.empty()) return "";
  const Node document = parsed(for_parser(source));
  return Renderer(chunk.number).render(document.get());
}

}  // namespace viaduct::teams
