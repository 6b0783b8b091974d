#include "host/http/connection.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>

namespace viaduct::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::seconds;

// How Beast ends our stream: nothing more is sent. It would wait for the peer to end its half, too,
// and for ever; lingering does that with a limit.
void teardown(beast::role_type, Stream& stream, error_code& error) {
  stream.shutdown_send();
  error = {};
}
template <class Handler>
void async_teardown(beast::role_type, Stream& stream, Handler&& handler) {
  stream.shutdown_send();
  asio::post(stream.get_executor(),
             beast::bind_front_handler(std::forward<Handler>(handler), error_code()));
}
void beast_close_socket(Stream& stream) {
  stream.close();
}

namespace {

constexpr std::size_t kReadAhead = 64 << 10;    // pipelined input kept while one is answered
constexpr std::size_t kFlushAt = 64 << 10;      // pipelined answers gathered for one write
constexpr std::size_t kSmallRead = 512;         // what an idle WebSocket holds ready
constexpr std::size_t kLargestRead = 64 << 10;  // step of a long message
constexpr std::size_t kKeptBuffer = 4 << 10;    // buffers larger than this are given back
constexpr milliseconds kLinger{2000};
constexpr milliseconds kCloseHandshake{5000};
constexpr std::uint16_t kAbnormal = 1006;

class Parser final : public beast::http::basic_parser<true> {
 public:
  RequestHead head;
  std::string body;
  bool discard = false;  // the answer is known already

 private:
  using error_code = boost::system::error_code;
  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int version, error_code&) override {
    head.method.assign(method.data(), method.size());
    head.target.assign(target.data(), target.size());
    head.version = static_cast<unsigned>(version);
  }
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    if (is_header_done()) return;  // a trailer
    Header& header = head.headers.emplace_back();
    header.name.resize(name.size());
    std::ranges::transform(name, header.name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    header.value.assign(value.data(), value.size());
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    if (length && !discard) body.reserve(std::min<std::size_t>(*length, kReadAhead));
  }
  std::size_t on_body_impl(beast::string_view piece, error_code&) override {
    if (!discard) body.append(piece.data(), piece.size());
    return piece.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view piece,
                                 error_code& error) override {
    return on_body_impl(piece, error);
  }
  void on_response_impl(int, beast::string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  void on_finish_impl(error_code&) override {}
};

// What a client said, as one word of a log line: it must not add fields of its own.
std::string printable(std::string_view text) {
  constexpr std::size_t kMost = 256;
  std::string word(text.substr(0, kMost));
  std::ranges::replace_if(word, [](char c) { return c <= 0x20 || c >= 0x7f; }, '?');
  return word;
}

// A reason fits into a control frame, and is UTF-8.
std::string fitting(std::string reason) {
  constexpr std::size_t kMost = 123;
  if (reason.size() > kMost) {
    reason.resize(kMost);
    while (!reason.empty() && !valid_utf8(reason)) reason.pop_back();
  }
  return valid_utf8(reason) ? reason : std::string();
}

std::uint16_t sendable(std::uint16_t code) {
  const bool standard =
      code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
  return standard || (code >= 3000 && code <= 4999) ? code : 1011;
}

std::uint16_t code_of(error_code error) {
  if (error == beast::websocket::error::message_too_big) return 1009;
  if (error == beast::websocket::error::bad_frame_payload) return 1007;
  if (error == beast::websocket::condition::protocol_violation) return 1002;
  return kAbnormal;
}

}  // namespace

struct Connection::Incoming {
  Parser parser;
  bool planned = false;
};

struct Connection::WebSocket {
  explicit WebSocket(Stream& transport) : stream(transport) {}
  beast::websocket::stream<Stream&, false> stream;
  std::string message;
  std::size_t filled = 0;
  std::vector<std::string> outbox;
  std::size_t next = 0;  // of the outbox
  std::string sending;
  std::unique_ptr<beast::websocket::close_reason> farewell;  // once the outbox is empty
  Clock::time_point pinged_at{};
  bool open = false;
  bool writing = false;
  bool pinging = false;
};

Connection::Connection(std::shared_ptr<Core> core, Socket socket, bool webhooks, bool is_loopback)
    : core_(std::move(core)),
      stream_(std::move(socket)),
      since_(Clock::now()),
      webhooks_(webhooks) {
  if (!is_loopback) is_local_ = false;
}

