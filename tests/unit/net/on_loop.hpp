// Runs coroutines of a test on a loop of its own, on the test's thread.
#pragma once

#include <gtest/gtest.h>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <functional>
#include <viaduct/net/loop.hpp>

namespace viaduct::net {

using std::chrono::milliseconds;

// Ends when the coroutine has, or fails after a minute.
inline void run_on(Loop& loop, Task<> task) {
  bool ended = false;
  loop.spawn(std::move(task), [&](Result<> result) {
    if (!result) ADD_FAILURE() << result.error().message;
    ended = true;
    loop.quit();
  });
  asio::steady_timer limit(loop.context(), std::chrono::minutes(1));
  limit.async_wait([&](const auto& error) {
    if (!error) loop.quit();
  });
  loop.run({});
  EXPECT_TRUE(ended) << "the test did not end in time";
}

inline Task<> pause(milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

// Until this holds; false after 20 s.
inline Task<bool> until(std::function<bool()> holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) co_return false;
    co_await pause(milliseconds(2));
  }
  co_return true;
}

}  // namespace viaduct::net
