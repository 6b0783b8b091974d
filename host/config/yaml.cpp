#include "host/config/yaml.hpp"

#include "host/config/values.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>
#include <tuple>

namespace viaduct::config {

namespace {

constexpr std::size_t kMostNodes = 20'000;  // after aliases were copied

// 1-based column in characters, of a 0-based one in bytes.
int column_of(std::string_view source, int line, int column) {
  std::size_t begin = 0;
  for (int i = 0; i < line; ++i) {
    const auto end = source.find('\n', begin);
    if (end == std::string_view::npos) return column + 1;
    begin = end + 1;
  }
  const auto text = source.substr(std::min(begin, source.size()), static_cast<std::size_t>(column));
  return 1 + static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
           return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
         }));
}

std::string_view line_of(std::string_view source, int line) {
  std::size_t begin = 0;
  for (int i = 0; i < line && begin < source.size(); ++i) {
    const auto end = source.find('\n', begin);
    if (end == std::string_view::npos) return {};
    begin = end + 1;
  }
  return source.substr(begin, source.find('\n', begin) - begin);
}

// Whether the quoted scalar at `at` has its closing mark; yaml-cpp takes the end of the file for
// one.
bool is_closed(std::string_view source, std::size_t at) {
  while (at < source.size() && (source[at] == '&' || source[at] == '!')) {  // anchor, tag
    at = source.find_first_of(" \t\r\n", at);
    at = source.find_first_not_of(" \t\r\n", at);
  }
  if (at >= source.size() || (source[at] != '"' && source[at] != '\'')) return true;
  const char mark = source[at];
  for (++at; at < source.size(); ++at) {
    if (mark == '"' && source[at] == '\\') {
      ++at;
    } else if (source[at] == mark) {
      if (mark == '"' || at + 1 >= source.size() || source[at + 1] != mark) return true;
      ++at;
    }
  }
  return false;
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view source, Report& report) : source_(source), report_(report) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2)
      report(mark, "this does not belong to the document above; expected one document in the file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(Node::Kind::null, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node = make(Node::Kind::null, mark);
    if (const auto found = anchors_.find(anchor); found != anchors_.end()) {
      node = found->second;
      node.line = mark.line + 1;
      node.column = column_of(source_, mark.line, mark.column);
    } else {
      node.broken = true;
      report(mark, "this alias stands inside of what it refers to");
    }
    add(std::move(node), 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = make(Node::Kind::scalar, mark);
    node.text = value;
    node.plain = tag == "?";
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str") report_tag(mark, node);
    if (tag == "!" && !is_closed(source_, static_cast<std::size_t>(std::max(mark.pos, 0)))) {
      node.broken = true;
      report(mark, "this quotation mark is never closed");
    }
    if (!node.plain && value.find_first_of(" \n") != std::string::npos) last_quoted_ = mark;
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open_.push_back({make(Node::Kind::list, mark), anchor, {}, false});
    if (is_foreign(tag)) report_tag(mark, open_.back().node);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open_.push_back({make(Node::Kind::map, mark), anchor, {}, false});
    if (is_foreign(tag)) report_tag(mark, open_.back().node);
  }
  void OnMapEnd() override { close(); }

  int documents() const { return documents_; }
  std::optional<YAML::Mark> last_quoted() const { return last_quoted_; }
  Node root;

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    std::optional<Node> key;  // of a map, while its value is awaited
    bool skip = false;        // the value of a bad key
  };

  static bool is_foreign(const std::string& tag) {
    return !tag.empty() && tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:map" &&
           tag != "tag:yaml.org,2002:seq";
  }

  Node make(Node::Kind kind, const YAML::Mark& mark) {
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = column_of(source_, mark.line, mark.column);
    return node;
  }

  void report(const YAML::Mark& mark, std::string message) {
    report_.add(mark.line + 1, column_of(source_, mark.line, mark.column), std::move(message));
  }
  void report_tag(const YAML::Mark& mark, Node& node) {
    node.broken = true;
    report(mark, "tags (!…) are not supported here; expected a plain or quoted value");
  }

  static std::size_t size(const Node& node) {
    std::size_t sum = 1;
    for (const Node& item : node.items) sum += size(item);
    for (const Entry& entry : node.entries) sum += size(entry.value);
    return sum;
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    nodes_ += anchors_.empty() ? 1 : size(node);
    if (nodes_ > kMostNodes)
      throw YAML::ParserException(YAML::Mark::null_mark(), "too many values");
    if (open_.empty()) {
      if (documents_ == 1) root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::list) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    if (!parent.key) {
      parent.key = std::move(node);
      return;
    }
    const Node key = std::move(*parent.key);
    parent.key.reset();
    if (key.kind != Node::Kind::scalar) {
      report_.add(key, "expected a name as a key, not " + kind_in_words(key));
      return;
    }
    if (key.plain && key.text == "<<") {
      report_.add(key, "merge keys (<<) are not supported; write the keys out");
      return;
    }
    for (const Entry& entry : parent.node.entries)
      if (entry.key == key.text) {
        report_.add(key, "key " + in_quotes(key.text) + " is repeated; it is in line " +
                             std::to_string(entry.line) + " already");
        return;
      }
    if (node.kind == Node::Kind::null) {  // its own mark is that of whatever comes next
      node.line = key.line;
      node.column = key.column;
    }
    parent.node.entries.push_back({key.text, key.line, key.column, std::move(node)});
  }

  std::string_view source_;
  Report& report_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::optional<YAML::Mark> last_quoted_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