Connection::~Connection() = default;

void Connection::start() {
  set(State::idle);
  arm();
}

void Connection::refuse_connection() {
  request_id_ = core_->next_request_id();
  began_ = Clock::now();
  refuse(503, "too many connections; try again later");
}

// ---------------------------------------------------------------- states and deadlines

void Connection::set(State state) {
  state_ = state;
  since_ = Clock::now();
  watch();
}

Clock::time_point Connection::due() const {
  const Limits& limits = core_->limits();
  auto when = Clock::time_point::max();
  switch (state_) {
    case State::idle:
      if (!writing_) when = since_ + limits.idle;
      break;
    case State::header: when = began_ + limits.header; break;
    case State::body: when = since_ + limits.body; break;
    case State::answering: when = since_ + limits.answer; break;
    case State::upgrading: when = since_ + limits.send; break;
    case State::closing: when = since_ + std::min(limits.send, kCloseHandshake); break;
    case State::lingering:
      if (!writing_) when = since_ + std::min(limits.send, kLinger);
      break;
    case State::websocket:
      when = since_ + limits.ping;  // only the first look; look_at_websocket() says the next
      break;
    case State::streaming:
    case State::closed: break;
  }
  if (writing_) when = std::min(when, stream_.wrote_at() + limits.send);
  return when;
}

void Connection::watch() {
  if (const auto when = due(); when != Clock::time_point::max()) core_->watch(*this, when);
}

void Connection::look(Clock::time_point now) {
  if (state_ == State::closed) return;
  if (state_ == State::websocket) return look_at_websocket(now);
  if (now < due()) return watch();
  const Limits& limits = core_->limits();
  if (writing_ && now >= stream_.wrote_at() + limits.send)
    return lost(0, fmt::format("the client took nothing for {} ms", limits.send.count()));
  switch (state_) {
    case State::header: return refuse(408, "the request's header did not come in time");
    case State::body: return refuse(408, "the request's body did not come in time");
    case State::answering: {
      if (!core_->exchanges().advance(exchange_, Exchanges::Stage::waiting,
                                      Exchanges::Stage::ended)) {
        since_ = now;  // the answer is on its way to the loop
        return watch();
      }
      const ExchangeId id = std::exchange(exchange_, 0);
      core_->exchanges().remove(id);
      const auto mount = plan_.mount;
      refuse(504, "no answer in time");
      if (mount->handler) mount->handler->closed(id, 0, "no answer in time");
      return;
    }
    case State::upgrading: return lost(kAbnormal, "the client does not take the handshake");
    case State::closing: {
      const auto& farewell = *websocket_->farewell;
      return lost(farewell.code, std::string(farewell.reason.data(), farewell.reason.size()));
    }
    case State::idle:
    case State::lingering: return close();
    case State::streaming:
    case State::websocket:
    case State::closed: return;
  }
}

// ---------------------------------------------------------------- reading

bool Connection::wants_to_read() const {
  if (state_ <= State::body) return !writing_;
  if (state_ == State::answering || state_ == State::streaming) return in_.size() < kReadAhead;
  return state_ == State::lingering && !writing_;
}

void Connection::arm() {
  if (armed_ || !wants_to_read()) return;
  armed_ = true;
  stream_.async_wait_readable(
      [self = shared_from_this()](error_code error) { self->readable(error); });
}

void Connection::readable(error_code error) {
  armed_ = false;
  if (state_ >= State::upgrading && state_ != State::lingering) return;
  if (error) return lost(0, error.message());
  if (!wants_to_read()) return;
  const std::span<char> scratch = core_->scratch();
  const std::size_t size = stream_.read_now(scratch, error);
  if (error == asio::error::would_block || error == asio::error::try_again) return arm();
  if (error || size == 0) return lost(0, "the client has gone");
  const std::string_view bytes(scratch.data(), size);
  if (state_ == State::answering || state_ == State::streaming) {
    in_ += bytes;
  } else if (state_ != State::lingering) {
    if (in_.empty()) {
      take(bytes);
    } else {
      std::string all = std::move(in_);
      in_ = {};
      all += bytes;
      take(all);
    }
  }
  arm();
}

void Connection::take(std::string_view bytes) {
  const std::size_t used = feed(bytes);
  if (used < bytes.size() && state_ < State::upgrading) in_.assign(bytes.substr(used));
  if (state_ == State::upgrading && used < bytes.size())
    lost_later("the client did not wait for the handshake");
}

