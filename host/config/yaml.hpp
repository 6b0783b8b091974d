// A YAML document as a tree in which every node knows its place. A value; any thread.
#pragma once

#include "host/config/config.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::config {

struct Node;
struct Entry;

struct Node {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  std::string text;    // of a scalar, references filled in
  bool plain = false;  // a scalar without quotation marks, whose type its text says
  int line = 0;
  int column = 0;
  std::vector<Node> items;     // of a list
  std::vector<Entry> entries;  // of a map, keys differ

  // What fill_references() found out:
  bool referenced = false;                        // some of the text came from a reference
  bool secret = false;                            // never to be shown
  bool broken = false;                            // was reported already; its value means nothing
  std::string written;                            // the references, as they should be shown
  std::map<std::string, std::string> references;  // as written → value
  std::vector<std::string> secrets;               // what must be redacted

  const Node* find(std::string_view key) const;
};

struct Entry {
  std::string key;
  int line = 0;
  int column = 0;
  Node value;
};

// Collects what is wrong with one file.
class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}
  void add(int line, int column, std::string message) {
    diagnostics_.push_back({file_, line, column, std::move(message)});
  }
  // … since this process lacks a variable of the environment.
  void add(const Node& node, std::string message, std::string variable) {
    add(node, std::move(message));
    diagnostics_.back().variable = std::move(variable);
  }
  void add(const Node& node, std::string message) {
    add(node.line, node.column, std::move(message));
  }
  bool empty() const { return diagnostics_.empty(); }
  std::size_t size() const { return diagnostics_.size(); }
  // In the order of the file, each once.
  std::vector<Diagnostic> take();

 private:
  std::string file_;
  std::vector<Diagnostic> diagnostics_;
};

// The one document of `source`. nullopt when there is none to go on with; everything wrong is in
// `report`.
std::optional<Node> parse_yaml(std::string_view source, Report& report);

// Whether something in it was reported already.
bool has_broken(const Node& node);
// Text for a message: the scalar in quotation marks, or what it is where it must not be shown.
std::string shown(const Node& node);
// "a map", "a list", "a string", "a number", …
std::string kind_in_words(const Node& node);

}  // namespace viaduct::config
