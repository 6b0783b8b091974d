#include "viaduct/net/websocket.hpp"

#include "curl_stream.hpp"
#include "viaduct/net/text.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

namespace viaduct::net {
namespace {

namespace websocket = boost::beast::websocket;
using detail::Event;
using detail::kAsTuple;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadAhead = 1 << 20;
constexpr std::size_t kMostWaiting = 16 << 20;
constexpr std::size_t kEachMessage = 64;  // what an empty one costs, too
constexpr std::chrono::seconds kCloseLimit{1};
constexpr int kNoCode = 1006;  // as the RFC says: closed without a word

// libcurl's name for it; empty: it is none of ws or wss.
std::string http_url(const std::string& url) {
  const std::size_t end = url.find("://");
  if (end == url.npos) return {};
  const std::string_view scheme = std::string_view(url).substr(0, end);
  if (detail::same_name(scheme, "ws")) return "http" + url.substr(end);
  if (detail::same_name(scheme, "wss")) return "https" + url.substr(end);
  return {};
}

// One of `offered`, by commas?
bool is_offered(std::string_view one, std::string_view offered) {
  for (;;) {
    const std::size_t end = offered.find(',');
    if (detail::trimmed(offered.substr(0, end)) == one) return true;
    if (end == offered.npos) return false;
    offered.remove_prefix(end + 1);
  }
}

// Of what the peer said, not of the connection.
bool is_of_websocket(const boost::system::error_code& error) {
  return error.category() == make_error_code(websocket::error::closed).category();
}

struct Outgoing {
  enum class Kind { kText, kBinary, kPing };
  Outgoing(asio::io_context& context, Kind of, std::string bytes)
      : kind(of), data(std::move(bytes)), changed(context) {}
  const Kind kind;
  const std::string data;
  bool begun = false;
  std::optional<Result<>> done;
  Event changed;
};

}  // namespace

struct WebSocket::State : std::enable_shared_from_this<State> {
  using Stream = websocket::stream<detail::CurlStream, false>;
  using Final = Result<WebSocketMessage>;

  State(Loop& of, std::string origin)
      : loop(of),
        where(std::move(origin)),
        stream(of.context()),
        answered(of.context()),
        arrived(of.context()),
        room(of.context()),
        wake(of.context()),
        closed(of.context()) {}

  std::unexpected<WebSocketError> refused(sdk::Code code, const std::string& why) const {
    return std::unexpected(WebSocketError{{code, where + ": " + why}, head});
  }
  std::unexpected<sdk::Status> failed(sdk::Code code, const std::string& why) const {
    return std::unexpected(sdk::Status{code, where + ": " + why});
  }

  // The first is the last word; the connection goes with it.
  void end(Final with) {
    if (!final) final = std::move(with);
    stream.next_layer().close();
    for (const auto& item : waiting) finish(*item, lost());
    waiting.clear();
    waiting_bytes = 0;
    for (Event* one : {&answered, &arrived, &room, &wake, &closed}) one->notify();
  }
  std::unexpected<sdk::Status> lost() const {
    return failed(sdk::Code::kUnavailable, "the WebSocket is closed");
  }
  static void finish(Outgoing& item, Result<> with) {
    item.done = std::move(with);
    item.changed.notify();
  }
  Final final_of(const boost::system::error_code& error) const {
    const WebSocketMessage by_peer{WebSocketMessage::Kind::kClosed,
                                   std::string(stream.reason().reason.c_str()),
                                   stream.reason().code == 0 ? 1005 : stream.reason().code};
    if (error == websocket::error::closed) return by_peer;
    if (closing) return WebSocketMessage{WebSocketMessage::Kind::kClosed, {}, kNoCode};
    if (error == websocket::error::message_too_big || error == websocket::error::buffer_overflow)
      return failed(sdk::Code::kBusy, "a message is longer than " +
                                          std::to_string(stream.read_message_max()) + " bytes");
    if (is_of_websocket(error))
      return failed(sdk::Code::kUnavailable, "what came is no WebSocket: " + error.message());
    return failed(sdk::Code::kUnavailable, "the connection was lost: " + error.message());
  }

  void start(Task<> task) {
    loop.spawn(std::move(task), [self = shared_from_this()](const Result<>& ended) {
      if (!ended) self->end(std::unexpected(ended.error()));
    });
  }

  static Task<> run(std::shared_ptr<State> self, std::string host, std::string target);
  static Task<> read_all(std::shared_ptr<State> self);
  static Task<> write_all(std::shared_ptr<State> self);
  static Task<> say_goodbye(std::shared_ptr<State> self, int code, std::string reason);

  static Task<Result<WebSocketMessage>> receive(std::shared_ptr<State> self);
  static Task<Result<>> send(std::shared_ptr<State> self, Outgoing::Kind kind, std::string data);
  static Task<> close(std::shared_ptr<State> self, int code, std::string reason);