std::size_t Connection::feed(std::string_view bytes) {
  std::size_t used = 0;
  processing_ = true;
  while (used < bytes.size() && reading()) {
    if (!incoming_) {
      if (bytes[used] == '\r' || bytes[used] == '\n') {  // left over from a sloppy client's body
        ++used;
        continue;
      }
      incoming_ = std::make_unique<Incoming>();
      incoming_->parser.header_limit(static_cast<std::uint32_t>(core_->limits().header_bytes));
      incoming_->parser.body_limit(core_->limits().body_bytes);
      request_id_ = core_->next_request_id();
      began_ = Clock::now();
      state_ = State::header;  // whoever sends it whole needs no deadline
    }
    Parser& parser = incoming_->parser;
    error_code error;
    used += parser.put(asio::buffer(bytes.data() + used, bytes.size() - used), error);
    if (error == beast::http::error::need_more) {
      if (bytes.size() - used > core_->limits().header_bytes)
        refuse(parser.is_header_done() ? 400 : 431, "a header of the request is too large");
      break;
    }
    if (error == beast::http::error::header_limit) {
      refuse(431, "the request's header is too large");
    } else if (error == beast::http::error::body_limit) {
      plan_.method = parser.head.method;
      refuse(413,
             fmt::format("the request's body is larger than {} bytes", core_->limits().body_bytes));
    } else if (error == beast::http::error::bad_version) {
      refuse(505, "HTTP/1.0 and HTTP/1.1 are spoken here");
    } else if (error) {
      refuse(400, "the request is malformed: " + error.message());
    } else {
      if (!incoming_->planned && parser.is_header_done()) {
        incoming_->planned = true;
        plan_ = core_->plan(parser.head, webhooks_);
        parser.discard = plan_.answer.has_value();
        parser.eager(true);
        if (!parser.is_done()) {
          set(State::body);
          if (parser.head.version >= 11 &&
              same_ignoring_case(parser.head.header("expect"), "100-continue")) {
            if (plan_.answer) {
              keep_alive_ = false;
              Response response = std::move(*plan_.answer);
              answer(std::move(response));
              break;
            }
            out_ += "HTTP/1.1 100 Continue\r\n\r\n";  // after earlier answers
          }
        }
      }
      if (parser.is_done()) deliver();
    }
    if (out_.size() >= kFlushAt) flush();
  }
  processing_ = false;
  flush();
  if (state_ == State::header) watch();
  return used;
}

void Connection::deliver() {
  const auto incoming = std::move(incoming_);
  Parser& parser = incoming->parser;
  keep_alive_ = parser.keep_alive() && !plan_.last && !core_->draining();
  http10_ = parser.head.version < 11;
  head_only_ = parser.head.method == "HEAD";
  if (plan_.answer) {
    Response response = std::move(*plan_.answer);
    return answer(std::move(response));
  }
  if (plan_.page) {
    core_->flush_metrics();  // one of them is /metrics
    return answer((*plan_.page)());
  }
  if (!plan_.mount->handler) return answer(error_response(503, "this part is being stopped"));
  if (plan_.file) return serve(*plan_.file, parser.head);
  Request request;
  request.id = exchange_ = core_->next_exchange();
  request.route = plan_.token;
  request.flags =
      plan_.flags | ((plan_.flags & VIADUCT_ROUTE_PUBLIC) != 0 && !plan_.forwarded && is_local()
                         ? VIADUCT_REQUEST_LOCAL
                         : 0);
  request.method = std::move(parser.head.method);
  request.path = std::move(plan_.below);
  request.query = std::move(plan_.query);
  request.body = std::move(parser.body);
  request.headers = std::move(parser.head.headers);
  request.params = std::move(plan_.params);
  if ((plan_.flags & VIADUCT_ROUTE_PUBLIC) == 0) {
    Principal& who = request.who.emplace();
    who.surface = plan_.mount->name;
    who.user_id = "local";
    who.display_name = "local";
  }
  request.request_id = request_id_;
  core_->exchanges().add(exchange_, *this);
  set(State::answering);
  plan_.mount->handler->request(std::move(request));
}

bool Connection::is_local() {
  if (!is_local_) is_local_ = stream_.is_local();
  return *is_local_;
}

