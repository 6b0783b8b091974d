// The JSON of Socket Mode (reference section 8): the way to a hub of SignalR, and its messages.
// Names may begin with a small or a capital letter. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::teams {

inline constexpr char kHubEnd = '\x1E';  // behind each message

// Where to go, and with which token; it is a secret.
struct HubAddress {
  std::string url;
  std::string access_token;
  std::chrono::seconds expires_in{0};  // 0: not said
};
// Nothing: it is no address.
std::optional<HubAddress> parse_hub_address(std::string_view body);

struct Negotiation {
  std::optional<HubAddress> elsewhere;
  std::string connection;  // token of the connection
  std::string error;       // the hub's own words
  bool has_web_sockets = true;
};
std::optional<Negotiation> parse_negotiation(std::string_view body);

// The hub's address over HTTP; empty: none that may be used. `is_local`: it may be on this computer
// itself, without TLS.
std::string hub_url(std::string_view url, bool is_local);
std::string negotiate_url(std::string_view hub);
// Holds the token.
std::string hub_socket_url(std::string_view hub, std::string_view connection,
                           std::string_view access_token);

std::string hub_handshake();
std::string hub_ping();

struct HubMessage {
  enum class Kind { kHandshake, kReady, kActivity, kInvocation, kPing, kClose, kOther };
  Kind kind = Kind::kOther;
  std::string invocation;  // id; empty: nobody waits for an answer
  std::string target;      // kInvocation
  std::string error;       // kHandshake, kClose
  bool may_return = true;  // kClose
  std::string envelope;    // kActivity: its id
  std::string activity;    // kActivity: JSON; empty: there was none
  bool is_invoke = false;  // kActivity
};
// Nothing: it is no JSON object.
std::optional<HubMessage> parse_hub_message(std::string_view text);

struct HubAnswer {
  std::string invocation;
  std::string envelope;
  std::string app_id;
  int status = 200;
  std::string body;           // JSON, or empty
  std::int64_t received = 0;  // milliseconds since the epoch
  std::int64_t answered = 0;
};
std::string hub_answer(const HubAnswer& answer);
// To what this end does not know.
std::string hub_refusal(std::string_view invocation);

}  // namespace viaduct::teams
