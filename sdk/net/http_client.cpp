#include "viaduct/net/http_client.hpp"

#include "curl.hpp"
#include "event.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <new>
#include <utility>

namespace viaduct::net {
namespace {

using detail::Event;
using detail::set;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadAhead = 1 << 20;

}  // namespace

std::string_view HttpHead::header(std::string_view name) const {
  const auto found = std::ranges::find_if(
      headers, [&](const HttpHeader& one) { return detail::same_name(one.name, name); });
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

// ---------------------------------------------------------------- one request

struct HttpClient::Multi : detail::CurlMulti {
  Multi(asio::io_context& of, HttpClientOptions given) : CurlMulti(of), options(std::move(given)) {
    limit_connections(options.max_connections);
  }
  const HttpClientOptions options;
};

struct HttpStream::Transfer final : detail::CurlTransfer, std::enable_shared_from_this<Transfer> {
  Transfer(std::shared_ptr<HttpClient::Multi> of, HttpRequest given)
      : multi(std::move(of)),
        request(std::move(given)),
        easy(curl_easy_init()),
        changed(multi->context()),
        idle(multi->context()) {
    if (easy == nullptr) throw std::bad_alloc();
  }
  ~Transfer() {
    detach();
    curl_easy_cleanup(easy);
    curl_slist_free_all(header_list);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  HttpResult<> start();
  // Closes the connection when the answer is not over.
  void detach() {
    idle.cancel();
    if (std::exchange(attached, false)) multi->remove(easy);
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
  void finished(CURLcode result) override {
    detach();
    if (result == CURLE_OK)
      end({});
    else
      fail(detail::code_of(result), error[0] != '\0' ? error.data() : curl_easy_strerror(result));
  }

  std::size_t take_header(std::string_view line);
  std::size_t take_body(std::string_view bytes);
  void watch_idle();

  // Before the request goes out; with `once`, libcurl's own second attempt ends here.
  static int on_request(void* self, char*, char*, int, int) noexcept {
    const auto transfer = static_cast<Transfer*>(self);
    const bool again = std::exchange(transfer->sent, true);
    return again && transfer->request.once ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t up) noexcept {
    const auto transfer = static_cast<Transfer*>(self);
    if (std::exchange(transfer->uploaded, up) != up) transfer->last_byte = Clock::now();
    return 0;
  }
  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) noexcept {
    return static_cast<Transfer*>(self)->take_header({data, size});
  }
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) noexcept {
    return static_cast<Transfer*>(self)->take_body({data, size});
  }

  static Task<HttpResult<>> wait_head(std::shared_ptr<Transfer> self);
  static Task<Result<std::string>> read(std::shared_ptr<Transfer> self);

  const std::shared_ptr<HttpClient::Multi> multi;
  const HttpRequest request;
  std::string where;
  CURL* const easy;
  curl_slist* header_list = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};
  bool attached = false;
  bool sent = false;
  curl_off_t uploaded = 0;

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

HttpResult<> HttpStream::Transfer::start() {
  where = detail::parts_of(request.url).origin;
  const auto refuse = [&](const std::string& why) {
    return std::unexpected(HttpError{{sdk::Code::kInvalidArgument, where + ": " + why}, false});
  };
  if (where.empty()) {
    where = "the URL";
    return refuse("it is none of http or https");
  }
  if (!detail::is_token(request.method)) return refuse("the method is no HTTP method");
  if (!detail::is_value(request.url)) return refuse("the URL has a line end in it");
  if (const auto wrong = detail::wrong_header(request.headers); !wrong.empty())
    return refuse(wrong);
  const auto add = [&](const std::string& line) {
    curl_slist* const longer = curl_slist_append(header_list, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    header_list = longer;
  };
  add("Expect:");  // libcurl would wait a second for an answer to it
  for (const HttpHeader& header : request.headers)
    add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);

  detail::set_client_options(easy, multi->options);
  set(easy, CURLOPT_URL, request.url.c_str());
  set(easy, CURLOPT_ERRORBUFFER, error.data());
  set(easy, CURLOPT_HTTPHEADER, header_list);
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
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

  set(easy, CURLOPT_PREREQFUNCTION, on_request);
  set(easy, CURLOPT_PREREQDATA, static_cast<void*>(this));
  set(easy, CURLOPT_NOPROGRESS, 0L);
  set(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
  set(easy, CURLOPT_XFERINFODATA, static_cast<void*>(this));

  if (!multi->add(easy, *this))
    return std::unexpected(
        HttpError{{sdk::Code::kInternal, "libcurl does not take a request"}, false});
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
  line = detail::trimmed(line);
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
        {std::string(line.substr(0, colon)), std::string(detail::trimmed(line.substr(colon + 1)))});
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

Task<HttpResult<>> HttpStream::Transfer::wait_head(std::shared_ptr<Transfer> self) {
  while (!self->head_done && !self->ended)
    if (!co_await self->changed.wait()) {
      self->detach();
      co_return std::unexpected(HttpError{detail::cancelled(), self->sent});
    }
  if (!self->head_done) co_return std::unexpected(HttpError{self->ended->error(), self->sent});
  co_return HttpResult<>{};
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

Task<HttpResult<HttpStream>> HttpClient::open(HttpRequest request) {
  return [](std::shared_ptr<Multi> multi, HttpRequest what) -> Task<HttpResult<HttpStream>> {
    auto transfer = std::make_shared<HttpStream::Transfer>(std::move(multi), std::move(what));
    if (auto started = transfer->start(); !started) co_return std::unexpected(started.error());
    HttpStream stream(transfer);
    auto there = co_await HttpStream::Transfer::wait_head(transfer);
    if (!there) co_return std::unexpected(there.error());
    co_return std::move(stream);
  }(multi_, std::move(request));
}

Task<HttpResult<HttpResponse>> HttpClient::fetch(HttpRequest request) {
  return [](Task<HttpResult<HttpStream>> opening) -> Task<HttpResult<HttpResponse>> {
    auto stream = co_await std::move(opening);
    if (!stream) co_return std::unexpected(stream.error());
    HttpResponse response{stream->head(), {}};
    for (;;) {
      auto bytes = co_await stream->read();
      if (!bytes) co_return std::unexpected(HttpError{bytes.error(), true});
      if (bytes->empty()) co_return response;
      response.body += *bytes;
    }
  }(open(std::move(request)));
}

}  // namespace viaduct::net