void Connection::serve(const StaticFile& file, const RequestHead& head) {
  const std::string_view accepted = head.header("accept-encoding");
  bool zipped = false;
  if (!file.gzip.empty()) {
    for (std::size_t at = 0; at < accepted.size();) {
      const std::size_t end = std::min(accepted.find(',', at), accepted.size());
      const std::string_view item = accepted.substr(at, end - at);
      const std::size_t semicolon = std::min(item.find(';'), item.size());
      const std::string_view quality = trimmed(item.substr(std::min(semicolon + 1, item.size())));
      const bool never = quality.starts_with("q=0") &&
                         quality.find_first_not_of("0.", 2) == std::string_view::npos;
      if (same_ignoring_case(trimmed(item.substr(0, semicolon)), "gzip")) zipped = !never;
      at = end + 1;
    }
  }
  const std::string& etag = zipped ? file.gzip_etag : file.etag;
  Response response;
  response.headers.push_back({"ETag", etag});
  response.headers.push_back(
      {"Cache-Control", file.immutable ? "public, max-age=31536000, immutable" : "no-cache"});
  if (!file.gzip.empty()) response.headers.push_back({"Vary", "Accept-Encoding"});
  bool known = false;
  for (const Header& header : head.headers) {
    if (header.name != "if-none-match") continue;
    // Weak comparison, as RFC 9110 wants it here.
    known = known || trimmed(header.value) == "*" || has_token(header.value, etag) ||
            has_token(header.value, "W/" + etag);
  }
  if (known) {
    response.status = 304;
    return answer(std::move(response));
  }
  response.headers.push_back({"Content-Type", file.content_type});
  if (zipped) response.headers.push_back({"Content-Encoding", "gzip"});
  // Copied: the plugin may be gone before a slow client has taken it.
  response.body = zipped ? file.gzip : file.data;
  answer(std::move(response));
}

// ---------------------------------------------------------------- answering

Traffic& Connection::traffic() {
  return plan_.mount ? plan_.mount->traffic : core_->host_traffic();
}

void Connection::refuse(unsigned status, std::string_view message) {
  keep_alive_ = false;
  http10_ = false;
  answer(error_response(status, message));
}

void Connection::answer(Response response) {
  if (response.status < 200 || response.status > 599) {
    core_->log().error("a plugin answered with an impossible status mount={} status={} request={}",
                       traffic().mount, response.status, request_id_);
    response = error_response(500, "the answer is broken; see the log for " + request_id_);
  }
  if (core_->draining()) keep_alive_ = false;
  HeadOptions options;
  options.framing = has_no_body(response.status) ? Framing::none : Framing::length;
  options.length = response.body.size();
  options.persistence = !keep_alive_ ? Persistence::close
                        : http10_    ? Persistence::keep_alive
                                     : Persistence::implied;
  append_answer_head(response, options);
  if (!head_only_ && options.framing != Framing::none) {
    out_ += response.body;
    sent_ = response.body.size();
  }
  answered(response.status);
}

void Connection::append_answer_head(const Response& response, HeadOptions& options) {
  options.date = core_->date();
  options.request_id = request_id_;
  if (const std::size_t bad = append_head(out_, response.status, response.headers, options))
    core_->log().warn("left malformed headers out of an answer mount={} headers={} request={}",
                      traffic().mount, bad, request_id_);
}

// The answer is complete, if perhaps not sent.
void Connection::answered(unsigned status) {
  if (exchange_ != 0) core_->exchanges().remove(std::exchange(exchange_, 0));
  out_cost_ = sending_cost_ = 0;
  note(status);
  plan_ = {};
  incoming_.reset();
  head_only_ = false;
  set(keep_alive_ ? State::idle : State::lingering);
  if (processing_) return;
  flush();
  // Not at once: the next request's handler must not run inside this call.
  if (state_ == State::idle && !in_.empty())
    core_->loop().post([self = shared_from_this()] { self->go_on(); });
  else
    arm();
}

void Connection::note(unsigned status) {
  const double took = std::chrono::duration<double>(Clock::now() - began_).count();
  core_->count(traffic(), plan_.method, status, took);
  const bool ours = status >= 500 && !plan_.method.empty();
  if (const Level level = ours ? Level::info : Level::debug; core_->log().sink().enabled(level))
    core_->log().log(level, "request id={} mount={} method={} path={} status={} bytes={} ms={:.3f}",
                     request_id_, traffic().mount, printable(plan_.method), printable(plan_.target),
                     status, sent_, took * 1000);
  sent_ = 0;
}

