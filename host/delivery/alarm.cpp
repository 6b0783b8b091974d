#include "host/delivery/alarm.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>

namespace viaduct::delivery {
namespace {

using std::chrono::microseconds;

// The wall clock may be set meanwhile: nobody sleeps longer than this.
constexpr microseconds kLongest = std::chrono::minutes(1);

class SteadyAlarm final : public Alarm {
 public:
  explicit SteadyAlarm(Loop& loop) : timer_(loop.context()) {}
  store::Micros now() const override { return wall_clock(); }
  void set(store::Micros when, std::function<void()> wake) override {
    timer_.expires_after(std::clamp(microseconds(when - now()), microseconds(0), kLongest));
    timer_.async_wait([wake = std::move(wake)](const boost::system::error_code& error) {
      if (!error) wake();
    });
  }
  void clear() override { timer_.cancel(); }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace

std::unique_ptr<Alarm> make_alarm(Loop& loop) {
  return std::make_unique<SteadyAlarm>(loop);
}

store::Micros wall_clock() {
  return std::chrono::duration_cast<microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace viaduct::delivery
