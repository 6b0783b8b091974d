// A small process of its own that outlives the host by a moment: when its input ends because the
// host is gone, however that came, it kills the process groups that were left. Internal; one for
// each loop, started with the first child.
#pragma once

#include <sys/types.h>

namespace viaduct::net::detail {

class Watchdog {
 public:
  Watchdog() = default;
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  // Failing is not an error: then children live on when the host is killed.
  void add(pid_t group) { tell('+', group); }
  void remove(pid_t group) { tell('-', group); }

 private:
  void start();
  void tell(char what, pid_t group);

  bool started_ = false;
  pid_t pid_ = -1;
  int input_ = -1;
};

}  // namespace viaduct::net::detail
