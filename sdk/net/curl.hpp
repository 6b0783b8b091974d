// What HttpClient and WebSocket share of libcurl: transfers on the loop, and their settings.
// Internal; on the loop's thread.
#pragma once

#include <curl/curl.h>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <map>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <viaduct/net/http_client.hpp>

namespace viaduct::net::detail {

// What an easy handle does; its CURLOPT_PRIVATE points to it.
class CurlTransfer {
 public:
  // It is over; not called for one that was removed before.
  virtual void finished(CURLcode result) = 0;

 protected:
  ~CurlTransfer() = default;
};

// One connection pool, on the loop. Kept alive by its transfers.
class CurlMulti : public std::enable_shared_from_this<CurlMulti> {
 public:
  explicit CurlMulti(asio::io_context& of);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  // False: libcurl does not take it.
  bool add(CURL* easy, CurlTransfer& transfer);
  void remove(CURL* easy) { curl_multi_remove_handle(multi_, easy); }
  void limit_connections(std::size_t to_one_host);
  void look_for_results();

  asio::io_context& context() { return context_; }

 private:
  struct Socket;

  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept;
  static int on_timer(CURLM*, long milliseconds, void* self) noexcept;
  static void forget(Socket& socket);
  void socket(curl_socket_t fd, int what);
  void watch(curl_socket_t fd, const std::shared_ptr<Socket>& socket);
  void ready(curl_socket_t fd, const std::shared_ptr<Socket>& socket, int kind, int event);
  void set_timer(long milliseconds);
  void act(curl_socket_t fd, int event);

  asio::io_context& context_;
  CURLM* multi_ = nullptr;
  asio::steady_timer timer_;
  std::map<curl_socket_t, std::shared_ptr<Socket>> sockets_;
};

template <class T>
void set(CURL* easy, CURLoption option, T value) {
  if (curl_easy_setopt(easy, option, value) == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
}

// Certificates, proxy and name of the program, and what is the same for all.
void set_client_options(CURL* easy, const HttpClientOptions& options);

sdk::Code code_of(CURLcode result);

// Case is of no matter.
bool same_name(std::string_view a, std::string_view b);
std::string_view trimmed(std::string_view text);
bool is_token(std::string_view text);
bool is_value(std::string_view text);
// Empty: each header may be sent.
std::string wrong_header(const std::vector<HttpHeader>& headers);

// A URL of http or https and its parts; `origin` is for messages, since a query may hold secrets.
// All empty: it is none.
struct UrlParts {
  std::string origin;     // scheme://host:port
  std::string authority;  // host:port
  std::string target;     // path and query
};
UrlParts parts_of(const std::string& url);

}  // namespace viaduct::net::detail
