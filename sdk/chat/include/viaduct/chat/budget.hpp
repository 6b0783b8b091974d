// How often a network may be called: a call is in lanes (its method in a workspace, its channel),
// each with a pace, and stands in line until all of them have room. What is the last word goes
// before what the next text replaces. The clock is passed in. A plain class; any thread, one at a
// time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::chat {

class Budget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Ticket = std::uint64_t;

  // `burst` calls at once, and then one for each interval.
  struct Pace {
    std::chrono::milliseconds each{0};
    int burst = 1;
  };
  struct Lane {
    std::string name;  // in `room`: of the first call that used the lane counts
    Pace pace;
  };
  // What is passing leaves a quarter of the burst to what is not.
  enum class Rank { kLastWord, kPassing };

  // Stands in line, behind those of its rank that came before. With a ticket that has gone, and was
  // sent back by the server, where that one stood.
  Ticket enter(std::vector<Lane> lanes, Rank rank, Time now, Ticket again = 0);
  // Nothing: go now; the ticket is out of the line. Otherwise when to look again.
  std::optional<Time> look(Ticket ticket, Time now);
  // Gives its place up, if it still has one.
  void leave(Ticket ticket);
  // The server said so (Retry-After): nothing of this lane goes before, and then one after the
  // other.
  void pause(const Lane& lane, Time until);

  std::size_t lanes() const { return lanes_.size(); }

 private:
  struct State {
    Pace pace;
    double room = 0;  // calls that may go, at `at`
    Time at;          // in the future: nothing before
  };
  struct Waiting {
    std::vector<std::string> lanes;
    Rank rank;
  };
  static constexpr std::size_t kManyLanes = 1'000;

  State& state_of(const Lane& lane, Time now);
  static double room_at(const State& lane, Time now);
  void forget_idle_lanes(Time now);
  bool is_ahead(const std::pair<const Ticket, Waiting>& one,
                const std::pair<const Ticket, Waiting>& of, const std::string& lane) const;

  std::map<std::string, State, std::less<>> lanes_;
  std::map<Ticket, Waiting> line_;
  Ticket last_ = 0;
};

}  // namespace viaduct::chat
