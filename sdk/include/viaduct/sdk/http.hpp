// viaduct.http/1: routes, files, streamed answers and WebSockets below the instance's mount path.
// Exchange, Stream and WebSocket may be used from any thread, one thread at a time.
#pragma once

#include "viaduct/sdk/host.hpp"

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::sdk {

// One request; it and all views of it are valid until the handler returns.
class Request {
 public:
  explicit Request(const viaduct_http_request& raw) : raw_(raw) {}

  std::string_view method() const { return detail::view(raw_.method); }  // upper case
  // Below the mount, begins with '/', percent-decoded.
  std::string_view path() const { return detail::view(raw_.path); }
  std::string_view query() const { return detail::view(raw_.query); }  // raw, without '?'
  std::string_view body() const { return detail::view(raw_.body); }
  std::string_view request_id() const { return detail::view(raw_.request_id); }
  // From this computer, by no proxy that says so.
  bool is_local() const { return (raw_.flags & VIADUCT_REQUEST_LOCAL) != 0; }
  // Nobody on public routes.
  std::optional<Principal> who() const {
    if (raw_.who == nullptr) return std::nullopt;
    return detail::principal(*raw_.who);
  }

  // `name` in lower case. The first such header.
  std::optional<std::string_view> header(std::string_view name) const {
    return find(raw_.headers, raw_.header_count, name);
  }
  // How many of them there are.
  std::size_t count(std::string_view name) const {
    std::size_t found = 0;
    for (std::size_t i = 0; i < raw_.header_count; ++i)
      if (detail::view(raw_.headers[i].name) == name) ++found;
    return found;
  }
  // What the {name} of the route's pattern stands for; empty when the pattern has no such name.
  std::string_view param(std::string_view name) const {
    return find(raw_.params, raw_.param_count, name).value_or(std::string_view{});
  }

  const viaduct_http_request& raw() const { return raw_; }

 private:
  static std::optional<std::string_view> find(const viaduct_pair* pairs, std::size_t count,
                                              std::string_view name) {
    for (std::size_t i = 0; i < count; ++i)
      if (detail::view(pairs[i].name) == name) return detail::view(pairs[i].value);
    return std::nullopt;
  }

  const viaduct_http_request& raw_;
};

// Content-Length, Date and security headers are the host's.
struct Response {
  unsigned status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  static Response json(unsigned status, std::string body) {
    return {status, std::move(body), {{"Content-Type", "application/json"}}};
  }
  static Response text(unsigned status, std::string body) {
    return {status, std::move(body), {{"Content-Type", "text/plain; charset=utf-8"}}};
  }
  static Response html(unsigned status, std::string body) {
    return {status, std::move(body), {{"Content-Type", "text/html; charset=utf-8"}}};
  }
};

// A static file that lives in the plugin: `data` and `gzip` stay valid for the life of the
// instance.
struct File {
  std::string_view path;  // below the mount; "/" is the page itself
  std::string_view content_type;
  std::string_view data;
  std::string_view gzip = {};  // the same compressed, or empty
  bool immutable = false;      // the path has a hash of the content
};

// What is heard of a WebSocket or of a streamed answer. On the plugin's thread; the wrapper holds
// it until closed() has returned or the instance has stopped.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;
  // One text message of a WebSocket, whole.
  virtual void message(std::string_view text) { (void)text; }
  // Once after a kBusy.
  virtual void writable() {}
  // The peer has gone; the last call.
  virtual void closed(std::uint16_t code, std::string_view reason) {
    (void)code;
    (void)reason;
  }
};

namespace detail {

struct RawResponse {  // borrows from the Response
  explicit RawResponse(const Response& response) {
    headers.reserve(response.headers.size());
    for (const auto& [name, value] : response.headers)
      headers.push_back(viaduct_pair{str(name), str(value)});
    raw = viaduct_http_response{sizeof(viaduct_http_response), response.status, headers.data(),
                                headers.size(), str(response.body)};
  }
  std::vector<viaduct_pair> headers;
  viaduct_http_response raw{};
};

inline Flow flow(viaduct_flow given) {
  return static_cast<Flow>(given);
}

}  // namespace detail

