#include "host/http/core.hpp"

#include "host/http/connection.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <random>

namespace viaduct::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr std::string_view kApps = "/apps/";
constexpr std::size_t kMostRefusals = 64;  // connections over the limit that still get their 503
constexpr milliseconds kAcceptRetry{200};

// Deadlines are met to an eighth of the shortest, and no more often than an idle process may wake.
Clock::duration tick_of(const Limits& limits) {
  const milliseconds shortest =
      std::min({limits.header, limits.body, limits.idle, limits.answer, limits.send, limits.ping});
  return std::clamp<milliseconds>(shortest / 8, milliseconds(10), milliseconds(1000));
}

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

std::string forwarding_header(const RequestHead& head) {
  for (const Header& header : head.headers)
    if (header.name == "forwarded" || header.name == "x-real-ip" ||
        header.name.starts_with("x-forwarded-"))
      return header.name;
  return {};
}

bool wants_page(const RequestHead& head) {
  return (head.method == "GET" || head.method == "HEAD") &&
         head.header("accept").find("text/html") != std::string_view::npos &&
         head.target.find("/api/") == std::string::npos;
}

Response allowing(unsigned status, std::string_view message, std::string allow, bool as_page) {
  Response response =
      status == 204 ? Response{204, {}, {}} : error_response(status, message, as_page);
  response.headers.push_back({"Allow", std::move(allow)});
  return response;
}

// What is wrong with the handshake of a WebSocket, if anything.
std::optional<Response> bad_upgrade(const RequestHead& head) {
  const auto with = [](Response response, std::string name, std::string value) {
    response.headers.push_back({std::move(name), std::move(value)});
    return response;
  };
  if (head.version < 11 || !has_token(head.header("upgrade"), "websocket") ||
      !has_token(head.header("connection"), "upgrade"))
    return with(error_response(426, "this address is for WebSockets"), "Upgrade", "websocket");
  if (head.header("sec-websocket-version") != "13")
    return with(error_response(426, "WebSocket version 13 is spoken here"), "Sec-WebSocket-Version",
                "13");
  const std::string_view key = head.header("sec-websocket-key");
  if (head.count("sec-websocket-key") != 1 || key.size() != 24 || !key.ends_with("=="))
    return error_response(400, "Sec-WebSocket-Key is not 16 bytes in base64");
  return std::nullopt;
}

}  // namespace

std::string_view RequestHead::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &Header::name);
  return found == headers.end() ? std::string_view() : std::string_view(found->value);
}

std::size_t RequestHead::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count(headers, name, &Header::name));
}

Core::Core(Loop& loop, Options options, Metrics& metrics, Logger log)
    : loop_(loop),
      options_(std::move(options)),
      metrics_(metrics),
      log_(std::move(log)),
      exchanges_(options_.limits.send_queue_bytes),
      deadlines_(tick_of(options_.limits)),
      ticker_(loop.context()),
      id_prefix_(fmt::format("{:08x}", std::random_device{}())),
      host_traffic_("host"),
      drain_timer_(loop.context()) {}

Result<> Core::start() {
  if (auto main = listen(options_.listen, false); !main) return main;
  if (!options_.webhooks_listen.empty())
    if (auto webhooks = listen(options_.webhooks_listen, true); !webhooks) return webhooks;
  for (const auto& listener : listeners_) accept(*listener);
  return {};
}

