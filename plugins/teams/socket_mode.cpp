#include "plugins/teams/socket_mode.hpp"

#include "plugins/teams/address.hpp"
#include "plugins/teams/socket_json.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <utility>
#include <viaduct/net/http_client.hpp>
#include <viaduct/net/text.hpp>
#include <viaduct/net/websocket.hpp>

namespace viaduct::teams {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using net::WebSocket;
using net::WebSocketMessage;

constexpr auto kStepLimit = 10s;
constexpr int kMostRedirects = 10;
constexpr std::size_t kMostOfAnAnswer = 64 << 10;
constexpr std::size_t kLongestMessage = 4 << 20;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool is_local(std::string_view url) {
  const auto address = parse_address(url);
  return address && address->is_loopback;
}

net::Task<> ignoring(net::Task<net::Result<>> task) {
  [[maybe_unused]] const auto result = co_await std::move(task);
}

// A hub that is ready for a WebSocket, or why there is none.
struct Hub {
  std::string url;  // holds the token
  std::chrono::seconds expires_in{0};
};

}  // namespace

// What all geographies share.
struct SocketMode::State {
  struct Geo;
  State(net::Loop& of, ServiceToken& with, SocketModeOptions given)
      : loop(of),
        token(with),
        options(std::move(given)),
        local(is_local(options.connect)),
        client(of, {.proxy_from_environment = !local}),
        changed(of.context(), Clock::time_point::max()) {}

  net::Loop& loop;
  ServiceToken& token;
  const SocketModeOptions options;
  const bool local;  // a stand-in on this computer
  net::HttpClient client;
  asio::steady_timer changed;  // of links
  std::vector<std::shared_ptr<Geo>> geos;
  bool over = false;  // nothing is to be done any more
};

// One geography, with a connection of its own.
struct SocketMode::State::Geo : std::enable_shared_from_this<Geo> {
  struct Link {
    // None while it is opened. Nobody else owns it, so that it is closed with its link.
    std::shared_ptr<WebSocket> socket;
    bool closing = false;
    bool shaken = false;
    std::string rest;  // of a message that is not whole
  };
  using Opened = std::expected<Hub, SocketEvent>;

  Geo(std::shared_ptr<State> with, std::string name)
      : all(std::move(with)),
        geo(std::move(name)),
        plan(geo.empty() ? std::string("Teams") : geo, all->options.times,
             [this] { return std::uniform_real_distribution<double>(0, 1)(random); }),
        timer(all->loop.context()) {}

  void happened(SocketEvent event);
  void perform(const SocketAction& action);
  void look_again();
  void received(int id, const std::shared_ptr<WebSocket>& socket, const std::string& text);
  void heard(int id, const std::shared_ptr<WebSocket>& socket, HubMessage message);
  void say(const std::weak_ptr<WebSocket>& socket, std::string text);
  SocketEvent failed(std::string why, bool is_final = false) const;
  std::string connect_url() const;

  static net::Task<Opened> connect(std::shared_ptr<Geo> self);
  static net::Task<Opened> negotiate(std::shared_ptr<Geo> self, HubAddress address);
  static net::Task<> open(std::shared_ptr<Geo> self, int id);
  static net::Task<> read_all(std::shared_ptr<Geo> self, int id);

  const std::shared_ptr<State> all;
  const std::string geo;
  std::minstd_rand random{std::random_device{}()};
  SocketPlan plan;
  asio::steady_timer timer;  // the plan's kTick
  std::map<int, Link> links;
};

void SocketMode::State::Geo::happened(SocketEvent event) {
  if (all->over) return;
  for (const SocketAction& action : plan.next(event, Clock::now())) perform(action);
  look_again();
}

