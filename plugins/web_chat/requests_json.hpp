// Reads what clients and the host say in JSON, and writes what the web chat says. Pure functions;
// any thread.
#pragma once

#include "ports.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::web_chat {

template <class T>
using Parsed = std::expected<T, Status>;

inline constexpr std::size_t kMaxKey = 200;  // bytes of an idempotency key
inline constexpr std::string_view kDefaultDescription = "Web chat session";

// ---- the configuration: {"title"?: text}
struct Settings {
  std::string title = "Viaduct";
};
Parsed<Settings> parse_settings(std::string_view json);

// ---- bodies of HTTP requests; the errors are invalid_argument

struct NewSession {
  std::string working_dir = "~";
  std::string description{kDefaultDescription};
  std::string backend;  // empty: the default one
};
Parsed<NewSession> parse_new(std::string_view body);        // may be empty
Parsed<std::string> parse_chat(std::string_view body);      // the message
Parsed<std::string> parse_resume(std::string_view body);    // the session id
Parsed<std::string> parse_remember(std::string_view body);  // the text
struct CancelTurn {
  std::string session_id;  // empty: the current one
  std::uint64_t turn = 0;  // 0: the running one and all that wait
};
Parsed<CancelTurn> parse_cancel(std::string_view body);  // may be empty
struct PermissionAnswer {
  std::string session_id;  // empty: the current one
  std::uint64_t entry = 0;
  std::string option_id;
};
Parsed<PermissionAnswer> parse_permission(std::string_view body);
Parsed<std::string> parse_work_log(std::string_view body);  // the items, a JSON array
// The value of `name` in a query string, percent-decoded; nullopt: not there. Fails on what is no
// UTF-8 text.
Parsed<std::optional<std::string>> query_value(std::string_view query, std::string_view name);

// ---- what clients say on the WebSocket

enum class RequestType {
  kHello,
  kSend,
  kCancel,
  kAnswer,
  kNew,
  kResume,
  kEnd,
  kList,
  kHistory,
  kRename,
  kPing,
  kUnknown
};

// Fields that a type does not have are empty.
struct ClientRequest {
  std::uint64_t id = 0;
  RequestType type = RequestType::kUnknown;
  std::string session_id;
  std::optional<Cursor> cursor;
  Message message;
  std::uint64_t number = 0;  // turn, entry or before
  std::uint32_t limit = 0;
  std::string text;  // option_id or title
  NewSession fresh;
  std::string query;  // for list
};
struct BadRequest {
  std::uint64_t id = 0;  // 0: not known, the connection cannot go on
  Status status;
};
std::expected<ClientRequest, BadRequest> parse_client_request(std::string_view text);

// ---- what the host says

struct SessionInfo {
  std::string session_id;
  std::string project_id;
  std::string working_dir;
  std::string backend;
  std::string state;
  bool ended = false;
  std::string context;  // only in the answer to resume
};
Parsed<SessionInfo> parse_session(std::string_view json);
struct SendResult {
  std::uint64_t turn = 0;
  bool duplicate = false;
};
Parsed<SendResult> parse_send_result(std::string_view json);
struct AskResult {
  std::string stop_reason;
  std::string text;
};
Parsed<AskResult> parse_ask_result(std::string_view json);
struct CurrentDocument {
  std::uint64_t version = 0;
  std::string session_id;  // empty: none
};
Parsed<CurrentDocument> parse_current(std::string_view answer);
Parsed<std::uint64_t> parse_version(std::string_view answer);
// True when the change says that a turn ended because its session is dead.
bool says_session_dead(std::string_view change);

// ---- what the web chat says

std::string create_options(const NewSession& fresh, std::string_view key);
std::string current_value(std::string_view session_id);
std::string error_body(std::string_view message);
std::string list_query(std::optional<std::string> before, std::uint32_t limit);
// The answer of the memory service with "session_connected".
Parsed<std::string> memory_body(std::string_view result, bool connected);

// "not_found" and so on.
std::string_view name(Code code);

// True for the few messages that may be for the memory service, which decides.
bool may_be_for_memory(std::string_view text);
// A description for a session that begins with this message: its first line, cut.
std::string describe(std::string_view text);

}  // namespace viaduct::web_chat
