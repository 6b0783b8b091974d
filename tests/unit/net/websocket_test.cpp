#include <viaduct/net/websocket.hpp>

#include "tests/unit/net/websocket_on_loop.hpp"

#include <cstdlib>

namespace viaduct::net {
namespace {

using namespace asio::experimental::awaitable_operators;
using Kind = WebSocketMessage::Kind;
using Clock = std::chrono::steady_clock;

TEST(WebSocket, CarriesTextAndBytesBothWays) {
  std::string upgrade;
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    upgrade = socket.request();
    socket.agree("Sec-WebSocket-Protocol: two\r\nX-Here: yes\r\n");
    const Frame first = socket.read();
    EXPECT_TRUE(first.masked);
    EXPECT_EQ(first.opcode, kText);
    socket.say(first.opcode, first.payload);
    socket.echo();
  });
  WebSocketRequest request = request_to(server);
  request.subprotocol = "one, two";
  request.headers = {{"Authorization", "Bearer x"}, {"X-Own", "1"}};
  with_socket(request, [](WebSocket& socket) -> Task<> {
    EXPECT_EQ(socket.head().status, 101);
    EXPECT_EQ(socket.head().header("sec-websocket-protocol"), "two");
    EXPECT_EQ(socket.head().header("x-here"), "yes");
    EXPECT_TRUE(co_await socket.send("häßlich ✓"));
    auto got = co_await socket.receive();
    EXPECT_EQ(got->kind, Kind::kText);
    EXPECT_EQ(got->data, "häßlich ✓");
    EXPECT_TRUE(co_await socket.send_binary(std::string("\0\xFF", 2)));
    got = co_await socket.receive();
    EXPECT_EQ(got->kind, Kind::kBinary);
    EXPECT_EQ(got->data, std::string("\0\xFF", 2));
    EXPECT_TRUE(co_await socket.send(""));
    EXPECT_EQ((co_await socket.receive())->data, "");
    EXPECT_EQ((co_await socket.send("\xC3(")).error().code, sdk::Code::kInvalidArgument);
    EXPECT_EQ((co_await socket.ping(std::string(126, 'p'))).error().code,
              sdk::Code::kInvalidArgument);
  });
  server.finish();
  EXPECT_TRUE(upgrade.starts_with("GET /link/?ticket=secret HTTP/1.1\r\n")) << upgrade;
  EXPECT_NE(upgrade.find("Host: 127.0.0.1:" + std::to_string(server.port())), upgrade.npos);
  EXPECT_NE(upgrade.find("Authorization: Bearer x\r\n"), upgrade.npos);
  EXPECT_NE(upgrade.find("Sec-WebSocket-Protocol: one, two\r\n"), upgrade.npos);
  EXPECT_EQ(upgrade.find("Sec-WebSocket-Extensions"), upgrade.npos);
}

TEST(WebSocket, CarriesLongMessages) {
  Server server([](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    socket.echo();
  });
  with_socket(server, [](WebSocket& socket) -> Task<> {
    const std::string text(16 << 20, 'l');
    EXPECT_TRUE(co_await socket.send(text));
    const auto got = co_await socket.receive();
    EXPECT_EQ(got->data.size(), text.size());
    EXPECT_TRUE(got->data == text);
  });
}

// ---------------------------------------------------------------- no agreement

TEST(WebSocket, WaitsForAnAnswerNoLongerThanAllowed) {
  std::atomic<bool> gone{false};
  Server server([&](Peer& peer) {
    peer.request();
    gone = peer.closed();
  });
  WebSocketRequest request = request_to(server);
  request.upgrade_timeout = milliseconds(100);
  EXPECT_EQ(refusal_of(request).code, sdk::Code::kTimeout);
  Loop loop;
  run_on(loop, [](std::atomic<bool>& closed) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return closed.load(); }));
  }(gone));
}

TEST(WebSocket, RefusesWhatIsNoRequest) {
  for (const char* url : {"", "http://127.0.0.1/", "ws:/127.0.0.1", "wss://", "not a url"})
    EXPECT_EQ(refusal_of({.url = url}).code, sdk::Code::kInvalidArgument) << url;
  for (const WebSocketRequest& bad :
       {WebSocketRequest{.url = "ws://127.0.0.1:1/", .headers = {{"a", "b\r\nc: d"}}},
        WebSocketRequest{.url = "ws://127.0.0.1:1/", .headers = {{"a b", "c"}}},
        WebSocketRequest{.url = "ws://127.0.0.1:1/", .subprotocol = "a\r\nb: c"}})
    EXPECT_EQ(refusal_of(bad).code, sdk::Code::kInvalidArgument);
  EXPECT_EQ(refusal_of({.url = "ws://127.0.0.1:1/"}).code, sdk::Code::kUnavailable);
  EXPECT_EQ(refusal_of({.url = "ws://nobody.invalid/"}).code, sdk::Code::kUnavailable);
}