Result<> Core::listen(const std::string& where, bool webhooks) {
  const auto parsed = parse_authority(where);
  if (!parsed)
    return fail(Errc::invalid_argument,
                "cannot listen on " + where + ": it is not like 127.0.0.1:8410 or [::1]:8410");
  std::string host = parsed->host == "localhost" ? "127.0.0.1" : parsed->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error)
    return fail(Errc::invalid_argument, "cannot listen on " + where + ": not an IP address");
  // Whoever reaches the main listener is the local user.
  if (!webhooks && !address.is_loopback())
    return fail(Errc::failed_precondition,
                "cannot listen on " + where +
                    ": there is no authentication yet, so only a loopback address is safe "
                    "(127.0.0.1 or [::1])");
  auto listener = std::make_unique<Listener>(loop_.context(), webhooks);
  const tcp::endpoint endpoint(address, parsed->port);
  listener->acceptor.open(endpoint.protocol(), error);
  if (!error) listener->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) listener->acceptor.bind(endpoint, error);
  if (!error) listener->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use)
    return fail(Errc::unavailable, "cannot listen on " + where +
                                       ": address in use by another program; stop that one, or "
                                       "choose another port");
  if (error) return fail(Errc::unavailable, "cannot listen on " + where + ": " + error.message());
  const tcp::endpoint bound = listener->acceptor.local_endpoint(error);
  listener->address = text_of(bound);
  listener->is_loopback = address.is_loopback();
  if (listener->is_loopback) {
    for (const char* name : {"127.0.0.1", "localhost", "[::1]"})
      listener->names.push_back({name, bound.port()});
  }
  if (const auto own = parse_authority(listener->address); own && !address.is_unspecified())
    listener->names.push_back(*own);
  for (const std::string& allowed : options_.allowed_hosts) {
    auto name = parse_authority(allowed);
    if (!name)
      return fail(Errc::invalid_argument,
                  "allowed host \"" + allowed + "\" is not like example.org or example.org:8080");
    listener->names.push_back(*name);
  }
  listeners_.push_back(std::move(listener));
  return {};
}

std::string Core::address(bool webhooks) const {
  for (const auto& listener : listeners_)
    if (listener->webhooks == webhooks) return listener->address;
  return {};
}

void Core::accept(Listener& listener) {
  listener.acceptor.async_accept(
      loop_.context().get_executor(),
      [self = shared_from_this(), &listener](boost::system::error_code error, Socket socket) {
        if (self->down_ || self->draining_ || error == asio::error::operation_aborted) return;
        if (!error) {
          listener.complained = false;
          self->accepted(listener, std::move(socket));
          return self->accept(listener);
        }
        // Out of descriptors, most likely: what is waiting stays in the kernel's queue meanwhile.
        if (!std::exchange(listener.complained, true))
          self->log_.warn("cannot accept connections address={} error={} connections={}",
                          listener.address, error.message(), self->connections_.size());
        listener.retry.expires_after(kAcceptRetry);
        listener.retry.async_wait([self, &listener](boost::system::error_code aborted) {
          if (!aborted && !self->down_ && !self->draining_) self->accept(listener);
        });
      });
}

void Core::accepted(Listener& listener, Socket socket) {
  const bool full = connections_.size() - refusing_ >= limits().connections;
  if (full != std::exchange(full_, full) && full)
    log_.warn("refusing further connections limit={}", limits().connections);
  if (full && refusing_ >= kMostRefusals) return;  // closes it
  auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket),
                                                 listener.webhooks, listener.is_loopback);
  connection->place = connections_.size();
  connections_.push_back(connection);
  metrics_pending_ = true;
  arm_tick();
  if (!full) return connection->start();
  ++refusing_;
  connection->counts = false;
  connection->refuse_connection();
}

void Core::gone(Connection& connection) {
  if (!connection.counts) --refusing_;
  const std::size_t place = connection.place;
  connections_.back()->place = place;
  std::swap(connections_[place], connections_.back());
  connections_.pop_back();
  metrics_pending_ = true;
  if (connections_.empty() && drain_done_) drained({});
}

std::shared_ptr<MountState> Core::mount(std::string name, Handler& handler) {
  auto state = std::make_shared<MountState>(name, handler);
  mounts_[std::move(name)] = state;
  return state;
}

void Core::unmount(MountState& mount) {
  const auto found = mounts_.find(mount.name);
  if (found != mounts_.end() && found->second.get() == &mount) {
    flush_metrics();
    mounts_.erase(found);
  }
  mount.handler = nullptr;
  const auto connections = connections_;
  for (const auto& connection : connections)
    if (connection->mount() == &mount) connection->abandon();
}

