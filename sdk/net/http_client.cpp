#include "viaduct/net/http_client.hpp"

#include "event.hpp"

#include <curl/curl.h>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <map>
#include <new>
#include <stdexcept>
#include <utility>

namespace viaduct::net {
namespace {

using detail::Event;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadAhead = 1 << 20;

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

// Where a request goes, for messages: a query may hold secrets. Empty: no URL of http or https.
std::string origin_of(const std::string& url) {
  CURLU* const parts = curl_url();
  std::string text;
  char* scheme = nullptr;
  char* host = nullptr;
  char* port = nullptr;
  if (curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
      (std::string_view(scheme) == "http" || std::string_view(scheme) == "https")) {
    text = std::string(scheme) + "://" + host;
    if (curl_url_get(parts, CURLUPART_PORT, &port, 0) == CURLUE_OK) text += std::string(":") + port;
  }
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  curl_url_cleanup(parts);
  return text;
}

template <class T>
void set(CURL* easy, CURLoption option, T value) {
  if (curl_easy_setopt(easy, option, value) == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
}

}  // namespace

std::string_view HttpHead::header(std::string_view name) const {
  const auto found = std::ranges::find_if(
      headers, [&](const HttpHeader& one) { return same_name(one.name, name); });
  return found == headers.end() ? std::string_view() : std::string_view(found->value);
}

std::optional<std::chrono::seconds> HttpHead::retry_after() const {
  const std::string_view value = header("retry-after");
  if (value.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (wrong == std::errc() && end == value.data() + value.size() && seconds >= 0)
    return std::chrono::seconds(seconds);
  const std::time_t date = curl_getdate(std::string(value).c_str(), nullptr);
  if (date == -1) return std::nullopt;
  return std::chrono::seconds(std::max<std::int64_t>(0, date - std::time(nullptr)));
}

// ---------------------------------------------------------------- libcurl on the loop

// One connection pool. Kept alive by its transfers.
struct HttpClient::Multi : std::enable_shared_from_this<Multi> {
  struct Socket {
    explicit Socket(asio::io_context& context) : descriptor(context) {}
    asio::posix::stream_descriptor descriptor;
    int wanted = 0;  // CURL_POLL_…
    bool reading = false, writing = false;
    bool gone = false;
  };

  Multi(asio::io_context& of, HttpClientOptions given)
      : context(of), options(std::move(given)), timer(of) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (multi = curl_multi_init()) == nullptr)
      throw std::runtime_error("libcurl does not start");
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      static_cast<long>(options.max_connections));
  }
  ~Multi() {
    curl_multi_cleanup(multi);
    for (auto& [fd, socket] : sockets) forget(*socket);
    curl_global_cleanup();
  }
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept {
    static_cast<Multi*>(self)->socket(fd, what);
    return 0;
  }
  static int on_timer(CURLM*, long milliseconds, void* self) noexcept {
    static_cast<Multi*>(self)->set_timer(milliseconds);
    return 0;
  }

  static void forget(Socket& socket) {
    socket.gone = true;
    boost::system::error_code ignored;
    socket.descriptor.cancel(ignored);
    if (socket.descriptor.is_open()) socket.descriptor.release();  // libcurl closes it
  }
  void socket(curl_socket_t fd, int what) {
    auto found = sockets.find(fd);
    if (what == CURL_POLL_REMOVE) {
      if (found == sockets.end()) return;
      forget(*found->second);
      sockets.erase(found);
      return;
    }
    if (found == sockets.end()) {
      found = sockets.emplace(fd, std::make_shared<Socket>(context)).first;
      boost::system::error_code ignored;
      found->second->descriptor.assign(fd, ignored);
    }
    found->second->wanted = what;
    watch(fd, found->second);
  }
  void watch(curl_socket_t fd, const std::shared_ptr<Socket>& socket) {
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
  void ready(curl_socket_t fd, const std::shared_ptr<Socket>& socket, int kind, int event) {
    if ((socket->wanted & kind) == 0) return;  // not any more
    act(fd, event);
    watch(fd, socket);
  }
  void set_timer(long milliseconds) {
    timer.cancel();
    if (milliseconds < 0) return;
    timer.expires_after(std::chrono::milliseconds(milliseconds));
    timer.async_wait([self = weak_from_this()](const auto& error) {
      if (const auto here = self.lock(); here && !error) here->act(CURL_SOCKET_TIMEOUT, 0);
    });
  }
  void act(curl_socket_t fd, int event) {
    int running = 0;
    curl_multi_socket_action(multi, fd, event, &running);
    look_for_results();
  }
  void look_for_results();

  asio::io_context& context;
  const HttpClientOptions options;
  CURLM* multi = nullptr;
  asio::steady_timer timer;
  std::map<curl_socket_t, std::shared_ptr<Socket>> sockets;
};

struct HttpStream::Transfer : std::enable_shared_from_this<Transfer> {
  Transfer(std::shared_ptr<HttpClient::Multi> of, HttpRequest given)
      : multi(std::move(of)),
        request(std::move(given)),
        easy(curl_easy_init()),
        changed(multi->context),
        idle(multi->context) {
    if (easy == nullptr) throw std::bad_alloc();
  }
  ~Transfer() {
    detach();
    curl_easy_cleanup(easy);
    curl_slist_free_all(header_list);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  Result<> start();
  // Closes the connection when the answer is not over.
  void detach() {
    idle.cancel();
    if (std::exchange(attached, false)) curl_multi_remove_handle(multi->multi, easy);
  }
  void end(Result<> with) {
    if (ended) return;
    ended = std::move(with);
    if (*ended) head_done = true;
    changed.notify();
  }
  void fail(sdk::Code code, const std::string& why) {
    end(std::unexpected(sdk::Status{code, request.method + " " + where + ": " + why}));
  }
  void finished(CURLcode result) {
    detach();
    if (result == CURLE_OK)
      end({});
    else
      fail(code_of(result), error[0] != '\0' ? error.data() : curl_easy_strerror(result));
  }

  std::size_t take_header(std::string_view line);
  std::size_t take_body(std::string_view bytes);
  void watch_idle();

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) noexcept {
    return static_cast<Transfer*>(self)->take_header({data, size});
  }
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) noexcept {
    return static_cast<Transfer*>(self)->take_body({data, size});
  }

