// The host's one event loop: HTTP, timers and the sessions service live on it, so none of them
// needs a lock.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace viaduct {

class Loop {
 public:
  boost::asio::io_context& context() { return context_; }

  // [any-thread] Runs `task` on the loop, later, never inside this call.
  template <class Task>
  void post(Task task) {
    boost::asio::post(context_, std::move(task));
  }

  // Runs until stop(), or until there is nothing more to do.
  void run() { context_.run(); }
  void stop() { context_.stop(); }

 private:
  boost::asio::io_context context_{1};
};

}  // namespace viaduct
