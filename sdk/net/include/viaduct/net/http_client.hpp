// HTTP requests from a plugin, on libcurl: answers come as a stream, on time, with bounded memory.
// TLS is verified, redirects are not followed, proxies are used only if configured. On the loop's
// thread; streams may outlive the client, but neither outlives the Loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <viaduct/net/loop.hpp>

namespace viaduct::net {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url{};  // http or https
  std::vector<HttpHeader> headers{};
  std::string body{};

  std::chrono::milliseconds connect_timeout{10'000};  // name, connection and TLS
  // No byte went or came for so long, before or in the answer, although somebody reads. 0: no
  // limit.
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds total_timeout{0};  // 0: no limit
  int max_redirects = 0;                       // followed; the method changes as browsers do it
  // Never sent a second time. Without it, and as browsers do, a request is repeated when an idle
  // connection breaks under it, and the server may have had both. Not with max_redirects.
  bool once = false;
  std::size_t max_header_bytes = 64 << 10;
  std::size_t max_body_bytes = 64 << 20;
};

// Why there is no answer, or not the whole of it.
struct HttpError : sdk::Status {
  bool sent = true;  // false: the server has seen nothing of the request, for certain
};
template <class T = void>
using HttpResult = std::expected<T, HttpError>;

struct HttpHead {
  int status = 0;
  std::vector<HttpHeader> headers{};  // names as they came

  // The first by this name in any case, or empty.
  std::string_view header(std::string_view name) const;
  // Retry-After, in seconds or as a date; nothing: not there, or not understood.
  std::optional<std::chrono::seconds> retry_after() const;
};

struct HttpResponse {
  HttpHead head{};
  std::string body{};
};

// The answer to one request, as it comes. Letting go of it closes the connection, unless all was
// read.
class HttpStream {
 public:
  HttpStream(HttpStream&&) noexcept;
  HttpStream& operator=(HttpStream&&) noexcept;
  ~HttpStream();

  const HttpHead& head() const;
  // What has come since, at least a byte; empty: the end. A failure comes behind all that came
  // before it. kTimeout, kUnavailable (also when it is cut short), kBusy (max_body_bytes). Not
  // read, the peer waits after 1 MiB. One at a time.
  Task<Result<std::string>> read();

 private:
  friend class HttpClient;
  struct Transfer;
  explicit HttpStream(std::shared_ptr<Transfer> transfer);
  std::shared_ptr<Transfer> transfer_;
};

struct HttpClientOptions {
  std::string proxy{};                  // URL; empty: none
  bool proxy_from_environment = false;  // http_proxy, https_proxy, no_proxy, when `proxy` is empty
  std::string ca_file{};                // PEM; empty: the system's
  std::string user_agent = "viaduct";
  std::size_t max_connections = 0;  // to one host; 0: no limit
};

class HttpClient {
 public:
  explicit HttpClient(Loop& loop, HttpClientOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Done when status and headers are there, whatever the status is. kInvalidArgument: the request;
  // kFailedPrecondition: the certificate; kUnavailable: no connection; kTimeout. Cancelling closes
  // the connection at once.
  Task<HttpResult<HttpStream>> open(HttpRequest request);
  // The whole answer.
  Task<HttpResult<HttpResponse>> fetch(HttpRequest request);

 private:
  struct Multi;
  friend class HttpStream;
  std::shared_ptr<Multi> multi_;
};

}  // namespace viaduct::net