void Core::page(std::string path, Server::Page page) {
  pages_[std::move(path)] = std::move(page);
}

void Core::drain(milliseconds limit, Done<> done) {
  draining_ = true;
  for (const auto& listener : listeners_) {
    boost::system::error_code ignored;
    listener->acceptor.close(ignored);
    listener->retry.cancel();
  }
  drain_done_ = std::move(done);
  const auto connections = connections_;
  for (const auto& connection : connections) connection->drain();
  if (connections_.empty()) return drain_done_ ? drained({}) : void();
  drain_timer_.expires_after(limit);
  drain_timer_.async_wait([self = shared_from_this()](boost::system::error_code aborted) {
    if (aborted || self->down_ || !self->drain_done_) return;
    const auto left = self->connections_;
    Done<> answer = std::move(self->drain_done_);
    self->drain_done_ = nullptr;
    for (const auto& connection : left) connection->drop("the server has stopped");
    answer(fail(Errc::timeout, fmt::format("{} connections were cut off", left.size())));
  });
}

void Core::drained(Result<> result) {
  drain_timer_.cancel();
  loop_.post([self = shared_from_this(), done = std::exchange(drain_done_, nullptr),
              result = std::move(result)]() mutable {
    if (!self->down_) done(std::move(result));
  });
}

void Core::shut_down() {
  down_ = true;
  drain_done_ = nullptr;
  for (const auto& listener : listeners_) {
    boost::system::error_code ignored;
    listener->acceptor.close(ignored);
    listener->retry.cancel();
  }
  ticker_.cancel();
  drain_timer_.cancel();
  for (const auto& [name, mount] : mounts_) mount->handler = nullptr;
  flush_metrics();
  const auto connections = connections_;
  for (const auto& connection : connections) connection->shut_down();
  mounts_.clear();
  pages_.clear();
}

void Core::submit(Command command) {
  if (on_loop()) {
    run_commands();  // what was said before, from elsewhere
    return execute(std::move(command));
  }
  {
    const std::lock_guard lock(commands_mutex_);
    commands_.push_back(std::move(command));
    if (std::exchange(commands_posted_, true)) return;
  }
  loop_.post([self = shared_from_this()] { self->run_commands(); });
}

void Core::run_commands() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(commands_mutex_);
    if (commands_.empty()) {
      commands_posted_ = false;
      return;
    }
    commands.swap(commands_);
    commands_posted_ = false;
  }
  for (Command& command : commands) execute(std::move(command));
}

void Core::execute(Command command) {
  Connection* found = down_ ? nullptr : exchanges_.find(command.id);
  if (!found) return;
  const auto connection = found->shared_from_this();
  switch (command.kind) {
    case Command::Kind::respond: return connection->respond(std::move(command.response));
    case Command::Kind::begin: return connection->begin(std::move(command.response));
    case Command::Kind::write: return connection->write(std::move(command.text));
    case Command::Kind::finish: return connection->finish();
    case Command::Kind::accept: return connection->accept();
    case Command::Kind::send: return connection->send(std::move(command.text));
    case Command::Kind::close:
      return connection->close_websocket(command.code, std::move(command.text));
  }
}

void Core::announce_writable(std::shared_ptr<MountState> mount, ExchangeId id) {
  loop_.post([self = shared_from_this(), mount = std::move(mount), id] {
    if (mount->handler && self->exchanges_.find(id)) mount->handler->writable(id);
  });
}

void Core::arm_tick() {
  if (ticking_ || down_) return;
  ticking_ = true;
  ticker_.expires_after(deadlines_.tick());
  ticker_.async_wait([self = shared_from_this()](boost::system::error_code aborted) {
    self->ticking_ = false;
    if (!aborted && !self->down_) self->tick();
  });
}

void Core::tick() {
  const Clock::time_point now = Clock::now();
  deadlines_.turn(now, [now](Deadline& what) {
    const auto connection = static_cast<Connection&>(what).shared_from_this();
    connection->look(now);
  });
  flush_metrics();
  if (!connections_.empty()) arm_tick();
}