void Connection::flush() {
  if (writing_ || state_ == State::closed) return;
  if (!out_.empty()) {
    sending_.swap(out_);
    sending_cost_ = std::exchange(out_cost_, 0);
    error_code error;
    const std::size_t size = stream_.write_now(sending_, error);
    if (error && error != asio::error::would_block && error != asio::error::try_again)
      return lost_later(error.message());
    if (size < sending_.size()) {
      writing_ = true;
      asio::async_write(
          stream_, asio::buffer(sending_.data() + size, sending_.size() - size),
          [self = shared_from_this()](error_code failed, std::size_t) { self->written(failed); });
      return watch();
    }
    sent_all();
  }
  if (state_ == State::lingering && !std::exchange(send_shut_, true)) {
    stream_.shutdown_send();
    set(State::lingering);
  }
}

void Connection::sent_all() {
  sending_.clear();
  if (sending_.capacity() > kKeptBuffer) sending_ = {};
  if (out_.capacity() > kKeptBuffer && out_.empty()) out_ = {};
  const std::size_t cost = std::exchange(sending_cost_, 0);
  if (exchange_ != 0 && cost > 0 && core_->exchanges().release(exchange_, cost))
    core_->announce_writable(plan_.mount, exchange_);
}

void Connection::written(error_code error) {
  writing_ = false;
  if (state_ == State::closed) return;
  if (error) return lost(0, error.message());
  sent_all();
  flush();
  if (writing_ || state_ == State::closed) return;
  if (state_ == State::idle) set(State::idle);
  if (state_ == State::idle && core_->draining() && in_.empty()) {
    set(State::lingering);
    flush();
  }
  go_on();
}

void Connection::go_on() {
  if (reading() && !in_.empty()) {
    const std::string bytes = std::exchange(in_, {});
    take(bytes);
  }
  arm();
}

void Connection::respond(Response response) {
  if (state_ == State::answering) answer(std::move(response));
}

void Connection::begin(Response head) {
  if (state_ != State::answering) return;
  if (core_->draining() || http10_) keep_alive_ = false;
  if (head.status < 200 || head.status > 599) head.status = 500;
  HeadOptions options;
  options.framing = has_no_body(head.status) ? Framing::none
                    : http10_                ? Framing::until_close
                                             : Framing::chunked;
  options.persistence = keep_alive_ ? Persistence::implied : Persistence::close;
  chunked_ = options.framing == Framing::chunked;
  if (options.framing == Framing::none) head_only_ = true;
  status_ = head.status;
  append_answer_head(head, options);
  set(State::streaming);
  if (!head.body.empty())
    write(std::move(head.body));
  else if (!processing_)
    flush();
}

void Connection::write(std::string piece) {
  if (state_ != State::streaming) return;
  out_cost_ += queue_cost(piece.size());
  if (!head_only_) {
    sent_ += piece.size();
    if (chunked_)
      append_chunk(out_, piece);
    else
      out_ += piece;
  }
  if (out_.empty()) {  // nothing of it is sent: it has left already
    if (core_->exchanges().release(exchange_, std::exchange(out_cost_, 0)))
      core_->announce_writable(plan_.mount, exchange_);
  } else if (!processing_) {
    flush();
  }
}

void Connection::finish() {
  if (state_ != State::streaming) return;
  if (chunked_ && !head_only_) out_ += "0\r\n\r\n";
  answered(status_);
}

// ---------------------------------------------------------------- ends

void Connection::lost(std::uint16_t code, std::string reason, bool politely) {
  if (state_ == State::closed) return;
  const auto self = shared_from_this();
  const ExchangeId id = std::exchange(exchange_, 0);
  const auto mount = plan_.mount;
  const bool was_websocket = websocket_ != nullptr;
  if (id != 0 && !was_websocket) note(499);
  if (politely) {
    if (std::exchange(websocket_->open, false)) core_->websockets(-1);
    send_shut_ = true;
    set(State::lingering);
    arm();
  } else {
    close();
  }
  if (id == 0) return;
  const auto stage = core_->exchanges().remove(id);
  if (!mount->handler || !stage) return;
  if (was_websocket)
    core_->log().debug("websocket closed id={} mount={} code={} reason={}", request_id_,
                       mount->name, code, reason);
  // An HTTP answer that was given is finished, for the plugin.
  if (was_websocket || *stage != Exchanges::Stage::ended)
    mount->handler->closed(id, code, std::move(reason));
}