// yaml-cpp's words, made useful to somebody who does not know its scanner.
std::string in_words(const std::string& message, std::string_view line) {
  const auto reference = line.find("${");
  const auto bracket = line.find_first_of("{[");
  if (reference != std::string_view::npos && bracket < reference)
    return "inside of { } and [ ], a reference needs quotation marks: \"${env:NAME}\"";
  if (line.find_first_not_of(" \t") != std::string_view::npos &&
      line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos)
    return "a tab at the begin of the line; YAML is indented with spaces";
  if (message == "illegal map value")
    return "unexpected \":\"; is the indentation of this line and the one above right, and does a "
           "text that has \": \" in it stand in quotation marks?";
  if (message == "end of map not found")
    return "unexpected text; expected the next key, indented as far as those before it, or the end "
           "of the line";
  if (message == "end of map flow not found") return "expected \",\" or a closing \"}\"";
  if (message == "end of sequence flow not found") return "expected \",\" or a closing \"]\"";
  if (message == "end of sequence not found") return "unexpected text; expected the next \"- \"";
  if (message == "illegal EOF in scalar") return "a quotation mark is never closed";
  if (message == "unknown token")
    return "a value cannot begin with this character; put it in quotation marks";
  return message;
}

// The first byte that does not belong in a YAML file of ours.
std::optional<std::size_t> find_bad_byte(std::string_view source) {
  for (std::size_t at = 0; at < source.size(); ++at) {
    const auto byte = static_cast<unsigned char>(source[at]);
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F) return at;
  }
  return invalid_utf8(source);
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

std::vector<Diagnostic> Report::take() {
  const auto key = [](const Diagnostic& d) { return std::tie(d.line, d.column, d.message); };
  std::sort(diagnostics_.begin(), diagnostics_.end(),
            [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
  diagnostics_.erase(
      std::unique(diagnostics_.begin(), diagnostics_.end(),
                  [&](const Diagnostic& a, const Diagnostic& b) { return key(a) == key(b); }),
      diagnostics_.end());
  return std::move(diagnostics_);
}

std::optional<Node> parse_yaml(std::string_view source, Report& report) {
  if (source.starts_with("\xEF\xBB\xBF")) source.remove_prefix(3);
  if (const auto bad = find_bad_byte(source)) {
    const auto before = source.substr(0, *bad);
    const int line = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
    const auto start = before.rfind('\n') + 1;  // npos + 1 is 0
    report.add(line + 1, column_of(source, line, static_cast<int>(*bad - start)),
               "a byte that is not UTF-8 text");
    return std::nullopt;
  }
  TreeBuilder builder(source, report);
  try {
    std::istringstream stream{std::string(source)};
    YAML::Parser parser(stream);
    while (builder.documents() < 2 && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    const int line = std::max(error.mark.line, 0);
    std::string message = in_words(error.msg, line_of(source, line));
    if (const auto quote = builder.last_quoted(); quote && quote->line < line)
      message += " (is the quotation mark of line " + std::to_string(quote->line + 1) +
                 " closed where it should be?)";
    report.add(line + 1, column_of(source, line, std::max(error.mark.column, 0)),
               std::move(message));
    return std::nullopt;
  }
  if (builder.documents() == 0 || builder.root.kind == Node::Kind::null) {
    report.add(1, 1, "the file is empty; expected a map with backends and surfaces");
    return std::nullopt;
  }
  return std::move(builder.root);
}

bool has_broken(const Node& node) {
  return node.broken || std::ranges::any_of(node.items, has_broken) ||
         std::ranges::any_of(node.entries,
                             [](const Entry& entry) { return has_broken(entry.value); });
}

std::string shown(const Node& node) {
  if (node.kind != Node::Kind::scalar) return kind_in_words(node);
  if (node.secret) return "the secret value";
  constexpr std::size_t kMost = 60;
  if (node.text.size() <= kMost) return in_quotes(node.text);
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(node.text[end]) & 0xC0) == 0x80) --end;
  return in_quotes(node.text.substr(0, end) + "…");
}

std::string kind_in_words(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null: return "nothing";
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a map";
    case Node::Kind::scalar: break;
  }
  if (!node.plain) return "a string";
  switch (scalar_type(node.text)) {
    case ScalarType::null: return "nothing";
    case ScalarType::boolean: return "true or false";
    case ScalarType::integer:
    case ScalarType::number: return "a number";
    case ScalarType::string: break;
  }
  return "a string";
}

}  // namespace viaduct::config
