// The plugin's thread as a single-threaded Boost.Asio io_context: sockets, timers and child
// processes are coroutines on the same thread on which the host calls, so nothing needs a lock.
//
//   class Mine final : public viaduct::sdk::Backend {
//     sdk::EventLoop* loop() override { return &loop_; }
//     net::Loop loop_;          // the first member: it must outlive what runs on it
//     net::HttpClient http_{loop_};
//   };
//
// Everything here is for the thread that runs the loop, unless marked. Errors are values: a Result
// holds a viaduct::sdk::Status. A wait that asio cancels (operator ||, a cancellation slot) ends
// with kCancelled.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <expected>
#include <functional>
#include <memory>
#include <string>

#include <viaduct/sdk/plugin.hpp>

namespace viaduct::net {

namespace asio = boost::asio;

template <class T = void>
using Result = std::expected<T, sdk::Status>;
template <class T = void>
using Task = asio::awaitable<T>;

namespace detail {
class Watchdog;
}

class Loop final : public sdk::EventLoop {
 public:
  Loop();
  // Destroys the coroutines that still wait. Child processes of this loop are dead by then.
  ~Loop() override;

  asio::io_context& context() { return context_; }

  // Starts a coroutine. `ended`, if given, is told when it is over, with an error when an exception
  // escaped from it; without it such an exception is lost.
  void spawn(Task<> task, std::function<void(Result<>)> ended = {});

  // ---- sdk::EventLoop. run() blocks SIGPIPE on its thread, for good.
  void run(sdk::Function<void()> drain) override;
  void wake() override;  // [any-thread]
  void quit() override;  // [any-thread]

  // Kills the process groups of this loop when the host dies. For ChildProcess.
  detail::Watchdog& watchdog();

 private:
  std::unique_ptr<detail::Watchdog> watchdog_;
  sdk::Function<void()> drain_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
};

}  // namespace viaduct::net
