// What a server may do wrong.
#include "tests/unit/net/websocket_on_loop.hpp"

#include <random>

namespace viaduct::net {
namespace {

using Kind = WebSocketMessage::Kind;

struct AnswerCase {
  const char* name;
  std::string answer;  // "KEY" becomes Sec-WebSocket-Accept as it should be
  int status;
};
void PrintTo(const AnswerCase& one, std::ostream* out) {
  *out << one.name;
}
class WebSocketAnswer : public testing::TestWithParam<AnswerCase> {};

TEST_P(WebSocketAnswer, ThatDoesNotAgreeIsTold) {
  Server server([](Peer& peer) {
    const std::string request = peer.request();
    std::string answer = GetParam().answer;
    if (const auto at = answer.find("KEY"); at != answer.npos)
      answer.replace(at, 3, accept_of(request));
    peer.say(answer);
  });
  const WebSocketError refusal = refusal_of(request_to(server));
  EXPECT_EQ(refusal.code, sdk::Code::kUnavailable) << refusal.message;
  EXPECT_EQ(refusal.answer.status, GetParam().status) << refusal.message;
  EXPECT_NE(refusal.message.find("127.0.0.1:"), std::string::npos) << refusal.message;
  if (GetParam().status == 429) EXPECT_EQ(refusal.answer.retry_after(), std::chrono::seconds(7));
}

INSTANTIATE_TEST_SUITE_P(
    Servers, WebSocketAnswer,
    testing::Values(
        AnswerCase{"busy", "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno",
                   429},
        AnswerCase{"timed_out", "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n", 408},
        AnswerCase{"elsewhere",
                   "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
                   302},
        AnswerCase{"page", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", 200},
        AnswerCase{
            "wrong_key",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            101},
        AnswerCase{"no_key",
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\n\r\n",
                   101},
        AnswerCase{"other_protocol",
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n",
                   101},
        AnswerCase{
            "subprotocol_nobody_offered",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol: mine\r\n\r\n",
            101},
        AnswerCase{"no_http", "SSH-2.0-OpenSSH_9.2\r\n", 0}, AnswerCase{"nothing", "", 0},
        AnswerCase{"half", "HTTP/1.1 101 Switching Prot", 0},
        AnswerCase{"long_head", "HTTP/1.1 429 No\r\nX-A: " + std::string(40'000, 'x') + "\r\n\r\n",
                   0}),
    [](const auto& at) { return std::string(at.param.name); });

struct FaultCase {
  const char* name;
  std::string bytes;
  sdk::Code code;
  int told;  // the close code that the server gets
};
void PrintTo(const FaultCase& one, std::ostream* out) {
  *out << one.name;
}
class WebSocketFault : public testing::TestWithParam<FaultCase> {};

TEST_P(WebSocketFault, EndsTheConnectionAndIsToldToBothSides) {
  int told = 0;
  Server server([&](Peer& peer) {
    WebSocketPeer socket(peer);
    socket.agree();
    peer.say(frame(kText, "before") + GetParam().bytes);
    const Frame last = socket.read();
    if (last.opcode == kClose) told = last.code();
    EXPECT_TRUE(peer.closed());
  });
  WebSocketRequest request = request_to(server);
  request.max_message_bytes = 1'000;
  with_socket(request, [](WebSocket& socket) -> Task<> {
    EXPECT_EQ((co_await socket.receive())->data, "before");
    for (int i = 0; i < 2; ++i) {
      const auto end = co_await socket.receive();
      EXPECT_FALSE(end);
      if (!end) {
        EXPECT_EQ(end.error().code, GetParam().code) << end.error().message;
        EXPECT_EQ(end.error().message.find("secret"), std::string::npos);
      }
    }
    EXPECT_EQ((co_await socket.send("more")).error().code, sdk::Code::kUnavailable);
  });
  server.finish();
  EXPECT_EQ(told, GetParam().told);
}

INSTANTIATE_TEST_SUITE_P(
    Servers, WebSocketFault,
    testing::Values(
        FaultCase{"long_frame", frame(kText, std::string(1'001, 'l')), sdk::Code::kBusy, 1009},
        FaultCase{"announced_too_long", std::string("\x81\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10),
                  sdk::Code::kBusy, 1009},
        FaultCase{"long_in_pieces",
                  frame(kText, std::string(900, 'l'), false) + frame(kMore, std::string(900, 'l')),
                  sdk::Code::kBusy, 1009},
        FaultCase{"no_utf8", frame(kText, "a\xFF"), sdk::Code::kUnavailable, 1007},
        FaultCase{"half_a_character", frame(kText, "a\xC3"), sdk::Code::kUnavailable, 1007},
        FaultCase{"surrogate", frame(kText, "\xED\xA0\x80"), sdk::Code::kUnavailable, 1007},
        FaultCase{"reserved_bit", std::string("\xC1\x01x"), sdk::Code::kUnavailable, 1002},
        FaultCase{"unknown_opcode", frame(3, "x"), sdk::Code::kUnavailable, 1002},
        FaultCase{"masked", std::string("\x81\x81") + "\x01\x02\x03\x04y", sdk::Code::kUnavailable,
                  1002},
        FaultCase{"rest_of_nothing", frame(kMore, "x"), sdk::Code::kUnavailable, 1002},
        FaultCase{"text_in_text", frame(kText, "x", false) + frame(kText, "y"),
                  sdk::Code::kUnavailable, 1002},
        FaultCase{"cut_ping", frame(kPing, "x", false), sdk::Code::kUnavailable, 1002},
        FaultCase{"long_ping", frame(kPing, std::string(126, 'x')), sdk::Code::kUnavailable, 1002},
        FaultCase{"close_of_one_byte", frame(kClose, "x"), sdk::Code::kUnavailable, 1002},
        FaultCase{"close_without_meaning", frame(kClose, std::string("\x03\xED", 2)),
                  sdk::Code::kUnavailable, 1002}),
    [](const auto& at) { return std::string(at.param.name); });

// A walk that is the same every time, through frames that are nearly right.
TEST(WebSocket, SurvivesWhateverAServerSays) {
  constexpr unsigned kWalks = 300;
  std::atomic<unsigned> next{0};
  Server server([&](Peer& peer) {
    std::mt19937 random(next++);
    const auto below = [&](unsigned most) { return static_cast<int>(random() % most); };
    WebSocketPeer socket(peer);
    std::string bytes = agreement(socket.request());
    const std::size_t head = bytes.size();
    for (int i = below(6); i >= 0; --i)
      bytes +=
          frame(below(11), std::string(static_cast<std::size_t>(below(300)), 'x'), below(4) > 0);
    for (int i = below(4); i > 0; --i) {
      const bool in_head = below(5) == 0;
      const auto at = static_cast<std::size_t>(
          in_head ? below(static_cast<unsigned>(head))
                  : static_cast<int>(head) + below(static_cast<unsigned>(bytes.size() - head)));
      bytes[at] = static_cast<char>(below(256));
    }
    // In two pieces, cut anywhere.
    const auto cut = static_cast<std::size_t>(below(static_cast<unsigned>(bytes.size())));
    if (peer.say(bytes.substr(0, cut))) peer.say(bytes.substr(cut));
  });
  WebSocketRequest request = request_to(server);
  request.max_message_bytes = 400;
  Loop loop;
  run_on(loop, [](Loop& on, WebSocketRequest to) -> Task<> {
    unsigned agreed = 0;
    for (unsigned i = 0; i < kWalks; ++i) {
      const Connected socket = co_await WebSocket::connect(on, to);
      if (!socket) continue;
      ++agreed;
      for (int messages = 0;; ++messages) {
        const auto message = co_await (*socket)->receive();
        if (!message || message->kind == Kind::kClosed) break;
        EXPECT_LE(message->data.size(), 400U);
        EXPECT_LT(messages, 10);
      }
    }
    EXPECT_GT(agreed, kWalks / 2);
  }(loop, request));
}

}  // namespace
}  // namespace viaduct::net
