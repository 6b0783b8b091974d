// A running server with one mount, whose handler remembers what it was told, and clients that
// speak to it over real sockets. Used by the tests of host/http only.
#pragma once

#include "host/http/server.hpp"
#include "host/loop.hpp"
#include "host/telemetry/log.hpp"
#include "host/telemetry/metrics.hpp"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace viaduct::http::testing {

using namespace std::chrono_literals;

// How long anything may take before a test fails.
inline constexpr auto kPatience = 30s;

class Lines final : public LogSink {
 public:
  void write(Level, std::string_view, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(message);
  }
  bool enabled(Level) const override { return true; }
  bool has(std::string_view part) const {
    const std::lock_guard lock(mutex_);
    for (const std::string& line : lines_)
      if (line.find(part) != std::string::npos) return true;
    return false;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

// Calls come on the loop; tests look from their own thread.
class Recorder final : public Handler {
 public:
  struct Closed {
    std::uint16_t code;
    std::string reason;
  };
  std::function<void(const Request&)> on_request;
  std::function<void(ExchangeId, const std::string&)> on_message;
  std::function<void(ExchangeId)> on_writable;

  void request(Request request) override {
    const auto act = on_request;
    const Request copy = request;
    note([&] { requests_.push_back(std::move(request)); });
    if (act) act(copy);
  }
  void message(ExchangeId exchange, std::string text) override {
    note([&] { messages_.push_back(text); });
    if (on_message) on_message(exchange, text);
  }
  void writable(ExchangeId exchange) override {
    note([&] { ++writables_; });
    if (on_writable) on_writable(exchange);
  }
  void closed(ExchangeId exchange, std::uint16_t code, std::string reason) override {
    note([&] { closed_.emplace(exchange, Closed{code, std::move(reason)}); });
  }

  // The n-th request, from 0.
  Request wait_request(std::size_t n = 0) {
    wait([&] { return requests_.size() > n; }, "a request");
    const std::lock_guard lock(mutex_);
    return n < requests_.size() ? requests_[n] : Request{};
  }
  std::vector<std::string> wait_messages(std::size_t n) {
    wait([&] { return messages_.size() >= n; }, "messages");
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  Closed wait_closed(ExchangeId exchange) {
    wait([&] { return closed_.contains(exchange); }, "closed()");
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(closed_.count(exchange), 1u);
    return closed_.contains(exchange) ? closed_.find(exchange)->second : Closed{};
  }
  void wait_writables(int n) {
    wait([&] { return writables_ >= n; }, "writable()");
  }
  int writables() const {
    const std::lock_guard lock(mutex_);
    return writables_;
  }
  std::size_t requests() const {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }
  std::size_t closeds() const {
    const std::lock_guard lock(mutex_);
    return closed_.size();
  }

 private:
  template <class F>
  void note(F f) {
    {
      const std::lock_guard lock(mutex_);
      f();
    }
    changed_.notify_all();
  }
  template <class F>
  void wait(F until, const char* what) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, until)) << "waited in vain for " << what;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Request> requests_;
  std::vector<std::string> messages_;
  std::multimap<ExchangeId, Closed> closed_;
  int writables_ = 0;
};

struct Reply {
  unsigned status = 0;
  std::multimap<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool complete = false;
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

// A client that says exactly what it is told to.
class Client {
 public:
  explicit Client(const std::string& address, int receive_buffer = 0);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool send(std::string_view bytes);
  // The next answer; `complete` is false when the connection ends or patience does.
  Reply reply(bool head = false);
  // Bytes, at least one of them; empty when the connection has ended.
  std::string some();
  bool read_until(std::string_view mark, std::string& all);
  // Whether the server ends the connection, perhaps after more bytes.
  bool ended();
  void half_close();
  void reset();  // closes with RST
  std::string address;

 private:
  bool fill();
  int socket_ = -1;
  std::string buffer_;
};

inline std::string get(const std::string& path, const std::string& host,
                       const std::string& more = {}, const std::string& method = "GET") {
  return method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n";
}
inline std::string post(const std::string& path, const std::string& host, const std::string& body,
                        const std::string& more = {}) {
  return "POST " + path + " HTTP/1.1\r\nHost: " + host +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  // Opens the listeners; `options` may be changed before.
  void start();
  void stop();  // the mount, the server, then the loop
  // Runs on the loop and waits for it.
  template <class F>
  auto on_loop(F f) {
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto result = task.get_future();
    loop.post(std::move(task));
    return result.get();
  }
  Reply ask(const std::string& request, bool head = false) {
    Client client(address);
    client.send(request);
    return client.reply(head);
  }
  std::string app(const std::string& path) { return get(path, address); }

  Options options;
  Lines lines;
  Metrics metrics;
  Loop loop;
  Recorder handler;
  std::unique_ptr<Server> server;
  std::unique_ptr<Mount> mount;
  std::string address;
  std::string webhooks;

 private:
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  std::thread thread_;
};

}  // namespace viaduct::http::testing
