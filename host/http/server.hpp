// The host's HTTP server: terminates HTTP and WebSockets for every surface. Boost.Beast is hidden
// behind it.
//
// Lives on the loop: callbacks come there, and functions are called there unless marked
// [any-thread]. A mount belongs to one plugin instance; what it registers is gone when the mount
// is.
#pragma once

#include "host/error.hpp"
#include "host/principal.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct {
class Loop;
class Metrics;
class Logger;
}  // namespace viaduct

namespace viaduct::http {

using ExchangeId = std::uint64_t;  // one request and, once upgraded, its WebSocket; never reused

struct Header {
  std::string name;
  std::string value;
};

struct Request {
  ExchangeId id = 0;
  std::uint64_t route = 0;  // token of the route
  std::uint32_t flags = 0;  // VIADUCT_ROUTE_… of the route
  std::string method;
  std::string path;   // below the mount, begins with '/', percent-decoded
  std::string query;  // raw
  std::string body;
  std::vector<Header> headers;   // names in lower case
  std::vector<Header> params;    // {name}s of the pattern
  std::optional<Principal> who;  // its surface is the mount's name; empty on public routes
  std::string request_id;
};

struct Response {
  unsigned status = 200;
  std::vector<Header> headers;
  std::string body;
};

enum class Flow { ok = VIADUCT_FLOW_OK, busy = VIADUCT_FLOW_BUSY, gone = VIADUCT_FLOW_GONE };

// Answers what comes below a mount.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void request(Request request) = 0;
  virtual void message(ExchangeId exchange, std::string text) = 0;
  virtual void writable(ExchangeId exchange) = 0;  // once after a busy
  virtual void closed(ExchangeId exchange, std::uint16_t code,
                      std::string reason) = 0;  // the last of an upgraded or unfinished exchange;
                                                // code 0 where there was no WebSocket, 1006 when
                                                // the peer was lost or given up
};

// A static file; its memory is the plugin's and stays until the mount is removed.
struct File {
  std::string path;
  std::string content_type;
  std::string_view data;
  std::string_view gzip;
  bool immutable = false;
};

struct Limits {
  std::size_t header_bytes = 16 << 10;       // more: 431
  std::size_t body_bytes = 1 << 20;          // more: 413
  std::size_t message_bytes = 1 << 20;       // of a WebSocket, in; more: close 1009
  std::size_t send_queue_bytes = 1 << 20;    // waiting for a slow peer: then BUSY, and gone when it
                                             // does not take anything for `send`
  std::size_t connections = 20000;           // more: 503
  std::chrono::milliseconds header{10'000};  // to send a whole request header; more: 408
  std::chrono::milliseconds body{30'000};    // to send a whole body; more: 408
  std::chrono::milliseconds idle{75'000};    // between requests on one connection
  std::chrono::milliseconds answer{600'000};  // for the plugin to answer; more: 504
  std::chrono::milliseconds send{30'000};     // for the peer to take something
  std::chrono::milliseconds ping{
      30'000};  // WebSocket keep-alive; a peer silent for twice this is gone
};

struct Options {
  std::string listen = "127.0.0.1:8410";  // or "[::1]:8410"; port 0: any free one
  std::string
      webhooks_listen;  // serves public routes and nothing else; empty: they are served by `listen`
  std::vector<std::string>
      allowed_hosts;  // further exact "host[:port]" values of Host, beside those of the listener
  Limits limits;
};

class Server;

// The place of one instance in the server: /apps/<name>/.
class Mount {
 public:
  virtual ~Mount() = default;
  // [any-thread] invalid_argument: no such pattern, or it is there already. "{name}" takes one
  // segment, a last "{*name}" the rest.
  virtual Result<> route(std::string method, std::string pattern, std::uint32_t flags,
                         std::uint64_t token) = 0;
  // [any-thread] Answered with ETag (304), gzip where accepted, cache and security headers, a
  // strict Content-Security-Policy.
  virtual Result<> files(std::span<const File> files) = 0;
};

class Server {
 public:
  virtual ~Server() = default;

  // Opens the listeners. unavailable: "cannot listen on 127.0.0.1:8410: address in use"
  virtual Result<> start() = 0;
  // Where it listens, with the real port: "127.0.0.1:43121". Empty webhooks address when there is
  // none.
  virtual std::string address() const = 0;
  virtual std::string webhooks_address() const = 0;

  // `name` is the instance's. Requests go to `handler` until the mount is destroyed, which also
  // ends its exchanges (WebSockets with 1012).
  virtual std::unique_ptr<Mount> mount(std::string name, Handler& handler) = 0;

  // The host's own pages ("/", "/healthz", "/readyz", "/metrics"): exact paths, GET and HEAD,
  // answered at once.
  using Page = std::move_only_function<Response()>;
  virtual void page(std::string path, Page page) = 0;

  // [any-thread] One of respond, begin or accept for each request.
  virtual void respond(ExchangeId exchange, Response response) = 0;
  virtual Flow begin(ExchangeId exchange, Response head) = 0;
  virtual Flow write(ExchangeId exchange, std::string piece) = 0;
  virtual void finish(ExchangeId exchange) = 0;
  virtual void accept(ExchangeId exchange) = 0;
  virtual Flow send(ExchangeId exchange, std::string text) = 0;
  virtual void close(ExchangeId exchange, std::uint16_t code, std::string reason) = 0;

  // Stops accepting, lets open requests finish (idle connections and, with 1001, WebSockets are
  // closed), answers when all are gone or `limit` has passed.
  virtual void drain(std::chrono::milliseconds limit, Done<> done) = 0;
};

std::unique_ptr<Server> make_server(Loop& loop, Options options, Metrics& metrics, Logger log);

}  // namespace viaduct::http
