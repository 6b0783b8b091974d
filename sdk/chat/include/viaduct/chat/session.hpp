// What the sessions service says, as far as a surface shows it: changes, entries, sessions
// (sdk/SESSION-JSON.md). Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::chat {

enum class EntryType {
  kUserMessage,
  kText,
  kThought,
  kToolCall,
  kPlan,
  kPermission,
  kUsage,
  kNotice,
  kContextRestored,
  kContent,
  kTurnEnd,
  kOther
};

struct PermissionChoice {
  std::string id;
  std::string name;
  std::string kind;  // as in ACP: allow_once, allow_always, reject_once, reject_always
};

struct PlanStep {
  std::string content;
  std::string status;  // pending, in_progress, completed
};

// Fields that a type does not have are empty.
struct Entry {
  std::uint64_t number = 0;
  std::uint64_t turn = 0;  // 0: outside of any
  EntryType type = EntryType::kOther;
  bool complete = false;
  std::string text;  // kContent: words for where it cannot be shown; parse_file() has the file

  std::string author_id;  // kUserMessage: user id on the surface
  std::string key;        // kUserMessage
  std::string title;      // kToolCall, kPermission
  std::string tool_kind;
  std::string status;                     // kToolCall, kPermission
  std::vector<PlanStep> plan;             // kPlan
  std::vector<PermissionChoice> choices;  // kPermission
  std::string chosen;                     // kPermission: the option's id
  std::string by;                         // kPermission: who decided
  std::string reason;                     // kPermission: why nobody can any more
  std::string stop_reason;                // kTurnEnd
  std::string error_code;                 // kTurnEnd
  std::string error_message;
};

// As `GET`, `create` and the others answer.
struct SessionFacts {
  std::string id;
  std::string title;
  std::string description;
  std::string working_dir;
  std::string project;
  std::string backend;
  std::string state;  // idle, running, waiting
  std::string last_active;
  bool ended = false;
  std::uint64_t turns_waiting = 0;

  // What a person knows it by.
  const std::string& name() const { return title.empty() ? description : title; }
};

struct SessionChange {
  enum class Kind { kState, kReset, kEntry, kDelta, kLive, kOther };
  Kind kind = Kind::kOther;
  std::uint64_t first = 0;         // kReset: number of the oldest entry that follows
  SessionFacts session;            // kState
  std::uint64_t running_turn = 0;  // kState
  std::optional<Entry> entry;      // kEntry
  std::uint64_t number = 0;        // kDelta: the entry, the byte at which `text` begins, and
  std::uint64_t offset = 0;
  std::string text;
  bool complete = false;  // kDelta: it will not grow any more
};

// nullopt: no JSON, or not what it should be.
std::optional<SessionChange> parse_change(std::string_view json);
std::optional<SessionFacts> parse_session(std::string_view json);

struct EntryPage {
  std::vector<Entry> entries;  // oldest first
  bool more = false;
};
std::optional<EntryPage> parse_entries(std::string_view json);

// What a turn was asked, with all that came with it, out of a page of entries; nullopt: it is not
// there.
struct Question {
  std::string text;
  std::string blocks;   // JSON, or empty
  std::string context;  // likewise
};
std::optional<Question> parse_question(std::string_view json, std::uint64_t turn);

// What `discover` and `adopt` answer.
struct Discovered {
  std::string backend;
  std::string native_id;
  std::string title;
  std::string working_dir;
  std::string updated_at;  // empty: nobody knows
  std::string session;     // that it is already; empty: none
};
struct Discovery {
  std::vector<Discovered> sessions;  // newest first
  std::uint64_t left_out = 0;
  std::vector<std::string> failures;  // backends that could not be asked
};
std::optional<Discovery> parse_discovery(std::string_view json);
std::optional<SessionFacts> parse_adopted(std::string_view json);

struct SendResult {
  std::uint64_t turn = 0;
  bool duplicate = false;
};
std::optional<SendResult> parse_sent(std::string_view json);

}  // namespace viaduct::chat
