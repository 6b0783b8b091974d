#include "plugins/slack/socket_mode.hpp"

#include "tests/unit/net/on_loop.hpp"
#include "tests/unit/net/websocket_peer.hpp"

#include <deque>
#include <mutex>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;
using net::Frame;
using net::Peer;
using net::Signal;
using net::Task;
using net::until;
using net::WebSocketPeer;
using Clock = std::chrono::steady_clock;

// Slack's end: apps.connections.open, and the connections themselves, each on a thread with a
// script of its own. What the scripts see is kept.
class Slack {
 public:
  using Script = std::function<void(Slack& slack, WebSocketPeer& socket, int number)>;
  // `refusals` are what the first calls of apps.connections.open get.
  explicit Slack(Script script, std::deque<std::string> refusals = {})
      : script_(std::move(script)),
        refusals_(std::move(refusals)),
        server_([this](Peer& peer) { serve(peer); }) {}

  std::string base() const {
    return "http://127.0.0.1:" + std::to_string(server_.port()) + "/api/";
  }

  static void hello(WebSocketPeer& socket, int connections = 1) {
    socket.agree();
    socket.say(net::kText,
               R"({"type":"hello","num_connections":)" + std::to_string(connections) + "}");
  }
  static void envelope(WebSocketPeer& socket, const std::string& id,
                       const char* type = "events_api") {
    socket.say(net::kText, R"({"envelope_id":")" + id + R"(","type":")" + type +
                               R"(","payload":{"id":")" + id +
                               R"("},"accepts_response_payload":true,"retry_attempt":1})");
  }
  // Until the client goes; answers pings and closes, keeps the rest. TCP stays open, as with Slack.
  void listen(WebSocketPeer& socket, int number, bool answers = true) {
    for (Frame got = socket.read(); got.opcode >= 0; got = socket.read()) {
      if (got.opcode == net::kText) keep(std::to_string(number) + " " + got.payload);
      if (got.opcode == net::kClose) keep(std::to_string(number) + " close");
      if (!answers) continue;
      if (got.opcode == net::kPing) socket.say(net::kPong, got.payload);
      if (got.opcode == net::kClose) socket.say(net::kClose, got.payload);
    }
    keep(std::to_string(number) + " gone");
  }
  void keep(std::string what) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(std::move(what));
  }
  bool has_seen(std::string_view what) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::find(seen_, what) != seen_.end();
  }
  int connections() const { return connections_; }
  int asked() const { return asked_; }

 private:
  void serve(Peer& peer) {
    // An API call or an upgrade; the first word says which.
    for (;;) {
      WebSocketPeer socket(peer);
      const std::string& request = socket.request();
      if (request.empty()) return;
      if (request.starts_with("GET /link")) {
        script_(*this, socket, ++connections_);
        return;
      }
      EXPECT_TRUE(request.starts_with("POST /api/apps.connections.open HTTP/1.1\r\n")) << request;
      EXPECT_NE(request.find("Authorization: Bearer xapp-1-secret"), request.npos);
      std::string body = R"({"ok":true,"url":"ws://127.0.0.1:)" + std::to_string(server_.port()) +
                         R"(/link/?ticket=secret)" + std::to_string(++asked_) + R"("})";
      std::string head = "HTTP/1.1 200 OK\r\n";
      {
        const std::lock_guard lock(mutex_);
        if (!refusals_.empty()) {
          body = refusals_.front();
          refusals_.pop_front();
          if (body.starts_with("HTTP")) std::swap(head, body);
          if (body.starts_with("HTTP")) body.clear();
        }
      }
      peer.say(head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }
  }

  Script script_;
  std::atomic<int> connections_{0};
  std::atomic<int> asked_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
  std::deque<std::string> refusals_;
  net::Server server_;
};

// The client with what it was given and said.
struct Client {
  explicit Client(const Slack& slack, SocketTimes times = {})
      : api(loop, slack.base(), {}), mode(loop, api, "xapp-1-secret", options(times)) {}

