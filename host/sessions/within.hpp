// A limit on the time of an asynchronous answer. Loop only.
#pragma once

#include "host/error.hpp"
#include "host/loop.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace viaduct::sessions {

// `done`, answered with a timeout when nothing has come within `limit`; what comes later is
// dropped.
template <class Answer>
Done<Answer> within(Loop& loop, std::chrono::milliseconds limit, const char* what,
                    Done<Answer> done) {
  struct Pending {
    Done<Answer> done;
    boost::asio::steady_timer timer;
  };
  auto pending = std::make_shared<Pending>(
      Pending{std::move(done), boost::asio::steady_timer(loop.context(), limit)});
  pending->timer.async_wait([pending, what, limit](boost::system::error_code error) {
    if (error || !pending->done) return;
    std::exchange(pending->done,
                  nullptr)(fail(Errc::timeout, std::string(what) + " took longer than " +
                                                   std::to_string(limit.count() / 1000) + " s"));
  });
  return [pending](Result<Answer> answer) {
    if (!pending->done) return;
    pending->timer.cancel();
    std::exchange(pending->done, nullptr)(std::move(answer));
  };
}

}  // namespace viaduct::sessions
