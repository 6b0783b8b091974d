// wss:// against the server of openssl, with a certificate that only this test trusts. That server
// passes on what comes and what is put into it, so that the frames are the test's own.
#include "tests/unit/net/on_loop.hpp"
#include "tests/unit/net/websocket_peer.hpp"

#include <viaduct/net/child_process.hpp>
#include <viaduct/net/websocket.hpp>

#include <filesystem>

namespace viaduct::net {
namespace {

constexpr const char* kServer =
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out "
    "cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 2>/dev/null && "
    "exec openssl s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem";

// What the server prints, which is also what the client says.
class Output {
 public:
  explicit Output(ChildProcess& server) : server_(server) {}
  // Through the next `end`; empty: it has ended.
  Task<std::string> through(std::string end) {
    for (;;) {
      if (const auto at = seen_.find(end); at != seen_.npos) co_return cut(at + end.size());
      if (!co_await more()) co_return "";
    }
  }
  Task<Frame> frame() {
    for (;;) {
      std::size_t at = 0;
      bool short_of = false;
      const Frame frame = read_frame([&](std::size_t size) {
        if (seen_.size() - at < size) short_of = true;
        if (short_of) return std::string(size, '\0');
        return seen_.substr(std::exchange(at, at + size), size);
      });
      if (!short_of) {
        cut(at);
        co_return frame;
      }
      if (!co_await more()) co_return Frame{};
    }
  }

 private:
  Task<bool> more() {
    const auto bytes = co_await server_.read();
    if (!bytes || bytes->empty()) co_return false;
    seen_ += *bytes;
    co_return true;
  }
  std::string cut(std::size_t size) {
    std::string first = seen_.substr(0, size);
    seen_.erase(0, size);
    return first;
  }
  ChildProcess& server_;
  std::string seen_;
};

Task<> serve(ChildProcess& server, Output& output) {
  const std::string before = co_await output.through("GET /over/tls ");
  EXPECT_FALSE(before.empty());
  const std::string request = "GET /over/tls " + co_await output.through("\r\n\r\n");
  EXPECT_TRUE(co_await server.write(agreement(request) + frame(kText, "hello")));
  const Frame said = co_await output.frame();
  EXPECT_TRUE(said.masked);
  EXPECT_EQ(said.payload.size(), 300'000U);
  EXPECT_TRUE(co_await server.write(frame(kText, said.payload)));
  const Frame close = co_await output.frame();
  EXPECT_EQ(close.opcode, kClose);
  EXPECT_TRUE(co_await server.write(frame(kClose, close.payload)));
}

Task<> talk(Loop& loop, std::string folder, bool& ran) {
  auto server = ChildProcess::start(loop, {.arguments = {"sh", "-c", kServer},
                                           .environment = {"PATH=/usr/local/bin:/usr/bin:/bin"},
                                           .working_dir = folder,
                                           .lines = false});
  Output output(**server);
  co_await output.through("ACCEPT 127.0.0.1:");
  const std::string port = co_await output.through("\n");
  if (port.empty()) co_return;  // no openssl here
  ran = true;
  const auto at = [&](const std::string& host) {
    return WebSocketRequest{.url = "wss://" + host + ":" + port.substr(0, port.size() - 1) +
                                   "/over/tls"};
  };
  const HttpClientOptions trusting{.ca_file = folder + "/cert.pem"};
  const auto unknown = co_await WebSocket::connect(loop, at("localhost"));
  EXPECT_EQ(unknown.error().code, sdk::Code::kFailedPrecondition) << unknown.error().message;
  const auto other_name = co_await WebSocket::connect(loop, at("127.0.0.1"), trusting);
  EXPECT_EQ(other_name.error().code, sdk::Code::kFailedPrecondition) << other_name.error().message;

  bool served = false;
  loop.spawn(serve(**server, output), [&](const Result<>&) { served = true; });
  auto known = co_await WebSocket::connect(loop, at("localhost"), trusting);
  EXPECT_TRUE(known) << known.error().message;
  if (!known) co_return;
  WebSocket& socket = **known;
  EXPECT_EQ((co_await socket.receive())->data, "hello");
  // Dots, since some letters are commands to that server.
  EXPECT_TRUE(co_await socket.send(std::string(300'000, '.')));
  EXPECT_EQ((co_await socket.receive())->data.size(), 300'000U);
  co_await socket.close();
  EXPECT_EQ((co_await socket.receive())->code, 1000);
  EXPECT_TRUE(co_await until([&] { return served; }));
  co_await (*server)->stop(milliseconds(1000));
}

TEST(WebSocket, ChecksTheCertificateAndItsName) {
  std::string folder = std::filesystem::temp_directory_path() / "viaduct-wss-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  bool ran = false;
  Loop loop;
  run_on(loop, talk(loop, folder, ran));
  std::filesystem::remove_all(folder);
  if (!ran) GTEST_SKIP() << "openssl is not installed";
}

}  // namespace
}  // namespace viaduct::net
