#include "plugins/teams/socket_mode.hpp"

#include "plugins/teams/socket_json.hpp"
#include "tests/unit/net/websocket_peer.hpp"
#include "tests/unit/teams/service.hpp"

#include <viaduct/chat/value.hpp>

#include <algorithm>
#include <deque>
#include <mutex>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using chat::Value;
using net::Frame;
using net::Peer;
using net::Signal;
using net::Task;
using net::until;
using net::WebSocketPeer;
using Kind = HubMessage::Kind;

// ---------------------------------------------------------------- JSON

TEST(SocketJson, FindsTheWayToAHub) {
  EXPECT_EQ(negotiate_url("https://x.example/client/?hub=a"),
            "https://x.example/client/negotiate?hub=a&negotiateVersion=1");
  EXPECT_EQ(negotiate_url("https://x.example/hub"),
            "https://x.example/hub/negotiate?negotiateVersion=1");
  EXPECT_EQ(hub_socket_url("https://x.example/client/?hub=a", "c+1", "t/2"),
            "wss://x.example/client/?hub=a&id=c%2B1&access_token=t%2F2");
  EXPECT_EQ(hub_socket_url("http://127.0.0.1:1/hub", "c", ""), "ws://127.0.0.1:1/hub?id=c");
  EXPECT_EQ(hub_url("wss://x.example/hub", false), "https://x.example/hub");
  EXPECT_EQ(hub_url("ws://127.0.0.1:1/hub?a", true), "http://127.0.0.1:1/hub?a");
  for (const char* bad : {"http://x.example/hub", "ftp://x.example/", "https://", "", "ws://x/",
                          "https://u@x.example/", "https://x.example/a b", "//x.example/"}) {
    EXPECT_EQ(hub_url(bad, false), "") << bad;
    EXPECT_EQ(hub_url(bad, true), "") << bad;
  }
  EXPECT_EQ(hub_url("http://127.0.0.1:1/hub", false), "");
}

