#include "viaduct/net/loop.hpp"

#include "watchdog.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <csignal>

namespace viaduct::net {

Loop::Loop() : work_(asio::make_work_guard(context_)) {}
Loop::~Loop() = default;

void Loop::spawn(Task<> task, std::function<void(Result<>)> ended) {
  asio::co_spawn(context_, std::move(task),
                 [ended = std::move(ended)](const std::exception_ptr& thrown) {
                   if (!ended) return;
                   if (!thrown) {
                     ended({});
                     return;
                   }
                   try {
                     std::rethrow_exception(thrown);
                   } catch (...) {
                     ended(std::unexpected(sdk::detail::current_exception_status()));
                   }
                 });
}

void Loop::run(sdk::Function<void()> drain) {
  drain_ = std::move(drain);
  // Writing to a program or a peer that has gone is an error, not the host's death.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  while (!context_.stopped()) {
    try {
      context_.run();
    } catch (...) {
      // Of a handler that somebody posted; coroutines end in spawn(). The others go on.
    }
  }
}

void Loop::wake() {
  asio::post(context_, [this] {
    if (drain_) drain_();
  });
}

void Loop::quit() {
  context_.stop();
}

detail::Watchdog& Loop::watchdog() {
  if (!watchdog_) watchdog_ = std::make_unique<detail::Watchdog>();
  return *watchdog_;
}

}  // namespace viaduct::net