  SocketModeOptions options(SocketTimes times) {
    SocketModeOptions all;
    all.times = times;
    all.receive = [this](Envelope envelope, SocketModeOptions::Ack ack) {
      envelopes.push_back(envelope);
      if (acknowledges)
        ack(envelope.type == "slash_commands" ? R"({"text":"on it"})" : "");
      else
        acks.push_back(std::move(ack));
    };
    all.gap = [this](std::chrono::system_clock::time_point) { ++gaps; };
    all.log = [this](SocketAction::Kind level, const std::string& line) {
      EXPECT_EQ(line.find("secret"), std::string::npos) << line;
      if (level == SocketAction::Kind::kError) errors += line + "\n";
    };
    return all;
  }
  bool has(const std::string& id) const {
    return std::ranges::any_of(
        envelopes, [&](const Envelope& one) { return one.payload == R"({"id":")" + id + R"("})"; });
  }

  net::Loop loop;
  WebApi api;
  std::vector<Envelope> envelopes;
  std::vector<SocketModeOptions::Ack> acks;
  bool acknowledges = true;
  int gaps = 0;
  std::string errors;
  SocketMode mode;
};

void run(Client& client, std::function<Task<>(Client&)> test) {
  net::run_on(client.loop, [](Client& one, std::function<Task<>(Client&)> then) -> Task<> {
    one.mode.start();
    co_await then(one);
    co_await one.mode.stop();
    EXPECT_EQ(one.mode.words().find("secret"), std::string::npos);
  }(client, std::move(test)));
}

TEST(SocketMode, HandsOnWhatComesAndAcknowledgesOnTheSameConnection) {
  Slack slack([](Slack& self, WebSocketPeer& socket, int number) {
    Slack::hello(socket);
    Slack::envelope(socket, "e1");
    Slack::envelope(socket, "s1", "slash_commands");
    Slack::envelope(socket, "u1", "something_new");
    socket.say(net::kText, "no json");
    socket.say(net::kBinary, "bytes");
    socket.say(net::kText, R"({"type":"something_else"})");
    Slack::envelope(socket, "i1", "interactive");
    self.listen(socket, number);
  });
  Client client(slack);
  run(client, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return slack.has_seen(R"(1 {"envelope_id":"i1"})"); }));
    EXPECT_TRUE(one.mode.is_connected());
    EXPECT_NE(one.mode.words().find("connected"), std::string::npos);
  });
  ASSERT_EQ(client.envelopes.size(), 3U);
  EXPECT_EQ(client.envelopes[0].type, "events_api");
  EXPECT_EQ(client.envelopes[0].retry, 1U);
  EXPECT_TRUE(slack.has_seen(R"(1 {"envelope_id":"e1"})"));
  EXPECT_TRUE(slack.has_seen(R"(1 {"envelope_id":"s1","payload":{"text":"on it"}})"));
  EXPECT_TRUE(slack.has_seen(R"(1 {"envelope_id":"u1"})")) << "what nobody knows is not sent again";
  EXPECT_TRUE(slack.has_seen("1 close"));
  EXPECT_EQ(client.gaps, 0);
}

TEST(SocketMode, AcknowledgesOnlyWhenTheReceiverSaysSo) {
  Slack slack([](Slack& self, WebSocketPeer& socket, int number) {
    Slack::hello(socket);
    Slack::envelope(socket, "e1");
    Slack::envelope(socket, "e2");
    self.listen(socket, number);
  });
  Client client(slack);
  client.acknowledges = false;
  run(client, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return one.acks.size() == 2; }));
    one.acks[1]("");
    EXPECT_TRUE(co_await until([&] { return slack.has_seen(R"(1 {"envelope_id":"e2"})"); }));
    EXPECT_FALSE(slack.has_seen(R"(1 {"envelope_id":"e1"})"));
    one.acks[1]("");  // once is enough
    one.acks[0]("");
    EXPECT_TRUE(co_await until([&] { return slack.has_seen(R"(1 {"envelope_id":"e1"})"); }));
  });
  client.acks[0]("");  // too late, and harmless
}

