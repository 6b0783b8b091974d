#include "plugins/slack/socket_mode.hpp"

#include "plugins/slack/config.hpp"
#include "plugins/slack/socket_mode_json.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <map>
#include <random>
#include <utility>
#include <viaduct/net/text.hpp>
#include <viaduct/net/websocket.hpp>

namespace viaduct::slack {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using net::WebSocket;
using net::WebSocketMessage;

constexpr auto kStepLimit = 10s;

}  // namespace

struct SocketMode::State : std::enable_shared_from_this<State> {
  struct Link {
    // None while it is opened. Nobody else owns it, so that it is closed with its link.
    std::shared_ptr<WebSocket> socket;
    bool closing = false;
  };

  State(net::Loop& of, WebApi& with, std::string token, SocketModeOptions given)
      : loop(of),
        api(with),
        app_token(std::move(token)),
        options(std::move(given)),
        plan(options.times,
             [this] { return std::uniform_real_distribution<double>(0, 1)(random); }),
        timer(of.context()),
        changed(of.context(), Clock::time_point::max()) {}

  void happened(SocketEvent event);
  void perform(const SocketAction& action);
  void look_again();
  void spawn(net::Task<> task, int id);
  void acknowledge(const std::weak_ptr<WebSocket>& socket, const std::string& id,
                   const std::string& answer);
  void received(int id, const std::shared_ptr<WebSocket>& socket, const std::string& text);

  static net::Task<> open(std::shared_ptr<State> self, int id);
  static net::Task<> read_all(std::shared_ptr<State> self, int id);
  static net::Task<> ignoring(net::Task<net::Result<>> task);

  net::Loop& loop;
  WebApi& api;
  const std::string app_token;
  const SocketModeOptions options;
  std::mt19937 random{std::random_device{}()};
  SocketPlan plan;
  asio::steady_timer timer;    // the plan's kTick
  asio::steady_timer changed;  // of links
  std::map<int, Link> links;
  bool over = false;  // nothing is to be done any more
};

void SocketMode::State::happened(SocketEvent event) {
  if (over) return;
  const bool was_connected = plan.is_connected();
  for (const SocketAction& action : plan.next(event, Clock::now())) perform(action);
  look_again();
  if (!was_connected && plan.is_connected() && options.connected) options.connected();
}

void SocketMode::State::look_again() {
  const auto at = plan.wake();
  if (!at || over) {
    timer.cancel();
    return;
  }
  timer.expires_at(*at);
  timer.async_wait([weak = weak_from_this()](const auto& error) {
    const auto self = weak.lock();
    if (error || !self) return;
    for (const auto& [id, link] : self->links)
      if (link.socket) self->plan.heard(id, link.socket->last_received());
    self->happened({.kind = SocketEvent::Kind::kTick});
  });
}

void SocketMode::State::spawn(net::Task<> task, int id) {
  loop.spawn(std::move(task), [self = shared_from_this(), id](const net::Result<>& ended) {
    if (ended) return;
    self->links.erase(id);
    self->happened({.kind = SocketEvent::Kind::kLost, .link = id, .text = ended.error().message});
  });
}

void SocketMode::State::perform(const SocketAction& action) {
  using Kind = SocketAction::Kind;
  const auto link = links.find(action.link);
  switch (action.kind) {
    case Kind::kOpen:
      links[action.link] = {};
      spawn(open(shared_from_this(), action.link), action.link);
      break;
    case Kind::kPing:
      if (link != links.end() && link->second.socket)
        loop.spawn(ignoring(link->second.socket->ping("viaduct")));
      break;
    case Kind::kClose:
      if (link == links.end() || std::exchange(link->second.closing, true)) break;
      if (link->second.socket) loop.spawn(link->second.socket->close());
      break;
    case Kind::kGap:
      if (options.gap)
        options.gap(std::chrono::system_clock::now() -
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(Clock::now() -
                                                                                    action.since));
      break;
    case Kind::kInfo:
    case Kind::kWarn:
    case Kind::kError:
      if (options.log) options.log(action.kind, action.text);
      break;
  }
}

net::Task<> SocketMode::State::open(std::shared_ptr<State> self, int id) {
  const auto is_wanted = [&] {
    const auto link = self->links.find(id);
    return !self->over && link != self->links.end() && !link->second.closing;
  };
  SocketEvent failed{.kind = SocketEvent::Kind::kFailed, .link = id};
  const ApiResult answer =
      co_await self->api.call("apps.connections.open", "{}", self->app_token, 1ms);
  std::shared_ptr<WebSocket> socket;
  if (!answer) {
    const ApiFailure& why = answer.error();
    failed.is_final = is_final_for_sockets(why.error);
    failed.retry_after = why.retry_after;
    const bool is_token =
        why.error == "not_allowed_token_type" || why.trouble == ApiTrouble::kCredentials;
    failed.text = is_token ? "Slack does not accept app_token; it begins with xapp- and is made in "
                             "the app's settings under Basic Information, App-Level Tokens [" +
                                 why.error + "]"
                           : why.message;
  } else if (is_wanted()) {
    const std::string url = socket_url(*answer, self->api.base_url());
    failed.text = "Slack gives no address for a connection";
    if (!url.empty()) {
      auto connected = co_await WebSocket::connect(
          self->loop, {.url = url, .connect_timeout = kStepLimit, .upgrade_timeout = kStepLimit},
          {.proxy_from_environment = !is_loopback_url(self->api.base_url())});
      if (connected) {
        socket = *std::move(connected);
      } else {
        failed.text = connected.error().message;
        failed.retry_after = connected.error().answer.retry_after();
      }
    }
  }
  if (!socket || !is_wanted()) {
    self->links.erase(id);
    self->changed.cancel();
    self->happened(std::move(failed));
    co_return;
  }
  self->links[id].socket = std::move(socket);
  self->happened({.kind = SocketEvent::Kind::kOpened, .link = id});
  co_await read_all(self, id);
}

