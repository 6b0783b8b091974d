// What time it is, and being woken at one. On the loop.
#pragma once

#include "host/loop.hpp"
#include "host/store/mail.hpp"

#include <functional>
#include <memory>

namespace viaduct::delivery {

class Alarm {
 public:
  virtual ~Alarm() = default;
  virtual store::Micros now() const = 0;
  // Calls `wake` once, at `when` or soon after it, not inside this call. The last one counts.
  virtual void set(store::Micros when, std::function<void()> wake) = 0;
  virtual void clear() = 0;
};

// By the wall clock. `loop` outlives it.
std::unique_ptr<Alarm> make_alarm(Loop& loop);
store::Micros wall_clock();  // any thread

}  // namespace viaduct::delivery
