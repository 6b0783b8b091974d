#include "client.hpp"
#include "loads.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

extern char** environ;

namespace viaduct::bench {
namespace {

constexpr auto kStartLimit = std::chrono::seconds(60);

// Reads until the line is there, or until the other end is closed.
bool seen(int fd, const std::string& line) {
  std::string text;
  char space[4096];
  const auto end = Clock::now() + kStartLimit;
  while (Clock::now() < end) {
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, 1000) <= 0) continue;
    const ssize_t size = ::read(fd, space, sizeof space);
    if (size <= 0) return line.empty();
    text.append(space, static_cast<std::size_t>(size));
    if (!line.empty() && text.find(line) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

void start(int times, double settle, const std::string& line, Arguments command) {
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<double> took;
  double rss = 0;
  for (int i = 0; i < times; ++i) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) give_up("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const auto begin = Clock::now();
    pid_t child = 0;
    if (::posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ) != 0)
      give_up("cannot start " + command[0]);
    ::close(pipe[1]);
    const bool fine = seen(pipe[0], line);
    took.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    if (fine && i + 1 == times && settle > 0) {
      std::this_thread::sleep_for(std::chrono::duration<double>(settle));
      rss = static_cast<double>(rss_bytes(std::to_string(child))) / (1 << 20);
    }
    if (!line.empty()) ::kill(child, SIGTERM);
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(pipe[0]);
    posix_spawn_file_actions_destroy(&actions);
    if (!fine) give_up(command[0] + " did not say \"" + line + "\"");
  }
  const double least = std::ranges::min(took);
  const Spread times_taken = spread(std::move(took));
  std::printf(
      "{\"times\":%d,\"median_ms\":%.2f,\"min_ms\":%.2f,\"max_ms\":%.2f,\"rss_mib\":%.1f}\n", times,
      times_taken.p50, least, times_taken.max, rss);
}

void sync_disk(const std::string& folder, double seconds) {
  constexpr std::size_t kPage = 4096;
  constexpr off_t kPages = 1000;  // as a write-ahead log, the file is used again and again
  std::string path = folder + "/sync-XXXXXX";
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) give_up("cannot write to " + folder);
  ::unlink(path.c_str());
  const std::string page(kPage, 'v');
  for (off_t i = 0; i < kPages; ++i)
    if (::pwrite(fd, page.data(), kPage, i * static_cast<off_t>(kPage)) < 0)
      give_up("the disk is full");
  ::fdatasync(fd);
  std::vector<double> took;
  const auto begin = Clock::now();
  auto now = begin;
  for (off_t i = 0; now < begin + std::chrono::duration<double>(seconds); i = (i + 1) % kPages) {
    if (::pwrite(fd, page.data(), kPage, i * static_cast<off_t>(kPage)) < 0 || ::fdatasync(fd) != 0)
      give_up("cannot sync");
    const auto done = Clock::now();
    took.push_back(std::chrono::duration<double, std::micro>(done - now).count());
    now = done;
  }
  const double rate =
      static_cast<double>(took.size()) / std::chrono::duration<double>(now - begin).count();
  const Spread times = spread(std::move(took));
  std::printf("{\"per_second\":%.1f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n", rate,
              times.p50, times.p99, times.max);
  ::close(fd);
}

}  // namespace viaduct::bench