void Core::count(Traffic& traffic, std::string_view method, unsigned status, double seconds) {
  static const std::string kSeconds = "viaduct_http_request_seconds";
  static constexpr std::string_view kKnown[] = {"GET",    "HEAD",  "POST",   "PUT",
                                                "DELETE", "PATCH", "OPTIONS"};
  // Whoever makes methods up must not make time series up.
  const bool known = std::ranges::find(kKnown, method) != std::end(kKnown);
  ++traffic.answers[{std::string(known ? method : "other"), status}];
  metrics_.observe(kSeconds, traffic.seconds_labels, seconds);
  metrics_pending_ = true;
}

void Core::flush_metrics() {
  if (!std::exchange(metrics_pending_, false)) return;
  const auto report = [&](Traffic& traffic) {
    for (auto& [key, number] : traffic.answers) {
      if (number == 0) continue;
      metrics_.count(
          "viaduct_http_requests_total",
          {{"mount", traffic.mount}, {"method", key.first}, {"status", std::to_string(key.second)}},
          static_cast<double>(std::exchange(number, 0)));
    }
  };
  report(host_traffic_);
  for (const auto& [name, mount] : mounts_) report(mount->traffic);
  metrics_.gauge("viaduct_http_connections", {}, static_cast<double>(connections_.size()));
  metrics_.gauge("viaduct_websockets", {}, websockets_);
}

std::string_view Core::date() {
  if (const std::time_t now = std::time(nullptr); now != date_at_) {
    date_at_ = now;
    date_ = http_date(now);
  }
  return date_;
}

std::string Core::next_request_id() {
  return fmt::format("{}-{:x}", id_prefix_, ++last_request_);
}

// Who may speak to what is not public. Without authentication, everybody who gets past this is the
// local user: so only pages of our own, and no proxies.
std::optional<Response> Core::refusal(const RequestHead& head, const Target& target, bool as_page) {
  if (const std::string name = forwarding_header(head); !name.empty())
    return error_response(403,
                          "this request came through a proxy (" + name +
                              "), and there is no authentication yet: everybody behind the proxy "
                              "would be the local user",
                          as_page);
  const auto host = target.authority ? target.authority : parse_authority(head.header("host"));
  const auto& names = listeners_.front()->names;
  if (!host || std::ranges::find(names, *host) == names.end())
    return error_response(403,
                          "the Host of this request is not a name of this server; open http://" +
                              listeners_.front()->address +
                              "/, or add the name to server.allowed_hosts",
                          as_page);
  if (head.count("origin") > 0) {
    const auto origin = parse_origin(head.header("origin"));
    if (head.count("origin") != 1 || !origin || *origin != *host)
      return error_response(403, "requests from pages of another origin are refused", as_page);
  }
  if (head.method != "GET" && head.method != "HEAD" &&
      same_ignoring_case(head.header("sec-fetch-site"), "cross-site"))
    return error_response(403, "requests from pages of another site are refused", as_page);
  return std::nullopt;
}

Result<> Core::add_alias(const std::string& path, const std::shared_ptr<MountState>& mount) {
  if (path.find('{') != std::string::npos || path.starts_with(kApps) || path.size() < 2)
    return fail(Errc::invalid_argument, "an alias is one address outside of /apps/, not " + path);
  const std::lock_guard lock(aliases_mutex_);
  auto& held = aliases_[path];
  if (const auto other = held.lock(); other && other != mount)
    return fail(Errc::conflict, path + " is the address of " + other->name + " already");
  held = mount;
  return {};
}

