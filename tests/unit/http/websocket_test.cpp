#include "tests/unit/http/harness.hpp"

#include <atomic>

namespace viaduct::http::testing {
namespace {

constexpr std::uint64_t kSocket = 1, kPlain = 2;

enum Opcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

struct Frame {
  int opcode = -1;  // none: the connection has ended
  std::string payload;
  unsigned code() const {
    if (opcode != kClose || payload.size() < 2) return 0;
    return static_cast<unsigned char>(payload[0]) * 256u + static_cast<unsigned char>(payload[1]);
  }
  std::string reason() const { return payload.size() > 2 ? payload.substr(2) : std::string(); }
};

// Writes and reads frames by hand, so that it can be wrong on purpose.
class Peer {
 public:
  explicit Peer(const std::string& address, int receive_buffer = 0)
      : client(address, receive_buffer) {}

  static std::string handshake(const std::string& host, const std::string& more = {},
                               const std::string& path = "/apps/web-chat/ws") {
    return get(
        path, host,
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
            more);
  }
  Reply open(const std::string& more = {}) {
    client.send(handshake(client.address, more));
    return client.reply();
  }
  bool send(int opcode, const std::string& payload, bool last = true) {
    std::string frame(1, static_cast<char>(opcode | (last ? 0x80 : 0)));
    if (payload.size() < 126) {
      frame += static_cast<char>(0x80 | payload.size());
    } else if (payload.size() < 65536) {
      frame += static_cast<char>(0x80 | 126);
      frame += static_cast<char>(payload.size() >> 8);
      frame += static_cast<char>(payload.size() & 255);
    } else {
      frame += static_cast<char>(0x80 | 127);
      for (int shift = 56; shift >= 0; shift -= 8)
        frame += static_cast<char>((payload.size() >> shift) & 255);
    }
    const std::string mask = "mask";
    frame += mask;
    for (std::size_t i = 0; i < payload.size(); ++i)
      frame += static_cast<char>(payload[i] ^ mask[i % 4]);
    return client.send(frame);
  }
  Frame receive() {
    std::string head;
    if (!bytes(2, head)) return {};
    Frame frame;
    std::size_t size = static_cast<unsigned char>(head[1]) & 127;
    EXPECT_EQ(static_cast<unsigned char>(head[1]) & 128, 0) << "a server does not mask";
    if (size >= 126) {
      std::string extended;
      if (!bytes(size == 126 ? 2 : 8, extended)) return {};
      size = 0;
      for (const char c : extended) size = size << 8 | static_cast<unsigned char>(c);
    }
    if (!bytes(size, frame.payload)) return {};
    frame.opcode = head[0] & 15;
    EXPECT_EQ(head[0] & 0x70, 0) << "no extension was agreed upon";
    return frame;
  }
  // The next that is no ping.
  Frame next() {
    Frame frame = receive();
    while (frame.opcode == kPing) frame = receive();
    return frame;
  }
  Client client;