TEST(SocketJson, ReadsEitherCase) {
  const auto small = parse_hub_message(
      R"({"type":1,"invocationId":"7","target":"Activity","arguments":[{"envelopeId":"e","type":"invoke","payload":{"type":"invoke"}}]})");
  const auto capital = parse_hub_message(
      R"({"type":1,"invocationId":"7","target":"Activity","arguments":[{"EnvelopeId":"e","Type":"invoke","Payload":{"type":"invoke"}}]})");
  for (const auto& one : {small, capital}) {
    ASSERT_TRUE(one);
    EXPECT_EQ(one->kind, Kind::kActivity);
    EXPECT_EQ(one->invocation, "7");
    EXPECT_EQ(one->envelope, "e");
    EXPECT_EQ(one->activity, R"({"type":"invoke"})");
    EXPECT_TRUE(one->is_invoke);
  }
  EXPECT_EQ(
      parse_hub_address(R"({"Url":"https://x","AccessToken":"t","ExpiresIn":60})")->expires_in,
      60s);
}

TEST(SocketJson, TakesAnythingThatMayCome) {
  for (const char* text :
       {"{}", R"({"type":"x"})", R"({"type":1})", R"({"type":1,"target":"Activity","arguments":1})",
        R"({"type":1,"target":"Activity","arguments":[1]})",
        R"({"type":1,"target":"Activity","arguments":[{"payload":"x"}]})", R"({"type":99})",
        R"({"type":7,"allowReconnect":1})", R"({"type":7})", R"({"type":1.5})"})
    EXPECT_TRUE(parse_hub_message(text)) << text;
  for (const char* text : {"", "[]", "x", "{"}) EXPECT_FALSE(parse_hub_message(text)) << text;
  EXPECT_FALSE(parse_hub_message(R"({"a":)" + std::string(10'000, '[')));
  EXPECT_EQ(parse_negotiation(R"({"availableTransports":[{"transport":"LongPolling"}]})")
                ->has_web_sockets,
            false);
  EXPECT_EQ(parse_hub_address(R"({"url":"x","expiresIn":1e300})")->expires_in, 30 * 24h);
}

TEST(SocketJson, ReadsHalfAnEmojiAsASignOfItsOwn) {
  const auto one = parse_hub_message(
      R"({"type":1,"invocationId":"7","target":"Activity","arguments":[{"payload":{"text":"a\ud83d b"}}]})");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->activity, "{\"text\":\"a\xEF\xBF\xBD b\"}");
}

TEST(SocketJson, AnswersWithABodyOnlyWhereThereIsOne) {
  HubAnswer answer{"7", "e", "app-1", 200, R"({"a":1})", 5, 6};
  EXPECT_EQ(
      hub_answer(answer),
      R"({"invocationId":"7","result":{"body":{"a":1},"botKey":"app-1","envelopeId":"e","protocolVersion":1,"recvAt":5,"status":200,"ts":6},"type":3})"
      "\x1e");
  answer.body.clear();
  EXPECT_EQ(hub_answer(answer).find("body"), std::string::npos);
  answer.body = "no json";
  EXPECT_EQ(hub_answer(answer).find("body"), std::string::npos);
}

// ---------------------------------------------------------------- connections

// Teams' end: connect, negotiate, and the hub itself, each connection on a thread with a script of
// its own. What the scripts see is kept.
class Teams {
 public:
  using Script = std::function<void(Teams& teams, WebSocketPeer& socket, int number)>;
  explicit Teams(Script script)
      : script_(std::move(script)), server_([this](Peer& peer) { serve(peer); }) {}

  std::string origin() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }

  static void say(WebSocketPeer& socket, const std::string& text) {
    socket.say(net::kText, text + kHubEnd);
  }
  // The handshake; the client's end of it is kept.
  void shake(WebSocketPeer& socket, int number) {
    socket.agree();
    const Frame first = socket.read();
    keep(std::to_string(number) + " " + first.payload);
    say(socket, "{}");
  }
  void welcome(WebSocketPeer& socket, int number) {
    shake(socket, number);
    say(socket, R"({"type":1,"target":"SocketReady","arguments":[{"connectionId":"c"}]})");
  }
  static std::string activity(const std::string& id, const char* type = "message") {
    return R"({"type":1,"invocationId":")" + id +
           R"(","target":"Activity","arguments":[{"envelopeId":"e-)" + id + R"(","type":")" + type +
           R"(","payload":{"type":")" + type + R"(","id":")" + id + R"("}}]})";
  }
  // Until the client goes; keeps its answers as "1 id status body".
  void listen(WebSocketPeer& socket, int number) {
    const std::string name = std::to_string(number) + " ";
    for (Frame got = socket.read(); got.opcode >= 0; got = socket.read()) {
      if (got.opcode == net::kClose) {
        keep(name + "close");
        socket.say(net::kClose, got.payload);
      }
      if (got.opcode != net::kText) continue;
      if (got.payload.empty() || got.payload.back() != kHubEnd) keep(name + "no end");
      const Value said = Value::parsed(got.payload.substr(0, got.payload.size() - 1));
      const Value result = said.at("result");
      if (said.number("type") == 6)
        keep(name + "ping");
      else if (said.number("type") == 3)
        keep(name + said.text("invocationId") + " " + std::to_string(result.number("status")) +
             " " + result.text("envelopeId") + " " + result.text("botKey") +
             (result.at("body").is_object() ? " body" : "") + said.text("error"));
    }
    keep(name + "gone");
  }
  void keep(std::string what) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(std::move(what));
  }
  bool has_seen(std::string_view what) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::find(seen_, what) != seen_.end();
  }
  // What the next requests for a connection get instead.
  void refuse(std::deque<std::string> answers) {
    const std::lock_guard lock(mutex_);
    refusals_ = std::move(answers);
  }
  int connections() const { return connections_; }
  int asked() const { return asked_; }

  std::atomic<int> redirects{0};      // of the next negotiations; below 0: without end
  std::atomic<int> expires_in{3600};  // seconds
  std::string hub = "/hub?x=1";       // or a whole address

 private:
  std::string address() const { return hub.starts_with('/') ? origin() + hub : hub; }

  void serve(Peer& peer) {
    // A request or an upgrade; the first word says which.
    for (;;) {
      WebSocketPeer socket(peer);
      const std::string& request = socket.request();
      if (request.empty()) return;
      if (request.starts_with("GET /hub?x=1&id=connection-secret&access_token=access-secret")) {
        script_(*this, socket, ++connections_);
        return;
      }
      peer.say(answer(request));
    }
  }
  std::string answer(const std::string& request) {
    if (request.starts_with("POST /token "))
      return reply(R"({"token_type":"Bearer","expires_in":3600,"access_token":"token-secret-)" +
                   std::to_string(++tokens_) + R"("})");
    if (request.starts_with("POST /emea/v3/websockets/connect ")) {
      EXPECT_NE(request.find("Bearer token-secret-"), request.npos);
      ++asked_;
      const std::lock_guard lock(mutex_);
      if (!refusals_.empty()) {
        std::string first = std::move(refusals_.front());
        refusals_.pop_front();
        return first;
      }
      return reply(R"({"url":")" + address() + R"(","accessToken":"access-secret","expiresIn":)" +
                   std::to_string(expires_in) + "}");
    }
    if (request.starts_with("POST /hub/negotiate?x=1&negotiateVersion=1 ")) {
      EXPECT_NE(request.find("Bearer access-secret"), request.npos);
      if (redirects != 0) {
        --redirects;
        return reply(R"({"url":")" + address() + R"(","accessToken":"access-secret"})");
      }
      return reply(
          R"({"connectionToken":"connection-secret","availableTransports":[{"transport":"WebSockets"}]})");
    }
    ADD_FAILURE() << request;
    return reply("", 404);
  }

  Script script_;
  std::atomic<int> connections_{0};
  std::atomic<int> asked_{0};
  std::atomic<int> tokens_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
  std::deque<std::string> refusals_;
  net::Server server_;
};

