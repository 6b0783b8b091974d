#include "tests/unit/http/harness.hpp"

#include "host/http/uri.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace viaduct::http::testing {

Client::Client(const std::string& where, int receive_buffer) : address(where) {
  const auto authority = parse_authority(where);
  if (!authority) return;
  if (authority->host.starts_with('[')) {
    socket_ = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  } else {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  }
  timeval limit{std::chrono::seconds(kPatience).count(), 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (receive_buffer > 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  int failed = 0;
  if (authority->host.starts_with('[')) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_addr = in6addr_loopback;
    to.sin6_port = htons(authority->port);
    failed = ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to);
  } else {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(authority->port);
    inet_pton(AF_INET, authority->host.c_str(), &to.sin_addr);
    failed = ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  if (failed != 0) {
    ::close(socket_);
    socket_ = -1;
  }
}

Client::~Client() {
  if (socket_ >= 0) ::close(socket_);
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Client::fill() {
  char space[65536];
  const ssize_t size = ::recv(socket_, space, sizeof space, 0);
  if (size <= 0) return false;
  buffer_.append(space, static_cast<std::size_t>(size));
  return true;
}

std::string Client::some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

bool Client::read_until(std::string_view mark, std::string& all) {
  for (;;) {
    const std::size_t at = buffer_.find(mark);
    if (at != std::string::npos) {
      all = buffer_.substr(0, at + mark.size());
      buffer_.erase(0, at + mark.size());
      return true;
    }
    if (!fill()) return false;
  }
}

bool Client::ended() {
  for (;;) {
    char space[65536];
    const ssize_t size = ::recv(socket_, space, sizeof space, 0);
    if (size == 0 || (size < 0 && errno == ECONNRESET)) return true;
    if (size < 0) return false;
  }
}

void Client::half_close() {
  ::shutdown(socket_, SHUT_WR);
}

void Client::reset() {
  const linger now{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(std::exchange(socket_, -1));
}

Reply Client::reply(bool head) {
  Reply reply;
  std::string text;
  if (!read_until("\r\n\r\n", text)) return reply;
  reply.status = static_cast<unsigned>(std::strtoul(text.c_str() + 9, nullptr, 10));
  for (std::size_t at = text.find("\r\n") + 2; at + 2 < text.size();) {
    const std::size_t end = text.find("\r\n", at);
    const std::size_t colon = text.find(": ", at);
    std::string name = text.substr(at, colon - at);
    std::ranges::transform(name, name.begin(),
                           [](char c) { return static_cast<char>(tolower(c)); });
    reply.headers.emplace(std::move(name), text.substr(colon + 2, end - colon - 2));
    at = end + 2;
  }
  reply.complete = true;
  if (head || reply.status < 200 || reply.status == 204 || reply.status == 304) return reply;
  if (reply.header("transfer-encoding") == "chunked") {
    for (;;) {
      std::string line;
      if (!(reply.complete = read_until("\r\n", line))) return reply;
      std::size_t size = std::strtoul(line.c_str(), nullptr, 16) + 2;
      while (buffer_.size() < size)
        if (!fill()) {
          reply.complete = false;
          return reply;
        }
      reply.body += buffer_.substr(0, size - 2);
      buffer_.erase(0, size);
      if (size == 2) return reply;
    }
  }
  if (reply.headers.contains("content-length")) {
    const std::size_t size = std::strtoul(reply.header("content-length").c_str(), nullptr, 10);
    while (buffer_.size() < size && fill()) {
    }
    reply.complete = buffer_.size() >= size;
    reply.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return reply;
  }
  while (fill()) {
  }
  reply.body = std::exchange(buffer_, {});
  return reply;
}

ServerTest::ServerTest() {
  options.listen = "127.0.0.1:0";
  work_.emplace(loop.context().get_executor());
  thread_ = std::thread([this] { loop.run(); });
}

ServerTest::~ServerTest() {
  stop();
  work_.reset();
  loop.stop();
  thread_.join();
}

void ServerTest::start() {
  const Result<> started = on_loop([this] {
    server = make_server(loop, options, metrics, Logger(lines, "http"));
    mount = server->mount("web-chat", handler);
    return server->start();
  });
  ASSERT_TRUE(started) << started.error().message;
  address = server->address();
  webhooks = server->webhooks_address();
}

void ServerTest::stop() {
  on_loop([this] {
    mount.reset();
    server.reset();
  });
}

}  // namespace viaduct::http::testing
