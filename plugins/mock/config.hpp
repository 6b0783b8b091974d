// The configuration of the mock: which messages get which answer. Plain values; any thread.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::mock {

// A failure by the name that the rules use ("session_dead"), or nothing for a name that is none.
struct Failure {
  std::string name;
  int code = 0;  // as the plugin ABI numbers it
};
std::optional<Failure> failure_by_name(std::string_view name);

struct Option {
  std::string id, name, kind;
};
struct Permission {
  std::string title;
  std::vector<Option> options;
  std::chrono::milliseconds timeout{0};  // 0: the host's
};

enum class On { kMessage, kCreate, kResume };

// After the reply: a text, or an image, a sound or a file with words for it.
struct Piece {
  std::string text;   // the words, where there is a block
  std::string block;  // JSON of an ACP content block, or empty
};

struct Rule {
  On on = On::kMessage;
  std::regex match;  // on the message; for kCreate and kResume on the working folder
  std::optional<Failure> fail;
  std::chrono::milliseconds delay{0};
  std::optional<std::string> reply;
  bool recall = false;
  std::vector<Piece> content;
  std::string plan;     // JSON {"entries":[…]}, or empty
  std::string thought;  // or empty
  std::string tool;     // JSON object, or empty
  std::optional<Permission> permission;
  std::string usage;  // JSON object, or empty
};

struct Config {
  std::string record;  // path, or empty
  std::chrono::milliseconds chunk_delay{0};
  std::vector<Rule> rules;
};

// The error says where: "rules[2].fail: …".
std::expected<Config, std::string> parse_config(std::string_view json);

// What a rule matched: the whole and its groups, for $0 to $9.
using Groups = std::vector<std::string>;
struct Match {
  const Rule* rule = nullptr;  // null: none
  Groups groups;
};

// The first rule that matches, by the first 4 KiB of the text: std::regex recurses for every
// character, and a long message would overflow the stack.
inline constexpr std::size_t kMatched = 4096;
Match first_match(const Config& config, On on, std::string_view text);

// JSON in and out, for the logic that knows no JSON library.
std::string tool_json(const std::string& tool, const std::string& id, std::string_view status);
std::string permission_json(const Permission& permission, const std::string& tool,
                            const std::string& tool_id);
// The newest user message of a transcript, which is a JSON array of entries; empty if there is
// none.
std::string last_user_message(std::string_view transcript_json);
// `text` with U+FFFD for what is no UTF-8.
std::string valid_utf8(const std::string& text);

}  // namespace viaduct::mock
