// The time since this computer was started, sleep included: what the age of keys and tokens is
// measured with, since a clock that stands still while a laptop sleeps would trust them for days.
// Any thread.
#pragma once

#include <chrono>

namespace viaduct::teams {

struct Uptime {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Uptime>;
  static constexpr bool is_steady = true;
  static time_point now();
};

}  // namespace viaduct::teams