void SocketMode::State::Geo::look_again() {
  const auto at = plan.wake();
  if (!at || all->over) {
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

void SocketMode::State::Geo::perform(const SocketAction& action) {
  using Kind = SocketAction::Kind;
  const auto link = links.find(action.link);
  switch (action.kind) {
    case Kind::kOpen:
      links[action.link] = {};
      all->loop.spawn(
          open(shared_from_this(), action.link),
          [self = shared_from_this(), id = action.link](const net::Result<>& ended) {
            if (ended) return;
            self->links.erase(id);
            self->happened(
                {.kind = SocketEvent::Kind::kLost, .link = id, .text = ended.error().message});
          });
      break;
    case Kind::kPing:
      if (link != links.end() && link->second.shaken) say(link->second.socket, hub_ping());
      break;
    case Kind::kClose:
      if (link == links.end() || std::exchange(link->second.closing, true)) break;
      if (link->second.socket) all->loop.spawn(link->second.socket->close());
      break;
    case Kind::kInfo:
    case Kind::kWarn:
    case Kind::kError:
      if (all->options.log) all->options.log(action.kind, action.text);
      break;
  }
}

void SocketMode::State::Geo::say(const std::weak_ptr<WebSocket>& socket, std::string text) {
  const auto open = socket.lock();
  if (open && !all->over) all->loop.spawn(ignoring(open->send(std::move(text))));
}

// ---------------------------------------------------------------- the way to a hub

SocketEvent SocketMode::State::Geo::failed(std::string why, bool is_final) const {
  return {.kind = SocketEvent::Kind::kFailed, .text = std::move(why), .is_final = is_final};
}

std::string SocketMode::State::Geo::connect_url() const {
  return all->options.connect + (geo.empty() ? "" : "/" + geo) + "/v3/websockets/connect";
}

net::Task<SocketMode::State::Geo::Opened> SocketMode::State::Geo::connect(
    std::shared_ptr<Geo> self) {
  const std::string url = self->connect_url();
  if (!self->all->token.may_have_token(url))
    co_return std::unexpected(
        self->failed("the address to connect to is not one that the bot's token may go to; check "
                     "endpoints.connect and endpoints.service_hosts",
                     true));
  TokenResult token = co_await self->all->token.get();
  for (bool renewed = false;; renewed = true) {
    if (!token) {
      SocketEvent why =
          self->failed(token.error().message, token.error().trouble == TokenTrouble::kSetUp);
      why.retry_after = token.error().retry_after;
      co_return std::unexpected(std::move(why));
    }
    net::HttpRequest request;
    request.method = "POST";
    request.url = url;
    request.headers = {{"Authorization", "Bearer " + *token}};
    request.connect_timeout = request.total_timeout = kStepLimit;
    request.max_body_bytes = kMostOfAnAnswer;
    const auto response = co_await self->all->client.fetch(std::move(request));
    if (!response)
      co_return std::unexpected(self->failed(
          "Teams does not answer (" + net::redacted(response.error().message, {*token}) + ")"));
    const int status = response->head.status;
    if (status == 401 && !renewed) {
      token = co_await self->all->token.refused(*token);
      continue;
    }
    if (status == 401 || status == 403)
      co_return std::unexpected(self->failed(
          "Teams does not let this bot use Socket Mode (" + std::to_string(status) +
              "): it is for bots that were made for it (teams app create, messaging mode socket), "
              "and for those alone; make one, or set transport: http",
          true));
    if (status < 200 || status >= 300) {
      SocketEvent why = self->failed("Teams gives no connection (" + std::to_string(status) + ")");
      if (const auto wait = response->head.retry_after()) why.retry_after = *wait;
      co_return std::unexpected(std::move(why));
    }
    auto address = parse_hub_address(response->body);
    if (!address) co_return std::unexpected(self->failed("Teams gives no address to connect to"));
    co_return co_await negotiate(self, *std::move(address));
  }
}

net::Task<SocketMode::State::Geo::Opened> SocketMode::State::Geo::negotiate(
    std::shared_ptr<Geo> self, HubAddress address) {
  const auto expires_in = address.expires_in;
  for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
    const std::string hub = hub_url(address.url, self->all->local);
    if (hub.empty())
      co_return std::unexpected(
          self->failed("the address of the hub is not one of https, and is not used"));
    net::HttpRequest request;
    request.method = "POST";
    request.url = negotiate_url(hub);
    if (!address.access_token.empty())
      request.headers = {{"Authorization", "Bearer " + address.access_token}};
    request.connect_timeout = request.total_timeout = kStepLimit;
    request.max_body_bytes = kMostOfAnAnswer;
    const auto response = co_await self->all->client.fetch(std::move(request));
    if (!response)
      co_return std::unexpected(
          self->failed("the hub does not answer (" +
                       net::redacted(response.error().message, {address.access_token, hub}) + ")"));
    const int status = response->head.status;
    const auto said = parse_negotiation(response->body);
    if (status != 200 || !said) {
      SocketEvent why = self->failed("the hub does not negotiate (" + std::to_string(status) + ")");
      if (const auto wait = response->head.retry_after()) why.retry_after = *wait;
      co_return std::unexpected(std::move(why));
    }
    if (!said->error.empty())
      co_return std::unexpected(self->failed(
          "the hub refuses (" +
          net::one_line(net::redacted(said->error, {address.access_token}), 200) + ")"));
    if (said->elsewhere) {
      address = *said->elsewhere;
      continue;
    }
    if (said->connection.empty() || !said->has_web_sockets)
      co_return std::unexpected(self->failed("the hub offers no WebSocket"));
    co_return Hub{hub_socket_url(hub, said->connection, address.access_token), expires_in};
  }
  co_return std::unexpected(self->failed("the hub is always elsewhere"));
}

net::Task<> SocketMode::State::Geo::open(std::shared_ptr<Geo> self, int id) {
  const auto is_wanted = [&] {
    const auto link = self->links.find(id);
    return !self->all->over && link != self->links.end() && !link->second.closing;
  };
  const Opened hub = co_await connect(self);
  SocketEvent event = hub ? self->failed("given up") : hub.error();
  std::shared_ptr<WebSocket> socket;
  if (hub && is_wanted()) {
    auto connected = co_await WebSocket::connect(self->all->loop,
                                                 {.url = hub->url,
                                                  .connect_timeout = kStepLimit,
                                                  .upgrade_timeout = kStepLimit,
                                                  .max_message_bytes = kLongestMessage},
                                                 {.proxy_from_environment = !self->all->local});
    if (connected) {
      socket = *std::move(connected);
    } else {
      const int status = connected.error().answer.status;
      event.text = "the hub takes no WebSocket (" +
                   (status > 0 ? std::to_string(status)
                               : net::redacted(connected.error().message, {hub->url})) +
                   ")";
      event.retry_after = connected.error().answer.retry_after();
    }
  }
  if (!socket || !is_wanted()) {
    self->links.erase(id);
    self->all->changed.cancel();
    event.link = id;
    self->happened(std::move(event));
    co_return;
  }
  self->links[id].socket = socket;
  self->happened({.kind = SocketEvent::Kind::kOpened, .link = id, .expires_in = hub->expires_in});
  self->say(socket, hub_handshake());
  socket.reset();
  co_await read_all(self, id);
}

// ---------------------------------------------------------------- what comes

net::Task<> SocketMode::State::Geo::read_all(std::shared_ptr<Geo> self, int id) {
  std::string why = "given up";
  for (;;) {
    auto link = self->links.find(id);
    if (link == self->links.end() || !link->second.socket) co_return;
    auto receiving = link->second.socket->receive();
    const auto message = co_await std::move(receiving);
    link = self->links.find(id);
    if (self->all->over || link == self->links.end()) co_return;
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
    // Bytes are of another protocol.
    if (message->kind == WebSocketMessage::Kind::kText) self->received(id, socket, message->data);
  }
  self->links.erase(id);
  self->all->changed.cancel();
  self->happened({.kind = SocketEvent::Kind::kLost, .link = id, .text = why});
}

void SocketMode::State::Geo::received(int id, const std::shared_ptr<WebSocket>& socket,
                                      const std::string& text) {
  auto link = links.find(id);
  std::string piece = std::exchange(link->second.rest, {}) + text;
  std::size_t at = 0;
  for (std::size_t end = piece.find(kHubEnd); end != piece.npos; end = piece.find(kHubEnd, at)) {
    auto message = parse_hub_message(std::string_view(piece).substr(at, end - at));
    at = end + 1;
    if (message)
      heard(id, socket, *std::move(message));
    else if (all->options.log)
      all->options.log(SocketAction::Kind::kWarn,
                       "Socket Mode: a message that is no JSON was skipped");
    link = links.find(id);
    if (link == links.end() || link->second.closing) return;
  }
  if (piece.size() - at <= kLongestMessage) link->second.rest = piece.substr(at);
}

void SocketMode::State::Geo::heard(int id, const std::shared_ptr<WebSocket>& socket,
                                   HubMessage message) {
  using Kind = HubMessage::Kind;
  Link& link = links[id];
  if (!link.shaken) {
    if (message.kind == Kind::kHandshake && message.error.empty()) {
      link.shaken = true;
      return;
    }
    // Without a handshake nothing counts.
    link.closing = true;
    all->loop.spawn(socket->close());
    return happened(
        {.kind = SocketEvent::Kind::kLost,
         .link = id,
         .text = "the hub does not speak as it should" +
                 (message.error.empty() ? std::string()
                                        : " (" + net::one_line(message.error, 200) + ")")});
  }
  switch (message.kind) {
    case Kind::kReady: return happened({.kind = SocketEvent::Kind::kReady, .link = id});
    case Kind::kClose:
      link.closing = true;
      all->loop.spawn(socket->close());
      return happened({.kind = SocketEvent::Kind::kLost,
                       .link = id,
                       .text = message.error.empty() ? "Teams has closed it"
                                                     : net::one_line(message.error, 200)});
    case Kind::kInvocation:
      if (!message.invocation.empty()) say(socket, hub_refusal(message.invocation));
      return;
    case Kind::kActivity: break;
    default: return;
  }
  HubAnswer answer{message.invocation, message.envelope, all->options.app_id, 400, {}, now_ms(), 0};
  auto reply = [weak = weak_from_this(), to = std::weak_ptr(socket), answer,
                once = std::make_shared<bool>(false)](int status, std::string body) mutable {
    const auto self = weak.lock();
    if (!self || std::exchange(*once, true) || answer.invocation.empty()) return;
    answer.status = status;
    answer.body = std::move(body);
    answer.answered = now_ms();
    // Lost with its connection: Teams brings it again.
    self->say(to, hub_answer(answer));
  };
  if (message.activity.empty() || !all->options.receive) return reply(400, {});
  all->options.receive({std::move(message.activity), message.is_invoke}, std::move(reply));
}

// ---------------------------------------------------------------- the public ends

SocketMode::SocketMode(net::Loop& loop, ServiceToken& token, SocketModeOptions options)
    : state_(std::make_shared<State>(loop, token, std::move(options))) {
  for (const std::string& geo : state_->options.geos)
    state_->geos.push_back(std::make_shared<State::Geo>(state_, geo));
}

SocketMode::~SocketMode() {
  state_->over = true;
  state_->changed.cancel();
  for (const auto& geo : state_->geos) {
    geo->timer.cancel();
    geo->links.clear();
  }
  state_->geos.clear();
}

void SocketMode::start() {
  for (const auto& geo : state_->geos) geo->happened({.kind = SocketEvent::Kind::kStart});
}

net::Task<> SocketMode::stop() {
  return [](std::shared_ptr<State> self) -> net::Task<> {
    const auto geos = self->geos;
    for (const auto& geo : geos) geo->happened({.kind = SocketEvent::Kind::kStop});
    // What is only being opened is left to end by itself, into nothing.
    const auto limit = Clock::now() + 2s;
    const auto is_open = [&] {
      return std::ranges::any_of(geos, [](const auto& geo) {
        return std::ranges::any_of(geo->links,
                                   [](const auto& one) { return one.second.socket != nullptr; });
      });
    };
    while (is_open() && Clock::now() < limit) {
      self->changed.expires_at(limit);
      co_await self->changed.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    self->over = true;
    for (const auto& geo : geos) {
      geo->timer.cancel();
      geo->links.clear();
    }
  }(state_);
}

bool SocketMode::is_connected() const {
  return std::ranges::all_of(state_->geos,
                             [](const auto& geo) { return geo->plan.is_connected(); });
}

std::string SocketMode::words() const {
  std::string text;
  for (const auto& geo : state_->geos)
    text += (text.empty() ? "" : "; ") + geo->plan.words(Clock::now());
  return "Socket Mode: " + text;
}

}  // namespace viaduct::teams
