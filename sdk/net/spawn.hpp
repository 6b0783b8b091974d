// The system calls under ChildProcess and Watchdog. Internal.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include <viaduct/net/loop.hpp>

namespace viaduct::net::detail {

// A descriptor that is closed.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd reads, writes;
};

// Both ends close on exec, and neither is 0, 1 or 2, which a child gets.
Result<Pipe> make_pipe();

// In a session of its own, with default signals and no descriptor but these three; 0 or errno. The
// texts are not changed.
int spawn(pid_t& pid, const std::string& program, std::vector<std::string>& arguments,
          std::vector<std::string>& environment, const std::string& folder, int in, int out,
          int err);

sdk::Status failure(const std::string& what, int error);

}  // namespace viaduct::net::detail