// The client with what it was given and said.
struct SocketClient {
  explicit SocketClient(const Teams& teams, SocketTimes times = {})
      : token(loop, credentials_at(teams.origin()), Service::hosts(), {}),
        mode(loop, token, options(teams, times)) {}

  SocketModeOptions options(const Teams& teams, SocketTimes times) {
    SocketModeOptions all;
    all.connect = teams.origin();
    all.app_id = "app-1";
    all.geos = {"emea"};
    all.times = times;
    all.receive = [this](SocketActivity activity, SocketModeOptions::Answer answer) {
      activities.push_back(activity.activity);
      if (!answers_at_once)
        answers.push_back(std::move(answer));
      else
        answer(200, activity.is_invoke ? R"({"x":1})" : "");
    };
    all.log = [this](SocketAction::Kind level, const std::string& line) {
      EXPECT_EQ(line.find("secret"), std::string::npos) << line;
      if (level == SocketAction::Kind::kError) errors += line + "\n";
      if (level == SocketAction::Kind::kWarn) warnings += line + "\n";
    };
    return all;
  }
  bool has(const std::string& id) const {
    return std::ranges::any_of(
        activities, [&](const std::string& one) { return Value::parsed(one).text("id") == id; });
  }

  net::Loop loop;
  ServiceToken token;
  std::vector<std::string> activities;
  std::vector<SocketModeOptions::Answer> answers;
  bool answers_at_once = true;
  std::string errors, warnings;
  SocketMode mode;
};

void run(SocketClient& client, std::function<Task<>(SocketClient&)> test) {
  net::run_on(client.loop,
              [](SocketClient& one, std::function<Task<>(SocketClient&)> then) -> Task<> {
                one.mode.start();
                co_await then(one);
                co_await one.mode.stop();
                EXPECT_EQ(one.mode.words().find("secret"), std::string::npos);
              }(client, std::move(test)));
}

SocketTimes quick() {
  SocketTimes times;
  times.first_wait = 10ms;
  times.longest_wait = 20ms;
  return times;
}