// ---------------------------------------------------------------- what a server may send

TEST(WebSocket, JoinsFragmentsAndAnswersPingsBetweenThem) {
  std::string pong;
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    socket.say(kText, "one ", false);
    socket.say(kPing, "are you there?");
    const Frame answer = socket.read();
    if (answer.opcode == kPong) pong = answer.payload;
    socket.say(kMore, "tw\xC3", false);  // cut within a character
    socket.say(kMore, "", false);
    socket.say(kMore, "\xB6");
    socket.say(kPong, "unasked");
    socket.say(kBinary, "next");
    socket.read();
  });
  with_socket(server, [](WebSocket& socket) -> Task<> {
    EXPECT_EQ((co_await socket.receive())->data, "one twö");
    EXPECT_EQ((co_await socket.receive())->data, "next");
  });
  server.finish();
  EXPECT_EQ(pong, "are you there?");
}

TEST(WebSocket, TakesWhatComesTogetherWithTheAgreement) {
  Server server([](Peer& peer) {
    const std::string request = peer.request();
    const std::string headers = "X-Long: " + std::string(3'000, 'h') + "\r\n";
    peer.say(agreement(request, headers) + frame(kText, "hello") +
             frame(kText, std::string(20'000, 'b')) + frame(kText, "end"));
    peer.take(1);
  });
  with_socket(server, [](WebSocket& socket) -> Task<> {
    EXPECT_EQ((co_await socket.receive())->data, "hello");
    EXPECT_EQ((co_await socket.receive())->data.size(), 20'000U);
    EXPECT_EQ((co_await socket.receive())->data, "end");
  });
}

TEST(WebSocket, TellsAConnectionThatBreaks) {
  Server server([](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    socket.say(kText, "last");
    socket.say(kText, "half", false);
  });
  with_socket(server, [](WebSocket& socket) -> Task<> {
    EXPECT_EQ((co_await socket.receive())->data, "last");
    EXPECT_EQ((co_await socket.receive()).error().code, sdk::Code::kUnavailable);
    EXPECT_EQ((co_await socket.ping()).error().code, sdk::Code::kUnavailable);
    co_await socket.close();
  });
}

TEST(WebSocket, FindsAConnectionThatIsDeadWithoutAWord) {
  Signal mute;
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    for (Frame got = socket.read(); got.opcode >= 0; got = socket.read())
      if (!mute.given()) socket.say(kPong, got.payload);
  });
  with_socket(server, [&mute](WebSocket& socket) -> Task<> {
    const auto begun = socket.last_received();
    EXPECT_TRUE(co_await socket.ping("1"));
    EXPECT_TRUE(co_await until([&] { return socket.last_received() > begun; }));
    mute.give();
    const auto last = socket.last_received();
    EXPECT_TRUE(co_await socket.ping("2"));
    const auto end = co_await (socket.receive() || pause(milliseconds(50)));
    EXPECT_EQ(end.index(), 1U);
    EXPECT_EQ(socket.last_received(), last);
  });
}

TEST(WebSocket, LetsTheServerWaitForASlowReader) {
  constexpr int kMessages = 200;
  const std::string text(100'000, 'x');
  std::atomic<int> sent{0};
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    while (sent < kMessages && socket.say(kText, text)) ++sent;
    socket.read();
  });
  with_socket(server, [&](WebSocket& socket) -> Task<> {
    // Until nothing moves any more.
    int last = -1;
    while (std::exchange(last, sent.load()) != sent.load() || last == 0)
      co_await pause(milliseconds(300));
    EXPECT_LT(last, kMessages);
    for (int i = 0; i < kMessages; ++i)
      EXPECT_EQ((co_await socket.receive())->data.size(), 100'000U);
  });
}

// ---------------------------------------------------------------- the end

TEST(WebSocket, ClosesInOrderThoughTheServerKeepsTheConnection) {
  int code = 0;
  std::string reason;
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    const Frame close = socket.read();
    code = close.code();
    reason = close.payload.substr(2);
    socket.say(kText, "nobody reads that");
    socket.say(kClose, close.payload);
    EXPECT_TRUE(peer.closed());
  });
  with_socket(server, [](WebSocket& socket) -> Task<> {
    const auto begun = Clock::now();
    co_await socket.close(1001, "going " + std::string(200, 'x'));
    EXPECT_LT(Clock::now() - begun, milliseconds(900));
    const auto end = co_await socket.receive();
    EXPECT_EQ(end->kind, Kind::kClosed);
    EXPECT_EQ(end->code, 1001);
    EXPECT_EQ((co_await socket.send("x")).error().code, sdk::Code::kUnavailable);
    co_await socket.close();
  });
  server.finish();
  EXPECT_EQ(code, 1001);
  EXPECT_EQ(reason.size(), 123U);
}

TEST(WebSocket, DoesNotWaitForEverForTheServersClose) {
  std::atomic<bool> gone{false};
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    EXPECT_EQ(socket.read().opcode, kClose);
    gone = peer.closed();
  });
  with_socket(server, [&](WebSocket& socket) -> Task<> {
    const auto begun = Clock::now();
    auto received = co_await (socket.receive() && socket.close());
    EXPECT_GE(Clock::now() - begun, milliseconds(900));
    EXPECT_EQ(received->kind, Kind::kClosed);
    EXPECT_EQ(received->code, 1006);
    EXPECT_TRUE(co_await until([&] { return gone.load(); }));
  });
}

