#include "client.hpp"
#include "loads.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <deque>
#include <thread>

namespace viaduct::bench {
namespace {

constexpr std::size_t kStamp = 20;  // digits, as in stamp_backend.c
constexpr std::int64_t kWarmUp = 500'000'000;
constexpr std::string_view kText = "\"text\":\"";

int listen_on_loopback(unsigned& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(fd, 128) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    give_up("cannot listen on loopback");
  port = ntohs(at.sin_port);
  return fd;
}

// Puts the time since each stamp of `text` into `took`, if it came after the warm-up.
void take_stamps(std::string_view text, std::int64_t now, std::int64_t from,
                 std::vector<double>& took) {
  for (; text.size() >= kStamp; text.remove_prefix(kStamp + 1)) {
    std::int64_t stamp = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + kStamp, stamp);
    if (error != std::errc{} || end != text.data() + kStamp) return;
    if (stamp >= from) took.push_back(static_cast<double>(now - stamp) / 1000);
    if (text.size() == kStamp) return;
  }
}

void print(int sessions, double rate, double seconds, std::vector<double> took) {
  const std::size_t events = took.size();
  const Spread times = spread(std::move(took));
  std::printf(
      "{\"sessions\":%d,\"rate_each\":%.0f,\"events\":%zu,\"expected\":%.0f,\"p50_us\":%.1f,"
      "\"p99_us\":%.1f,\"max_us\":%.1f}\n",
      sessions, rate, events, rate * (seconds - 1e-9 * kWarmUp) * sessions, times.p50, times.p99,
      times.max);
}

}  // namespace

void stream(unsigned port, const std::string& path, int sessions, double seconds, double rate) {
  allow_many_files();
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::deque<Viewer> open;
  for (int i = 0; i < sessions; ++i) {
    Viewer& one = open.emplace_back(port, numbered(path, i));
    one.send(hello());
    // With a session there is a replay; what earlier turns said must not be taken for this one's.
    if (one.wait_for("\"reply\"").find("\"session\":null") == std::string_view::npos)
      one.wait_for("\"change\":\"live\"");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<std::uint64_t>(i);
    ::epoll_ctl(poll, EPOLL_CTL_ADD, one.fd(), &event);
  }
  // Each begins a session of its own with its first message.
  const std::string ask = "stream " + std::to_string(rate) + " " + std::to_string(seconds);
  for (int i = 0; i < sessions; ++i)
    open[static_cast<std::size_t>(i)].send(R"({"id":2,"type":"send","key":"bench-)" +
                                           std::to_string(now_ns()) + "-" + std::to_string(i) +
                                           R"(","text":)" + quoted(ask) + "}");
  const std::int64_t from = now_ns() + kWarmUp;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds + 30);
  std::vector<double> took;
  int ended = 0;
  epoll_event events[128];
  while (ended < sessions) {
    if (Clock::now() > until) give_up("the turns did not end");
    const int ready = ::epoll_wait(poll, events, 128, 100);
    for (int i = 0; i < ready; ++i) {
      Viewer& one = open[events[i].data.u64];
      if (!one.receive()) give_up("the server closed a connection");
      const std::int64_t now = now_ns();
      while (const auto message = one.next()) {
        if (message->find("\"change\":\"delta\"") != std::string_view::npos) {
          const std::size_t at = message->find(kText);
          if (at != std::string_view::npos)
            take_stamps(message->substr(at + kText.size()), now, from, took);
        } else if (message->find("\"turn_end\"") != std::string_view::npos) {
          ++ended;
        } else if (message->find("\"reply\"") != std::string_view::npos &&
                   message->find("\"error\":{") != std::string_view::npos) {
          give_up(std::string(*message));
        }
      }
    }
  }
  print(sessions, rate, seconds, std::move(took));
}

void hop(int connections, double seconds, double rate) {
  unsigned port = 0;
  const int listener = listen_on_loopback(port);
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<int> in;
  std::vector<int> out;
  for (int i = 0; i < connections; ++i) {
    out.push_back(connect_to(port));
    in.push_back(::accept(listener, nullptr, nullptr));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = in.back();
    ::epoll_ctl(poll, EPOLL_CTL_ADD, in.back(), &event);
  }
  const auto begin = Clock::now();
  const std::int64_t from = now_ns() + kWarmUp;
  const std::jthread talker([&] {
    const auto end = begin + std::chrono::duration<double>(seconds);
    const std::chrono::duration<double> period(1 / (rate * connections));
    char text[160];  // about what the host makes of a stamp
    std::fill_n(text, sizeof text, ' ');
    for (std::size_t i = 0;; ++i) {
      const auto due = begin + period * static_cast<double>(i);
      if (due >= end) break;
      std::this_thread::sleep_until(due);
      std::snprintf(text, kStamp + 1, "%020lld", static_cast<long long>(now_ns()));
      text[kStamp] = ' ';
      say(out[i % out.size()], std::string_view(text, sizeof text));
    }
    for (const int fd : out) ::shutdown(fd, SHUT_WR);
  });
  std::vector<double> took;
  int ended = 0;
  epoll_event events[128];
  char space[4096];
  while (ended < connections) {
    const int ready = ::epoll_wait(poll, events, 128, -1);
    for (int i = 0; i < ready; ++i) {
      const ssize_t size = ::recv(events[i].data.fd, space, sizeof space, 0);
      const std::int64_t now = now_ns();
      if (size <= 0) {
        ++ended;
        ::close(events[i].data.fd);
      }
      for (ssize_t at = 0; at < size; at += 160)
        take_stamps(std::string_view(space + at, kStamp), now, from, took);
    }
  }
  print(connections, rate, seconds, std::move(took));
}

void pipe(int sessions, double seconds, double rate, Arguments command) {
  int in[2];
  int out[2];
  if (::pipe(in) != 0 || ::pipe(out) != 0) give_up("no pipe");
  const pid_t child = ::fork();
  if (child < 0) give_up("cannot fork");
  if (child == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
    std::vector<char*> arguments;
    for (std::string& one : command) arguments.push_back(one.data());
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  std::string ask;
  for (int i = 0; i < sessions; ++i)
    ask += R"({"jsonrpc":"2.0","id":)" + std::to_string(i) +
           R"(,"method":"session/prompt","params":{"sessionId":"s)" + std::to_string(i) +
           R"(","prompt":[{"type":"text","text":"stream )" + std::to_string(rate) + " " +
           std::to_string(seconds) + "\"}]}}\n";
  const std::int64_t from = now_ns() + kWarmUp;
  if (::write(in[1], ask.data(), ask.size()) != static_cast<ssize_t>(ask.size()))
    give_up("the agent does not take what is sent");
  std::vector<double> took;
  std::string text;
  char space[65536];
  for (int ended = 0; ended < sessions;) {
    const ssize_t size = ::read(out[0], space, sizeof space);
    const std::int64_t now = now_ns();
    if (size <= 0) give_up("the agent has ended");
    text.append(space, static_cast<std::size_t>(size));
    std::size_t taken = 0;
    for (std::size_t end; (end = text.find('\n', taken)) != std::string::npos; taken = end + 1) {
      const std::string_view line = std::string_view(text).substr(taken, end - taken);
      const std::size_t at = line.find(kText);
      if (at != std::string_view::npos)
        take_stamps(line.substr(at + kText.size(), kStamp), now, from, took);
      else if (line.find("\"result\"") != std::string_view::npos)
        ++ended;
    }
    text.erase(0, taken);
  }
  ::close(in[1]);
  ::waitpid(child, nullptr, 0);
  print(sessions, rate, seconds, std::move(took));
}

}  // namespace viaduct::bench
