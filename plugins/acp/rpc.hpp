// JSON-RPC 2.0 as the Agent Client Protocol frames it on a pipe: one object a line. Reads and
// writes lines; knows no methods. Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::acp {

// What a failed request is answered with (JSON-RPC 2.0, section 5.1; ACP's own below -32000).
inline constexpr std::int64_t kParseError = -32700;
inline constexpr std::int64_t kInvalidRequest = -32600;
inline constexpr std::int64_t kMethodNotFound = -32601;
inline constexpr std::int64_t kInvalidParams = -32602;
inline constexpr std::int64_t kInternalError = -32603;
inline constexpr std::int64_t kRequestCancelled = -32800;
inline constexpr std::int64_t kAuthRequired = -32000;
inline constexpr std::int64_t kResourceNotFound = -32002;

struct RpcError {
  std::int64_t code = 0;
  std::string message;
  std::string data;  // JSON text, or empty

  // For a person: the message, and what the data add to it.
  std::string words() const;
};

// One line of the peer. `id` is the JSON text of the id ("0", "\"a\"", "null"), so that it can be
// echoed with its type.
struct Incoming {
  enum class Kind { kRequest, kNotification, kResult, kError };
  Kind kind = Kind::kNotification;
  std::string id;       // of kRequest, kResult, kError; empty: the peer left it out
  std::string method;   // of kRequest, kNotification
  std::string payload;  // JSON text of params (absent: "{}") or result
  RpcError error;       // of kError
};

// Nothing: noise, that is, no JSON object with a method, a result or an error. What is not UTF-8 is
// replaced.
std::optional<Incoming> parse_line(std::string_view line);

// Lines for the peer, with their end. `params` and `result` are JSON text.
std::string request_line(std::uint64_t id, std::string_view method, std::string_view params);
std::string notification_line(std::string_view method, std::string_view params);
std::string result_line(std::string_view id, std::string_view result);
std::string error_line(std::string_view id, std::int64_t code, std::string_view message);

// The number of an id that request_line wrote; also from a peer that made a string of it.
std::optional<std::uint64_t> own_id(std::string_view id);

}  // namespace viaduct::acp
