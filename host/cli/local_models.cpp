#include "host/cli/local_models.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace viaduct::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint64_t kLongestAnswer = 1 << 20;

using Models = std::optional<std::vector<std::string>>;

// `models` outlives the io_context.
asio::awaitable<void> ask_for_models(std::uint16_t port, std::chrono::milliseconds limit,
                                     Models& models) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  stream.expires_after(limit);  // for all of it
  const asio::ip::tcp::endpoint where(asio::ip::address_v4::loopback(), port);
  auto [refused] = co_await stream.async_connect(where, kAsTuple);
  if (refused) co_return;
  http::request<http::empty_body> request(http::verb::get, "/v1/models", 11);
  request.set(http::field::host, "127.0.0.1:" + std::to_string(port));
  request.set(http::field::accept, "application/json");
  request.keep_alive(false);
  auto [unsent, sent] = co_await http::async_write(stream, request, kAsTuple);
  if (unsent) co_return;
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> answer;
  answer.body_limit(kLongestAnswer);
  auto [unread, received] = co_await http::async_read(stream, buffer, answer, kAsTuple);
  if (unread || answer.get().result() != http::status::ok) co_return;
  models = parse_models(answer.get().body());
}

}  // namespace

std::vector<LocalServer> find_model_servers(const std::vector<std::uint16_t>& ports,
                                            std::chrono::milliseconds limit) {
  std::vector<Models> models(ports.size());
  asio::io_context context;
  for (std::size_t i = 0; i < ports.size(); ++i)
    asio::co_spawn(context, ask_for_models(ports[i], limit, models[i]),
                   [](const std::exception_ptr& fault) {
                     if (fault) std::rethrow_exception(fault);
                   });
  context.run();
  std::vector<LocalServer> servers;
  for (std::size_t i = 0; i < ports.size(); ++i)
    if (models[i]) servers.push_back({ports[i], std::move(*models[i])});
  return servers;
}

}  // namespace viaduct::cli
