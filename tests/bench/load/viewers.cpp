#include "client.hpp"
#include "loads.hpp"

#include <sys/socket.h>

#include <cstdio>
#include <deque>
#include <thread>

namespace viaduct::bench {

void idle(unsigned port, const std::string& path, int count, double seconds, const std::string& pid,
          bool quiet) {
  allow_many_files();
  const long before = rss_bytes(pid);
  std::deque<Viewer> open;
  for (int i = 0; i < count; ++i) {
    open.emplace_back(port, path);
    if (quiet) continue;
    open.back().send(hello());
    open.back().wait_for("\"live\"");
  }
  const long after = rss_bytes(pid);
  const double used = cpu_seconds(pid);
  const auto begin = Clock::now();
  std::size_t pings = 0;
  char space[4096];
  // Answers pings, as a browser does.
  while (Clock::now() < begin + std::chrono::duration<double>(seconds)) {
    for (Viewer& one : open) {
      if (::recv(one.fd(), space, sizeof space, MSG_DONTWAIT) > 0) {
        ++pings;
        one.pong();
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf(
      "{\"websockets\":%d,\"bytes_each\":%ld,\"cpu_percent\":%.2f,\"pings\":%zu,\"rss_mib\":%.1f,"
      "\"rss_before_mib\":%.1f}\n",
      count, (after - before) / count, 100 * (cpu_seconds(pid) - used) / elapsed, pings,
      static_cast<double>(rss_bytes(pid)) / (1 << 20), static_cast<double>(before) / (1 << 20));
}

void first_screen(unsigned port, const std::string& path, const std::string& session) {
  auto begin = Clock::now();
  Viewer viewer(port, path);
  viewer.send(hello());
  viewer.wait_for(session.empty() ? "\"live\"" : "\"reply\"");
  if (!session.empty()) {
    begin = Clock::now();
    viewer.send(R"({"id":2,"type":"resume","session_id":)" + quoted(session) + "}");
    bool current = false;
    for (;;) {  // `current`, then its changes; the reply may come before or after
      const std::string_view message = viewer.wait();
      if (message.find("\"error\":{") != std::string_view::npos &&
          message.find("\"reply\"") != std::string_view::npos)
        give_up(std::string(message));
      current = current || message.find("\"type\":\"current\"") != std::string_view::npos;
      if (current && message.find("\"change\":\"live\"") != std::string_view::npos) break;
    }
  }
  const double took = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  std::printf("{\"ms\":%.2f,\"bytes\":%zu}\n", took, viewer.received());
}

}  // namespace viaduct::bench
