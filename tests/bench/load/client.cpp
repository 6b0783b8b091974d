#include "client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace viaduct::bench {

void give_up(const std::string& why) {
  std::fprintf(stderr, "viaduct_load: %s\n", why.c_str());
  std::exit(1);
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

int connect_to(unsigned port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    give_up("cannot connect to port " + std::to_string(port));
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

void say(int fd, std::string_view text) {
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
    give_up("the server does not take what is sent");
}

std::string numbered(std::string text, int number) {
  for (std::size_t at; (at = text.find("{}")) != std::string::npos;)
    text.replace(at, 2, std::to_string(number));
  return text;
}

void allow_many_files() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
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

Spread spread(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto quantile = [&](double q) {
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
  };
  return {quantile(0.5), quantile(0.99), values.back()};
}

Viewer::Viewer(unsigned port, const std::string& path) : fd_(connect_to(port)) {
  say(fd_, "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
               "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  for (;;) {
    if (!receive()) give_up("the server closed a connection instead of upgrading it");
    const std::size_t end = text_.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    if (!text_.starts_with("HTTP/1.1 101 ")) give_up("no upgrade: " + text_.substr(0, 80));
    taken_ = end + 4;
    return;
  }
}

// Masked with zeroes, so that nothing has to be masked (RFC 6455 section 5.2).
void Viewer::send(std::string_view text) {
  std::string frame = "\x81";
  if (text.size() < 126) {
    frame += static_cast<char>(0x80 | text.size());
  } else {
    frame += static_cast<char>(0x80 | 126);
    frame += static_cast<char>(text.size() >> 8);
    frame += static_cast<char>(text.size() & 0xff);
  }
  frame.append(4, '\0');
  frame += text;
  say(fd_, frame);
}

void Viewer::pong() {
  say(fd_, std::string_view("\x8a\x80\0\0\0\0", 6));
}

bool Viewer::receive() {
  text_.erase(0, taken_);
  taken_ = 0;
  const std::size_t before = text_.size();
  constexpr std::size_t kPiece = 1 << 16;
  char space[kPiece];
  const ssize_t size = ::recv(fd_, space, kPiece, 0);
  if (size <= 0) return false;
  text_.append(space, static_cast<std::size_t>(size));
  received_ += text_.size() - before;
  return true;
}

std::optional<std::string_view> Viewer::next() {
  for (;;) {
    const std::string_view left = std::string_view(text_).substr(taken_);
    if (left.size() < 2) return std::nullopt;
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(left[at]); };
    std::size_t head = 2;
    std::size_t size = byte(1) & 0x7f;
    if (size >= 126) {
      head = size == 126 ? 4 : 10;
      if (left.size() < head) return std::nullopt;
      size = 0;
      for (std::size_t at = 2; at < head; ++at) size = size << 8 | byte(at);
    }
    if (left.size() < head + size) return std::nullopt;
    taken_ += head + size;
    const unsigned opcode = byte(0) & 0x0f;
    if (opcode == 0x8)
      give_up("the server closes: " + std::string(left.substr(head + 2, size - 2)));
    if (opcode == 0x9) {
      pong();
      continue;
    }
    if (byte(0) != 0x81) give_up("a frame that is not a whole text message");
    return left.substr(head, size);
  }
}

std::string_view Viewer::wait(std::chrono::seconds limit) {
  const auto end = Clock::now() + limit;
  for (;;) {
    if (const auto message = next()) return *message;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    pollfd wait{fd_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0)
      give_up("nothing came for too long");
    if (!receive()) give_up("the server has gone");
  }
}

std::string_view Viewer::wait_for(std::string_view part) {
  for (;;) {
    const std::string_view message = wait();
    if (message.find(part) != std::string_view::npos) return message;
  }
}

std::string hello() {
  return R"({"id":1,"type":"hello"})";
}

std::string quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

}  // namespace viaduct::bench
