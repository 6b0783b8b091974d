#include "watchdog.hpp"

#include "spawn.hpp"

#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace viaduct::net::detail {
namespace {

// Reads "+ group" and "- group"; at the end of its input it kills what is left.
constexpr char kScript[] = R"(
while read -r what group; do
  case $what in
    +) left="$left $group" ;;
    -) others=; for one in $left; do [ "$one" = "$group" ] || others="$others $one"; done; left=$others ;;
  esac
done
for one in $left; do kill -s KILL -- "-$one"; done
)";

}  // namespace

Watchdog::~Watchdog() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (input_ >= 0) ::close(input_);
}

void Watchdog::start() {
  started_ = true;
  auto pipe = make_pipe();
  const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!pipe || !nothing) return;
  std::vector<std::string> arguments{"viaduct-watchdog", "-c", kScript};
  std::vector<std::string> environment{"PATH=/usr/bin:/bin"};
  pid_t pid = -1;
  if (spawn(pid, "/bin/sh", arguments, environment, "/", pipe->reads.get(), nothing.get(),
            nothing.get()) != 0)
    return;
  pid_ = pid;
  ::fcntl(pipe->writes.get(), F_SETFL, O_NONBLOCK);
  input_ = pipe->writes.release();
}

void Watchdog::tell(char what, pid_t group) {
  if (!started_) start();
  if (input_ < 0) return;
  const std::string line = std::string(1, what) + " " + std::to_string(group) + "\n";
  // Whole or not at all. It does nothing but read.
  [[maybe_unused]] const ssize_t written = ::write(input_, line.data(), line.size());
}

}  // namespace viaduct::net::detail
