// The one byte stream that HTTP and WebSockets run over: plain TCP today, with room for TLS behind
// the same functions, so that Beast is instantiated once. On the loop.
#pragma once

#include "host/http/deadlines.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

namespace viaduct::http {

using Socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

class Stream {
 public:
  using executor_type = Socket::executor_type;

  explicit Stream(Socket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  }
  executor_type get_executor() { return socket_.get_executor(); }
  // From this computer to one of its loopback addresses.
  bool is_local() const {
    boost::system::error_code error;
    const auto peer = socket_.remote_endpoint(error);
    if (error || !peer.address().is_loopback()) return false;
    const auto own = socket_.local_endpoint(error);
    return !error && own.address().is_loopback();
  }

  // Whether there may be something to read, without a buffer being held for it.
  template <class Handler>
  void async_wait_readable(Handler&& handler) {
    socket_.async_wait(Socket::wait_read, std::forward<Handler>(handler));
  }
  // What can be moved at once; would_block when that is nothing.
  std::size_t read_now(std::span<char> to, boost::system::error_code& error) {
    return socket_.read_some(boost::asio::buffer(to.data(), to.size()), error);
  }
  std::size_t write_now(std::string_view from, boost::system::error_code& error) {
    return socket_.write_some(boost::asio::buffer(from.data(), from.size()), error);
  }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& to, Handler&& handler) {
    read_at_ = Clock::now();
    return socket_.async_read_some(to, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& from, Handler&& handler) {
    wrote_at_ = Clock::now();
    return socket_.async_write_some(from, std::forward<Handler>(handler));
  }
  // When a read or write was last begun, which is when the one before it moved something.
  Clock::time_point read_at() const { return read_at_; }
  Clock::time_point wrote_at() const { return wrote_at_; }

  void cancel() {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
  void shutdown_send() {
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  void close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }
  Socket& socket() { return socket_; }

 private:
  Socket socket_;
  Clock::time_point read_at_ = Clock::now();
  Clock::time_point wrote_at_ = Clock::now();
};

}  // namespace viaduct::http
