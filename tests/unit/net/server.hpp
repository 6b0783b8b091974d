// A server of a test's own making, on a port of its own: what it says is written by the test, byte
// by byte, on a thread for each connection.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>
#include <viaduct/net/http_client.hpp>

namespace viaduct::net {

// One connection of a server that the test writes.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  ~Peer() { ::close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // The head and as much body as it announces.
  std::string request() {
    std::string text;
    for (;;) {
      const auto end = text.find("\r\n\r\n");
      if (end != text.npos) {
        const auto length = text.find("Content-Length: ");
        const std::size_t body = length == text.npos ? 0 : std::stoul(text.substr(length + 16));
        if (text.size() >= end + 4 + body) return text;
      }
      char bytes[65536];
      const ssize_t size = ::recv(fd_, bytes, sizeof bytes, 0);
      if (size <= 0) return {};
      text.append(bytes, static_cast<std::size_t>(size));
    }
  }
  // Exactly so much; empty: the client has gone.
  std::string take(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t at = 0; at < size;) {
      const ssize_t more = ::recv(fd_, bytes.data() + at, size - at, 0);
      if (more <= 0) return {};
      at += static_cast<std::size_t>(more);
    }
    return bytes;
  }
  bool say(std::string_view text) {
    while (!text.empty()) {
      const ssize_t size = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }
  // Until the client closes; false after 20 s.
  bool closed() {
    pollfd end{fd_, POLLIN, 0};
    char byte = 0;
    constexpr int kPatience = 20'000;
    return ::poll(&end, 1, kPatience) > 0 && ::recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  int fd_;
};

// Listens on a port of its own; each connection is served on its own thread.
class Server {
 public:
  explicit Server(std::function<void(Peer&)> serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 100), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        const timeval patience{20, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        ++connections_;
        threads_.emplace_back([this, fd] {
          Peer peer(fd);
          serve_(peer);
        });
      }
    });
  }
  ~Server() {
    finish();
    ::close(listener_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  HttpRequest get(const std::string& path = "/") const {
    HttpRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(port_) + path;
    return request;
  }
  // Takes no more connections, and waits for those that are there: what they wrote may be read.
  void finish() {
    ::shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  std::function<void(Peer&)> serve_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
  std::vector<std::thread> threads_;
};

// A gate that the server's thread waits at.
class Signal {
 public:
  void give() { given_ = true; }
  bool wait() const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!given_ && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return given_;
  }
  bool given() const { return given_; }

 private:
  std::atomic<bool> given_{false};
};

}  // namespace viaduct::net