TEST(TeamsSocketMode, HandsOnWhatComesAndAnswersIt) {
  Teams teams([](Teams& self, WebSocketPeer& socket, int number) {
    self.welcome(socket, number);
    Teams::say(socket, Teams::activity("m1") + kHubEnd + R"({"type":6})" + kHubEnd +
                           Teams::activity("i1", "invoke"));
    const std::string halved = Teams::activity("m2");
    socket.say(net::kText, halved.substr(0, 30));
    Teams::say(socket, halved.substr(30));
    Teams::say(socket, "no json");
    socket.say(net::kBinary, "bytes");
    Teams::say(socket, R"({"type":1,"invocationId":"u1","target":"New","arguments":[]})");
    Teams::say(socket, R"({"type":1,"invocationId":"bad","target":"Activity","arguments":[{}]})");
    Teams::say(socket, Teams::activity("m3"));
    self.listen(socket, number);
  });
  SocketClient client(teams);
  run(client, [&](SocketClient& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return teams.has_seen("1 m3 200 e-m3 app-1"); }));
    EXPECT_TRUE(one.mode.is_connected());
    EXPECT_NE(one.mode.words().find("connected to emea"), std::string::npos);
  });
  EXPECT_TRUE(teams.has_seen(std::string(R"(1 {"protocol":"json","version":1})") + kHubEnd));
  EXPECT_TRUE(teams.has_seen("1 m1 200 e-m1 app-1"));
  EXPECT_TRUE(teams.has_seen("1 i1 200 e-i1 app-1 body"));
  EXPECT_TRUE(teams.has_seen("1 m2 200 e-m2 app-1"));
  EXPECT_TRUE(teams.has_seen("1 bad 400  app-1"));
  EXPECT_TRUE(teams.has_seen("1 u1 0  nothing is known of it here"));
  EXPECT_TRUE(teams.has_seen("1 close"));
  EXPECT_EQ(client.activities.size(), 4U);
  EXPECT_EQ(client.errors, "");
}

TEST(TeamsSocketMode, AnswersOnlyWhenTheReceiverSaysSo) {
  Teams teams([](Teams& self, WebSocketPeer& socket, int number) {
    self.welcome(socket, number);
    Teams::say(socket, Teams::activity("m1"));
    Teams::say(socket, Teams::activity("m2"));
    self.listen(socket, number);
  });
  SocketClient client(teams);
  client.answers_at_once = false;
  run(client, [&](SocketClient& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return one.answers.size() == 2; }));
    one.answers[1](503, "");
    EXPECT_TRUE(co_await until([&] { return teams.has_seen("1 m2 503 e-m2 app-1"); }));
    EXPECT_FALSE(teams.has_seen("1 m1 200 e-m1 app-1"));
    one.answers[1](200, "");  // once is enough
    one.answers[0](200, "");
    EXPECT_TRUE(co_await until([&] { return teams.has_seen("1 m1 200 e-m1 app-1"); }));
    EXPECT_FALSE(teams.has_seen("1 m2 200 e-m2 app-1"));
  });
  client.answers[0](200, "");  // too late, and harmless
}

TEST(TeamsSocketMode, ReplacesAConnectionBeforeItsTokenExpires) {
  Signal first_is_asked, second_may;
  Teams teams([&](Teams& self, WebSocketPeer& socket, int number) {
    self.shake(socket, number);
    if (number == 2) {
      first_is_asked.give();
      second_may.wait();
      self.expires_in = 3600;
    }
    Teams::say(socket, R"({"type":1,"target":"SocketReady","arguments":[{}]})");
    Teams::say(socket, Teams::activity("m" + std::to_string(number)));
    self.listen(socket, number);
  });
  teams.expires_in = 1;
  SocketTimes times = quick();
  times.renew = 100ms;
  times.leaving = 100ms;
  SocketClient client(teams, times);
  run(client, [&](SocketClient& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return first_is_asked.given(); }));
    EXPECT_TRUE(one.has("m1"));
    EXPECT_TRUE(one.mode.is_connected());
    EXPECT_FALSE(teams.has_seen("1 close"));
    teams.expires_in = 3600;
    second_may.give();
    EXPECT_TRUE(co_await until([&] { return one.has("m2") && teams.has_seen("1 gone"); }));
    EXPECT_TRUE(one.mode.is_connected());
  });
  EXPECT_TRUE(teams.has_seen("1 close"));
  EXPECT_EQ(client.warnings, "");
}

