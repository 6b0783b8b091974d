#include "plugins/slack/markdown.hpp"

#include <viaduct/chat/split.hpp>
#include <viaduct/chat/text.hpp>
#include "plugins/slack/guard.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/table.hpp"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm-extension_api.h>
#include <cmark-gfm.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace viaduct::slack {
namespace {

constexpr std::string_view kBreak = "\xE2\x80\x8B";  // zero-width space
constexpr std::string_view kRule = "──────────";
constexpr std::size_t kDeepestList = 8;       // deeper ones are not indented further
constexpr std::size_t kLongestTree = 16'000;  // bytes: cmark takes quadratic time for some texts
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

bool is_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// An address as Slack has it in <…>; empty: it is none that a link may lead to.
std::string address_of(std::string_view url) {
  const std::string scheme = chat::lower(url.substr(0, 8));
  const bool is_fine = scheme.starts_with("http://") || scheme.starts_with("https://") ||
                       scheme.starts_with("mailto:") || scheme.starts_with("tel:");
  std::string address;
  if (!is_fine) return address;
  for (const char c : url) {
    if (c == ' ')
      address += "%20";
    else if (c == '|')
      address += "%7C";
    else if (c == '<')
      address += "%3C";
    else if (c == '>')
      address += "%3E";
    else if (c == '&')
      address += "&amp;";
    else if (static_cast<unsigned char>(c) > ' ')
      address += c;
  }
  return address;
}

std::string one_line(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return std::string(chat::trimmed(text));
}

class Renderer {
 public:
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
  void enter(cmark_node* node) {
    if (enter_block(node) || enter_extension(node)) return;
    switch (cmark_node_get_type(node)) {
      case CMARK_NODE_TEXT: text(literal_of(node)); break;
      case CMARK_NODE_SOFTBREAK:
      case CMARK_NODE_LINEBREAK: line_break(); break;
      case CMARK_NODE_CODE: code(literal_of(node)); break;
      case CMARK_NODE_HTML_INLINE: html(literal_of(node)); break;
      case CMARK_NODE_EMPH: marker('_', emphasis_++); break;
      case CMARK_NODE_STRONG: marker('*', strong_++); break;
      case CMARK_NODE_LINK:
      case CMARK_NODE_IMAGE: ++link_; break;
      default: break;
    }
  }

