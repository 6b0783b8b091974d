// A WebSocket of a test, on a loop of its own.
#pragma once

#include "tests/unit/net/on_loop.hpp"
#include "tests/unit/net/websocket_peer.hpp"

#include <functional>
#include <utility>
#include <viaduct/net/websocket.hpp>

namespace viaduct::net {

using Connected = std::expected<std::unique_ptr<WebSocket>, WebSocketError>;

inline WebSocketRequest request_to(const Server& server) {
  WebSocketRequest request;
  request.url = "ws://127.0.0.1:" + std::to_string(server.port()) + "/link/?ticket=secret";
  return request;
}

// Connects and gives the socket to the test; fails it where there is none.
inline void with_socket(WebSocketRequest request, std::function<Task<>(WebSocket&)> test) {
  Loop loop;
  run_on(loop, [](Loop& on, WebSocketRequest to, std::function<Task<>(WebSocket&)> then) -> Task<> {
    Connected socket = co_await WebSocket::connect(on, to);
    if (!socket)
      ADD_FAILURE() << socket.error().message;
    else
      co_await then(**socket);
  }(loop, std::move(request), std::move(test)));
}
inline void with_socket(const Server& server, std::function<Task<>(WebSocket&)> test) {
  with_socket(request_to(server), std::move(test));
}

// For the operators, which take no coroutine without a value behind two that have one.
inline Task<bool> then(std::function<Task<>()> start) {
  co_await start();
  co_return true;
}

// The failure of a connection that must not come about.
inline WebSocketError refusal_of(WebSocketRequest request, HttpClientOptions options = {}) {
  WebSocketError refusal;
  Loop loop;
  run_on(loop,
         [](Loop& on, WebSocketRequest to, HttpClientOptions with, WebSocketError& why) -> Task<> {
           const Connected socket = co_await WebSocket::connect(on, to, with);
           EXPECT_FALSE(socket);
           if (!socket) why = socket.error();
         }(loop, std::move(request), std::move(options), refusal));
  EXPECT_EQ(refusal.message.find("secret"), std::string::npos) << refusal.message;
  return refusal;
}

}  // namespace viaduct::net