Plan Core::plan(const RequestHead& head, bool webhooks) {
  Plan plan;
  plan.method = head.method;
  plan.target = head.target.substr(0, head.target.find('?'));
  const bool as_page = wants_page(head);
  const auto say = [&](Response response) {
    plan.answer = std::move(response);
    return std::move(plan);
  };
  if (const std::size_t hosts = head.count("host"); hosts > 1 || (hosts == 0 && head.version >= 11))
    return say(error_response(400, "a request has exactly one Host header"));
  if (head.count("transfer-encoding") > 0 &&
      !same_ignoring_case(head.header("transfer-encoding"), "chunked")) {
    plan.last = true;
    return say(error_response(501, "the only transfer encoding taken is chunked"));
  }
  if (head.target == "*" && head.method == "OPTIONS")
    return say(allowing(204, "", "GET, HEAD, POST, OPTIONS", false));
  auto target = parse_target(head.target);
  if (!target) return say(error_response(400, target.error().message, as_page));
  plan.path = std::move(target->path);
  plan.query = std::move(target->query);

  RouteTable::Match match;
  if (plan.path.starts_with(kApps)) {
    const std::size_t end = std::min(plan.path.find('/', kApps.size()), plan.path.size());
    const auto found =
        mounts_.find(std::string_view(plan.path).substr(kApps.size(), end - kApps.size()));
    if (found != mounts_.end()) {
      plan.mount = found->second;
      plan.below = plan.path.substr(end);
    }
  }
  if (!plan.mount) {
    const std::lock_guard lock(aliases_mutex_);
    if (const auto alias = aliases_.find(plan.path); alias != aliases_.end()) {
      plan.mount = alias->second.lock();
      if (plan.mount) plan.below = plan.path;
    }
  }
  const bool own_listener = !options_.webhooks_listen.empty();
  // Browsers are sent to the slash; what posts to the mount itself follows no redirects.
  if (plan.mount && plan.below.empty() && head.method == "POST") plan.below = "/";
  if (plan.mount && !plan.below.empty()) {
    const std::lock_guard lock(plan.mount->mutex);
    match = plan.mount->table.match(head.method, plan.below,
                                    !own_listener ? RouteTable::Which::all
                                    : webhooks    ? RouteTable::Which::public_only
                                                  : RouteTable::Which::private_only);
  }
  const bool is_public = match.found && (match.flags & VIADUCT_ROUTE_PUBLIC) != 0;
  // Whoever looks at the Host alone would believe what the target denies.
  if (is_public && target->authority && head.count("host") > 0 &&
      parse_authority(head.header("host")) != target->authority)
    return say(error_response(400, "the target and the Host of this request differ", as_page));
  if (!is_public && !webhooks)
    if (auto refused = refusal(head, *target, as_page)) return say(std::move(*refused));

  if (plan.mount && plan.below.empty() && !webhooks) {
    Response moved{308, {}, {}};
    moved.headers.push_back({"Location", std::string(kApps) + plan.mount->name + "/" +
                                             (plan.query.empty() ? "" : "?" + plan.query)});
    return say(std::move(moved));
  }
  if (!webhooks) {
    if (const auto page = pages_.find(plan.path); page != pages_.end()) {
      if (head.method == "OPTIONS") return say(allowing(204, "", "GET, HEAD, OPTIONS", false));
      if (head.method != "GET" && head.method != "HEAD")
        return say(allowing(405, "this address is only read", "GET, HEAD, OPTIONS", as_page));
      plan.page = &page->second;
      return plan;
    }
  }
  if (!match.found) {
    if (!match.path_known)
      return say(error_response(404, "there is nothing at this address", as_page));
    if (head.method == "OPTIONS") return say(allowing(204, "", std::move(match.allow), false));
    return say(allowing(405, "this address does not take " + head.method, std::move(match.allow),
                        as_page));
  }
  plan.file = std::move(match.file);
  plan.token = match.token;
  plan.flags = match.flags;
  plan.forwarded = is_public && !forwarding_header(head).empty();
  plan.params = std::move(match.params);
  if ((plan.flags & VIADUCT_ROUTE_WEBSOCKET) != 0) {
    if (auto bad = bad_upgrade(head)) return say(std::move(*bad));
    plan.websocket_key = head.header("sec-websocket-key");
  }
  return plan;
}

