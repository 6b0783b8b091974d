// The messages of the Agent Client Protocol, version 1, in the client's role: what we send and what
// an agent says, as values. Tolerant in reading: unknown members, variants and values never fail a
// message. JSON stays in protocol_*_json.cpp. Any thread.
#pragma once

#include "plugins/acp/config.hpp"
#include "plugins/acp/content.hpp"
#include "plugins/acp/rpc.hpp"

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::acp {

inline constexpr std::int64_t kProtocolVersion = 1;

// ---------------------------------------------------------------- initialize

struct AuthMethod {
  std::string id;
  std::string name;
  std::string description;
  std::string type;  // "terminal": only a person at a terminal can do it
};

struct AgentCapabilities {
  std::string agent_name;  // title, else name; may be empty
  std::string agent_version;
  bool load = false;
  bool image = false, audio = false, embedded_context = false;
  bool mcp_http = false, mcp_sse = false;
  bool list = false, resume = false, close = false, remove = false, fork = false;
  std::vector<AuthMethod> auth_methods;
};

std::string initialize_params(const Config& config, std::string_view client_version);
// The error is in words: another protocol version, or no answer that it could be.
std::expected<AgentCapabilities, std::string> parse_initialize(std::string_view result);

// ---------------------------------------------------------------- sessions

// new, load, resume and fork; `id` is empty for new. `cwd` is absolute. MCP servers that the agent
// cannot reach (http, sse) are left out, and their names are put into `left_out`.
std::string session_params(std::string_view id, std::string_view cwd, const Config& config,
                           const AgentCapabilities& can, std::vector<std::string>* left_out);
std::string id_params(std::string_view session_id);  // close, delete, cancel
std::string list_params(std::string_view cwd, std::string_view cursor);
std::string authenticate_params(std::string_view method);

// One thing that a person may choose of a session: ACP's configuration options, or one made of its
// legacy modes ("mode") or models ("model").
struct Choice {
  std::string value;
  std::string name;
  std::string description;
  std::string meta = {};  // `_meta` as JSON text; empty: none
};
struct Option {
  std::string id;
  std::string name;
  std::string category;  // "mode", "model", "thought_level" …
  std::string current;
  std::vector<Choice> choices;  // groups are flattened; of a boolean: "true", "false"
  enum class How { kConfigOption, kBoolean, kMode, kModel };
  How how = How::kConfigOption;
  std::string meta = {};
};

// What new, load, resume and fork answer, or set_config_option.
struct SessionAnswer {
  std::string session_id;       // empty: none, or null
  std::vector<Option> options;  // configuration options, and modes and models where these have none
                                // of that category
  bool has_options = false;     // the answer said which there are
};
// The error: no JSON object and not null.
std::expected<SessionAnswer, std::string> parse_session(std::string_view result);

struct SetOption {
  std::string method;
  std::string params;
};
// `now` in place of `before`, after set_config_option or an update of options: these say nothing of
// legacy modes and models, which stay where `now` has none of that category.
std::vector<Option> replaced(const std::vector<Option>& before, std::vector<Option> now);
SetOption set_option_request(std::string_view session_id, const Option& option,
                             std::string_view value);
// The option and value that a person meant by "model" / "opus": by id, category or name, and by
// value or name, without regard to case, also by an unambiguous part. The error says what there is.
struct Chosen {
  const Option* option = nullptr;
  std::string value;
};
std::expected<Chosen, std::string> choose(const std::vector<Option>& options,
                                          std::string_view option, std::string_view value);
// {"options":[…]} as the host takes it, in ACP's form.
std::string options_json(const std::vector<Option>& options);

struct ListedSession {
  std::string id, cwd, title, updated_at;
};
struct SessionList {
  std::vector<ListedSession> sessions;
  std::string next;  // cursor; empty: no more
};
SessionList parse_list(std::string_view result);

// ---------------------------------------------------------------- prompt

// The content blocks of one message, strictly as advertised: what the agent cannot take is put in
// words. `context_json`, `blocks_json` and `restored` as in viaduct_prompt.
std::string prompt_params(std::string_view session_id, std::string_view text,
                          std::string_view blocks_json, std::string_view context_json,
                          const AgentCapabilities& can, std::string_view restored = {});
// A command is one only at the very beginning.
inline bool is_command(std::string_view text) {
  return text.starts_with('/');
}

struct PromptAnswer {
  std::string stop_reason;  // as the agent says
  std::string usage;        // JSON object, with `_meta` of the answer; empty: neither
};
PromptAnswer parse_prompt(std::string_view result);

// ---------------------------------------------------------------- session/update

struct Update {
  enum class Kind {
    kUserText,
    kText,
    kThought,
    kContent,  // an image, a sound or a file: `json` is the block, `text` words for it
    kToolCall,
    kPlan,
    kCommands,
    kMode,     // `text`: the mode's id
    kOptions,  // the whole list, in `options`
    kTitle,    // `text`
    kUsage,    // `json`
    kNotice,   // `text`
    kIgnored,  // known, and nothing to do
    kUnknown   // `text`: its name
  };
  Kind kind = Kind::kUnknown;
  std::string session_id;
  std::string item;    // toolCallId or messageId; may be empty. Of kContent: of one block in a tool
                       // call, the same for the same block
  std::string text;    // what is no text in a content block is in words
  std::string status;  // of kToolCall, where it says one
  std::string json;    // of kToolCall: the ToolCall's or ToolCallUpdate's members without nulls; of
                       // kPlan {"entries"}; of kCommands {"availableCommands"}
  std::string meta;    // of kText and kThought: `_meta` as JSON text; empty: none
  std::vector<Option> options;
  // What is behind it in the same message: texts and contents, as updates of their own; of a tool
  // call the images in it.
  std::vector<Update> also;
};
// Nothing: no session id, or no update in it.
std::optional<Update> parse_update(std::string_view params);

// The members of a ToolCall or ToolCallUpdate as the host takes them: nulls and members of another
// type are left out, single and bare content blocks become a list of contents, and a status is one
// of those that there are. `given` is JSON text; what is no object is "{}".
std::string tool_call(std::string_view given);

// ---------------------------------------------------------------- what agents request

struct PermissionOption {
  std::string id, name, kind;
};
struct PermissionRequest {
  std::string session_id;
  std::string title;      // for a person
  std::string kind;       // of the tool call; may be empty
  std::string tool_id;    // may be unknown
  std::string tool_call;  // JSON object
  std::string meta;       // `_meta` as JSON text; empty: none
  std::vector<PermissionOption> options;

  // By kind: allow_once before allow_always, reject_once before reject_always; null: none.
  const PermissionOption* allowing() const;
  const PermissionOption* rejecting() const;
};
std::expected<PermissionRequest, std::string> parse_permission(std::string_view params);
// {"title","toolCall","options","timeout_ms"?} as the host takes it.
std::string permission_json(const PermissionRequest& request, std::int64_t timeout_ms);
std::string permission_result(std::string_view option_id);  // empty: cancelled

// elicitation/create. One question for each field that has a choice; `refusal` when it asks for
// what cannot be asked with buttons.
struct Question {
  std::string field;
  std::string title;
  std::vector<Choice> choices;
};
struct Elicitation {
  std::string session_id;  // may be empty
  std::string message;
  std::string url;  // mode url
  std::vector<Question> questions;
  std::string refusal;
};
std::expected<Elicitation, std::string> parse_elicitation(std::string_view params);
// `answers`: field and value of each question, typed as its schema says.
std::string elicitation_result(std::string_view action, std::string_view params,
                               const std::vector<std::pair<std::string, std::string>>& answers);

struct ReadFile {
  std::string session_id, path;
  std::int64_t line = 0;    // from 1; 0: the beginning
  std::int64_t limit = -1;  // lines; -1: all
};
std::expected<ReadFile, std::string> parse_read_file(std::string_view params);
std::string read_file_result(std::string_view content);
struct WriteFile {
  std::string session_id, path, content;
};
std::expected<WriteFile, std::string> parse_write_file(std::string_view params);

struct CreateTerminal {
  std::string session_id, command, cwd;
  std::vector<std::string> arguments;
  bool has_arguments = false;            // without them `command` is a line for the shell
  std::vector<std::string> environment;  // "NAME=value"
  std::int64_t output_limit = 0;         // bytes; 0: as configured
};
std::expected<CreateTerminal, std::string> parse_create_terminal(std::string_view params);
struct TerminalCall {
  std::string session_id, terminal_id;
};
std::expected<TerminalCall, std::string> parse_terminal_call(std::string_view params);
struct TerminalExit {
  std::optional<int> code;
  std::string signal;  // "SIGKILL"; empty: none
};
std::string terminal_output_result(std::string_view output, bool truncated,
                                   const std::optional<TerminalExit>& exit);
std::string terminal_exit_result(const TerminalExit& exit);
std::string terminal_created_result(std::string_view terminal_id);

// The id of the request that $/cancel_request, or an elicitation without a session, names: its JSON
// text; empty: none.
std::string request_of(std::string_view params);
// The session a request is about, or empty.
std::string session_of(std::string_view params);

// ---------------------------------------------------------------- an agent's own history

// The ENTRY objects (sdk/SESSION-JSON.md) that a replay stands for.
class ReplayLog {
 public:
  // Of a history that is larger than `most_bytes` the older half is left out.
  explicit ReplayLog(std::size_t most_bytes = 64 << 20) : most_bytes_(most_bytes) {}

  void add(const Update& update);
  std::string json() const;  // a JSON array
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string type, item, text, data;
  };
  void say(const char* type, const Update& update);
  void show(const Update& update);
  void merge(const char* type, const Update& update);
  void shrink();

  const std::size_t most_bytes_;
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t, std::less<>> tools_;  // the place of each tool call
  ToolImages images_;
  std::set<std::string> shown_;  // of them
  std::size_t bytes_ = 0;
};

}  // namespace viaduct::acp