TEST(SocketMode, ReplacesAConnectionWithoutAGap) {
  std::vector<Signal> steps(2);
  Slack slack([&](Slack& self, WebSocketPeer& socket, int number) {
    if (number == 2) steps[0].wait();
    Slack::hello(socket, number);
    if (number == 1) {
      socket.say(net::kText, R"({"type":"disconnect","reason":"warning"})");
      Slack::envelope(socket, "while the new one is opened");
      steps[1].wait();
      Slack::envelope(socket, "after it is open");
      socket.say(net::kClose, std::string("\x03\xE8", 2));
    } else {
      Slack::envelope(socket, "on the new one");
    }
    self.listen(socket, number);
  });
  Client client(slack);
  run(client, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until(
        [&] { return one.has("while the new one is opened") && slack.connections() == 2; }));
    EXPECT_TRUE(one.mode.is_connected());
    steps[0].give();
    EXPECT_TRUE(co_await until([&] { return one.has("on the new one"); }));
    steps[1].give();
    EXPECT_TRUE(co_await until([&] { return one.has("after it is open"); }));
    EXPECT_TRUE(co_await until([&] { return slack.has_seen("1 gone"); }));
    EXPECT_TRUE(one.mode.is_connected());
    EXPECT_TRUE(co_await until([&] {
      return slack.has_seen(R"(1 {"envelope_id":"after it is open"})") &&
             slack.has_seen(R"(2 {"envelope_id":"on the new one"})");
    }));
  });
  EXPECT_EQ(client.gaps, 0);
  EXPECT_EQ(client.errors, "");
}

TEST(SocketMode, ConnectsAgainAtOnceAndTellsOfTheGap) {
  constexpr int kTimes = 20;
  Slack slack([](Slack& self, WebSocketPeer& socket, int number) {
    Slack::hello(socket);
    Slack::envelope(socket, "e" + std::to_string(number));
    // The acknowledgement, and then the connection breaks.
    const Frame ack = socket.read();
    if (ack.opcode == net::kText) self.keep(std::to_string(number) + " " + ack.payload);
    if (number > kTimes) self.listen(socket, number);
  });
  Client client(slack);
  const auto begun = Clock::now();
  run(client, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] {
      return slack.has_seen(std::to_string(kTimes + 1) + R"( {"envelope_id":"e)" +
                            std::to_string(kTimes + 1) + R"("})");
    }));
    EXPECT_TRUE(one.mode.is_connected());
  });
  EXPECT_LT(Clock::now() - begun, 15s);
  EXPECT_EQ(client.gaps, kTimes);
  EXPECT_EQ(client.envelopes.size(), static_cast<std::size_t>(kTimes + 1));
}

TEST(SocketMode, FindsAConnectionThatIsDeadWithoutAWord) {
  Slack slack([](Slack& self, WebSocketPeer& socket, int number) {
    Slack::hello(socket);
    Slack::envelope(socket, "e" + std::to_string(number));
    self.listen(socket, number, number > 1);
  });
  SocketTimes times;
  times.ping = 100ms;
  times.answer = 100ms;
  times.dead = 300ms;
  Client client(slack, times);
  run(client, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return one.has("e2"); }));
    // Nothing but pongs on the second, for longer than the limit: it stays.
    co_await net::pause(1000ms);
    EXPECT_EQ(slack.connections(), 2);
    EXPECT_TRUE(one.mode.is_connected());
  });
  EXPECT_EQ(client.gaps, 1);
}

