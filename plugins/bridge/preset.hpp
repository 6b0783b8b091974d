// How an agent program is started and understood: what presets/NAME.yaml and the configuration's
// `template` say (presets/README.md). Plain values, read once; any thread.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::bridge {

// A JSON Pointer (RFC 6901), taken apart. Empty: the whole.
using Pointer = std::vector<std::string>;

// What stands in a line, or is made of it.
struct Value {
  enum class Kind { kNothing, kText, kPointer, kFirst, kSum, kMap };
  Kind kind = Kind::kNothing;
  std::string text{};           // kText: as it is, but for {/pointer}
  Pointer pointer{};            // kPointer
  std::vector<Value> values{};  // kFirst, kSum: of these; kMap: the one to look up
  std::vector<std::pair<std::string, std::string>> map{};
  std::optional<std::string> otherwise{};  // kMap: for what is not in the map

  explicit operator bool() const { return kind != Kind::kNothing; }
};

struct Condition {
  Pointer at;
  // One of these, as text; "*": anything but null; none: nothing there, or null.
  std::vector<std::string> any_of;
};

struct ToolRule {
  Value id, title, kind, status, input, output;
};
struct PlanRule {
  Value entries;  // an array; the others are relative to its elements
  Value content, status, priority;
};
struct UsageRule {
  Value input, output, cached, cost;
  bool add = false;    // to what was said before, instead of replacing it
  bool total = false;  // of the whole session so far, not of this turn
};

// What a line, or a part of it, means. All conditions must hold; then all that is there is done.
struct Rule {
  std::vector<Condition> when;
  Value each;               // an array (or one value): `rules` go over its elements
  std::vector<Rule> rules;  // in order
  Value session, text, text_delta, final_text, thought, thought_delta, notice, error, stop;
  std::optional<ToolRule> tool;
  std::optional<PlanRule> plan;
  std::optional<UsageRule> usage;
  bool done = false;
};

struct Preset {
  std::string name;  // the agent type of its sessions
  std::string program;
  std::string install;                  // how to get the program, for people
  std::vector<std::string> version;     // arguments that make it tell its version
  std::vector<std::string> login;       // arguments: it exits with 0 when it is logged in
  std::vector<std::string> login_says;  // what it says when it is not
  std::string login_hint;               // what to do then
  std::vector<std::string> fresh, resume, model;
  std::string compact;  // the prompt that compacts; empty: it cannot
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> keys;
  std::vector<std::string> lost;
  std::vector<std::string> session_files;  // patterns
  bool shares_folders = false;
  std::vector<Rule> lines;

  bool tells_end() const;  // whether one of its rules says `done`
};

// What a program is started with.
struct StartWith {
  std::string session;  // empty: a new one
  std::string model;
  std::string working_dir;
  std::vector<std::string> extra;
};
// The arguments behind the program.
std::vector<std::string> arguments(const Preset& preset, const StartWith& with);

// As a JSON string, with its quotes.
std::string json_text(std::string_view text);

// The preset of the file at `path`, as JSON. The error names the file.
std::expected<std::string, std::string> read_preset_file(const std::string& path);

// `file_json` is read_preset_file's, or empty; `template_json` what the configuration overrides, or
// empty. The error says which key, and what was expected. `name`: the agent type.
std::expected<Preset, std::string> parse_preset(std::string name, std::string_view file_json,
                                                std::string_view template_json);

}  // namespace viaduct::bridge
