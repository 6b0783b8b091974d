// What strangers could make happen without end, such as lines of the log: of each kind a few in a
// while, and how many were left out. For one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::teams {

class Seldom {
 public:
  using Clock = std::chrono::steady_clock;
  // At most `most` of a kind in each `window`.
  explicit Seldom(Clock::duration window = std::chrono::seconds(10), std::uint64_t most = 5)
      : window_(window), most_(most) {}

  // Nothing: not now. Else how many of this kind were left out since the last one.
  std::optional<std::uint64_t> now(std::string_view kind, Clock::time_point at = Clock::now());
  // The same with a line of the log, which says how many.
  std::optional<std::string> line(std::string_view kind, std::string line,
                                  Clock::time_point at = Clock::now());

  static constexpr std::size_t kMostKinds = 10'000;  // beyond: nothing is known of earlier ones

 private:
  struct Kind {
    Clock::time_point since;
    std::uint64_t passed = 0;
    std::uint64_t left_out = 0;
  };
  const Clock::duration window_;
  const std::uint64_t most_;
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace viaduct::teams
