// The system calls under ChildProcess and Watchdog. Internal.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include <viaduct/net/fd.hpp>
#include <viaduct/net/loop.hpp>

namespace viaduct::net::detail {

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