TEST(WebSocket, TellsHowTheServerCloses) {
  for (const std::string& payload :
       {std::string(), std::string("\x03\xE9"), "\x0F\xA0" + std::string("bye")}) {
    Frame answer;
    Server server([&](Peer& peer) {
      WebSocketPeer socket(peer);
      socket.agree();
      socket.say(kText, "last");
      socket.say(kClose, payload);
      answer = socket.read();
      EXPECT_TRUE(peer.closed());
    });
    with_socket(server, [&](WebSocket& socket) -> Task<> {
      EXPECT_EQ((co_await socket.receive())->data, "last");
      for (int i = 0; i < 2; ++i) {
        const auto end = co_await socket.receive();
        EXPECT_EQ(end->kind, Kind::kClosed);
        EXPECT_EQ(end->code, payload.empty() ? 1005 : payload[0] == 3 ? 1001 : 4000);
        EXPECT_EQ(end->data, payload.size() > 2 ? "bye" : "");
      }
    });
    server.finish();
    EXPECT_EQ(answer.opcode, kClose);
  }
}

TEST(WebSocket, SurvivesThatBothSidesCloseAtOnce) {
  for (int i = 0; i < 20; ++i) {
    Signal ready;
    Server server([&](Peer& peer) {
      WebSocketPeer socket(peer);
      socket.agree();
      ready.wait();
      socket.say(kClose, std::string("\x03\xE8", 2));
      while (socket.read().opcode >= 0) {
      }
    });
    with_socket(server, [&](WebSocket& socket) -> Task<> {
      ready.give();
      const auto begun = Clock::now();
      auto end = co_await (socket.receive() && socket.close() && socket.close());
      EXPECT_EQ(end->kind, Kind::kClosed);
      EXPECT_EQ(end->code, 1000);
      EXPECT_LT(Clock::now() - begun, milliseconds(900));
    });
  }
}

TEST(WebSocket, ClosesWhileMessagesAreBeingSent) {
  Server server([](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    Frame got = socket.read();
    while (got.opcode == kBinary) got = socket.read();
    if (got.opcode == kClose) socket.say(kClose, got.payload);
  });
  with_socket(server, [](WebSocket& socket) -> Task<> {
    const std::string bytes(4 << 20, 'b');
    const auto sent = co_await (socket.send_binary(bytes) && socket.send_binary(bytes) &&
                                then([&] { return socket.close(); }));
    // What had begun arrived whole, or not at all; what had not fails.
    EXPECT_FALSE(std::get<1>(sent));
    EXPECT_EQ((co_await socket.receive())->kind, Kind::kClosed);
  });
}

// ---------------------------------------------------------------- cancellation

TEST(WebSocket, LosesNothingWhenAReceiveIsCancelled) {
  std::vector<Signal> steps(2);
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    for (Signal& step : steps) {
      step.wait();
      socket.say(kText, "half ", false);
      socket.say(kMore, "whole");
    }
    socket.read();
  });
  with_socket(server, [&](WebSocket& socket) -> Task<> {
    for (Signal& step : steps) {
      EXPECT_EQ((co_await (socket.receive() || pause(milliseconds(5)))).index(), 1U);
      step.give();
      EXPECT_EQ((co_await socket.receive())->data, "half whole");
    }
  });
}

