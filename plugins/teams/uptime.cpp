#include "plugins/teams/uptime.hpp"

#include <ctime>

namespace viaduct::teams {

Uptime::time_point Uptime::now() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace viaduct::teams
