#include "client.hpp"
#include "loads.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>

namespace viaduct::bench {
namespace {

// Size of the whole answer at the beginning of `text`, 0 while it is not all there.
std::size_t answer_size(std::string_view text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::size_t at = text.find("Content-Length: ");
  if (at > end) return 0;
  const std::size_t size = end + 4 + std::strtoul(text.data() + at + 16, nullptr, 10);
  return text.size() >= size ? size : 0;
}

std::string request_of(unsigned port, const std::string& path, const std::string& body,
                       int number) {
  const std::string head = (body.empty() ? "GET " : "POST ") + numbered(path, number) +
                           " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n";
  if (body.empty()) return head + "\r\n";
  const std::string text = numbered(body, number);
  return head + "Content-Type: application/json\r\nContent-Length: " + std::to_string(text.size()) +
         "\r\n\r\n" + text;
}

struct Connection {
  int fd;
  std::string request;
  std::string text;
  Clock::time_point asked;
};

}  // namespace

void requests(unsigned port, const std::string& path, int connections, double seconds,
              const std::string& body) {
  std::vector<Connection> open;
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < connections; ++i)
    open.push_back({connect_to(port), request_of(port, path, body, i), {}, {}});
  for (std::size_t i = 0; i < open.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, open[i].fd, &event);
    open[i].asked = Clock::now();
    say(open[i].fd, open[i].request);
  }
  std::vector<double> took;
  std::size_t bad = 0;
  std::string worst;
  const auto begin = Clock::now();
  const auto until = begin + std::chrono::duration<double>(seconds);
  epoll_event events[256];
  char space[65536];
  auto now = Clock::now();
  while (now < until) {
    const int ready = ::epoll_wait(poll, events, 256, 100);
    now = Clock::now();
    for (int i = 0; i < ready; ++i) {
      Connection& one = open[events[i].data.u64];
      const ssize_t size = ::recv(one.fd, space, sizeof space, 0);
      if (size <= 0) give_up("the server closed a connection");
      one.text.append(space, static_cast<std::size_t>(size));
      if (const std::size_t whole = answer_size(one.text); whole > 0) {
        if (!one.text.starts_with("HTTP/1.1 200 ")) {
          ++bad;
          worst = one.text.substr(0, whole);
        }
        one.text.erase(0, whole);
        took.push_back(std::chrono::duration<double, std::micro>(now - one.asked).count());
        one.asked = Clock::now();
        say(one.fd, one.request);
      }
    }
  }
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  const double rate = static_cast<double>(took.size()) / elapsed;
  const Spread times = spread(std::move(took));
  if (bad > 0) give_up(std::to_string(bad) + " requests failed, the last with\n" + worst);
  std::printf(
      "{\"connections\":%d,\"per_second\":%.1f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n",
      connections, rate, times.p50, times.p99, times.max);
}

}  // namespace viaduct::bench