// The rest of a streamed answer; finishes when it goes out of scope.
class Stream {
 public:
  Stream(std::shared_ptr<detail::Core> core, const viaduct_http* http, std::uint64_t id)
      : core_(std::move(core)), http_(http), id_(id) {}
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept {
    finish();
    core_ = std::move(other.core_);
    http_ = other.http_;
    id_ = other.id_;
    return *this;
  }
  ~Stream() { finish(); }

  // kBusy: not taken; Connection::writable comes once.
  Flow write(std::string_view piece) const {
    viaduct_flow flow = VIADUCT_FLOW_GONE;
    if (core_)
      core_->with_host(
          [&](const viaduct_host* host) { flow = http_->write(host, id_, detail::str(piece)); });
    return detail::flow(flow);
  }
  void finish() {
    const auto core = std::exchange(core_, nullptr);
    if (!core) return;
    const auto connection = core->remove_connection(id_);
    core->with_host([&](const viaduct_host* host) { http_->finish(host, id_); });
  }

 private:
  std::shared_ptr<detail::Core> core_;
  const viaduct_http* http_;
  std::uint64_t id_;
};

// The sending end of a WebSocket. A handle: copies mean the same socket, and letting go of it does
// not close it. Any thread.
class WebSocket {
 public:
  WebSocket() = default;
  WebSocket(std::shared_ptr<detail::Core> core, const viaduct_http* http, std::uint64_t id)
      : core_(std::move(core)), http_(http), id_(id) {}

  explicit operator bool() const { return core_ != nullptr; }
  std::uint64_t id() const { return id_; }

  // One text message. kBusy: not taken; Connection::writable comes once.
  Flow send(std::string_view text) const {
    viaduct_flow flow = VIADUCT_FLOW_GONE;
    if (core_)
      core_->with_host(
          [&](const viaduct_host* host) { flow = http_->send(host, id_, detail::str(text)); });
    return detail::flow(flow);
  }
  // Sends what is waiting, then closes. Connection::closed still comes.
  void close(std::uint16_t code, std::string_view reason) const {
    if (core_)
      core_->with_host(
          [&](const viaduct_host* host) { http_->close(host, id_, code, detail::str(reason)); });
  }

 private:
  std::shared_ptr<detail::Core> core_;
  const viaduct_http* http_ = nullptr;
  std::uint64_t id_ = 0;
};

// The answer to one request: exactly one of respond, begin, accept. One that is dropped, or whose
// handler throws, answers 500; one that is dropped because the instance stops, 503.
class Exchange {
 public:
  Exchange(std::shared_ptr<detail::Core> core, const viaduct_http* http, std::uint64_t id,
           std::string request_id)
      : core_(std::move(core)), http_(http), id_(id), request_id_(std::move(request_id)) {}
  Exchange(Exchange&&) noexcept = default;
  Exchange& operator=(Exchange&& other) noexcept {
    Exchange old(std::move(*this));
    core_ = std::move(other.core_);
    http_ = other.http_;
    id_ = other.id_;
    request_id_ = std::move(other.request_id_);
    return *this;
  }
  ~Exchange() {
    if (!core_ || detail::left_to_trampoline(core_.get(), id_, true)) return;
    if (core_->stopping())
      respond(Response::json(503, R"({"error":"stopping"})"));
    else
      fail_internal("the plugin dropped the request without an answer");
  }

  // False once answered.
  explicit operator bool() const { return core_ != nullptr; }
  std::uint64_t id() const { return id_; }
  const std::string& request_id() const { return request_id_; }

