// Coarse deadlines for thousands of connections: a wheel of lists, looked at once in a tick, so
// that an idle connection costs nothing between two looks. On the loop.
#pragma once

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace viaduct::http {

using Clock = std::chrono::steady_clock;

// What has a deadline. Leaves the wheel by itself when destroyed.
class Deadline : public boost::intrusive::list_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  Deadline() = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 protected:
  ~Deadline() = default;

 private:
  friend class Deadlines;
  Clock::time_point looked_at_ = Clock::time_point::max();
};

class Deadlines {
 public:
  explicit Deadlines(Clock::duration tick) : tick_(tick), turned_(Clock::now()) {}

  // Looks at `what` no earlier than `when`. A look that comes earlier than that stays, since
  // moving is only needed when a deadline comes nearer; whoever is looked at too early says so.
  void watch(Deadline& what, Clock::time_point when) {
    if (what.is_linked()) {
      if (what.looked_at_ <= when) return;
      what.unlink();
    }
    const auto ticks = (std::max(when, turned_) - turned_) / tick_ + 1;
    const auto slot = std::min<Clock::rep>(ticks, kSlots - 1);
    what.looked_at_ = turned_ + slot * tick_;
    slots_[(hand_ + static_cast<std::size_t>(slot)) % kSlots].push_back(what);
  }

  // Calls look(what) for everything that may be due. It may watch again, and destroy what it is
  // given.
  template <class Look>
  void turn(Clock::time_point now, Look look) {
    List due;
    for (std::size_t steps = 0; turned_ + tick_ <= now; ++steps) {
      if (steps == kSlots) {
        turned_ = now;  // slept for longer than a round
        break;
      }
      turned_ += tick_;
      hand_ = (hand_ + 1) % kSlots;
      due.splice(due.end(), slots_[hand_]);
    }
    while (!due.empty()) {
      Deadline& what = due.front();
      due.pop_front();
      look(what);
    }
  }

  Clock::duration tick() const { return tick_; }

 private:
  static constexpr std::size_t kSlots = 128;
  using List = boost::intrusive::list<Deadline, boost::intrusive::constant_time_size<false>>;

  Clock::duration tick_;
  Clock::time_point turned_;
  std::size_t hand_ = 0;
  std::array<List, kSlots> slots_;
};

}  // namespace viaduct::http
