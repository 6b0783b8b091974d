// Waiting for the host in a coroutine: `const sdk::Answer answer = co_await answered([&](auto done)
// { sessions.get(who, id, std::move(done)); })`. On the loop's thread. When the instance stops,
// what still waits is let go of without an answer.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/host.hpp>

namespace viaduct::chat {

template <class Start>
net::Task<sdk::Answer> answered(Start start) {
  namespace asio = boost::asio;
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(sdk::Answer)>(
      [](auto handler, Start begin) {
        begin(sdk::Callback([handler = std::move(handler)](sdk::Answer answer) mutable {
          const auto executor = asio::get_associated_executor(handler);
          asio::post(executor,
                     [handler = std::move(handler), answer = std::move(answer)]() mutable {
                       handler(std::move(answer));
                     });
        }));
      },
      asio::use_awaitable, std::move(start));
}

// The same answer, with a value.
inline net::Task<net::Result<bool>> done(net::Task<net::Result<>> work) {
  const auto result = co_await std::move(work);
  if (!result) co_return std::unexpected(result.error());
  co_return true;
}

}  // namespace viaduct::chat