  Loop& loop;
  const std::string where;  // without its path, which may hold secrets
  Stream stream;
  HttpHead head;
  boost::system::error_code upgrade_error;
  bool open = false;
  bool closing = false;
  std::optional<Final> final;
  Event answered;

  std::deque<WebSocketMessage> inbox;
  std::size_t inbox_bytes = 0;
  Event arrived, room;

  std::deque<std::shared_ptr<Outgoing>> waiting;
  std::size_t waiting_bytes = 0;
  Event wake;
  Event closed;
};

// ---------------------------------------------------------------- the connection's own coroutines

Task<> WebSocket::State::run(std::shared_ptr<State> self, std::string host, std::string target) {
  websocket::response_type answer;
  auto [error] = co_await self->stream.async_handshake(answer, host, target, kAsTuple);
  if (!error || is_of_websocket(error)) {  // otherwise there is no answer
    self->head.status = static_cast<int>(answer.result_int());
    for (const auto& field : answer)
      self->head.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  if (error) {
    self->upgrade_error = error;
    self->end(std::unexpected(sdk::Status{sdk::Code::kUnavailable, error.message()}));
    co_return;
  }
  self->open = true;
  self->stream.next_layer().limit_reads(64 << 10);
  self->answered.notify();
  self->start(write_all(self));
  co_await read_all(self);
}

Task<> WebSocket::State::read_all(std::shared_ptr<State> self) {
  while (!self->final) {
    if (self->inbox_bytes >= kReadAhead) {
      co_await self->room.wait();
      continue;
    }
    std::string data;
    auto into = asio::dynamic_buffer(data);
    auto [error, size] = co_await self->stream.async_read(into, kAsTuple);
    if (error) {
      self->end(self->final_of(error));
      co_return;
    }
    self->inbox_bytes += data.size() + kEachMessage;
    self->inbox.push_back(
        {self->stream.got_text() ? WebSocketMessage::Kind::kText : WebSocketMessage::Kind::kBinary,
         std::move(data)});
    self->arrived.notify();
  }
}

Task<> WebSocket::State::write_all(std::shared_ptr<State> self) {
  while (!self->final && !self->closing) {
    if (self->waiting.empty()) {
      co_await self->wake.wait();
      continue;
    }
    const std::shared_ptr<Outgoing> item = self->waiting.front();
    self->waiting.pop_front();
    self->waiting_bytes -= item->data.size();
    item->begun = true;
    boost::system::error_code error;
    if (item->kind == Outgoing::Kind::kPing) {
      websocket::ping_data payload(boost::beast::string_view(item->data.data(), item->data.size()));
      std::tie(error) = co_await self->stream.async_ping(payload, kAsTuple);
    } else {
      self->stream.text(item->kind == Outgoing::Kind::kText);
      std::size_t size = 0;
      std::tie(error, size) = co_await self->stream.async_write(asio::buffer(item->data), kAsTuple);
    }
    finish(*item, error ? Result<>(self->lost()) : Result<>{});
    // An end that the peer said itself is the reader's to tell.
    if (error && error != asio::error::operation_aborted && !self->closing)
      self->end(self->final_of(error));
  }
}

Task<> WebSocket::State::say_goodbye(std::shared_ptr<State> self, int code, std::string reason) {
  asio::steady_timer limit(self->loop.context(), kCloseLimit);
  limit.async_wait([weak = std::weak_ptr(self)](const auto& error) {
    const auto here = weak.lock();
    if (!error && here) here->end(here->final_of(make_error_code(boost::system::errc::timed_out)));
  });
  websocket::close_reason why(static_cast<websocket::close_code>(code));
  const std::string_view text = prefix(reason, 123);
  why.reason.assign(text.data(), text.size());
  auto [error] = co_await self->stream.async_close(why, kAsTuple);
  limit.cancel();
  self->end(self->final_of(error ? error : make_error_code(websocket::error::closed)));
}

// ---------------------------------------------------------------- the public ends

Task<Result<WebSocketMessage>> WebSocket::State::receive(std::shared_ptr<State> self) {
  for (;;) {
    if (!self->inbox.empty()) {
      WebSocketMessage message = std::move(self->inbox.front());
      self->inbox.pop_front();
      self->inbox_bytes -= message.data.size() + kEachMessage;
      self->room.notify();
      co_return message;
    }
    if (self->final) co_return *self->final;
    if (!co_await self->arrived.wait()) co_return std::unexpected(detail::cancelled());
  }
}

Task<Result<>> WebSocket::State::send(std::shared_ptr<State> self, Outgoing::Kind kind,
                                      std::string data) {
  if (self->final || self->closing) co_return self->lost();
  if (kind == Outgoing::Kind::kText && !websocket::detail::check_utf8(data.data(), data.size()))
    co_return self->failed(sdk::Code::kInvalidArgument, "the text is not UTF-8");
  if (kind == Outgoing::Kind::kPing && data.size() > 125)
    co_return self->failed(sdk::Code::kInvalidArgument, "a ping has at most 125 bytes");
  if (!self->waiting.empty() && self->waiting_bytes + data.size() > kMostWaiting)
    co_return self->failed(sdk::Code::kBusy, "too much waits to be sent");
  const auto item = std::make_shared<Outgoing>(self->loop.context(), kind, std::move(data));
  self->waiting.push_back(item);
  self->waiting_bytes += item->data.size();
  self->wake.notify();
  while (!item->done)
    if (!co_await item->changed.wait()) {
      if (!item->begun && std::erase(self->waiting, item) > 0)
        self->waiting_bytes -= item->data.size();
      co_return std::unexpected(detail::cancelled());
    }
  co_return *item->done;
}

Task<> WebSocket::State::close(std::shared_ptr<State> self, int code, std::string reason) {
  if (!self->final && !std::exchange(self->closing, true)) {
    for (const auto& item : self->waiting) finish(*item, self->lost());
    self->waiting.clear();
    self->waiting_bytes = 0;
    self->wake.notify();
    self->start(say_goodbye(self, code, std::move(reason)));
  }
  while (!self->final)
    if (!co_await self->closed.wait()) break;
  self->stream.next_layer().close();
}

WebSocket::WebSocket(std::shared_ptr<State> state) : state_(std::move(state)) {}
WebSocket::~WebSocket() {
  state_->end(state_->lost());
}

const HttpHead& WebSocket::head() const {
  return state_->head;
}
std::chrono::steady_clock::time_point WebSocket::last_received() const {
  return state_->stream.next_layer().last_received();
}
Task<Result<WebSocketMessage>> WebSocket::receive() {
  return State::receive(state_);
}
Task<Result<>> WebSocket::send(std::string text) {
  return State::send(state_, Outgoing::Kind::kText, std::move(text));
}
Task<Result<>> WebSocket::send_binary(std::string bytes) {
  return State::send(state_, Outgoing::Kind::kBinary, std::move(bytes));
}
Task<Result<>> WebSocket::ping(std::string payload) {
  return State::send(state_, Outgoing::Kind::kPing, std::move(payload));
}
Task<> WebSocket::close(int code, std::string reason) {
  return State::close(state_, code, std::move(reason));
}

Task<std::expected<std::unique_ptr<WebSocket>, WebSocketError>> WebSocket::connect(
    Loop& loop, WebSocketRequest request, HttpClientOptions options) {
  const std::string url = http_url(request.url);
  const detail::UrlParts parts = detail::parts_of(url);
  const auto state = std::make_shared<State>(loop, parts.origin);
  std::unique_ptr<WebSocket> socket(new WebSocket(state));  // closes it on every other way out
  if (parts.origin.empty())
    co_return std::unexpected(
        WebSocketError{{sdk::Code::kInvalidArgument, "the URL is none of ws or wss"}});
  if (!detail::is_value(request.url) || !detail::is_value(request.subprotocol))
    co_return state->refused(sdk::Code::kInvalidArgument, "there is a line end in it");
  if (const auto wrong = detail::wrong_header(request.headers); !wrong.empty())
    co_return state->refused(sdk::Code::kInvalidArgument, wrong);

  State::Stream& stream = state->stream;
  const auto connected =
      co_await stream.next_layer().connect(url, options, request.connect_timeout);
  if (!connected) co_return state->refused(connected.error().code, connected.error().message);

  stream.auto_fragment(false);
  stream.write_buffer_bytes(16 << 10);
  stream.read_message_max(request.max_message_bytes);
  stream.set_option(websocket::stream_base::decorator(
      [request, agent = options.user_agent](websocket::request_type& upgrade) {
        upgrade.set(boost::beast::http::field::user_agent, agent);
        if (!request.subprotocol.empty())
          upgrade.set(boost::beast::http::field::sec_websocket_protocol, request.subprotocol);
        for (const HttpHeader& header : request.headers) upgrade.set(header.name, header.value);
      }));
  state->start(State::run(state, parts.authority, parts.target));

  bool late = false;
  asio::steady_timer limit(loop.context(), request.upgrade_timeout);
  limit.async_wait([&late, state](const auto& error) {
    if (error || state->open || state->final) return;
    late = true;
    state->end(state->lost());
  });
  while (!state->open && !state->final)
    if (!co_await state->answered.wait())
      co_return std::unexpected(WebSocketError{detail::cancelled()});
  limit.cancel();
  if (late) co_return state->refused(sdk::Code::kTimeout, "no answer in time");
  if (state->upgrade_error == websocket::error::upgrade_declined || state->head.status >= 300)
    co_return state->refused(
        sdk::Code::kUnavailable,
        "the server answered " + std::to_string(state->head.status) + " and is no WebSocket there");
  if (!state->open)
    co_return state->refused(sdk::Code::kUnavailable, state->final->error().message);
  const std::string_view chosen = state->head.header("sec-websocket-protocol");
  if (!chosen.empty() && !is_offered(chosen, request.subprotocol))
    co_return state->refused(sdk::Code::kUnavailable, "the server wants another subprotocol");
  co_return std::move(socket);
}

}  // namespace viaduct::net