TEST(TeamsSocketMode, ConnectsAgainAfterWhateverHappens) {
  Teams teams([](Teams& self, WebSocketPeer& socket, int number) {
    switch (number) {
      case 1: return;  // the connection breaks instead of the upgrade
      case 2: socket.agree(); return;
      case 3:
        socket.agree();
        socket.read();
        Teams::say(socket, R"({"error":"the protocol is not supported"})");
        break;
      case 4: self.shake(socket, number); break;  // and is never ready
      case 5:
        self.welcome(socket, number);
        Teams::say(socket, R"({"type":7,"error":"going down","allowReconnect":false})");
        break;
      case 6:
        self.welcome(socket, number);
        socket.say(net::kClose, std::string("\x03\xE8", 2));
        break;
      default: self.welcome(socket, number); Teams::say(socket, Teams::activity("last"));
    }
    self.listen(socket, number);
  });
  SocketTimes times = quick();
  times.ready = 200ms;
  SocketClient client(teams, times);
  run(client, [&](SocketClient& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return one.has("last"); }));
    EXPECT_EQ(teams.connections(), 7);
  });
  EXPECT_NE(client.warnings.find("the protocol is not supported"), std::string::npos)
      << client.warnings;
}

TEST(TeamsSocketMode, FindsAConnectionThatIsDeadWithoutAWord) {
  Teams teams([](Teams& self, WebSocketPeer& socket, int number) {
    self.welcome(socket, number);
    self.listen(socket, number);
  });
  SocketTimes times = quick();
  times.ping = 50ms;
  times.silence = 300ms;
  SocketClient client(teams, times);
  run(client, [&](SocketClient&) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return teams.connections() >= 2; }));
  });
  EXPECT_TRUE(teams.has_seen("1 ping"));
  EXPECT_TRUE(teams.has_seen("1 close"));
}

TEST(TeamsSocketMode, GoesWhereItIsSentButNotForEver) {
  Teams teams([](Teams& self, WebSocketPeer& socket, int number) {
    self.welcome(socket, number);
    Teams::say(socket, Teams::activity("m"));
    self.listen(socket, number);
  });
  teams.redirects = 10 + 11;  // once in vain
  SocketClient client(teams, quick());
  run(client, [&](SocketClient& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return one.has("m"); }));
  });
  EXPECT_NE(client.warnings.find("always elsewhere"), std::string::npos) << client.warnings;
  EXPECT_EQ(teams.asked(), 2);
}

TEST(TeamsSocketMode, UsesNoHubThatIsNotSafe) {
  Teams teams([](Teams&, WebSocketPeer&, int) {});
  teams.hub = "http://192.0.2.1/hub";
  SocketClient client(teams, quick());
  run(client, [&](SocketClient& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return !one.warnings.empty(); }));
  });
  EXPECT_NE(client.warnings.find("not one of https"), std::string::npos) << client.warnings;
}

TEST(TeamsSocketMode, AsksForAnotherTokenOnceAndThenSaysWhatIsToBeDone) {
  Teams teams([](Teams&, WebSocketPeer&, int) {});
  teams.refuse({reply("", 401), reply("", 403)});
  SocketClient client(teams, quick());
  run(client, [&](SocketClient& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return !one.errors.empty(); }));
    EXPECT_NE(one.mode.words().find("transport: http"), std::string::npos) << one.mode.words();
    EXPECT_FALSE(one.mode.is_connected());
  });
  EXPECT_EQ(teams.asked(), 2);
}

TEST(TeamsSocketMode, WaitsAsLongAsTeamsSays) {
  Teams teams([](Teams& self, WebSocketPeer& socket, int number) {
    self.welcome(socket, number);
    Teams::say(socket, Teams::activity("m"));
    self.listen(socket, number);
  });
  teams.refuse({reply("", 503, "Retry-After: 1\r\n"), reply("[]")});
  SocketClient client(teams, quick());
  const auto begun = std::chrono::steady_clock::now();
  run(client, [&](SocketClient& one) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return one.has("m"); }));
  });
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_EQ(teams.asked(), 3);
}

TEST(TeamsSocketMode, MayStopAndGoWhileItConnects) {
  Signal arrived, go_on;
  Teams teams([&](Teams&, WebSocketPeer& socket, int) {
    arrived.give();
    go_on.wait();
    socket.agree();
    socket.read();
  });
  auto client = std::make_unique<SocketClient>(teams);
  net::run_on(client->loop, [](SocketClient& one, Signal& there, Signal& go) -> Task<> {
    one.mode.start();
    EXPECT_TRUE(co_await until([&] { return there.given(); }));
    co_await one.mode.stop();
    go.give();
  }(*client, arrived, go_on));
  client.reset();
}

}  // namespace
}  // namespace viaduct::teams
