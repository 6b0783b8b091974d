#include "plugins/teams/keys.hpp"

#include "plugins/teams/address.hpp"
#include "plugins/teams/flight.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <viaduct/net/http_client.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;

constexpr auto kFetchLimit = 6s;  // of each of the two documents: Teams waits 15 s
constexpr std::size_t kMostOfMetadata = 64 << 10;
constexpr std::size_t kMostOfKeys = 1 << 20;
constexpr std::size_t kMostWaiting = 256;
// A timer stands still while the computer sleeps.
constexpr std::chrono::nanoseconds kLongestSleep = 5min;

}  // namespace

struct Keys::Shared : std::enable_shared_from_this<Shared> {
  Shared(net::Loop& of, std::string url, Reporter to)
      : loop(of),
        metadata_url(std::move(url)),
        reporter(std::move(to)),
        http(of, {.proxy_from_environment = !is_loopback_url(metadata_url)}),
        timer(of.context()),
        flight(std::make_shared<Flight<Report>>(of)) {}

  Flight<Report>::Errand errand() {
    return [self = shared_from_this()] { return fetch(self); };
  }
  void arm();

  static net::Task<Report> fetch(std::shared_ptr<Shared> self);
  static net::Task<std::expected<std::string, std::string>> get(std::shared_ptr<Shared> self,
                                                                std::string url, std::size_t most,
                                                                std::string* date);
  static net::Task<std::expected<ParsedKeys, std::string>> download(std::shared_ptr<Shared> self,
                                                                    std::string* date);

  net::Loop& loop;
  const std::string metadata_url;
  const Reporter reporter;
  net::HttpClient http;
  net::asio::steady_timer timer;
  const std::shared_ptr<Flight<Report>> flight;
  KeyRules rules;
  std::size_t waiting = 0;
  bool running = false;
};

void Keys::Shared::arm() {
  if (!running) return;
  const Uptime::duration left = rules.due() - Uptime::now();
  timer.expires_after(std::clamp<std::chrono::nanoseconds>(left, 0ns, kLongestSleep));
  timer.async_wait([weak = weak_from_this()](const auto& error) {
    const auto self = weak.lock();
    if (error || !self || !self->running) return;
    if (Uptime::now() >= self->rules.due())
      Flight<Report>::begin(self->flight, self->errand());
    else
      self->arm();
  });
}

net::Task<std::expected<std::string, std::string>> Keys::Shared::get(std::shared_ptr<Shared> self,
                                                                     std::string url,
                                                                     std::size_t most,
                                                                     std::string* date) {
  const auto address = parse_address(url);
  if (!address || (!address->is_secure && !address->is_loopback))
    co_return std::unexpected("the address " + net::one_line(url, 200) + " is not https");
  net::HttpRequest request;
  request.url = url;
  request.headers = {{"Accept", "application/json"}};
  request.total_timeout = kFetchLimit;
  request.max_body_bytes = most;
  const auto response = co_await self->http.fetch(std::move(request));
  if (!response) co_return std::unexpected(response.error().message);
  if (response->head.status != 200)
    co_return std::unexpected(url + " answers " + std::to_string(response->head.status));
  *date = response->head.header("date");
  co_return response->body;
}

net::Task<std::expected<ParsedKeys, std::string>> Keys::Shared::download(
    std::shared_ptr<Shared> self, std::string* date) {
  const auto metadata = co_await get(self, self->metadata_url, kMostOfMetadata, date);
  if (!metadata) co_return std::unexpected(metadata.error());
  const auto url = parse_metadata(*metadata, self->metadata_url);
  if (!url) co_return std::unexpected(self->metadata_url + ": " + url.error());
  const auto keys = co_await get(self, *url, kMostOfKeys, date);
  if (!keys) co_return std::unexpected(keys.error());
  auto parsed = parse_keys(*keys);
  if (!parsed) co_return std::unexpected(*url + ": " + parsed.error());
  co_return parsed;
}

net::Task<Keys::Report> Keys::Shared::fetch(std::shared_ptr<Shared> self) {
  const auto begun = Uptime::now();
  Report report;
  auto found = co_await download(self, &report.date);
  const auto now = Uptime::now();
  report.ok = found.has_value();
  if (found) {
    if (!found->refused.empty()) report.message = found->refused.front();
    self->rules.fetched(std::move(found->keys), begun, now);
  } else {
    report.message = "the keys of Teams cannot be had (" + found.error() + ")";
    self->rules.failed(now);
  }
  report.keys = self->rules.count(now);
  if (self->reporter) self->reporter(report);
  self->arm();
  co_return report;
}

// ---------------------------------------------------------------- the public ends

Keys::Keys(net::Loop& loop, std::string metadata_url, Reporter reporter)
    : shared_(std::make_shared<Shared>(loop, std::move(metadata_url), std::move(reporter))) {}
Keys::~Keys() {
  stop();
}

void Keys::start() {
  shared_->running = true;
  Flight<Report>::begin(shared_->flight, shared_->errand());
}

void Keys::stop() {
  shared_->running = false;
  shared_->timer.cancel();
}

std::shared_ptr<const SigningKey> Keys::find(std::string_view id) const {
  return shared_->rules.find(id, Uptime::now());
}

std::size_t Keys::count() const {
  return shared_->rules.count(Uptime::now());
}

net::Task<bool> Keys::ask() {
  return [](std::shared_ptr<Shared> self) -> net::Task<bool> {
    if (self->waiting >= kMostWaiting) co_return false;
    if (!self->flight->is_under_way() && !self->rules.may_ask(Uptime::now())) co_return false;
    struct Place {  // is given up with the coroutine
      explicit Place(std::size_t& of) : waiting(of) { ++waiting; }
      ~Place() { --waiting; }
      Place(const Place&) = delete;
      Place& operator=(const Place&) = delete;
      std::size_t& waiting;
    };
    const Place place(self->waiting);
    const auto report = co_await Flight<Report>::join(self->flight, self->errand());
    co_return report.has_value();
  }(shared_);
}

net::Task<Keys::Report> Keys::fetch() {
  return [](std::shared_ptr<Shared> self) -> net::Task<Report> {
    auto report = co_await Flight<Report>::join(self->flight, self->errand());
    co_return report.value_or(Report{false, "cancelled", 0, {}});
  }(shared_);
}

}  // namespace viaduct::teams