void Connection::lost_later(std::string reason) {
  core_->loop().post([self = shared_from_this(), reason = std::move(reason)] {
    self->lost(self->websocket_ ? kAbnormal : 0, reason);
  });
}

void Connection::drop(std::string reason) {
  lost(websocket_ ? kAbnormal : 0, std::move(reason));
}

void Connection::shut_down() {
  if (exchange_ != 0) core_->exchanges().remove(std::exchange(exchange_, 0));
  if (state_ != State::closed) close();
}

void Connection::close() {
  state_ = State::closed;
  if (is_linked()) unlink();
  stream_.close();
  if (websocket_ && websocket_->open) core_->websockets(-1);
  core_->gone(*this);
}

void Connection::drain() {
  switch (state_) {
    case State::idle:
      if (writing_ || !in_.empty())
        keep_alive_ = false;
      else
        close();
      return;
    case State::upgrading:
    case State::websocket:
      if (exchange_ != 0)
        core_->exchanges().advance(exchange_, Exchanges::Stage::websocket, Exchanges::Stage::ended);
      return close_websocket(1001, "the server is going away");
    default: keep_alive_ = false;
  }
}

void Connection::abandon() {
  const ExchangeId id = std::exchange(exchange_, 0);
  if (id == 0) return;
  core_->exchanges().remove(id);
  if (state_ == State::answering)
    answer(error_response(503, "this part has been stopped; try again later"));
  else if (websocket_)
    close_websocket(1012, "this part is being restarted");
  else
    close();
}

// ---------------------------------------------------------------- WebSocket

void Connection::accept() {
  if (state_ != State::answering) return;
  if (plan_.websocket_key.empty()) {
    core_->log().error("a plugin accepted what is no WebSocket mount={} path={} request={}",
                       traffic().mount, printable(plan_.target), request_id_);
    return answer(error_response(500, "the answer is broken; see the log for " + request_id_));
  }
  if (!in_.empty()) return lost_later("the client did not wait for the handshake");
  if (armed_) stream_.cancel();
  in_ = {};
  out_ = {};
  sending_ = {};
  set(State::upgrading);
  namespace http = beast::http;
  namespace ws = beast::websocket;
  http::request<http::empty_body> upgrade(http::verb::get, "/", 11);
  upgrade.set(http::field::host, "localhost");
  upgrade.set(http::field::connection, "upgrade");
  upgrade.set(http::field::upgrade, "websocket");
  upgrade.set(http::field::sec_websocket_version, "13");
  upgrade.set(http::field::sec_websocket_key, plan_.websocket_key);
  websocket_ = std::make_unique<WebSocket>(stream_);
  auto& stream = websocket_->stream;
  // Our deadlines see to time: Beast's own would be a timer for each connection.
  stream.set_option(
      ws::stream_base::timeout{ws::stream_base::none(), ws::stream_base::none(), false});
  stream.set_option(ws::stream_base::decorator([id = request_id_](ws::response_type& response) {
    response.set(http::field::server, "viaduct");
    response.set("X-Request-Id", id);
  }));
  stream.read_message_max(core_->limits().message_bytes);
  stream.auto_fragment(false);
  stream.text(true);
  stream.async_accept(upgrade, [self = shared_from_this()](error_code error) {
    if (self->state_ == State::closed) return;
    if (error) return self->lost(kAbnormal, error.message());
    self->note(101);
    const auto mount = self->plan_.mount;
    self->plan_ = {};
    self->plan_.mount = mount;
    self->websocket_->open = true;
    self->core_->websockets(1);
    self->set(State::websocket);
    self->write_message();
    if (self->state_ == State::websocket) self->read_message();
  });
}

void Connection::read_message() {
  WebSocket& socket = *websocket_;
  const std::size_t step =
      socket.filled == 0 ? kSmallRead : std::clamp(socket.filled, kSmallRead, kLargestRead);
  socket.message.resize(socket.filled + step);
  socket.stream.async_read_some(asio::buffer(socket.message.data() + socket.filled, step),
                                [self = shared_from_this()](error_code error, std::size_t size) {
                                  self->message_read(error, size);
                                });
}

