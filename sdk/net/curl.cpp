#include "curl.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace viaduct::net::detail {

// ---------------------------------------------------------------- libcurl on the loop

struct CurlMulti::Socket {
  explicit Socket(asio::io_context& context) : descriptor(context) {}
  asio::posix::stream_descriptor descriptor;
  int wanted = 0;  // CURL_POLL_…
  bool reading = false, writing = false;
  bool gone = false;
};

CurlMulti::CurlMulti(asio::io_context& of) : context_(of), timer_(of) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (multi_ = curl_multi_init()) == nullptr)
    throw std::runtime_error("libcurl does not start");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

CurlMulti::~CurlMulti() {
  curl_multi_cleanup(multi_);
  for (auto& [fd, socket] : sockets_) forget(*socket);
  curl_global_cleanup();
}

bool CurlMulti::add(CURL* easy, CurlTransfer& transfer) {
  set(easy, CURLOPT_PRIVATE, static_cast<void*>(&transfer));
  return curl_multi_add_handle(multi_, easy) == CURLM_OK;
}

void CurlMulti::limit_connections(std::size_t to_one_host) {
  curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(to_one_host));
}

int CurlMulti::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept {
  static_cast<CurlMulti*>(self)->socket(fd, what);
  return 0;
}

int CurlMulti::on_timer(CURLM*, long milliseconds, void* self) noexcept {
  static_cast<CurlMulti*>(self)->set_timer(milliseconds);
  return 0;
}

void CurlMulti::forget(Socket& socket) {
  socket.gone = true;
  boost::system::error_code ignored;
  socket.descriptor.cancel(ignored);
  if (socket.descriptor.is_open()) socket.descriptor.release();  // libcurl closes it
}

void CurlMulti::socket(curl_socket_t fd, int what) {
  auto found = sockets_.find(fd);
  if (what == CURL_POLL_REMOVE) {
    if (found == sockets_.end()) return;
    forget(*found->second);
    sockets_.erase(found);
    return;
  }
  if (found == sockets_.end()) {
    found = sockets_.emplace(fd, std::make_shared<Socket>(context_)).first;
    boost::system::error_code ignored;
    found->second->descriptor.assign(fd, ignored);
  }
  found->second->wanted = what;
  watch(fd, found->second);
}

void CurlMulti::watch(curl_socket_t fd, const std::shared_ptr<Socket>& socket) {
  using Wait = asio::posix::stream_descriptor;
  if (socket->gone) return;
  if ((socket->wanted & CURL_POLL_IN) != 0 && !std::exchange(socket->reading, true))
    socket->descriptor.async_wait(
        Wait::wait_read, [self = weak_from_this(), fd, socket](const auto& error) {
          socket->reading = false;
          if (const auto here = self.lock(); here && !error && !socket->gone)
            here->ready(fd, socket, CURL_POLL_IN, CURL_CSELECT_IN);
        });
  if ((socket->wanted & CURL_POLL_OUT) != 0 && !std::exchange(socket->writing, true))
    socket->descriptor.async_wait(
        Wait::wait_write, [self = weak_from_this(), fd, socket](const auto& error) {
          socket->writing = false;
          if (const auto here = self.lock(); here && !error && !socket->gone)
            here->ready(fd, socket, CURL_POLL_OUT, CURL_CSELECT_OUT);
        });
}

void CurlMulti::ready(curl_socket_t fd, const std::shared_ptr<Socket>& socket, int kind,
                      int event) {
  if ((socket->wanted & kind) == 0) return;  // not any more
  act(fd, event);
  watch(fd, socket);
}

void CurlMulti::set_timer(long milliseconds) {
  timer_.cancel();
  if (milliseconds < 0) return;
  timer_.expires_after(std::chrono::milliseconds(milliseconds));
  timer_.async_wait([self = weak_from_this()](const auto& error) {
    if (const auto here = self.lock(); here && !error) here->act(CURL_SOCKET_TIMEOUT, 0);
  });
}

void CurlMulti::act(curl_socket_t fd, int event) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, event, &running);
  look_for_results();
}

void CurlMulti::look_for_results() {
  int left = 0;
  while (CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    void* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    static_cast<CurlTransfer*>(transfer)->finished(result);
  }
}

// ---------------------------------------------------------------- settings and texts

void set_client_options(CURL* easy, const HttpClientOptions& options) {
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) set(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  if (!options.proxy.empty() || !options.proxy_from_environment)
    set(easy, CURLOPT_PROXY, options.proxy.c_str());  // "": none, whatever the environment says
}

sdk::Code code_of(CURLcode result) {
  switch (result) {
    case CURLE_OPERATION_TIMEDOUT: return sdk::Code::kTimeout;
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS: return sdk::Code::kInvalidArgument;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR: return sdk::Code::kFailedPrecondition;
    case CURLE_OUT_OF_MEMORY: throw std::bad_alloc();
    default: return sdk::Code::kUnavailable;
  }
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && std::string_view(" \t\r\n").contains(text.back())) text.remove_suffix(1);
  return text;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

bool is_value(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos;
}

std::string wrong_header(const std::vector<HttpHeader>& headers) {
  for (const HttpHeader& header : headers)
    if (!is_token(header.name) || !is_value(header.value))
      return "the header " + header.name + " is none";
  return {};
}

UrlParts parts_of(const std::string& url) {
  CURLU* const parsed = curl_url();
  if (parsed == nullptr) throw std::bad_alloc();
  const auto part = [&](CURLUPart what, unsigned flags = 0) {
    char* text = nullptr;
    std::string found;
    if (curl_url_get(parsed, what, &text, flags) == CURLUE_OK) found = text;
    curl_free(text);
    return found;
  };
  UrlParts parts;
  if (curl_url_set(parsed, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK) {
    const std::string scheme = part(CURLUPART_SCHEME);
    const std::string port = part(CURLUPART_PORT);
    const std::string query = part(CURLUPART_QUERY);
    if (scheme == "http" || scheme == "https") {
      parts.authority = part(CURLUPART_HOST) + (port.empty() ? "" : ":" + port);
      parts.origin = scheme + "://" + parts.authority;
      parts.target = part(CURLUPART_PATH) + (query.empty() ? "" : "?" + query);
    }
  }
  curl_url_cleanup(parsed);
  return parts;
}

}  // namespace viaduct::net::detail
