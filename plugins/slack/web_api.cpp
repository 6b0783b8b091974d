#include "plugins/slack/web_api.hpp"

#include <viaduct/chat/budget.hpp>
#include <viaduct/chat/file.hpp>
#include "plugins/slack/address.hpp"
#include "plugins/slack/config.hpp"
#include "plugins/slack/web_api_json.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <viaduct/net/text.hpp>
#include <viaduct/sdk/base.hpp>

namespace viaduct::slack {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kConnectLimit = 10s;
constexpr auto kCallLimit = 30s;
constexpr auto kSilenceLimit = 30s;  // of uploads and downloads, however long they take
constexpr std::size_t kMostOfAnAnswer = 32 << 20;
constexpr std::size_t kMostOfAFile = 256 << 20;
constexpr int kMostRedirects = 3;
constexpr auto kUsualRetry = 1s;                      // 429 without Retry-After
constexpr std::chrono::seconds kLongestRetry = 5min;  // whatever it says

// Calls in a minute (reference section 11); all of them may come at once.
constexpr chat::Budget::Pace per_minute(int calls) {
  return {std::chrono::milliseconds(60'000 / calls), calls};
}
chat::Budget::Pace pace_of(std::string_view method) {
  constexpr std::array<std::string_view, 6> kTier2 = {"chat.startStream",   "chat.stopStream",
                                                      "reactions.remove",   "conversations.create",
                                                      "conversations.list", "users.list"};
  constexpr std::array<std::string_view, 7> kTier4 = {
      "chat.appendStream", "chat.postEphemeral", "chat.getPermalink",           "users.info",
      "auth.test",         "oauth.v2.access",    "assistant.threads.setStatus",
  };
  if (method == "chat.postMessage")
    return {200ms, 300};  // of the workspace; channels have their own
  if (std::ranges::find(kTier2, method) != kTier2.end()) return per_minute(20);
  if (std::ranges::find(kTier4, method) != kTier4.end() || method.starts_with("views.") ||
      method.starts_with("files.") || method.starts_with("assistant.threads."))
    return per_minute(100);
  return per_minute(50);
}
constexpr chat::Budget::Pace kChannelPace{1000ms, 8};
bool is_paced_by_channel(std::string_view method) {
  return method == "chat.postMessage" || method == "chat.update";
}

// What makes something new: libcurl must not repeat it.
bool is_once(std::string_view method) {
  return method.starts_with("chat.") || method == "files.completeUploadExternal" ||
         method == "oauth.v2.access" || method == "conversations.create";
}

// Errors that Slack answers though something may have been done.
bool may_have_been_done(std::string_view error) {
  return error == "internal_error" || error == "fatal_error" || error == "service_unavailable" ||
         error == "messaging_processing_failed";
}

ApiFailure content_failure(std::string message) {
  return {ApiTrouble::kContent, "", std::move(message), true, std::nullopt};
}

ApiFailure no_answer(const net::HttpError& error, const std::string& token) {
  return {
      ApiTrouble::kRetryLater, "",
      "Slack does not answer (" + net::redacted(error.message, {token}) + "); it is tried again",
      !error.sent, std::nullopt};
}

ApiFailure rate_limited(std::chrono::milliseconds wait) {
  return {ApiTrouble::kRetryLater, "ratelimited", words_of("ratelimited"), true, wait};
}

std::optional<std::chrono::milliseconds> retry_after(const net::HttpHead& head) {
  const auto said = head.retry_after();
  if (!said) return std::nullopt;
  return std::min(*said, kLongestRetry);
}

bool looks_like_html(std::string_view body) {
  const std::size_t start = body.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (start == body.npos) return false;
  std::string head(body.substr(start, 14));
  for (char& c : head)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return head.starts_with("<!doctype html") || head.starts_with("<html");
}

// The answer of a method, or of a response_url.
ApiResult judged(const net::HttpResponse& response, const std::string& token) {
  const int status = response.head.status;
  const ApiAnswer said = parse_answer(response.body);
  if (status == 429 || said.error == "ratelimited" || said.error == "rate_limited")
    return std::unexpected(rate_limited(retry_after(response.head).value_or(kUsualRetry)));
  if (status == 200 && said.is_json && said.ok) return response.body;
  if (said.is_json && !said.error.empty()) {
    if (is_as_good_as_done(said.error)) return R"({"ok":true})";
    ApiFailure failure{trouble_of(said.error),
                       net::redacted(net::one_line(said.error, 100), {token}),
                       words_of(said.error, said.needed, said.provided, said.detail),
                       !may_have_been_done(said.error), std::nullopt};
    if (const auto wait = retry_after(response.head)) failure.retry_after = *wait;
    failure.message = net::redacted(std::move(failure.message), {token});
    return std::unexpected(std::move(failure));
  }
  ApiFailure failure{ApiTrouble::kRetryLater, "",
                     "Slack answered " + std::to_string(status) + " and no JSON; it is tried again",
                     status >= 300 && status < 500 && status != 408, std::nullopt};
  if (const auto wait = retry_after(response.head)) failure.retry_after = *wait;
  if (status >= 300 && status < 400) {
    failure.trouble = ApiTrouble::kSetUp;
    failure.message = "Slack's API is elsewhere (" + std::to_string(status) +
                      "); correct api_base_url, it is usually https://slack.com/api/";
  }
  return std::unexpected(std::move(failure));
}

class Http final : public Carrier {
 public:
  // A stand-in on this computer is behind no proxy.
  Http(net::Loop& loop, std::string_view base_url)
      : client_(loop, {.proxy_from_environment = !is_loopback_url(base_url)}) {}
  net::Task<net::HttpResult<net::HttpResponse>> fetch(net::HttpRequest request) override {
    return client_.fetch(std::move(request));
  }

 private:
  net::HttpClient client_;
};

}  // namespace

struct WebApi::Shared {
  Shared(net::Loop& of, std::string url, Reporter to, std::shared_ptr<Carrier> by)
      : loop(of),
        base(std::move(url)),
        reporter(std::move(to)),
        carrier(by ? std::move(by) : std::make_shared<Http>(of, base)) {}

  void report(std::string_view method, const ApiResult& result, const net::HttpHead& head,
              Clock::time_point begun) const {
    if (!reporter) return;
    reporter({method, result ? std::string_view() : std::string_view(result.error().error),
              head.header("x-slack-req-id"), result.has_value(), Clock::now() - begun});
  }

  net::HttpRequest post(std::string url, std::string type, std::string body) const {
    net::HttpRequest request;
    request.method = "POST";
    request.url = std::move(url);
    request.headers = {{"Content-Type", std::move(type)}};
    request.body = std::move(body);
    request.connect_timeout = kConnectLimit;
    request.total_timeout = kCallLimit;
    request.max_body_bytes = kMostOfAnAnswer;
    return request;
  }

  static net::Task<ApiResult> call(std::shared_ptr<Shared> self, std::string method,
                                   std::string arguments, std::string token,
                                   std::chrono::milliseconds patience,
                                   net::HttpHead* head = nullptr);
  static net::Task<std::optional<ApiFailure>> wait_for_room(std::shared_ptr<Shared> self,
                                                            chat::Budget::Ticket ticket,
                                                            Clock::time_point deadline);

  net::Loop& loop;
  const std::string base;
  const Reporter reporter;
  const std::shared_ptr<Carrier> carrier;
  chat::Budget budget;
};

// Nothing: it may go.
net::Task<std::optional<ApiFailure>> WebApi::Shared::wait_for_room(std::shared_ptr<Shared> self,
                                                                   chat::Budget::Ticket ticket,
                                                                   Clock::time_point deadline) {
  struct Place {  // is given up with the coroutine
    ~Place() { budget.leave(ticket); }
    chat::Budget& budget;
    chat::Budget::Ticket ticket;
  } place{self->budget, ticket};
  for (;;) {
    const auto now = Clock::now();
    const auto again = self->budget.look(ticket, now);
    if (!again) co_return std::nullopt;
    if (*again > deadline)
      co_return rate_limited(std::chrono::ceil<std::chrono::milliseconds>(*again - now));
    asio::steady_timer timer(self->loop.context(), *again);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
      co_return ApiFailure{ApiTrouble::kRetryLater, "", "cancelled", true, std::nullopt};
  }
}

net::Task<ApiResult> WebApi::Shared::call(std::shared_ptr<Shared> self, std::string method,
                                          std::string arguments, std::string token,
                                          std::chrono::milliseconds patience, net::HttpHead* head) {
  const auto begun = Clock::now();
  const auto deadline = begun + patience;
  const auto form = form_of(arguments);
  if (!form) co_return std::unexpected(content_failure("the arguments are no JSON object"));
  const chat::Budget::Lane of_method{token + " " + method, pace_of(method)};
  std::vector<chat::Budget::Lane> lanes{of_method};
  if (is_paced_by_channel(method)) lanes.push_back({token + " #" + form->channel, kChannelPace});
  const auto rank =
      patience.count() > 0 ? chat::Budget::Rank::kLastWord : chat::Budget::Rank::kPassing;

  for (chat::Budget::Ticket ticket = 0;;) {
    ticket = self->budget.enter(lanes, rank, Clock::now(), ticket);
    if (auto failure = co_await wait_for_room(self, ticket, deadline)) {
      const ApiResult result = std::unexpected(*std::move(failure));
      self->report(method, result, {}, begun);
      co_return result;
    }
    net::HttpRequest request =
        self->post(self->base + method, "application/x-www-form-urlencoded", form->body);
    if (!token.empty()) request.headers.push_back({"Authorization", "Bearer " + token});
    request.once = is_once(method);
    const auto response = co_await self->carrier->fetch(std::move(request));
    const ApiResult result =
        response ? judged(*response, token) : std::unexpected(no_answer(response.error(), token));
    if (!result && result.error().error == "ratelimited") {
      const auto until = Clock::now() + result.error().retry_after.value_or(kUsualRetry);
      self->budget.pause(of_method, until);
      if (until <= deadline) continue;
    }
    self->report(method, result, response ? response->head : net::HttpHead{}, begun);
    if (head != nullptr && response) *head = response->head;
    co_return result;
  }
}

// ---------------------------------------------------------------- the public ends

WebApi::WebApi(net::Loop& loop, std::string base_url, Reporter reporter,
               std::shared_ptr<Carrier> carrier)
    : shared_(std::make_shared<Shared>(loop, std::move(base_url), std::move(reporter),
                                       std::move(carrier))) {}

WebApi::WebApi(const sdk::Host& host, net::Loop& loop, std::string base_url,
               std::shared_ptr<Carrier> carrier)
    : WebApi(
          loop, std::move(base_url),
          [log = sdk::Log(host), metrics = sdk::Metrics(host)](const ApiReport& call) {
            const std::string method(call.method);
            const std::string outcome = call.ok              ? "ok"
                                        : call.error.empty() ? "no_answer"
                                                             : std::string(call.error);
            metrics.count("slack_calls_total", 1,
                          R"({"method":)" + sdk::json_string(method) + R"(,"outcome":)" +
                              sdk::json_string(outcome) + "}");
            metrics.observe("slack_call_seconds", call.took,
                            R"({"method":)" + sdk::json_string(method) + "}");
            if (!call.ok)
              log.info("call of Slack failed method=" + method + " error=" + outcome +
                       " request=" + net::one_line(call.request, 100));
          },
          std::move(carrier)) {}

WebApi::~WebApi() = default;

const std::string& WebApi::base_url() const {
  return shared_->base;
}

net::Task<ApiResult> WebApi::call(std::string method, std::string arguments, std::string token,
                                  std::chrono::milliseconds patience) {
  return Shared::call(shared_, std::move(method), std::move(arguments), std::move(token), patience);
}

net::Task<WebApi::Probe> WebApi::probe(std::string method, std::string token) {
  return
      [](std::shared_ptr<Shared> self, std::string name, std::string bearer) -> net::Task<Probe> {
        net::HttpHead head;
        ApiResult result =
            co_await Shared::call(self, std::move(name), "{}", std::move(bearer), 10s, &head);
        co_return Probe{std::move(result), std::move(head)};
      }(shared_, std::move(method), std::move(token));
}

net::Task<ApiResult> WebApi::respond(std::string response_url, std::string json) {
  return [](std::shared_ptr<Shared> self, std::string url,
            std::string body) -> net::Task<ApiResult> {
    const auto begun = Clock::now();
    if (!is_slack_address(url, self->base))
      co_return std::unexpected(content_failure("the response_url is not one of Slack's"));
    net::HttpRequest request =
        self->post(std::move(url), "application/json; charset=utf-8", std::move(body));
    request.once = true;
    const auto response = co_await self->carrier->fetch(std::move(request));
    ApiResult result;
    if (!response)
      result = std::unexpected(no_answer(response.error(), ""));
    else if (response->head.status == 200 && !parse_answer(response->body).is_json)
      result = R"({"ok":true})";  // its answer is "ok"
    else if (response->head.status == 404 || response->head.status == 410)
      result =
          judged({{200, {}},
                  response->body.starts_with('{') ? response->body : R"({"error":"expired_url"})"},
                 "");
    else
      result = judged(*response, "");
    self->report("response_url", result, response ? response->head : net::HttpHead{}, begun);
    co_return result;
  }(shared_, std::move(response_url), std::move(json));
}

net::Task<ApiResult> WebApi::put_file(chat::File file, std::string token) {
  return [](std::shared_ptr<Shared> self, chat::File one,
            std::string bearer) -> net::Task<ApiResult> {
    if (one.bytes.empty()) co_return std::unexpected(content_failure("the file is empty"));
    if (one.bytes.size() > kMostOfAFile)
      co_return std::unexpected(content_failure("the file is too large"));
    std::string what = R"({"filename":)" + sdk::json_string(one.name) + R"(,"length":)" +
                       std::to_string(one.bytes.size());
    if (one.type.starts_with("image/") && !one.alt.empty())
      what += R"(,"alt_txt":)" + sdk::json_string(one.alt);
    const ApiResult place =
        co_await Shared::call(self, "files.getUploadURLExternal", what + "}", bearer, 10s);
    if (!place) co_return place;
    const UploadPlace to = parse_upload_place(*place);
    // Its address is Slack's permission, so that the token stays here.
    if (to.file.empty() || !is_slack_address(to.url, self->base))
      co_return std::unexpected(content_failure("Slack names no place of its own for the file"));
    const auto begun = Clock::now();
    net::HttpRequest request = self->post(to.url, one.type, std::move(one.bytes));
    request.total_timeout = 0ms;
    request.idle_timeout = kSilenceLimit;
    const auto put = co_await self->carrier->fetch(std::move(request));
    if (!put || put->head.status != 200) {
      // Until it is completed, nobody sees it.
      ApiFailure failure =
          put ? ApiFailure{ApiTrouble::kRetryLater, "",
                           "Slack did not take the file (" + std::to_string(put->head.status) +
                               "); it is tried again"}
              : no_answer(put.error(), bearer);
      failure.not_done = true;
      const ApiResult result = std::unexpected(std::move(failure));
      self->report("upload", result, {}, begun);
      co_return result;
    }
    co_return to.file;
  }(shared_, std::move(file), std::move(token));
}

net::Task<ApiResult> WebApi::share_file(std::string file, std::string title, std::string arguments,
                                        std::string token) {
  return Shared::call(shared_, "files.completeUploadExternal", with_file(arguments, file, title),
                      std::move(token), 10s);
}

net::Task<std::expected<ApiFile, ApiFailure>> WebApi::download(std::string url, std::string token,
                                                               std::size_t max_bytes) {
  using Result = std::expected<ApiFile, ApiFailure>;
  return [](std::shared_ptr<Shared> self, std::string from, std::string bearer,
            std::size_t most) -> net::Task<Result> {
    const auto failed = [&](ApiTrouble trouble, std::string why) {
      return std::unexpected(ApiFailure{trouble, "", std::move(why), true, std::nullopt});
    };
    for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
      if (!is_slack_address(from, self->base))
        co_return failed(ApiTrouble::kOther,
                         "the file is not at Slack, and is fetched from nowhere else");
      net::HttpRequest request;
      request.url = from;
      request.headers = {{"Authorization", "Bearer " + bearer}};
      request.connect_timeout = kConnectLimit;
      request.idle_timeout = kSilenceLimit;
      request.max_body_bytes = most;
      const auto response = co_await self->carrier->fetch(std::move(request));
      if (!response && response.error().code == sdk::Code::kBusy)
        co_return failed(ApiTrouble::kContent, "the file is larger than " + chat::size_words(most));
      if (!response) co_return std::unexpected(no_answer(response.error(), bearer));
      const net::HttpHead& head = response->head;
      if (head.status >= 300 && head.status < 400) {
        from = resolved(from, head.header("location"));
        continue;
      }
      if (head.status == 404 || head.status == 410)
        co_return failed(ApiTrouble::kTargetGone, words_of("file_not_found"));
      if (head.status == 429)
        co_return std::unexpected(rate_limited(retry_after(head).value_or(kUsualRetry)));
      // Without the scope Slack does not refuse: it shows its login page, with 200.
      const std::string_view type = head.header("content-type");
      const bool is_page = type.starts_with("text/html") || looks_like_html(response->body);
      if (head.status == 401 || head.status == 403 ||
          (is_page && !head.header("content-disposition").starts_with("attachment")))
        co_return failed(ApiTrouble::kSetUp,
                         "Slack asks for a login instead of giving the file: the app needs the "
                         "scope files:read; add it and install the app again");
      if (head.status != 200)
        co_return failed(ApiTrouble::kRetryLater,
                         "Slack answered " + std::to_string(head.status) + " instead of the file");
      co_return ApiFile{std::string(type.substr(0, type.find(';'))), response->body};
    }
    co_return failed(ApiTrouble::kOther, "the file's address leads nowhere");
  }(shared_, std::move(url), std::move(token), max_bytes);
}

}  // namespace viaduct::slack