 private:
  bool bytes(std::size_t size, std::string& out) {
    while (read_.size() < size) {
      const std::string more = client.some();
      if (more.empty()) return false;
      read_ += more;
    }
    out = read_.substr(0, size);
    read_.erase(0, size);
    return true;
  }
  std::string read_;
};

class WebSocketTest : public ServerTest {
 protected:
  WebSocketTest() {
    handler.on_request = [this](const Request& request) {
      if (request.route == kSocket) server->accept(request.id);
    };
  }
  void start() {
    ServerTest::start();
    ASSERT_TRUE(mount->route("GET", "/ws", VIADUCT_ROUTE_WEBSOCKET, kSocket));
    ASSERT_TRUE(mount->route("GET", "/plain", 0, kPlain));
  }
  ExchangeId id(std::size_t n = 0) { return handler.wait_request(n).id; }
};

TEST_F(WebSocketTest, Upgrades) {
  start();
  Peer peer(address);
  const Reply reply = peer.open("Origin: http://" + address + "\r\n");
  EXPECT_EQ(reply.status, 101u);
  EXPECT_EQ(reply.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(reply.header("x-request-id"), handler.wait_request().request_id);
  EXPECT_EQ(handler.wait_request().flags, VIADUCT_ROUTE_WEBSOCKET);
  ASSERT_TRUE(handler.wait_request().who);
}

TEST_F(WebSocketTest, AgreesToNoCompression) {
  start();
  Peer peer(address);
  const Reply reply = peer.open("Sec-WebSocket-Extensions: permessage-deflate\r\n");
  EXPECT_EQ(reply.status, 101u);
  EXPECT_EQ(reply.header("sec-websocket-extensions"), "");
}

TEST_F(WebSocketTest, RefusesPagesOfOthersBeforeThePluginSeesThem) {
  start();
  for (const std::string& headers :
       {std::string("Origin: http://evil.example\r\n"), std::string("Origin: null\r\n"),
        "Origin: http://" + address + ".evil.example\r\n",
        std::string("X-Forwarded-For: 1.1.1.1\r\n")}) {
    Peer peer(address);
    EXPECT_EQ(peer.open(headers).status, 403u) << headers;
  }
  EXPECT_EQ(ask(Peer::handshake("evil.example")).status, 403u);
  EXPECT_EQ(handler.requests(), 0u);
}

TEST_F(WebSocketTest, RefusesBrokenHandshakes) {
  start();
  const Reply plain = ask(get("/apps/web-chat/ws", address));
  EXPECT_EQ(plain.status, 426u);
  EXPECT_EQ(plain.header("upgrade"), "websocket");
  const std::string base = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const Reply old = ask(get("/apps/web-chat/ws", address,
                            base + "Sec-WebSocket-Version: 8\r\n"
                                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
  EXPECT_EQ(old.status, 426u);
  EXPECT_EQ(old.header("sec-websocket-version"), "13");
  EXPECT_EQ(ask(get("/apps/web-chat/ws", address, base + "Sec-WebSocket-Version: 13\r\n")).status,
            400u);
  EXPECT_EQ(ask(get("/apps/web-chat/ws", address,
                    base + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n"))
                .status,
            400u);
  EXPECT_EQ(handler.requests(), 0u);
}

TEST_F(WebSocketTest, LetsThePluginDecline) {
  start();
  handler.on_request = [this](const Request& request) {
    server->respond(request.id, {401, {}, "no"});
  };
  Peer peer(address);
  EXPECT_EQ(peer.open().status, 401u);
  peer.client.send(get("/", address));
  EXPECT_EQ(peer.client.reply().status, 404u);
}

TEST_F(WebSocketTest, DoesNotAcceptWhatIsNoWebSocketRoute) {
  start();
  handler.on_request = [this](const Request& request) {
    server->accept(request.id);
    server->respond(request.id, {200, {}, "x"});
  };
  EXPECT_EQ(ask(get("/apps/web-chat/plain", address)).status, 500u);
}

TEST_F(WebSocketTest, CarriesMessagesBothWaysInOrder) {
  start();
  handler.on_message = [this](ExchangeId exchange, const std::string& text) {
    server->send(exchange, "echo " + text);
  };
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  for (int i = 0; i < 100; ++i) peer.send(kText, std::to_string(i));
  for (int i = 0; i < 100; ++i) {
    const Frame frame = peer.next();
    EXPECT_EQ(frame.opcode, kText);
    ASSERT_EQ(frame.payload, "echo " + std::to_string(i));
  }
}

TEST_F(WebSocketTest, SendsWhatWasSaidBeforeTheHandshakeWasDone) {
  start();
  handler.on_request = [this](const Request& request) {
    server->accept(request.id);
    EXPECT_EQ(server->send(request.id, "welcome"), Flow::ok);
    EXPECT_EQ(server->send(request.id, "again"), Flow::ok);
  };
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  EXPECT_EQ(peer.next().payload, "welcome");
  EXPECT_EQ(peer.next().payload, "again");
}

TEST_F(WebSocketTest, AcceptsFromAnotherThreadLater) {
  start();
  handler.on_request = {};
  Peer peer(address);
  peer.client.send(Peer::handshake(address));
  const ExchangeId exchange = id();
  server->accept(exchange);
  EXPECT_EQ(server->send(exchange, "hello"), Flow::ok);
  EXPECT_EQ(peer.client.reply().status, 101u);
  EXPECT_EQ(peer.next().payload, "hello");
}

TEST_F(WebSocketTest, TakesMessagesOfAnySizeAndFragments) {
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  const std::vector<std::string> sent = {"",
                                         "short",
                                         std::string(511, 'a'),
                                         std::string(512, 'b'),
                                         std::string(513, 'c'),
                                         std::string(70'000, 'd'),
                                         std::string(1 << 20, 'e'),
                                         "part one"};
  for (std::size_t i = 0; i + 1 < sent.size(); ++i) peer.send(kText, sent[i]);
  peer.send(kText, "part", false);
  peer.send(kPing, "in between");
  peer.send(kContinuation, " one");
  const auto got = handler.wait_messages(sent.size());
  ASSERT_EQ(got.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) EXPECT_TRUE(got[i] == sent[i]) << i;
  const Frame pong = peer.next();
  EXPECT_EQ(pong.opcode, kPong);
  EXPECT_EQ(pong.payload, "in between");
}

TEST_F(WebSocketTest, SendsALargeMessageWhole) {
  start();
  Peer peer(address, 4096);
  ASSERT_EQ(peer.open().status, 101u);
  const std::string large(5'000'000, 'x');
  EXPECT_EQ(server->send(id(), large), Flow::ok);
  EXPECT_TRUE(peer.next().payload == large);
}

struct Fault {
  const char* name;
  int opcode;
  std::string payload;
  unsigned code;
};
void PrintTo(const Fault& c, std::ostream* os) {
  *os << c.name;
}
class Faults : public WebSocketTest, public ::testing::WithParamInterface<Fault> {};

TEST_P(Faults, AreAnsweredWithTheirCloseCode) {
  options.limits.message_bytes = 1000;
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  peer.send(GetParam().opcode, GetParam().payload);
  const Frame frame = peer.next();
  EXPECT_EQ(frame.opcode, kClose);
  EXPECT_EQ(frame.code(), GetParam().code);
  peer.send(kClose, frame.payload);
  EXPECT_TRUE(peer.client.ended());
  peer.client.reset();
  EXPECT_EQ(handler.wait_closed(id()).code, GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(All, Faults,
                         ::testing::Values(Fault{"binary", kBinary, "data", 1003},
                                           Fault{"invalid_utf8", kText, "\xff\xfe", 1007},
                                           Fault{"too_large", kText, std::string(1001, 'x'), 1009},
                                           Fault{"unknown_opcode", 3, "x", 1002},
                                           Fault{"lonely_continuation", kContinuation, "x", 1002}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(WebSocketTest, TellsHowThePeerClosed) {
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  peer.send(kClose, std::string("\x0f\xa1", 2) + "bye");
  EXPECT_EQ(peer.next().code(), 4001u);
  const auto closed = handler.wait_closed(id());
  EXPECT_EQ(closed.code, 4001);
  EXPECT_EQ(closed.reason, "bye");
  EXPECT_EQ(server->send(id(), "late"), Flow::gone);
}

TEST_F(WebSocketTest, TellsThatThePeerClosedWithoutACode) {
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  peer.send(kClose, "");
  EXPECT_EQ(handler.wait_closed(id()).code, 1005);
}

TEST_F(WebSocketTest, TellsThatThePeerVanished) {
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  peer.client.reset();
  EXPECT_EQ(handler.wait_closed(id()).code, 1006);
}

TEST_F(WebSocketTest, SendsWhatIsWaitingBeforeItCloses) {
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  for (int i = 0; i < 10; ++i) server->send(id(), std::to_string(i));
  server->close(id(), 4400, "enough");
  EXPECT_EQ(server->send(id(), "late"), Flow::gone);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(peer.next().payload, std::to_string(i));
  const Frame frame = peer.next();
  EXPECT_EQ(frame.code(), 4400u);
  EXPECT_EQ(frame.reason(), "enough");
  peer.send(kClose, frame.payload);
  EXPECT_TRUE(peer.client.ended());
  EXPECT_EQ(handler.wait_closed(id()).code, 4400);
}

TEST_F(WebSocketTest, MakesACloseFrameOfWhateverItIsGiven) {
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  std::string reason;
  for (int i = 0; i < 100; ++i) reason += "\xe2\x82\xac";
  server->close(id(), 1006, reason);
  const Frame frame = peer.next();
  EXPECT_EQ(frame.code(), 1011u);
  EXPECT_EQ(frame.reason().size(), 123u);
}

TEST_F(WebSocketTest, DoesNotWaitForEverForThePeersHalfOfTheClose) {
  options.limits.send = 300ms;
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  server->close(id(), 1000, "");
  EXPECT_EQ(handler.wait_closed(id()).code, 1000);
}

TEST_F(WebSocketTest, IsBusyForASlowReaderAndSaysOnceWhenItIsWritable) {
  options.limits.send_queue_bytes = 100'000;
  start();
  Peer peer(address, 4096);
  ASSERT_EQ(peer.open().status, 101u);
  const std::string message(10'000, 'x');
  std::size_t taken = 0;
  int steady = 0;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (steady < 1000 && std::chrono::steady_clock::now() < until) {
    const Flow flow = server->send(id(), message);
    if (flow == Flow::ok) {
      ++taken;
      steady = 0;
    } else {
      ASSERT_EQ(flow, Flow::busy);
      ++steady;
      on_loop([] {});
    }
  }
  ASSERT_EQ(steady, 1000);
  const int before = handler.writables();
  for (std::size_t i = 0; i < taken; ++i) ASSERT_EQ(peer.next().payload.size(), message.size());
  handler.wait_writables(before + 1);
  EXPECT_EQ(server->send(id(), "after"), Flow::ok);
  EXPECT_EQ(peer.next().payload, "after");
  EXPECT_EQ(handler.writables(), before + 1);
}

TEST_F(WebSocketTest, CutsOffWhoTakesNothingWithAReason) {
  options.limits.send_queue_bytes = 100'000;
  options.limits.send = 300ms;
  start();
  Peer peer(address, 4096);
  ASSERT_EQ(peer.open().status, 101u);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (server->send(id(), std::string(50'000, 'x')) != Flow::gone &&
         std::chrono::steady_clock::now() < until)
    on_loop([] {});
  const auto closed = handler.wait_closed(id());
  EXPECT_EQ(closed.code, 1006);
  EXPECT_EQ(closed.reason, "the client took nothing for 300 ms");
  EXPECT_TRUE(lines.has("the client took nothing"));
}

TEST_F(WebSocketTest, KeepsAPeerThatAnswersPings) {
  options.limits.ping = 1s;  // a slow machine answers within that
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  for (int i = 0; i < 3; ++i) {
    const Frame ping = peer.receive();
    ASSERT_EQ(ping.opcode, kPing);
    peer.send(kPong, ping.payload);
  }
  EXPECT_EQ(server->send(id(), "still here"), Flow::ok);
  EXPECT_EQ(peer.next().payload, "still here");
}

TEST_F(WebSocketTest, GivesUpAPeerThatIsSilent) {
  options.limits.ping = 100ms;
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  const auto closed = handler.wait_closed(id());
  EXPECT_EQ(closed.code, 1006);
  EXPECT_EQ(closed.reason, "the client was silent for 200 ms");
}

TEST_F(WebSocketTest, ClosesWith1012WhenItsMountGoes) {
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  const ExchangeId exchange = id();
  on_loop([this] { mount.reset(); });
  EXPECT_EQ(peer.next().code(), 1012u);
  EXPECT_EQ(server->send(exchange, "late"), Flow::gone);
  EXPECT_EQ(handler.closeds(), 0u);
}

TEST_F(WebSocketTest, ClosesWith1001WhenTheServerDrains) {
  start();
  Peer peer(address);
  ASSERT_EQ(peer.open().status, 101u);
  const ExchangeId exchange = id();
  server->send(exchange, "last");
  std::promise<Result<>> drained;
  on_loop([&] { server->drain(kPatience, [&](Result<> result) { drained.set_value(result); }); });
  EXPECT_EQ(peer.next().payload, "last");
  const Frame frame = peer.next();
  EXPECT_EQ(frame.code(), 1001u);
  peer.send(kClose, frame.payload);
  EXPECT_EQ(handler.wait_closed(exchange).code, 1001);
  EXPECT_TRUE(drained.get_future().get());
}

TEST_F(WebSocketTest, IsSentToFromManyThreadsAtOnceWhilePeersComeAndGo) {
  start();
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::vector<ExchangeId> open;
  handler.on_request = [&](const Request& request) {
    server->accept(request.id);
    const std::lock_guard lock(mutex);
    open.push_back(request.id);
  };
  std::vector<std::thread> senders;
  for (int i = 0; i < 3; ++i)
    senders.emplace_back([&] {
      while (!stop) {
        std::vector<ExchangeId> now;
        {
          const std::lock_guard lock(mutex);
          now = open;
        }
        for (const ExchangeId exchange : now) server->send(exchange, "to all");
        std::this_thread::yield();
      }
    });
  for (int round = 0; round < 20; ++round) {
    Peer one(address);
    Peer two(address);
    ASSERT_EQ(one.open().status, 101u);
    ASSERT_EQ(two.open().status, 101u);
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(one.next().payload, "to all");
      ASSERT_EQ(two.next().payload, "to all");
    }
    if (round % 2 == 0) one.client.reset();
  }
  on_loop([this] { mount.reset(); });
  stop = true;
  for (std::thread& sender : senders) sender.join();
}

TEST_F(WebSocketTest, IsDestroyedWithTheServer) {
  start();
  Peer open(address);
  ASSERT_EQ(open.open().status, 101u);
  Peer closing(address);
  ASSERT_EQ(closing.open().status, 101u);
  server->close(id(1), 1000, "");
  Peer upgrading(address);
  upgrading.client.send(Peer::handshake(address));
  id(2);
  stop();
  EXPECT_TRUE(open.client.ended());
  EXPECT_TRUE(closing.client.ended());
  EXPECT_TRUE(upgrading.client.ended());
}

}  // namespace
}  // namespace viaduct::http::testing