void Connection::message_read(error_code error, std::size_t size) {
  if (state_ != State::websocket) return;  // whoever closes says so
  WebSocket& socket = *websocket_;
  if (error == beast::websocket::error::closed) {
    const auto& said = socket.stream.reason();
    const bool coded = said.code != beast::websocket::close_code::none;
    return lost(coded ? said.code : 1005, std::string(said.reason.data(), said.reason.size()));
  }
  if (const std::uint16_t code = code_of(error); error)
    return lost(code, error.message(), code != kAbnormal);  // Beast has sent the close frame
  socket.filled += size;
  if (socket.stream.got_binary()) return close_websocket(1003, "only text is taken here");
  if (socket.stream.is_message_done()) {
    socket.message.resize(socket.filled);
    socket.filled = 0;
    std::string text = std::exchange(socket.message, {});
    if (exchange_ != 0 && plan_.mount->handler)
      plan_.mount->handler->message(exchange_, std::move(text));
    if (state_ != State::websocket) return;
  }
  read_message();
}

void Connection::send(std::string text) {
  if (state_ != State::upgrading && state_ != State::websocket) return;
  websocket_->outbox.push_back(std::move(text));
  if (state_ == State::websocket) write_message();
}

void Connection::write_message() {
  WebSocket& socket = *websocket_;
  if (socket.writing || state_ != State::websocket) return;
  if (socket.next == socket.outbox.size()) {
    if (socket.outbox.capacity() > 0) socket.outbox = {};
    socket.next = 0;
    socket.sending = {};
    if (socket.farewell) send_close();
    return;
  }
  socket.sending = std::move(socket.outbox[socket.next++]);
  socket.writing = true;
  socket.stream.async_write(
      asio::buffer(socket.sending),
      [self = shared_from_this()](error_code error, std::size_t) { self->message_written(error); });
  core_->watch(*this, Clock::now() + core_->limits().send);
}

void Connection::message_written(error_code error) {
  WebSocket& socket = *websocket_;
  socket.writing = false;
  if (state_ != State::websocket) return;
  if (error) {
    // The reader knows better why it ended.
    if (error == asio::error::operation_aborted || error == beast::websocket::error::closed) return;
    return lost(kAbnormal, error.message());
  }
  if (exchange_ != 0 && core_->exchanges().release(exchange_, queue_cost(socket.sending.size())))
    core_->announce_writable(plan_.mount, exchange_);
  write_message();
}

void Connection::close_websocket(std::uint16_t code, std::string reason) {
  if (!websocket_ || websocket_->farewell) return;
  websocket_->farewell = std::make_unique<beast::websocket::close_reason>(
      static_cast<beast::websocket::close_code>(sendable(code)));
  const std::string said = fitting(std::move(reason));
  websocket_->farewell->reason.assign(said.data(), said.size());
  if (exchange_ != 0)
    core_->exchanges().advance(exchange_, Exchanges::Stage::websocket, Exchanges::Stage::ended);
  if (state_ == State::websocket) write_message();
}

void Connection::send_close() {
  set(State::closing);
  const auto& farewell = *websocket_->farewell;
  websocket_->stream.async_close(farewell, [self = shared_from_this()](error_code) {
    const auto& said = *self->websocket_->farewell;
    self->lost(said.code, std::string(said.reason.data(), said.reason.size()));
  });
}

void Connection::look_at_websocket(Clock::time_point now) {
  const Limits& limits = core_->limits();
  WebSocket& socket = *websocket_;
  auto next = stream_.read_at() + limits.ping;
  if (socket.writing) {
    const auto patience = stream_.wrote_at() + limits.send;
    if (now >= patience)
      return lost(kAbnormal, fmt::format("the client took nothing for {} ms", limits.send.count()));
    next = std::min(next, patience);
  }
  const auto gone = stream_.read_at() + 2 * limits.ping;
  if (now >= gone)
    return lost(kAbnormal, fmt::format("the client was silent for {} ms", 2 * limits.ping.count()));
  if (now >= stream_.read_at() + limits.ping) {
    if (!socket.pinging && socket.pinged_at <= stream_.read_at()) {
      socket.pinging = true;
      socket.pinged_at = now;
      socket.stream.async_ping(
          {}, [self = shared_from_this()](error_code) { self->websocket_->pinging = false; });
    }
    next = socket.writing ? std::min(gone, stream_.wrote_at() + limits.send) : gone;
  }
  core_->watch(*this, next);
}

}  // namespace viaduct::http
