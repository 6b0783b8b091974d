#include "host/plugins/preflight.hpp"

#include "host/plugins/descriptor.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace viaduct::plugins {
namespace {

using Clock = std::chrono::steady_clock;

struct Child {
  pid_t pid = -1;
  int output = -1;
};

Result<Child> spawn(const std::string& executable, std::span<const std::string> files) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0)
    return fail(Errc::unavailable, fmt::format("no pipe: {}", std::strerror(errno)));
  std::string program = executable;
  std::string command = "preflight";
  std::vector<std::string> names(files.begin(), files.end());
  std::vector<char*> arguments{program.data(), command.data()};
  for (auto& name : names) arguments.push_back(name.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  Child child;
  const int error = ::posix_spawn(&child.pid, executable.c_str(), &actions, &attributes,
                                  arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  if (error != 0) {
    ::close(pipe[0]);
    return fail(Errc::unavailable,
                fmt::format("cannot start {}: {}", executable, std::strerror(error)));
  }
  child.output = pipe[0];
  return child;
}

// Waits for the child, which has closed its output or was killed.
int reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal {}", strsignal(WTERMSIG(status)));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

// The verdicts of one child, up to and with the file that ended it.
std::vector<Result<>> one_child(const std::string& executable, std::span<const std::string> files,
                                std::chrono::milliseconds limit) {
  std::vector<Result<>> verdicts;
  const auto child = spawn(executable, files);
  if (!child) {  // a host that cannot start children says so, and loads unprotected nothing
    verdicts.resize(files.size(), std::unexpected(child.error()));
    return verdicts;
  }
  std::string line;
  bool hung = false;
  auto deadline = Clock::now() + limit;
  for (bool open = true; open && !hung;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd poll{.fd = child->output, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&poll, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      hung = true;
      break;
    }
    char buffer[4096];
    const ssize_t size = ::read(child->output, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    for (const char c : std::string_view(buffer, static_cast<std::size_t>(size))) {
      if (c != '\n') {
        line += c;
        continue;
      }
      if (verdicts.size() < files.size()) {
        const std::string& file = files[verdicts.size()];
        if (line == "ok " + file)
          verdicts.emplace_back();
        else
          verdicts.push_back(
              fail(Errc::failed_precondition, line.starts_with("error ") ? line.substr(6) : line));
      }
      line.clear();
      deadline = Clock::now() + limit;
    }
  }
  ::kill(-child->pid,
         SIGKILL);  // also whatever a plugin started; its own group, by POSIX_SPAWN_SETSID
  ::close(child->output);
  const int status = reap(child->pid);
  if (verdicts.size() < files.size()) {
    const std::string& file = files[verdicts.size()];
    verdicts.push_back(fail(
        Errc::failed_precondition,
        hung ? fmt::format("{}: it does not finish loading within {} s", file,
                           std::chrono::ceil<std::chrono::seconds>(limit).count())
             : fmt::format("{}: it crashes the process that loads it ({})", file, ending(status))));
  }
  return verdicts;
}

void write_line(int descriptor, std::string line) {
  for (char& c : line)
    if (c == '\n') c = ' ';
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t size = ::write(descriptor, rest.data(), rest.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(size));
  }
}

}  // namespace

std::vector<Result<>> preflight_files(const std::string& executable,
                                      const std::vector<std::string>& files,
                                      std::chrono::milliseconds limit) {
  std::vector<Result<>> verdicts;
  while (verdicts.size() < files.size()) {
    auto some = one_child(executable, std::span(files).subspan(verdicts.size()), limit);
    for (auto& verdict : some) verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

int preflight_main(const std::vector<std::string>& files) {
  // A plugin that writes while it is loaded must not get between the verdicts.
  const int output = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  if (output < 0) return 1;
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  bool fine = true;
  for (const auto& file : files) {
    auto checked = check_file(file);
    if (checked)
      if (auto loaded = load_plugin(file); !loaded) checked = std::unexpected(loaded.error());
    write_line(output, checked ? "ok " + file : "error " + checked.error().message);
    fine = fine && checked.has_value();
  }
  // Without the destructors of what was loaded.
  ::close(output);
  ::_exit(fine ? 0 : 1);
}

}  // namespace viaduct::plugins