net::Task<> SocketMode::State::read_all(std::shared_ptr<State> self, int id) {
  std::string why = "given up";
  for (;;) {
    auto link = self->links.find(id);
    if (link == self->links.end()) co_return;
    auto receiving = link->second.socket->receive();
    const auto message = co_await std::move(receiving);
    link = self->links.find(id);
    if (self->over || link == self->links.end()) co_return;
    const std::shared_ptr<WebSocket> socket = link->second.socket;
    self->plan.heard(id, socket->last_received());
    if (!message) {
      why = message.error().message;
      break;
    }
    if (message->kind == WebSocketMessage::Kind::kClosed) {
      why = "closed with " + std::to_string(message->code);
      break;
    }
    // Bytes are nothing that Slack is known to send.
    if (message->kind == WebSocketMessage::Kind::kText) self->received(id, socket, message->data);
  }
  self->links.erase(id);
  self->changed.cancel();
  self->happened({.kind = SocketEvent::Kind::kLost, .link = id, .text = why});
}

void SocketMode::State::received(int id, const std::shared_ptr<WebSocket>& socket,
                                 const std::string& text) {
  auto message = parse_socket_message(text);
  if (!message) {
    if (options.log)
      options.log(SocketAction::Kind::kWarn, "Socket Mode: a message that is no JSON was skipped");
    return;
  }
  if (message->type == "hello")
    return happened(
        {.kind = SocketEvent::Kind::kHello, .link = id, .connections = message->connections});
  if (message->type == "disconnect")
    return happened({.kind = SocketEvent::Kind::kDisconnect,
                     .link = id,
                     .text = net::one_line(message->reason, 100)});
  if (message->envelope_id.empty()) return;
  const bool is_known = message->type == "events_api" || message->type == "slash_commands" ||
                        message->type == "interactive";
  if (!is_known || !options.receive) return acknowledge(socket, message->envelope_id, {});
  const auto link = links.find(id);
  if (link == links.end() || link->second.closing) return;  // nobody could acknowledge it
  auto once = std::make_shared<bool>(false);
  options.receive(
      {std::move(message->type), std::move(message->payload), message->takes_payload,
       message->retry},
      [weak = weak_from_this(), to = std::weak_ptr(socket), envelope = message->envelope_id,
       takes = message->takes_payload, once](std::string answer) {
        const auto self = weak.lock();
        if (!self || std::exchange(*once, true)) return;
        self->acknowledge(to, envelope, takes ? answer : std::string());
      });
}

void SocketMode::State::acknowledge(const std::weak_ptr<WebSocket>& socket, const std::string& id,
                                    const std::string& answer) {
  const auto open = socket.lock();
  // Lost with its connection: Slack sends the event again, and the inbox knows it.
  if (open && !over) loop.spawn(ignoring(open->send(ack_json(id, answer))));
}

net::Task<> SocketMode::State::ignoring(net::Task<net::Result<>> task) {
  [[maybe_unused]] const auto result = co_await std::move(task);
}

// ---------------------------------------------------------------- the public ends

SocketMode::SocketMode(net::Loop& loop, WebApi& api, std::string app_token,
                       SocketModeOptions options)
    : state_(std::make_shared<State>(loop, api, std::move(app_token), std::move(options))) {}

SocketMode::~SocketMode() {
  state_->over = true;
  state_->timer.cancel();
  state_->changed.cancel();
  state_->links.clear();
}

void SocketMode::start() {
  state_->happened({.kind = SocketEvent::Kind::kStart});
}

net::Task<> SocketMode::stop() {
  return [](std::shared_ptr<State> self) -> net::Task<> {
    self->happened({.kind = SocketEvent::Kind::kStop});
    // What is only being opened is left to end by itself, into nothing.
    const auto limit = Clock::now() + 2s;
    const auto is_open = [&] {
      for (const auto& [id, link] : self->links)
        if (link.socket) return true;
      return false;
    };
    while (is_open() && Clock::now() < limit) {
      self->changed.expires_at(limit);
      co_await self->changed.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    self->over = true;
    self->links.clear();
  }(state_);
}

bool SocketMode::is_connected() const {
  return state_->plan.is_connected();
}

std::string SocketMode::words() const {
  return state_->plan.words(Clock::now());
}

}  // namespace viaduct::slack
