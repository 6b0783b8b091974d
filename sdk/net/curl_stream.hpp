// The bytes of a connection that libcurl made (name, proxy, TLS), as the stream that Boost.Beast
// wants: one type, with TLS or without. Internal; on the loop's thread.
#pragma once

#include "curl.hpp"
#include "event.hpp"

#include <fcntl.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

namespace viaduct::net::detail {

class CurlStream : CurlTransfer {  // not final, since Asio derives from it to look at it
 public:
  using executor_type = asio::io_context::executor_type;
  using Error = boost::system::error_code;

  explicit CurlStream(asio::io_context& context)
      : multi_(std::make_shared<CurlMulti>(context)),
        easy_(curl_easy_init()),
        changed_(context),
        socket_(context) {
    if (easy_ == nullptr) throw std::bad_alloc();
  }
  virtual ~CurlStream() {
    close();
    curl_easy_cleanup(easy_);
  }
  CurlStream(const CurlStream&) = delete;
  CurlStream& operator=(const CurlStream&) = delete;

  executor_type get_executor() { return socket_.get_executor(); }

  // `url`: http or https.
  Task<Result<>> connect(std::string url, HttpClientOptions options,
                         std::chrono::milliseconds limit) {
    set_client_options(easy_, options);
    set(easy_, CURLOPT_URL, url.c_str());
    set(easy_, CURLOPT_ERRORBUFFER, why_.data());
    set(easy_, CURLOPT_CONNECT_ONLY, 1L);
    set(easy_, CURLOPT_HTTPPROXYTUNNEL, 1L);
    set(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limit.count()));
    set(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(limit.count()));
    if (!multi_->add(easy_, *this)) co_return failed(sdk::Code::kInternal, "libcurl refuses");
    attached_ = true;
    while (!ended_)
      if (!co_await changed_.wait()) {
        close();
        co_return std::unexpected(cancelled());
      }
    if (*ended_ != CURLE_OK)
      co_return failed(code_of(*ended_),
                       why_[0] != '\0' ? why_.data() : curl_easy_strerror(*ended_));
    curl_socket_t theirs = CURL_SOCKET_BAD;
    curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &theirs);
    // Our own descriptor, since libcurl watches and closes its own as it likes.
    const int ours = theirs == CURL_SOCKET_BAD ? -1 : ::fcntl(theirs, F_DUPFD_CLOEXEC, 0);
    Error error;
    if (ours >= 0) socket_.assign(ours, error);
    if (ours < 0 || error) co_return failed(sdk::Code::kUnavailable, "the connection is gone");
    last_received_ = std::chrono::steady_clock::now();
    co_return Result<>{};
  }

  // At once; what waits ends with operation_aborted.
  void close() {
    Error ignored;
    socket_.close(ignored);
    if (std::exchange(attached_, false)) multi_->remove(easy_);
  }

  std::chrono::steady_clock::time_point last_received() const { return last_received_; }
  // Bytes that one read takes at most.
  void limit_reads(std::size_t most) { most_of_a_read_ = most; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    asio::mutable_buffer into;
    for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers);
         ++at)
      if (into.size() == 0) into = *at;
    into = asio::buffer(into, most_of_a_read_);
    return transfer([this, into] { return receive(into); }, Wait::wait_read,
                    std::forward<Token>(token));
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    // OpenSSL wants the same bytes again when it could not take them; one record for all.
    const std::size_t size = asio::buffer_copy(asio::buffer(out_), buffers);
    return transfer([this, size] { return give(size); }, Wait::wait_write,
                    std::forward<Token>(token));
  }

 private:
  using Wait = asio::posix::descriptor_base;
  struct Moved {
    Error error;
    std::size_t size = 0;
  };

  static Result<> failed(sdk::Code code, const std::string& why) {
    return std::unexpected(sdk::Status{code, why});
  }

  void finished(CURLcode result) override {
    ended_ = result;
    changed_.notify();
  }

  Moved receive(asio::mutable_buffer into) {
    if (!attached_) return {asio::error::operation_aborted};
    if (into.size() == 0) return {};
    std::size_t size = 0;
    const CURLcode result = curl_easy_recv(easy_, into.data(), into.size(), &size);
    if (result == CURLE_AGAIN) return {asio::error::would_block};
    if (result != CURLE_OK) return {asio::error::connection_reset};
    if (size == 0) return {asio::error::eof};
    last_received_ = std::chrono::steady_clock::now();
    return {{}, size};
  }

  Moved give(std::size_t most) {
    if (!attached_) return {asio::error::operation_aborted};
    if (most == 0) return {};
    std::size_t size = 0;
    const CURLcode result = curl_easy_send(easy_, out_.data(), most, &size);
    if (result == CURLE_AGAIN) return {asio::error::would_block};
    if (result != CURLE_OK) return {asio::error::broken_pipe};
    return {{}, size};
  }

  // Tries, and as long as that would block, waits and tries again. Never answers inline.
  template <class Try, class Token>
  auto transfer(Try attempt, Wait::wait_type ready, Token&& token) {
    enum class At { kFirst, kWaited, kDone };
    return asio::async_compose<Token, void(Error, std::size_t)>(
        [this, attempt, ready, at = At::kFirst, moved = Moved{}](auto& self,
                                                                 Error error = {}) mutable {
          if (at == At::kDone) {
            self.complete(moved.error, moved.size);
            return;
          }
          moved = error ? Moved{error} : attempt();
          const bool first = at == At::kFirst;
          if (moved.error == asio::error::would_block) {
            at = At::kWaited;
            socket_.async_wait(ready, std::move(self));
          } else if (first) {
            at = At::kDone;
            asio::post(get_executor(), std::move(self));
          } else {
            self.complete(moved.error, moved.size);
          }
        },
        token, socket_);
  }

  const std::shared_ptr<CurlMulti> multi_;
  CURL* const easy_;
  std::array<char, CURL_ERROR_SIZE> why_{};
  bool attached_ = false;
  std::optional<CURLcode> ended_;
  Event changed_;
  asio::posix::basic_stream_descriptor<executor_type> socket_;
  std::chrono::steady_clock::time_point last_received_;
  std::size_t most_of_a_read_ = 512;
  std::array<char, 16 << 10> out_{};
};

// What Beast wants besides. Who owns the stream closes it.
template <class Handler>
void async_teardown(boost::beast::role_type, CurlStream& stream, Handler&& handler) {
  asio::post(stream.get_executor(),
             boost::beast::bind_front_handler(std::forward<Handler>(handler), CurlStream::Error{}));
}
inline void beast_close_socket(CurlStream& stream) {
  stream.close();
}

}  // namespace viaduct::net::detail