TEST(WebSocket, ClosesTheConnectionWhenNobodyWantsItAnyMore) {
  std::atomic<int> gone{0};
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    if (gone == 1) socket.agree();
    gone += peer.closed() ? 1 : 0;
  });
  Loop loop;
  run_on(loop, [](Loop& on, WebSocketRequest request, std::atomic<int>& count) -> Task<> {
    const auto cancelled = co_await (WebSocket::connect(on, request) || pause(milliseconds(50)));
    EXPECT_EQ(cancelled.index(), 1U);
    EXPECT_TRUE(co_await until([&] { return count == 1; }));
    {
      const Connected socket = co_await WebSocket::connect(on, request);
      EXPECT_TRUE(socket);
    }
    EXPECT_TRUE(co_await until([&] { return count == 2; }));
  }(loop, request_to(server), gone));
}

TEST(WebSocket, KeepsMessagesWholeWhoeverIsCancelled) {
  Signal go;
  std::vector<std::string> seen;
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    go.wait();
    for (Frame got = socket.read(); got.opcode == kText; got = socket.read()) {
      EXPECT_TRUE(got.last);
      seen.push_back(got.payload.substr(0, 1) + std::to_string(got.payload.size()));
    }
  });
  with_socket(server, [&](WebSocket& socket) -> Task<> {
    // The first fills the connection, so that the others wait.
    constexpr std::size_t kLong = 15 << 20;
    auto begun = co_await (socket.send(std::string(kLong, 'a')) || pause(milliseconds(20)));
    EXPECT_EQ(begun.index(), 1U);
    auto waiting = co_await (socket.send("never") || pause(milliseconds(5)));
    EXPECT_EQ(waiting.index(), 1U);
    const auto sent = co_await (socket.send(std::string(kLong, 'b')) &&
                                socket.send(std::string(kLong, 'c')) && then([&] {
                                  go.give();
                                  return pause(milliseconds(0));
                                }));
    EXPECT_TRUE(std::get<0>(sent));
    EXPECT_EQ(std::get<1>(sent).error().code, sdk::Code::kBusy);
    EXPECT_TRUE(co_await socket.send("d"));
    co_await socket.close();
  });
  server.finish();
  EXPECT_EQ(seen, (std::vector<std::string>{"a15728640", "b15728640", "d1"}));
}

TEST(WebSocket, MayGoWithItsLoop) {
  Server server([](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    socket.echo();
  });
  std::unique_ptr<WebSocket> socket;
  Loop loop;
  run_on(loop, [](Loop& on, WebSocketRequest request, std::unique_ptr<WebSocket>& into) -> Task<> {
    into = *co_await WebSocket::connect(on, request);
    on.spawn([](WebSocket& from) -> Task<> { co_await from.receive(); }(*into));
    on.spawn(
        [](WebSocket& from) -> Task<> { co_await from.send(std::string(8 << 20, 'x')); }(*into));
    co_await pause(milliseconds(1));
  }(loop, request_to(server), socket));
  socket.reset();
}

// ---------------------------------------------------------------- proxies

TEST(WebSocket, GoesThroughTheProxyThatIsConfigured) {
  std::atomic<int> tunnels{0};
  Server proxy([&](Peer& peer) {
    const std::string request = peer.request();
    if (request.starts_with("CONNECT chat.invalid:80 ")) ++tunnels;
    peer.say("HTTP/1.1 200 Connection established\r\n\r\n");
    WebSocketPeer socket(peer);
    socket.agree();
    socket.echo();
  });
  Server refusing([](Peer& peer) {
    peer.request();
    peer.say("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  });
  const std::string url = "http://127.0.0.1:" + std::to_string(proxy.port());
  ::setenv("http_proxy", url.c_str(), 1);
  ::unsetenv("no_proxy");
  ::unsetenv("NO_PROXY");
  Loop loop;
  run_on(loop, [](Loop& on, std::string given) -> Task<> {
    for (const HttpClientOptions& options :
         {HttpClientOptions{.proxy = given}, HttpClientOptions{.proxy_from_environment = true}}) {
      const Connected socket =
          co_await WebSocket::connect(on, {.url = "ws://chat.invalid/"}, options);
      EXPECT_TRUE(socket) << socket.error().message;
      if (!socket) continue;
      EXPECT_TRUE(co_await (*socket)->send("through"));
      EXPECT_EQ((co_await (*socket)->receive())->data, "through");
    }
  }(loop, url));
  EXPECT_EQ(tunnels, 2);
  ::unsetenv("http_proxy");
  const WebSocketError refusal =
      refusal_of({.url = "ws://chat.invalid/"},
                 {.proxy = "http://127.0.0.1:" + std::to_string(refusing.port())});
  EXPECT_EQ(refusal.code, sdk::Code::kUnavailable);
  EXPECT_NE(refusal.message.find("407"), std::string::npos) << refusal.message;
}

}  // namespace
}  // namespace viaduct::net
