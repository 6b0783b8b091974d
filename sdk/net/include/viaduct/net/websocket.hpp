// A WebSocket to a server (RFC 6455): TLS, proxies and names are libcurl's business, as for
// HttpClient, frames are Boost.Beast's. Pings of the server are answered while messages are read
// or fewer than 1 MiB wait to be; after that the server waits. On the loop's thread; must not
// outlive the Loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include <viaduct/net/http_client.hpp>
#include <viaduct/net/loop.hpp>

namespace viaduct::net {

struct WebSocketRequest {
  std::string url{};  // ws or wss
  std::vector<HttpHeader> headers{};
  std::string subprotocol{};  // offered; several by commas

  std::chrono::milliseconds connect_timeout{10'000};  // name, proxy, connection and TLS
  std::chrono::milliseconds upgrade_timeout{10'000};  // the server's answer
  std::size_t max_message_bytes = 16 << 20;
};

// Why there is no WebSocket. kInvalidArgument: the request; kFailedPrecondition: the certificate;
// kTimeout; kUnavailable: no connection, or the server did not agree.
struct WebSocketError : sdk::Status {
  HttpHead answer{};  // the server's, where it did not agree; status 0: there was none
};

struct WebSocketMessage {
  enum class Kind { kText, kBinary, kClosed };
  Kind kind = Kind::kClosed;
  std::string data{};  // text is valid UTF-8; closed: the peer's reason
  int code = 0;        // closed: the peer's, 1005 when it gave none
};

class WebSocket {
 public:
  // Done when the server has agreed, that is, has taken the upgrade and of the subprotocols one
  // that was offered. Cancelling closes the connection at once.
  static Task<std::expected<std::unique_ptr<WebSocket>, WebSocketError>> connect(
      Loop& loop, WebSocketRequest request, HttpClientOptions options = {});
  // Closes the connection at once.
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // What the server agreed with; Sec-WebSocket-Protocol has the subprotocol.
  const HttpHead& head() const;

  // What is awaited below may outlive the WebSocket: it then ends as if the connection was lost.

  // The next message. kClosed: either side has closed in order, and nothing follows. kUnavailable:
  // the connection was lost, or what came was no WebSocket; kBusy: a message was too long (the
  // server is told both). After that the same answer comes for ever. Cancelled, nothing is lost.
  // One at a time.
  Task<Result<WebSocketMessage>> receive();

  // Done when all of it is in the socket's buffer; messages go one after the other, whole.
  // Cancelled before its turn came, it is not sent; later, it is. kInvalidArgument: no UTF-8;
  // kBusy: 16 MiB wait already; kUnavailable: closed, or lost.
  Task<Result<>> send(std::string text);
  Task<Result<>> send_binary(std::string bytes);
  // The answer counts as received. At most 125 bytes.
  Task<Result<>> ping(std::string payload = {});

  // When anything came from the server, a pong or a piece of a message as well. What comes without
  // a receive counts while the server need not wait. A connection that is dead without a word is
  // found so: ping, and see whether this moves.
  std::chrono::steady_clock::time_point last_received() const;

  // Says so to the server and closes the connection when that has answered, or after a second. What
  // waits to be sent fails; what comes from now on is dropped.
  Task<> close(int code = 1000, std::string reason = {});

 private:
  struct State;
  explicit WebSocket(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace viaduct::net
