// Loads an HTTP server on loopback.
//   load requests PORT PATH CONNECTIONS SECONDS [BODY]  one request at a time on each connection;
//   with
//       a body POST, and "{}" in PATH and BODY stands for the number of the connection
//   load idle PORT PATH COUNT SECONDS PID [TEXT]  so many idle WebSockets, which say TEXT first:
//   memory
//       and CPU of PID
// Prints one line of JSON.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

int connect_to(unsigned port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

void say(int fd, const std::string& text) {
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    std::perror("send");
    std::exit(1);
  }
}

// Size of the whole answer at the beginning of `text`, 0 while it is not all there.
std::size_t answer_size(std::string_view text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::size_t at = text.find("Content-Length: ");
  if (at > end) return 0;
  const std::size_t size = end + 4 + std::strtoul(text.data() + at + 16, nullptr, 10);
  return text.size() >= size ? size : 0;
}

std::string numbered(std::string text, int number) {
  for (std::size_t at; (at = text.find("{}")) != std::string::npos;)
    text.replace(at, 2, std::to_string(number));
  return text;
}

std::string request_of(unsigned port, const std::string& path, const std::string& body,
                       int number) {
  std::string head = (body.empty() ? "GET " : "POST ") + numbered(path, number) +
                     " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n";
  if (body.empty()) return head + "\r\n";
  const std::string text = numbered(body, number);
  return head + "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
}

int requests(unsigned port, const std::string& path, int connections, double seconds,
             const std::string& body) {
  struct Open {
    int fd;
    std::string request;
    std::string text;
    Clock::time_point asked;
  };
  std::vector<Open> open;
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
  const auto begin = Clock::now();
  const auto until = begin + std::chrono::duration<double>(seconds);
  epoll_event events[256];
  char space[65536];
  auto now = Clock::now();
  while (now < until) {
    const int ready = ::epoll_wait(poll, events, 256, 100);
    now = Clock::now();
    for (int i = 0; i < ready; ++i) {
      Open& one = open[events[i].data.u64];
      const ssize_t size = ::recv(one.fd, space, sizeof space, 0);
      if (size <= 0) {
        std::fprintf(stderr, "the server closed a connection\n");
        return 1;
      }
      one.text.append(space, static_cast<std::size_t>(size));
      if (const std::size_t whole = answer_size(one.text); whole > 0) {
        if (!one.text.starts_with("HTTP/1.1 200 ")) ++bad;
        one.text.erase(0, whole);
        took.push_back(std::chrono::duration<double, std::micro>(now - one.asked).count());
        one.asked = now;
        say(one.fd, one.request);
      }
    }
  }
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  std::ranges::sort(took);
  const auto quantile = [&](double q) {
    return took.empty() ? 0.0
                        : took[static_cast<std::size_t>(q * static_cast<double>(took.size() - 1))];
  };
  std::printf(
      "{\"connections\":%d,\"per_second\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"failed\":%zu}\n",
      connections, static_cast<double>(took.size()) / elapsed, quantile(0.5), quantile(0.99), bad);
  return bad == 0 ? 0 : 1;
}

long rss_bytes(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/statm");
  long size = 0;
  long resident = 0;
  file >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

double cpu_seconds(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text);
  text.erase(0, text.rfind(')') + 2);
  double ticks = 0;
  int field = 3;
  for (std::size_t at = 0; at < text.size() && field <= 15; ++field) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (field >= 14) ticks += std::strtod(text.c_str() + at, nullptr);
    at = end + 1;
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

int idle(unsigned port, const std::string& path, int count, double seconds, const std::string& pid,
         const std::string& text) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::string upgrade = "GET " + path +
                              " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                              "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const long before = rss_bytes(pid);
  std::vector<int> open;
  char space[4096];
  for (int i = 0; i < count; ++i) {
    open.push_back(connect_to(port));
    say(open.back(), upgrade);
    const ssize_t size = ::recv(open.back(), space, sizeof space, 0);
    if (size < 12 || !std::string_view(space, 12).ends_with(" 101")) {
      std::fprintf(stderr, "no upgrade\n");
      return 1;
    }
  }
  if (!text.empty()) {  // a masked text frame (RFC 6455 section 5.2), then what comes until it is
                        // quiet
    const std::string frame =
        std::string("\x81") + static_cast<char>(0x80 | text.size()) + std::string(4, '\0') + text;
    for (const int fd : open) say(fd, frame);
    for (const int fd : open) {
      pollfd wait{fd, POLLIN, 0};
      while (::poll(&wait, 1, 1000) > 0) {
        const ssize_t size = ::recv(fd, space, sizeof space, MSG_DONTWAIT);
        if (size <= 0 ||
            std::string_view(space, static_cast<std::size_t>(size)).contains("\"live\""))
          break;
      }
    }
  }
  const long after = rss_bytes(pid);
  const double used = cpu_seconds(pid);
  // Answers pings, as a browser does.
  const auto begin = Clock::now();
  const auto until = begin + std::chrono::duration<double>(seconds);
  std::size_t pings = 0;
  const std::string pong("\x8a\x80\0\0\0\0", 6);
  while (Clock::now() < until) {
    for (const int fd : open) {
      if (::recv(fd, space, sizeof space, MSG_DONTWAIT) > 0) {
        ++pings;
        say(fd, pong);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf(
      "{\"websockets\":%d,\"bytes_each\":%ld,\"cpu_percent\":%.2f,\"pings\":%zu,\"rss_mib\":%.1f}"
      "\n",
      count, (after - before) / count, 100 * (cpu_seconds(pid) - used) / elapsed, pings,
      static_cast<double>(rss_bytes(pid)) / (1 << 20));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if ((args.size() == 5 || args.size() == 6) && args[0] == "requests")
    return requests(static_cast<unsigned>(std::stoul(args[1])), args[2], std::stoi(args[3]),
                    std::stod(args[4]), args.size() == 6 ? args[5] : "");
  if ((args.size() == 6 || args.size() == 7) && args[0] == "idle")
    return idle(static_cast<unsigned>(std::stoul(args[1])), args[2], std::stoi(args[3]),
                std::stod(args[4]), args[5], args.size() == 7 ? args[6] : "");
  std::fprintf(stderr,
               "usage: load requests PORT PATH CONNECTIONS SECONDS\n"
               "       load idle PORT PATH COUNT SECONDS PID\n");
  return 2;
}
