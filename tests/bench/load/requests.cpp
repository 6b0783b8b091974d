#include "client.hpp"
#include "loads.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

namespace viaduct::bench {
namespace {

constexpr auto kLongestReplay = std::chrono::minutes(2);

// Size of the whole answer at the beginning of `text`, 0 while it is not all there.
std::size_t answer_size(std::string_view text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::size_t at = text.find("Content-Length: ");
  if (at > end) {  // in pieces, of which the last is empty
    const std::size_t last = text.find("\r\n0\r\n\r\n", end);
    return last == std::string_view::npos ? 0 : last + 7;
  }
  const std::size_t size = end + 4 + std::strtoul(text.data() + at + 16, nullptr, 10);
  return text.size() >= size ? size : 0;
}

// Requests that somebody else has signed, each behind its length in four bytes.
std::vector<std::string> read_requests(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<std::string> requests;
  unsigned char size[4];
  while (in.read(reinterpret_cast<char*>(size), sizeof size)) {
    std::string& request =
        requests.emplace_back(size[0] | std::size_t{size[1]} << 8 | std::size_t{size[2]} << 16 |
                                  std::size_t{size[3]} << 24,
                              '\0');
    if (!in.read(request.data(), static_cast<std::streamsize>(request.size())))
      give_up(file + " is cut off");
  }
  if (requests.empty()) give_up(file + " has no requests");
  return requests;
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
  int fd = -1;
  std::string text;
  Clock::time_point asked;
};

struct Seen {
  std::vector<double> took;  // microseconds
  std::map<std::string, std::size_t> statuses;
  std::string worst;  // the last answer that was not 200
  double seconds = 0;
};

// One request at a time on each connection: `next` gives what connection `i` sends now, or null
// when it has said all. At most for `limit`.
template <class Next>
Seen exchange(unsigned port, int connections, Clock::duration limit, Next next) {
  std::vector<Connection> open(static_cast<std::size_t>(connections));
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 0; i < open.size(); ++i) {
    open[i].fd = connect_to(port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, open[i].fd, &event);
  }
  Seen seen;
  std::size_t waiting = 0;
  const auto ask = [&](std::size_t i) {
    const std::string* request = next(i);
    if (request == nullptr) return;
    ++waiting;
    open[i].asked = Clock::now();
    say(open[i].fd, *request);
  };
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < open.size(); ++i) ask(i);
  epoll_event events[256];
  char space[65536];
  auto now = begin;
  while (waiting > 0 && now < begin + limit) {
    const int ready = ::epoll_wait(poll, events, 256, 100);
    now = Clock::now();
    for (int i = 0; i < ready; ++i) {
      const std::size_t number = events[i].data.u64;
      Connection& one = open[number];
      const ssize_t size = ::recv(one.fd, space, sizeof space, 0);
      if (size <= 0) give_up("the server closed a connection");
      one.text.append(space, static_cast<std::size_t>(size));
      const std::size_t whole = answer_size(one.text);
      if (whole == 0) continue;
      const std::string status = one.text.substr(9, 3);
      ++seen.statuses[status];
      if (status != "200") seen.worst = one.text.substr(0, whole);
      one.text.erase(0, whole);
      seen.took.push_back(std::chrono::duration<double, std::micro>(now - one.asked).count());
      --waiting;
      ask(number);
    }
  }
  seen.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return seen;
}

}  // namespace

void requests(unsigned port, const std::string& path, int connections, double seconds,
              const std::string& body) {
  std::vector<std::string> all;
  for (int i = 0; i < connections; ++i) all.push_back(request_of(port, path, body, i));
  const auto limit = std::chrono::duration<double>(seconds);
  Seen seen = exchange(port, connections, std::chrono::duration_cast<Clock::duration>(limit),
                       [&](std::size_t i) { return &all[i]; });
  const std::size_t count = seen.took.size();
  if (const std::size_t good = seen.statuses["200"]; good < count)
    give_up(std::to_string(count - good) + " requests failed, the last with\n" + seen.worst);
  const double rate = static_cast<double>(count) / seen.seconds;
  const Spread times = spread(std::move(seen.took));
  std::printf(
      "{\"connections\":%d,\"per_second\":%.1f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n",
      connections, rate, times.p50, times.p99, times.max);
}

void replay(unsigned port, const std::string& file, int connections) {
  const auto all = read_requests(file);
  std::size_t sent = 0;
  Seen seen = exchange(port, connections, kLongestReplay,
                       [&](std::size_t) { return sent < all.size() ? &all[sent++] : nullptr; });
  const std::size_t count = seen.took.size();
  if (count < all.size()) give_up("the server is too slow");
  std::string statuses;
  for (const auto& [status, times] : seen.statuses)
    statuses += (statuses.empty() ? "\"" : ",\"") + status + "\":" + std::to_string(times);
  const Spread times = spread(std::move(seen.took));
  std::printf(
      "{\"count\":%zu,\"seconds\":%.3f,\"rate\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
      "\"most_ms\":%.3f,\"statuses\":{%s}}\n",
      count, seen.seconds, static_cast<double>(count) / seen.seconds, times.p50 / 1000,
      times.p99 / 1000, times.max / 1000, statuses.c_str());
}

}  // namespace viaduct::bench
