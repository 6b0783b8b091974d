#include "host/http/local_get.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <utility>

namespace viaduct::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint64_t kLongestAnswer = 1 << 20;

// `path` and `body` outlive the io_context.
asio::awaitable<void> get(std::uint16_t port, const std::string& path,
                          std::chrono::milliseconds limit, std::optional<std::string>& body) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  stream.expires_after(limit);  // for all of it
  const asio::ip::tcp::endpoint where(asio::ip::address_v4::loopback(), port);
  auto [refused] = co_await stream.async_connect(where, kAsTuple);
  if (refused) co_return;
  beast::http::request<beast::http::empty_body> request(beast::http::verb::get, path, 11);
  request.set(beast::http::field::host, "127.0.0.1:" + std::to_string(port));
  request.set(beast::http::field::accept, "application/json");
  request.keep_alive(false);
  auto [unsent, sent] = co_await beast::http::async_write(stream, request, kAsTuple);
  if (unsent) co_return;
  beast::flat_buffer buffer;
  beast::http::response_parser<beast::http::string_body> answer;
  answer.body_limit(kLongestAnswer);
  auto [unread, received] = co_await beast::http::async_read(stream, buffer, answer, kAsTuple);
  if (unread || answer.get().result() != beast::http::status::ok) co_return;
  body = std::move(answer.get().body());
}

}  // namespace

std::vector<std::optional<std::string>> local_get(const std::vector<std::uint16_t>& ports,
                                                  const std::string& path,
                                                  std::chrono::milliseconds limit) {
  std::vector<std::optional<std::string>> bodies(ports.size());
  asio::io_context context;
  for (std::size_t i = 0; i < ports.size(); ++i)
    asio::co_spawn(context, get(ports[i], path, limit, bodies[i]),
                   [](const std::exception_ptr& fault) {
                     if (fault) std::rethrow_exception(fault);
                   });
  context.run();
  return bodies;
}

}  // namespace viaduct::http