namespace {

class BeastMount final : public Mount {
 public:
  BeastMount(std::shared_ptr<Core> core, std::shared_ptr<MountState> state)
      : core_(std::move(core)), state_(std::move(state)) {}
  ~BeastMount() override { core_->unmount(*state_); }

  Result<> route(std::string method, std::string pattern, std::uint32_t flags,
                 std::uint64_t token) override {
    if ((flags & VIADUCT_ROUTE_ALIAS) != 0) {
      if ((flags & VIADUCT_ROUTE_PUBLIC) == 0)
        return fail(Errc::invalid_argument, "only a public route has an alias");
      if (auto taken = core_->add_alias(pattern, state_); !taken) return taken;
    }
    const std::lock_guard lock(state_->mutex);
    return state_->table.add(std::move(method), std::move(pattern), flags, token);
  }
  Result<> files(std::span<const File> files) override {
    const std::lock_guard lock(state_->mutex);
    return state_->table.add_files(files);
  }

 private:
  std::shared_ptr<Core> core_;
  std::shared_ptr<MountState> state_;
};

using Stage = Exchanges::Stage;
using Kind = Command::Kind;

class BeastServer final : public Server {
 public:
  explicit BeastServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~BeastServer() override { core_->shut_down(); }

  Result<> start() override { return core_->start(); }
  std::string address() const override { return core_->address(false); }
  std::string webhooks_address() const override { return core_->address(true); }
  std::unique_ptr<Mount> mount(std::string name, Handler& handler) override {
    return std::make_unique<BeastMount>(core_, core_->mount(std::move(name), handler));
  }
  void page(std::string path, Page page) override { core_->page(std::move(path), std::move(page)); }

  void respond(ExchangeId exchange, Response response) override {
    if (core_->exchanges().advance(exchange, Stage::waiting, Stage::ended))
      core_->submit({Kind::respond, exchange, 0, {}, std::move(response)});
  }
  Flow begin(ExchangeId exchange, Response head) override {
    if (!core_->exchanges().advance(exchange, Stage::waiting, Stage::streaming)) return Flow::gone;
    if (!head.body.empty())
      if (const Flow flow = reserve(exchange, Stage::streaming, head.body); flow != Flow::ok)
        return flow;
    core_->submit({Kind::begin, exchange, 0, {}, std::move(head)});
    return Flow::ok;
  }
  Flow write(ExchangeId exchange, std::string piece) override {
    const Flow flow = reserve(exchange, Stage::streaming, piece);
    if (flow == Flow::ok) core_->submit({Kind::write, exchange, 0, std::move(piece), {}});
    return flow;
  }
  void finish(ExchangeId exchange) override {
    if (core_->exchanges().advance(exchange, Stage::streaming, Stage::ended))
      core_->submit({Kind::finish, exchange, 0, {}, {}});
  }
  void accept(ExchangeId exchange) override {
    if (core_->exchanges().advance(exchange, Stage::waiting, Stage::websocket))
      core_->submit({Kind::accept, exchange, 0, {}, {}});
  }
  Flow send(ExchangeId exchange, std::string text) override {
    const Flow flow = reserve(exchange, Stage::websocket, text);
    if (flow == Flow::ok) core_->submit({Kind::send, exchange, 0, std::move(text), {}});
    return flow;
  }
  void close(ExchangeId exchange, std::uint16_t code, std::string reason) override {
    if (core_->exchanges().advance(exchange, Stage::websocket, Stage::ended))
      core_->submit({Kind::close, exchange, code, std::move(reason), {}});
  }
  void drain(milliseconds limit, Done<> done) override { core_->drain(limit, std::move(done)); }

 private:
  Flow reserve(ExchangeId exchange, Stage stage, const std::string& what) {
    return core_->exchanges().reserve(exchange, stage, queue_cost(what.size()));
  }
  std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<Server> make_server(Loop& loop, Options options, Metrics& metrics, Logger log) {
  return std::make_unique<BeastServer>(
      std::make_shared<Core>(loop, std::move(options), metrics, std::move(log)));
}

}  // namespace viaduct::http