  static Task<Result<>> wait_head(std::shared_ptr<Transfer> self);
  static Task<Result<std::string>> read(std::shared_ptr<Transfer> self);

  const std::shared_ptr<HttpClient::Multi> multi;
  const HttpRequest request;
  std::string where;
  CURL* const easy;
  curl_slist* header_list = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};
  bool attached = false;

  HttpHead head;
  std::size_t header_bytes = 0;
  bool head_done = false;
  std::string body;  // not read yet
  std::size_t body_bytes = 0;
  bool paused = false;
  std::optional<Result<>> ended;
  Event changed;
  asio::steady_timer idle;
  Clock::time_point last_byte;
};

void HttpClient::Multi::look_for_results() {
  int left = 0;
  while (CURLMsg* const message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    char* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    reinterpret_cast<HttpStream::Transfer*>(transfer)->finished(result);
  }
}

Result<> HttpStream::Transfer::start() {
  where = origin_of(request.url);
  const auto refuse = [&](const std::string& why) {
    return std::unexpected(sdk::Status{sdk::Code::kInvalidArgument, where + ": " + why});
  };
  if (where.empty()) {
    where = "the URL";
    return refuse("it is none of http or https");
  }
  if (!is_token(request.method)) return refuse("the method is no HTTP method");
  if (!is_value(request.url)) return refuse("the URL has a line end in it");
  const auto add = [&](const std::string& line) {
    curl_slist* const longer = curl_slist_append(header_list, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    header_list = longer;
  };
  add("Expect:");  // libcurl would wait a second for an answer to it
  for (const HttpHeader& header : request.headers) {
    if (!is_token(header.name) || !is_value(header.value))
      return refuse("the header " + header.name + " is none");
    add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }

  const HttpClientOptions& options = multi->options;
  set(easy, CURLOPT_URL, request.url.c_str());
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PRIVATE, static_cast<void*>(this));
  set(easy, CURLOPT_ERRORBUFFER, error.data());
  set(easy, CURLOPT_HTTPHEADER, header_list);
  set(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) set(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  if (!options.proxy.empty() || !options.proxy_from_environment)
    set(easy, CURLOPT_PROXY, options.proxy.c_str());  // "": none, whatever the environment says
  if (request.max_redirects > 0) {
    set(easy, CURLOPT_FOLLOWLOCATION, 1L);
    set(easy, CURLOPT_MAXREDIRS, static_cast<long>(request.max_redirects));
    set(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  }
  if (request.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (!request.body.empty() || request.method == "POST") {
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(easy, CURLOPT_POSTFIELDS, request.body.data());
    if (request.method != "POST") set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method != "GET") {
    set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
  set(easy, CURLOPT_HEADERFUNCTION, on_header);
  set(easy, CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(easy, CURLOPT_WRITEFUNCTION, on_body);
  set(easy, CURLOPT_WRITEDATA, static_cast<void*>(this));

  if (curl_multi_add_handle(multi->multi, easy) != CURLM_OK)
    return std::unexpected(sdk::Status{sdk::Code::kInternal, "libcurl does not take a request"});
  attached = true;
  last_byte = Clock::now();
  watch_idle();
  return {};
}

std::size_t HttpStream::Transfer::take_header(std::string_view line) {
  last_byte = Clock::now();
  header_bytes += line.size();
  if (header_bytes > request.max_header_bytes) {
    fail(sdk::Code::kBusy, "the headers of the answer are too long");
    return 0;
  }
  const std::size_t taken = line.size();
  if (line.starts_with("HTTP/")) {
    if (!head_done) head = {};  // an earlier one was interim, or led elsewhere
    return taken;
  }
  line = trimmed(line);
  if (line.empty()) {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    head.status = static_cast<int>(status);
    const bool leads_on = request.max_redirects > 0 && status >= 300 && status < 400 &&
                          !head.header("location").empty();
    if (status >= 200 && !leads_on) {
      head_done = true;
      changed.notify();
    }
    return taken;
  }
  if (head_done) return taken;  // a trailer
  const std::size_t colon = line.find(':');
  if (colon != line.npos)
    head.headers.push_back(
        {std::string(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1)))});
  return taken;
}

std::size_t HttpStream::Transfer::take_body(std::string_view bytes) {
  last_byte = Clock::now();
  if (body.size() >= kReadAhead) {
    paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (body_bytes + bytes.size() > request.max_body_bytes) {
    fail(sdk::Code::kBusy,
         "the answer is longer than " + std::to_string(request.max_body_bytes) + " bytes");
    return 0;
  }
  body_bytes += bytes.size();
  body += bytes;
  changed.notify();
  return bytes.size();
}

void HttpStream::Transfer::watch_idle() {
  if (request.idle_timeout.count() <= 0) return;
  idle.expires_at(last_byte + request.idle_timeout);
  idle.async_wait([self = weak_from_this()](const auto& wrong) {
    const auto here = self.lock();
    if (wrong || !here || here->ended) return;
    if (here->paused) here->last_byte = Clock::now();  // it is us who do not read
    if (Clock::now() - here->last_byte < here->request.idle_timeout) {
      here->watch_idle();
      return;
    }
    here->fail(sdk::Code::kTimeout,
               "nothing came for " + std::to_string(here->request.idle_timeout.count()) + " ms");
    here->detach();
  });
}

Task<Result<>> HttpStream::Transfer::wait_head(std::shared_ptr<Transfer> self) {
  while (!self->head_done && !self->ended)
    if (!co_await self->changed.wait()) {
      self->detach();
      co_return std::unexpected(detail::cancelled());
    }
  if (!self->head_done) co_return std::unexpected(self->ended->error());
  co_return Result<>{};
}

Task<Result<std::string>> HttpStream::Transfer::read(std::shared_ptr<Transfer> self) {
  for (;;) {
    if (!self->body.empty()) {
      std::string bytes = std::exchange(self->body, {});
      if (std::exchange(self->paused, false)) {
        self->last_byte = Clock::now();
        curl_easy_pause(self->easy, CURLPAUSE_CONT);
        self->multi->look_for_results();
      }
      co_return bytes;
    }
    if (self->ended) {
      if (!*self->ended) co_return std::unexpected(self->ended->error());
      co_return std::string();
    }
    if (!co_await self->changed.wait()) {
      self->fail(sdk::Code::kCancelled, "cancelled");
      self->detach();
      co_return std::unexpected(detail::cancelled());
    }
  }
}

// ---------------------------------------------------------------- the public ends

HttpStream::HttpStream(std::shared_ptr<Transfer> transfer) : transfer_(std::move(transfer)) {}
HttpStream::HttpStream(HttpStream&&) noexcept = default;
HttpStream& HttpStream::operator=(HttpStream&&) noexcept = default;
HttpStream::~HttpStream() {
  if (transfer_) transfer_->detach();
}

const HttpHead& HttpStream::head() const {
  return transfer_->head;
}
Task<Result<std::string>> HttpStream::read() {
  return Transfer::read(transfer_);
}

HttpClient::HttpClient(Loop& loop, HttpClientOptions options)
    : multi_(std::make_shared<Multi>(loop.context(), std::move(options))) {}
HttpClient::~HttpClient() = default;

Task<Result<HttpStream>> HttpClient::open(HttpRequest request) {
  return [](std::shared_ptr<Multi> multi, HttpRequest what) -> Task<Result<HttpStream>> {
    auto transfer = std::make_shared<HttpStream::Transfer>(std::move(multi), std::move(what));
    if (auto started = transfer->start(); !started) co_return std::unexpected(started.error());
    HttpStream stream(transfer);
    auto there = co_await HttpStream::Transfer::wait_head(transfer);
    if (!there) co_return std::unexpected(there.error());
    co_return std::move(stream);
  }(multi_, std::move(request));
}

Task<Result<HttpResponse>> HttpClient::fetch(HttpRequest request) {
  return [](Task<Result<HttpStream>> opening) -> Task<Result<HttpResponse>> {
    auto stream = co_await std::move(opening);
    if (!stream) co_return std::unexpected(stream.error());
    HttpResponse response{stream->head(), {}};
    for (;;) {
      auto bytes = co_await stream->read();
      if (!bytes) co_return std::unexpected(bytes.error());
      if (bytes->empty()) co_return response;
      response.body += *bytes;
    }
  }(open(std::move(request)));
}

}  // namespace viaduct::net