TEST(SocketMode, TriesAnotherAddressWhereOneIsRefusedOrSaysNoHello) {
  Slack slack(
      [](Slack& self, WebSocketPeer& socket, int number) {
        if (number == 1) return;  // the connection breaks instead of the upgrade
        if (number == 2) {
          socket.agree();
        } else {
          Slack::hello(socket);
        }
        self.listen(socket, number);
      },
      {R"({"ok":false,"error":"internal_error"})", "HTTP/1.1 503 Busy\r\n", R"({"ok":true})"});
  SocketTimes times;
  times.hello = 100ms;
  times.first_wait = 10ms;
  times.longest_wait = 20ms;
  Client client(slack, times);
  run(client, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return one.mode.is_connected(); }));
  });
  EXPECT_EQ(slack.connections(), 3);
  EXPECT_EQ(slack.asked(), 6) << "each attempt has an address of its own";
}

TEST(SocketMode, LeavesSlackAloneWhenSomebodyMustActFirst) {
  Slack disabled([](Slack& self, WebSocketPeer& socket, int number) {
    Slack::hello(socket);
    socket.say(net::kText, R"({"type":"disconnect","reason":"link_disabled"})");
    self.listen(socket, number);
  });
  Slack refused([](Slack&, WebSocketPeer&, int) {}, {R"({"ok":false,"error":"invalid_auth"})"});
  Client first(disabled);
  run(first, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return disabled.has_seen("1 gone"); }));
    EXPECT_FALSE(one.mode.is_connected());
    EXPECT_NE(one.mode.words().find("switched off"), std::string::npos) << one.mode.words();
  });
  EXPECT_EQ(disabled.asked(), 1);
  Client second(refused);
  run(second, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return !one.errors.empty(); }));
    EXPECT_NE(one.mode.words().find("app_token"), std::string::npos) << one.mode.words();
  });
  EXPECT_EQ(refused.asked(), 1);
}

TEST(SocketMode, WarnsLoudlyOfAnotherProcess) {
  Slack slack([](Slack& self, WebSocketPeer& socket, int number) {
    Slack::hello(socket, 3);
    self.listen(socket, number);
  });
  Client client(slack);
  run(client, [&](Client& one) -> Task<> {
    EXPECT_TRUE(
        co_await until([&] { return one.errors.find("another process") != std::string::npos; }));
    EXPECT_NE(one.mode.words().find("another process"), std::string::npos);
  });
}

TEST(SocketMode, StopsWithinASecondWhateverSlackDoes) {
  // Opening; connected to a server that never answers a close.
  Signal over;
  Slack silent([&](Slack&, WebSocketPeer&, int) { over.wait(); });
  Slack mute([](Slack& self, WebSocketPeer& socket, int number) {
    Slack::hello(socket);
    self.listen(socket, number, false);
  });
  {
    Client client(silent);
    run(client, [&](Client&) -> Task<> {
      EXPECT_TRUE(co_await until([&] { return silent.connections() == 1; }));
    });
  }
  over.give();
  Client client(mute);
  auto begun = Clock::now();
  run(client, [&](Client& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return one.mode.is_connected(); }));
    begun = Clock::now();
  });
  EXPECT_LT(Clock::now() - begun, 3s);
  EXPECT_TRUE(mute.has_seen("1 close"));
}

TEST(SocketMode, MayGoWhileItIsConnected) {
  Slack slack([](Slack& self, WebSocketPeer& socket, int number) {
    Slack::hello(socket);
    Slack::envelope(socket, "e1");
    self.listen(socket, number);
  });
  net::Loop loop;
  WebApi api(loop, slack.base(), {});
  std::vector<SocketModeOptions::Ack> acks;
  SocketModeOptions options;
  options.receive = [&](const Envelope&, SocketModeOptions::Ack ack) {
    acks.push_back(std::move(ack));
  };
  auto mode = std::make_unique<SocketMode>(loop, api, "xapp-1-secret", options);
  net::run_on(loop,
              [](std::unique_ptr<SocketMode>& one, Slack& server,
                 std::vector<SocketModeOptions::Ack>& all) -> Task<> {
                one->start();
                EXPECT_TRUE(co_await until([&] { return !all.empty(); }));
                one.reset();
                EXPECT_TRUE(co_await until([&] { return server.has_seen("1 gone"); }));
                all.front()("");
              }(mode, slack, acks));
}

}  // namespace
}  // namespace viaduct::slack
