// A client on loopback for the figures: sockets that block, and as little work as can be, so that
// what is measured is the server. One thread. Whatever goes wrong ends the process, with a reason.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::bench {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, as the stamps of stamp_backend.c

[[noreturn]] void give_up(const std::string& why);

// CLOCK_MONOTONIC in nanoseconds.
std::int64_t now_ns();

int connect_to(unsigned port);
void say(int fd, std::string_view text);
std::string numbered(std::string text, int number);  // every "{}" becomes the number
void allow_many_files();                             // as many as the hard limit allows

long rss_bytes(const std::string& pid);
double cpu_seconds(const std::string& pid);

// The median, the 99th percentile and the longest of some times.
struct Spread {
  double p50 = 0;
  double p99 = 0;
  double max = 0;
};
Spread spread(std::vector<double> values);

// The client's end of a WebSocket.
class Viewer {
 public:
  Viewer(unsigned port, const std::string& path);  // connects and upgrades
  int fd() const { return fd_; }
  void send(std::string_view text);
  void pong();

  // Takes what has come; false when the server has gone. Blocks until there is something.
  bool receive();
  // The next whole text message of what was taken; it is valid until receive(). Pings are answered
  // and left out.
  std::optional<std::string_view> next();
  // The next text message, whenever it comes, for at most `limit`.
  std::string_view wait(std::chrono::seconds limit = std::chrono::seconds(60));
  // Skips what comes before a message with this text in it.
  std::string_view wait_for(std::string_view part);
  std::size_t received() const { return received_; }

 private:
  int fd_;
  std::string text_;
  std::size_t taken_ = 0;  // of text_
  std::size_t received_ = 0;
};

// "{…}" with a request of the web chat's protocol.
std::string hello();
std::string quoted(std::string_view text);  // no escapes: for texts without quotation marks

}  // namespace viaduct::bench
