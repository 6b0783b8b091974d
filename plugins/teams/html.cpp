// HTML of messages, by libxml2's parser: what Teams' clients write is not always well-formed.
#include "plugins/teams/text.hpp"

#include <viaduct/chat/text.hpp>

#include <libxml/HTMLparser.h>
#include <libxml/HTMLtree.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace viaduct::teams {
namespace {

constexpr std::size_t kLongestHtml = 512 << 10;  // bytes
constexpr std::size_t kMostQuotes = 10;
constexpr int kDeepest = 300;  // elements in each other; libxml2 stops before
constexpr std::size_t kDeepestList = 8;
constexpr std::string_view kNoBreakSpace = "\xC2\xA0";

struct DocFree {
  void operator()(xmlDoc* doc) const { xmlFreeDoc(doc); }
};
using Doc = std::unique_ptr<xmlDoc, DocFree>;

std::string_view text_of(const xmlChar* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

std::string attribute(const xmlNode* node, std::string_view name) {
  for (const xmlAttr* one = node->properties; one != nullptr; one = one->next)
    if (chat::lower(text_of(one->name)) == name && one->children != nullptr) {
      std::string value(text_of(one->children->content));
      std::erase_if(value, [](unsigned char c) { return c < ' ' || c == 0x7F; });
      return value;
    }
  return "";
}

// "http://schema.skype.com/Mention", however it is written.
bool is_of_type(const xmlNode* node, std::string_view type) {
  const std::string given = chat::lower(attribute(node, "itemtype"));
  return given.ends_with("schema.skype.com/" + std::string(type));
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

class Reader {
 public:
  explicit Reader(const std::vector<std::string>* mentions) : mentions_(mentions) {}

  void read(const xmlNode* first) { children(first); }
  // nullopt: as html_text().
  std::optional<HtmlText> result() {
    if (mentions_ != nullptr && mention_ != mentions_->size()) return std::nullopt;
    while (out_.ends_with('\n') || out_.ends_with(' ')) out_.pop_back();
    std::size_t begin = 0;
    while (begin < out_.size() && (out_[begin] == '\n' || out_[begin] == ' ')) ++begin;
    found_.text = out_.substr(begin);
    found_.has_structure = found_.has_structure || found_.text.find('\n') != std::string::npos;
    return std::move(found_);
  }

 private:
  void children(const xmlNode* first) {
    if (depth_ >= kDeepest) return;
    ++depth_;
    for (const xmlNode* node = first; node != nullptr; node = node->next) {
      if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE)
        text(text_of(node->content));
      else if (node->type == XML_ELEMENT_NODE)
        element(node, chat::lower(text_of(node->name)));
    }
    --depth_;
  }

  void element(const xmlNode* node, const std::string& name) {
    if (is_one_of(name, {"script", "style", "head", "title", "template"})) return;
    if (name == "br") return line_end(true);
    if (name == "hr") return rule();
    if (name == "at" || is_of_type(node, "mention")) return mention(node);
    if (name == "img" || name == "emoji") return picture(node, name);
    if (name == "attachment") return stub(node);
    if (name == "blockquote" && is_of_type(node, "reply")) return reply(node);
    if (in_code_) return children(node->children);
    if (is_one_of(name, {"pre", "codeblock"})) return code_block(node);
    if (name == "code") return code(node);
    if (name == "a") return link(node);
    if (is_one_of(name, {"ul", "ol"})) return list(node, name == "ol");
    if (name == "li") return item(node);
    if (name == "blockquote") return quote(node);
    if (name == "tr") return row(node);
    if (is_one_of(name, {"td", "th"})) return cell(node);
    const bool is_block = is_one_of(
        name, {"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "table", "section", "article",
               "header", "footer", "dl", "dt", "dd", "figure", "address", "body"});
    if (!is_block) return children(node->children);
    line_end(false);
    children(node->children);
    line_end(false);
  }

  // ---- lines
  // `always`: also behind an empty line.
  void line_end(bool always) {
    if (in_code_) {
      out_ += '\n';
      return;
    }
    if (in_cell_) {
      blank_ = true;
      return;
    }
    if (!has_line_ && !always) return;
    while (out_.ends_with(' ')) out_.pop_back();
    if (!has_line_) begin_line();
    while (out_.ends_with(' ')) out_.pop_back();
    out_ += '\n';
    has_line_ = false;
    blank_ = false;
  }
  void begin_line() {
    if (has_line_) return;
    for (std::size_t i = 0; i < quotes_; ++i) out_ += "> ";
    const std::size_t indent = std::min(lists_.size(), kDeepestList);
    const bool is_first = !marker_.empty();
    for (std::size_t i = is_first ? 1 : 0; i < indent; ++i) out_ += "  ";
    out_ += std::exchange(marker_, {});
    has_line_ = true;
  }
  void put(std::string_view words) {
    begin_line();
    out_ += words;
  }

  void text(std::string_view raw) {
    if (in_code_) {
      append_code(raw);
      return;
    }
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const char c = raw[i];
      if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f') {
        blank_ = true;
        continue;
      }
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) continue;
      const bool is_hard_blank = raw.substr(i).starts_with(kNoBreakSpace);
      if (blank_ && has_line_ && !out_.ends_with(' ')) out_ += ' ';
      blank_ = false;
      begin_line();
      if (is_hard_blank) {
        out_ += ' ';
        ++i;
      } else {
        out_ += c;
      }
    }
  }
  // What stands in the text as it is, with the blank that was before it.
  void piece(std::string_view words) {
    if (words.empty()) return;
    if (blank_ && has_line_ && !out_.ends_with(' ')) out_ += ' ';
    blank_ = false;
    put(words);
  }

  // ---- elements
  void mention(const xmlNode* node) {
    if (in_quote_of_reply_) return children(node->children);
    const std::size_t at = mention_++;
    if (mentions_ == nullptr || at >= mentions_->size()) {
      piece("");
      return children(node->children);
    }
    piece((*mentions_)[at]);
  }
  void picture(const xmlNode* node, const std::string& name) {
    const std::string alt = attribute(node, "alt");
    const bool is_emoji = name == "emoji" || is_of_type(node, "emoji");
    if (!is_emoji || alt.size() > 100) return children(node->children);
    found_.has_structure = true;  // the plain text may be without it
    if (in_code_)
      append_code(alt);
    else
      piece(alt);
  }
  void stub(const xmlNode* node) {
    if (std::string id = attribute(node, "id"); !id.empty() && id.size() <= kLongestId)
      found_.stubs.push_back(std::move(id));
  }
  void rule() {
    line_end(false);
    put("---");
    line_end(false);
  }
  void quote(const xmlNode* node) {
    found_.has_structure = true;
    line_end(false);
    ++quotes_;
    children(node->children);
    line_end(false);
    --quotes_;
  }

  // A quoted message: its author, and what there is of it.
  void reply(const xmlNode* node) {
    found_.has_structure = true;
    if (found_.quotes.size() >= kMostQuotes) return;
    const auto saved = std::pair(std::exchange(out_, {}), std::exchange(has_line_, false));
    const bool was_in_code = std::exchange(in_code_, false);
    const auto outer = std::exchange(in_quote_of_reply_, true);
    const auto lists = std::exchange(lists_, {});
    const auto marker = std::exchange(marker_, {});
    const std::size_t quotes = std::exchange(quotes_, 0);
    Quote found{.message = attribute(node, "itemid"), .sender = "", .text = ""};
    if (found.message.size() > kLongestId) found.message.clear();
    for (const xmlNode* one = node->children; one != nullptr; one = one->next) {
      if (one->type != XML_ELEMENT_NODE) continue;
      const std::string name = chat::lower(text_of(one->name));
      const std::string property = chat::lower(attribute(one, "itemprop"));
      if (property == "time") continue;
      children(one->children);
      line_end(false);
      std::string said(chat::trimmed(std::exchange(out_, {})));
      if (property == "mri" || (name == "strong" && found.sender.empty()))
        found.sender = std::move(said);
      else
        found.text += (found.text.empty() || said.empty() ? "" : "\n") + said;
    }
    out_ = saved.first;
    has_line_ = saved.second;
    in_code_ = was_in_code;
    in_quote_of_reply_ = outer;
    lists_ = lists;
    marker_ = marker;
    quotes_ = quotes;
    blank_ = false;
    line_end(false);
    if (!found.text.empty()) found_.quotes.push_back(std::move(found));
  }

  void list(const xmlNode* node, bool is_ordered) {
    found_.has_structure = true;
    line_end(false);
    int start = 1;
    if (is_ordered) {
      const std::string given = attribute(node, "start");
      if (!given.empty() && given.size() < 6 &&
          given.find_first_not_of("0123456789") == std::string::npos)
        start = std::stoi(given);
    }
    lists_.push_back(is_ordered ? start : -1);
    children(node->children);
    lists_.pop_back();
    line_end(false);
  }
  void item(const xmlNode* node) {
    found_.has_structure = true;
    line_end(false);
    const bool is_ordered = !lists_.empty() && lists_.back() >= 0;
    marker_ = is_ordered ? std::to_string(lists_.back()++) + ". " : "- ";
    children(node->children);
    if (!marker_.empty()) begin_line();
    line_end(false);
  }

  void row(const xmlNode* node) {
    found_.has_structure = true;
    line_end(false);
    const std::size_t cells_outside = std::exchange(cells_, 0);
    const bool was_in_cell = std::exchange(in_cell_, false);
    children(node->children);
    in_cell_ = was_in_cell;
    const std::size_t cells = std::exchange(cells_, cells_outside);
    if (cells > 0) put(" |");
    line_end(false);
    const bool is_first = node->prev == nullptr || chat::lower(text_of(node->prev->name)) != "tr";
    const bool is_heading =
        node->parent != nullptr && chat::lower(text_of(node->parent->name)) == "thead";
    if (cells == 0 || in_cell_ || !is_first || (has_rule_ && !is_heading)) return;
    has_rule_ = true;
    std::string rule = "|";
    for (std::size_t i = 0; i < std::min<std::size_t>(cells, 50); ++i) rule += " --- |";
    put(rule);
    line_end(false);
  }
  void cell(const xmlNode* node) {
    put(cells_++ == 0 ? "| " : " | ");
    blank_ = false;
    const bool outer = std::exchange(in_cell_, true);
    children(node->children);
    in_cell_ = outer;
  }

  void link(const xmlNode* node) {
    const std::string address = attribute(node, "href");
    const std::string scheme = chat::lower(address.substr(0, 8));
    const bool is_fine = scheme.starts_with("http://") || scheme.starts_with("https://") ||
                         scheme.starts_with("mailto:");
    if (!is_fine || in_link_ || address.find_first_of(" \n<>") != std::string::npos)
      return children(node->children);
    if (blank_ && has_line_ && !out_.ends_with(' ')) out_ += ' ';
    blank_ = false;
    begin_line();
    const std::size_t begin = out_.size();
    in_link_ = true;
    children(node->children);
    in_link_ = false;
    const std::size_t from = std::min(begin, out_.size());
    const std::string label = out_.substr(from);
    const std::string_view rest =
        std::string_view(address).substr(address.find(':') + (scheme.starts_with("m") ? 1 : 3));
    if (label == address || label == rest || label + "/" == rest || label + "/" == address) return;
    found_.has_structure = true;
    out_.resize(from);
    const bool is_word = !chat::trimmed(label).empty() && label.find('\n') == std::string::npos;
    out_ += is_word ? "[" + label + "](" + address + ")" : address;
    has_line_ = true;
  }

  // ---- code
  void append_code(std::string_view raw) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw.substr(i).starts_with(kNoBreakSpace)) {
        out_ += ' ';
        ++i;
      } else if (raw[i] == '\n' || raw[i] == '\t' || static_cast<unsigned char>(raw[i]) >= ' ') {
        out_ += raw[i];
      }
    }
  }
  // Everything below as it stands.
  std::string verbatim(const xmlNode* node) {
    const std::string outside = std::exchange(out_, {});
    in_code_ = true;
    children(node->children);
    in_code_ = false;
    return std::exchange(out_, outside);
  }
  static std::size_t longest_run(std::string_view text) {
    std::size_t longest = 0;
    std::size_t run = 0;
    for (const char c : text) {
      run = c == '`' ? run + 1 : 0;
      longest = std::max(longest, run);
    }
    return longest;
  }
  void code(const xmlNode* node) {
    std::string inside = verbatim(node);
    if (inside.find('\n') != std::string::npos) return block_of(inside, "");
    if (inside.empty()) return;
    found_.has_structure = true;
    const std::string sign(longest_run(inside) + 1, '`');
    if (inside.starts_with('`') || inside.ends_with('`')) inside = " " + inside + " ";
    piece(sign + inside + sign);
  }
  void code_block(const xmlNode* node) {
    std::string language = attribute(node, "class");
    if (const std::size_t at = language.find("language-"); at != std::string::npos)
      language = language.substr(at + 9);
    language = chat::lower(language.substr(0, language.find(' ')));
    const bool is_name =
        language.size() <= 20 &&
        language.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+#-.") == std::string::npos;
    block_of(verbatim(node), is_name ? language : "");
  }
  void block_of(std::string_view inside, const std::string& language) {
    found_.has_structure = true;
    while (inside.starts_with('\n')) inside.remove_prefix(1);
    while (inside.ends_with('\n')) inside.remove_suffix(1);
    const std::string sign(std::max<std::size_t>(longest_run(inside) + 1, 3), '`');
    line_end(false);
    if (in_cell_) return piece(inside.substr(0, inside.find('\n')));
    put(sign + language);
    line_end(false);
    while (true) {
      const std::size_t end = std::min(inside.find('\n'), inside.size());
      put(inside.substr(0, end));
      line_end(true);
      if (end == inside.size()) break;
      inside.remove_prefix(end + 1);
    }
    put(sign);
    line_end(false);
  }

  const std::vector<std::string>* mentions_;  // null: they are their names
  HtmlText found_;
  std::string out_;
  std::string marker_;      // of an item whose first line has not begun
  std::vector<int> lists_;  // numbers of the next items; -1: without
  std::size_t quotes_ = 0;
  std::size_t mention_ = 0;
  std::size_t cells_ = 0;
  int depth_ = 0;
  bool has_line_ = false;  // something stands in the line that out_ ends with
  bool blank_ = false;     // between what is there and what comes
  bool in_code_ = false;
  bool in_cell_ = false;
  bool in_link_ = false;
  bool in_quote_of_reply_ = false;
  bool has_rule_ = false;  // below the first row of a table
};

Doc parsed(std::string_view html) {
  constexpr int kOptions = HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                           HTML_PARSE_NONET | HTML_PARSE_NODEFDTD | HTML_PARSE_COMPACT;
  return Doc(
      htmlReadMemory(html.data(), static_cast<int>(html.size()), nullptr, "UTF-8", kOptions));
}

std::optional<HtmlText> read(std::string_view html, const std::vector<std::string>* mentions) {
  if (html.empty() || html.size() > kLongestHtml) return std::nullopt;
  std::string valid = chat::valid_utf8(html);
  std::erase(valid, '\0');
  const Doc doc = parsed(valid);
  if (!doc) return std::nullopt;
  Reader reader(mentions);
  reader.read(doc->children);
  return reader.result();
}

}  // namespace

std::optional<HtmlText> html_text(std::string_view html, const std::vector<std::string>& mentions) {
  return read(html, &mentions);
}

std::optional<HtmlText> html_text(std::string_view html) {
  return read(html, nullptr);
}

}  // namespace viaduct::teams
