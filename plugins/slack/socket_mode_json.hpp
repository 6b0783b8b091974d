// The JSON of Socket Mode. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace viaduct::slack {

struct SocketMessage {
  std::string type;  // hello, disconnect, or an envelope's
  std::string envelope_id;
  std::string payload;  // JSON; of an envelope
  bool takes_payload = false;
  unsigned retry = 0;
  int connections = 0;  // hello
  std::string reason;   // disconnect
};

// Nothing: it is no JSON object.
std::optional<SocketMessage> parse_socket_message(std::string_view text);

// `answer`: JSON, or empty.
std::string ack_json(std::string_view envelope_id, std::string_view answer);

// The address that apps.connections.open gives; empty: none, or none that may be used. `base_url`
// is the API's: on this computer itself, sockets may be without TLS.
std::string socket_url(std::string_view answer, std::string_view base_url);

}  // namespace viaduct::slack
