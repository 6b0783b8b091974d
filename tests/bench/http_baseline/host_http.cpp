// The host's HTTP server with a handler that answers at once: what it adds to bare Beast, and what
// an idle WebSocket costs. GET /apps/bench/hello, WebSocket /apps/bench/ws. Prints its port; ends
// on SIGTERM.
#include "host/http/server.hpp"
#include "host/loop.hpp"
#include "host/telemetry/log.hpp"
#include "host/telemetry/metrics.hpp"

#include <boost/asio/signal_set.hpp>

#include <cstdio>

namespace {

using namespace viaduct;

class Hello final : public http::Handler {
 public:
  http::Server* server = nullptr;
  void request(http::Request request) override {
    if ((request.flags & VIADUCT_ROUTE_WEBSOCKET) != 0) return server->accept(request.id);
    server->respond(request.id, {200, {{"Content-Type", "text/plain"}}, "hello"});
  }
  void message(http::ExchangeId exchange, std::string text) override {
    server->send(exchange, std::move(text));
  }
  void writable(http::ExchangeId) override {}
  void closed(http::ExchangeId, std::uint16_t, std::string) override {}
};

}  // namespace

int main() {
  const Redactor redactor;
  const auto sink = make_log_sink({}, redactor);
  Metrics metrics;
  Loop loop;
  http::Options options;
  options.listen = "127.0.0.1:0";
  const auto server = http::make_server(loop, options, metrics, Logger(*sink, "http"));
  Hello hello;
  hello.server = server.get();
  const auto mount = server->mount("bench", hello);
  const bool routed = mount->route("GET", "/hello", 0, 1).has_value() &&
                      mount->route("GET", "/ws", VIADUCT_ROUTE_WEBSOCKET, 2).has_value();
  const auto started = server->start();
  if (!routed || !started) {
    std::fprintf(stderr, "%s\n", started ? "no routes" : started.error().message.c_str());
    return 1;
  }
  const std::string address = server->address();
  std::printf("%s\n", address.substr(address.rfind(':') + 1).c_str());
  std::fflush(stdout);
  boost::asio::signal_set signals(loop.context(), SIGTERM, SIGINT);
  signals.async_wait([&](boost::system::error_code, int) { loop.stop(); });
  loop.run();
}