  bool enter_block(cmark_node* node) {
    switch (cmark_node_get_type(node)) {
      case CMARK_NODE_BLOCK_QUOTE: ++quotes_; return true;
      case CMARK_NODE_LIST: lists_.push_back(cmark_node_get_list_start(node)); return true;
      case CMARK_NODE_ITEM:
        markers_ += marker_of(node);
        ++items_;
        return true;
      case CMARK_NODE_PARAGRAPH: begin(node); return true;
      case CMARK_NODE_HEADING:
        begin(node);
        marker('*', strong_++);
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

  bool enter_extension(cmark_node* node) {
    const std::string_view type = type_of(node);
    if (type == "strikethrough") {
      marker('~', strike_++);
    } else if (type == "table") {
      begin(node);
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
      case CMARK_NODE_BLOCK_QUOTE: --quotes_; break;
      case CMARK_NODE_LIST: lists_.pop_back(); break;
      case CMARK_NODE_ITEM:
        // Of an item without anything in it.
        if (!markers_.empty()) begin(node);
        break;
      case CMARK_NODE_HEADING: marker('*', --strong_); break;
      case CMARK_NODE_EMPH: marker('_', --emphasis_); break;
      case CMARK_NODE_STRONG: marker('*', --strong_); break;
      case CMARK_NODE_LINK:
      case CMARK_NODE_IMAGE:
        if (--link_ == 0) link(cmark_node_get_url(node));
        break;
      default: break;
    }
    if (type == "strikethrough") marker('~', --strike_);
    if (type == "table_cell" && table_) end_cell();
    if (type == "table" && table_) end_table(node);
    // Of tables in other blocks, the rows know best where they end.
    if (cmark_node_first_child(node) == nullptr ||
        cmark_node_get_type(node) == CMARK_NODE_PARAGRAPH)
      last_line_ = std::max(last_line_, cmark_node_get_end_line(node));
  }

  // Of the list's item: what stands in front of its first line.
  std::string marker_of(cmark_node* item) {
    if (type_of(item) == "tasklist")
      return cmark_gfm_extensions_get_tasklist_item_checked(item) ? "☑ " : "☐ ";
    cmark_node* const list = cmark_node_parent(item);
    if (cmark_node_get_list_type(list) != CMARK_ORDERED_LIST) return "• ";
    const bool has_paren = cmark_node_get_list_delim(list) == CMARK_PAREN_DELIM;
    return std::to_string(lists_.back()++) + (has_paren ? ") " : ". ");
  }

  std::string line_prefix(std::size_t depth) const {
    return std::string(quotes_ > 0 ? "> " : "") +
           std::string(2 * std::min(depth, kDeepestList), ' ');
  }

  // A block that has text: as far from the last one as it was written.
  void begin(cmark_node* node) {
    const int line = cmark_node_get_start_line(node);
    if (!out_.empty()) {
      const bool apart = line > last_line_ + 1;
      out_ += "\n";
      if (apart) out_ += quotes_ > 0 && was_quote_ ? "> \n" : "\n";
    }
    const std::size_t depth = lists_.size();
    out_ += line_prefix(depth - std::min(items_, depth));
    out_ += markers_;
    markers_.clear();
    items_ = 0;
    was_quote_ = quotes_ > 0;
    ends_marker_ = false;
    last_line_ = std::max(last_line_, line);
  }

  void code_block(cmark_node* node) {
    begin(node);
    std::string literal(literal_of(node));
    // There is no other fence in mrkdwn than this one.
    for (std::size_t at = 0; (at = literal.find("```", at)) != std::string::npos; ++at)
      literal.insert(at + 1, kBreak);
    if (literal.ends_with('\n')) literal.pop_back();
    // Neither quotes nor indented lines can hold one.
    const std::size_t line = out_.rfind('\n') + 1;
    if (chat::trimmed(std::string_view(out_).substr(line)).size() > 1)
      out_ += "\n";
    else
      out_.resize(line);
    out_ += "```\n" + escaped(literal) + "\n```";
    last_line_ = std::max(last_line_, cmark_node_get_end_line(node));
  }

  void line_break() {
    if (link_ > 0)
      label_ += ' ';
    else if (table_)
      out_ += ' ';
    else
      out_ += "\n" + line_prefix(lists_.size());
  }

  // The sign in front of and behind formatted text; inside of the same, none.
  void marker(char sign, int depth) {
    if (depth > 0 || link_ > 0) return;
    if (!out_.empty() && (is_word(out_.back()) || out_.back() == sign)) {
      // At the end, a word that follows has the break in front of it: see text().
      const bool is_end = open_.find(sign) != std::string::npos;
      if (!is_end || out_.back() == sign) out_ += kBreak;
    }
    const std::size_t at = open_.find(sign);
    if (at == std::string::npos)
      open_ += sign;
    else
      open_.erase(at, 1);
    out_ += sign;
    ends_marker_ = at != std::string::npos;
  }

  void text(std::string_view raw) {
    if (link_ > 0) {
      label_ += raw;
      return;
    }
    if (raw.empty()) return;
    const std::string harmless = without_calls(raw);
    // Signs that the text only looks as if it were formatted by.
    for (std::size_t i = 0; i < harmless.size(); ++i) {
      const char c = harmless[i];
      if (i == 0 && ends_marker_ && is_word(c) && !harmless.starts_with(kBreak)) out_ += kBreak;
      const bool begins_line = out_.empty() || out_.back() == '\n';
      const bool is_sign = c == '*' || c == '_' || c == '~' || c == '`';
      const bool behind_word = !out_.empty() && is_word(out_.back());
      const std::size_t next = std::min(harmless.find_first_not_of(c, i), harmless.size());
      const bool has_next = next < harmless.size() && harmless[next] != ' ' && next == i + 1;
      if (c == '>' && begins_line) out_ += kBreak;
      if (c == '\n')
        out_ += "\n" + line_prefix(lists_.size());
      else
        out_ += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
      if (is_sign && has_next && !behind_word) out_ += kBreak;
    }
    ends_marker_ = false;
  }

  void code(std::string_view raw) {
    if (link_ > 0) {
      label_ += raw;
      return;
    }
    if (!out_.empty() && is_word(out_.back())) out_ += kBreak;
    out_ += "`" + escaped(raw) + "`";
    ends_marker_ = true;
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
    if (!out_.empty() && is_word(out_.back())) out_ += kBreak;
    const bool is_same =
        label.empty() || escaped(label) == address || address == "mailto:" + escaped(label);
    out_ += "<" + address + (is_same ? "" : "|" + escaped(without_calls(label))) + ">";
    ends_marker_ = false;
  }

  void begin_table(cmark_node* node) {
    table_.emplace();
    const std::uint16_t columns = cmark_gfm_extensions_get_table_columns(node);
    const std::uint8_t* const aligns = cmark_gfm_extensions_get_table_alignments(node);
    for (std::uint16_t i = 0; i < columns; ++i)
      table_->columns.push_back(aligns[i] == 'r'   ? chat::Align::kRight
                                : aligns[i] == 'c' ? chat::Align::kCenter
                                                   : chat::Align::kLeft);
    outside_.clear();
  }
  void end_cell() {
    std::swap(out_, outside_);
    Cell cell;
    cell.mrkdwn = std::string(chat::trimmed(std::exchange(outside_, {})));
    if (!table_->rows.empty()) table_->rows.back().push_back(std::move(cell));
  }
  void end_table(cmark_node* node) {
    add_plain(node);
    std::string text = table_->text();
    table_.reset();
    if (text.starts_with("```")) {
      // As of a code block: it stands on lines of its own.
      const std::size_t line = out_.rfind('\n') + 1;
      if (chat::trimmed(std::string_view(out_).substr(line)).size() > 1)
        out_ += "\n";
      else
        out_.resize(line);
    } else {
      const std::string prefix = "\n" + line_prefix(lists_.size());
      for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += prefix.size())
        text.replace(at, 1, prefix);
    }
    out_ += text;
    last_line_ = std::max(last_line_, cmark_node_get_end_line(node));
  }
  // What the cells say, without any formatting.
  void add_plain(cmark_node* table) {
    const Walk walk(cmark_iter_new(table), &cmark_iter_free);
    std::size_t row = 0;
    std::size_t column = 0;
    for (auto event = cmark_iter_next(walk.get()); event != CMARK_EVENT_DONE;
         event = cmark_iter_next(walk.get())) {
      cmark_node* const node = cmark_iter_get_node(walk.get());
      const std::string_view type = type_of(node);
      if (event == CMARK_EVENT_EXIT) {
        if (type == "table_cell") ++column;
        if (type == "table_row" || type == "table_header") ++row, column = 0;
      } else if (row < table_->rows.size() && column < table_->rows[row].size()) {
        const auto kind = cmark_node_get_type(node);
        if (kind == CMARK_NODE_TEXT || kind == CMARK_NODE_CODE || kind == CMARK_NODE_HTML_INLINE)
          table_->rows[row][column].plain += one_line_of(literal_of(node));
      }
    }
  }
  static std::string one_line_of(std::string_view text) {
    std::string line(text);
    for (std::size_t at = 0; (at = line.find("```", at)) != std::string::npos; ++at)
      line.insert(at + 1, kBreak);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
  }

  std::string out_;
  std::string outside_;    // while a cell is read: what was before the table; else what a cell says
  std::string markers_;    // of items whose first line has not begun
  std::size_t items_ = 0;  // how many
  std::string label_;
  std::string open_;        // signs of formats that have begun
  std::vector<int> lists_;  // numbers of the next items
  std::optional<Table> table_;
  int quotes_ = 0;
  int emphasis_ = 0;
  int strong_ = 0;
  int strike_ = 0;
  int link_ = 0;
  int last_line_ = 0;  // of the text, that has been shown
  bool was_quote_ = false;
  bool ends_marker_ = false;  // a word must not follow at once
};

}  // namespace

std::string mrkdwn(std::string_view markdown) {
  std::string out;
  for (const chat::Piece& piece : chat::split(markdown, kLongestTree, chat::Count::kBytes, true)) {
    const Node document = parsed(piece.text());
    if (!out.empty()) out += "\n";
    out += Renderer().render(document.get());
  }
  return out;
}

}  // namespace viaduct::slack