  void respond(const Response& response) {
    const auto core = std::exchange(core_, nullptr);
    if (!core) return;
    const detail::RawResponse raw(response);
    core->with_host([&](const viaduct_host* host) { http_->respond(host, id_, &raw.raw); });
  }
  // A streamed answer; the head's body is the first piece. `events` hears writable and closed.
  Stream begin(const Response& head, std::shared_ptr<Connection> events = nullptr) {
    const auto core = std::exchange(core_, nullptr);
    if (!core) return Stream(nullptr, http_, id_);
    if (events) core->add_connection(id_, std::move(events));
    const detail::RawResponse raw(head);
    viaduct_flow flow = VIADUCT_FLOW_GONE;
    core->with_host([&](const viaduct_host* host) { flow = http_->begin(host, id_, &raw.raw); });
    if (flow == VIADUCT_FLOW_GONE) {
      core->remove_connection(id_);
      return Stream(nullptr, http_, id_);
    }
    return Stream(core, http_, id_);
  }
  // Upgrades to a WebSocket whose messages go to `events`.
  WebSocket accept(std::shared_ptr<Connection> events) {
    const auto core = std::exchange(core_, nullptr);
    if (!core) return {};
    core->add_connection(id_, std::move(events));
    core->with_host([&](const viaduct_host* host) { http_->accept(host, id_); });
    return WebSocket(core, http_, id_);
  }

  // 500 with the request's id; `why` goes to the log.
  void fail_internal(std::string_view why) {
    if (!core_) return;
    core_->log(VIADUCT_LOG_ERROR,
               "request failed request=" + request_id_ + " error=" + json_string(why));
    respond(Response::json(
        500, R"({"error":"internal error","request_id":)" + json_string(request_id_) + "}"));
  }

 private:
  std::shared_ptr<detail::Core> core_;
  const viaduct_http* http_;
  std::uint64_t id_;
  std::string request_id_;
};

// Where the routes are made, usually in start.
class Http : public detail::Service<viaduct_http> {
 public:
  using Handler = detail::RouteHandler;

  explicit Http(const Host& host) : Service(host, VIADUCT_HTTP) {}

  // Calls `handler` for `method` and `pattern` ("/api/sessions/{id}"; a last "{*rest}" takes all
  // that follows). Throws Error when the host will not have it.
  void route(std::string_view method, std::string_view pattern, Handler handler) const {
    add(method, pattern, 0, std::move(handler));
  }
  // Carries its own proof (a signature): no authentication, no Origin check, nobody in who().
  void public_route(std::string_view method, std::string_view pattern, Handler handler) const {
    add(method, pattern, VIADUCT_ROUTE_PUBLIC, std::move(handler));
  }
  // The same, and answered at `path` from the server's root, too. Throws Error, kConflict where the
  // path is another's.
  void aliased_route(std::string_view method, std::string_view path, Handler handler) const {
    add(method, path, VIADUCT_ROUTE_PUBLIC | VIADUCT_ROUTE_ALIAS, std::move(handler));
  }
  // A GET that asks for a WebSocket: Exchange::accept, or respond to refuse.
  void websocket(std::string_view pattern, Handler handler) const {
    add("GET", pattern, VIADUCT_ROUTE_WEBSOCKET, std::move(handler));
  }
  // Static files, with ETag, compression and a strict Content-Security-Policy. Throws Error.
  void files(const std::vector<File>& files) const {
    std::vector<viaduct_file> raw;
    raw.reserve(files.size());
    for (const File& file : files)
      raw.push_back(viaduct_file{detail::str(file.path), detail::str(file.content_type),
                                 detail::str(file.data), detail::str(file.gzip),
                                 file.immutable ? 1u : 0u, 0});
    viaduct_code code = VIADUCT_E_UNSUPPORTED;
    call([&](auto* t, auto* h) { code = t->files(h, raw.data(), raw.size()); });
    if (code != VIADUCT_OK) throw Error(static_cast<Code>(code), "the host refused the files");
  }

 private:
  void add(std::string_view method, std::string_view pattern, std::uint32_t flags,
           Handler handler) const {
    const std::uint64_t token = core_->add_route(std::move(handler));
    viaduct_code code = VIADUCT_E_UNSUPPORTED;
    call([&](auto* t, auto* h) {
      code = t->route(h, detail::str(method), detail::str(pattern), flags, token);
    });
    if (code == VIADUCT_OK) return;
    core_->remove_route(token);
    throw Error(static_cast<Code>(code),
                "the host refused the route " + std::string(method) + " " + std::string(pattern));
  }
};

}  // namespace viaduct::sdk
