// One errand at a time: whoever asks while it runs gets its answer, too. On the loop's thread; held
// by its owner and by what is under way.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <viaduct/net/loop.hpp>

namespace viaduct::teams {

template <class T>
class Flight {
 public:
  using Errand = std::function<net::Task<T>()>;
  explicit Flight(net::Loop& loop) : loop_(loop) {}

  bool is_under_way() const { return now_ != nullptr; }

  // Begins the errand, unless one is under way; does not wait for it.
  static void begin(const std::shared_ptr<Flight>& self, Errand errand) {
    run_of(self, std::move(errand));
  }

  // begin(), and its answer. Nothing: who waits was cancelled, or the errand threw; the errand goes
  // on for the others.
  static net::Task<std::optional<T>> join(std::shared_ptr<Flight> self, Errand errand) {
    const auto run = run_of(self, std::move(errand));
    while (!run->over) {
      co_await run->landed.async_wait(net::asio::as_tuple(net::asio::use_awaitable));
      const auto state = co_await net::asio::this_coro::cancellation_state;
      if (state.cancelled() != net::asio::cancellation_type::none) co_return std::nullopt;
    }
    co_return run->answer;
  }

 private:
  struct Run {
    explicit Run(net::Loop& loop)
        : landed(loop.context(), std::chrono::steady_clock::time_point::max()) {}
    net::asio::steady_timer landed;
    std::optional<T> answer;
    bool over = false;
  };
  static std::shared_ptr<Run> run_of(const std::shared_ptr<Flight>& self, Errand errand) {
    if (self->now_) return self->now_;
    auto run = self->now_ = std::make_shared<Run>(self->loop_);
    self->loop_.spawn(fly(run, std::move(errand)), [self, run](const net::Result<>&) {
      self->now_.reset();
      run->over = true;
      run->landed.cancel();
    });
    return run;
  }
  static net::Task<> fly(std::shared_ptr<Run> run, Errand errand) {
    run->answer = co_await errand();
  }

  net::Loop& loop_;
  std::shared_ptr<Run> now_;
};

}  // namespace viaduct::teams
