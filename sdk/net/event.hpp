// "Look again": what coroutines of one loop wait for each other with. Internal.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <viaduct/net/loop.hpp>

namespace viaduct::net::detail {

inline constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

class Event {
 public:
  explicit Event(asio::io_context& context)
      : timer_(context, std::chrono::steady_clock::time_point::max()) {}
  void notify() { timer_.cancel(); }
  // False: the waiting coroutine was cancelled. Look before, since there is no memory.
  Task<bool> wait() {
    co_await timer_.async_wait(kAsTuple);
    const auto state = co_await asio::this_coro::cancellation_state;
    co_return state.cancelled() == asio::cancellation_type::none;
  }

 private:
  asio::steady_timer timer_;
};

inline sdk::Status cancelled() {
  return {sdk::Code::kCancelled, "cancelled"};
}

}  // namespace viaduct::net::detail
