#include "plugins/teams/files.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>
#include <viaduct/chat/file.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/chat/value.hpp>
#include <viaduct/net/http_client.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kConnectLimit = 10s;
constexpr auto kSilenceLimit = 30s;  // however long it takes
constexpr int kMostRedirects = 3;
constexpr auto kClose = 20ms;  // to the end of a limit: it is that limit that has passed
constexpr std::size_t kPart = 8 * 320 * 1024;  // of an upload: whole multiples of 320 KiB
constexpr auto kPartLimit = 60s;
constexpr auto kUploadLimit = 50s;  // of a try, until its last part begins: it has two minutes
constexpr int kMostAsked = 3;
constexpr std::size_t kLongestUrl = 8 << 10;
constexpr std::string_view kNoFile = "the file is not there any more, or its address has expired";

Failure failed(Trouble trouble, std::string message, int status = 0) {
  Failure why;
  why.trouble = trouble;
  why.status = status;
  why.message = std::move(message);
  return why;
}

// Without the query, which holds what opens the file; empty: no address that is made of plain
// characters.
std::string place_of(std::string_view url) {
  const bool is_plain = url.size() <= kLongestUrl && std::ranges::all_of(url, [](char c) {
                          return c > ' ' && c < 0x7F && c != '\\';
                        });
  return is_plain ? std::string(url.substr(0, url.find_first_of("?#"))) : std::string();
}

// Where `location` leads from `url`; empty: nowhere that can be told.
std::string resolved(const std::string& url, std::string_view location) {
  if (location.starts_with("https://") || location.starts_with("http://"))
    return std::string(location);
  const auto from = parse_address(place_of(url));
  if (!from || !location.starts_with('/') || location.starts_with("//")) return {};
  return from->origin() + std::string(location);
}

bool looks_like_html(std::string_view body) {
  const std::size_t start = body.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (start == body.npos) return false;
  const std::string head = chat::lower(body.substr(start, 14));
  return head.starts_with("<!doctype html") || head.starts_with("<html");
}

// Where an upload goes on: {"nextExpectedRanges":["2621440-"]}.
std::optional<std::size_t> next_byte(std::string_view body) {
  const auto ranges = chat::Value::parsed(body).at("nextExpectedRanges").items();
  if (ranges.empty()) return std::nullopt;
  const std::string first = ranges.front().text();
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), number);
  return error == std::errc() && end != first.data() ? std::optional(number) : std::nullopt;
}

}  // namespace

std::vector<std::string> file_hosts() {
  return {"*.sharepoint.com",
          "*.sharepoint.us",
          "*.sharepoint-mil.us",
          "*.sharepoint.cn",
          "*.svc.ms",
          "teams.microsoft.com",
          "*.teams.microsoft.com",
          "*.teams.microsoft.us",
          "graph.microsoft.com",
          "graph.microsoft.us",
          "*.blob.core.windows.net"};
}

struct Files::Shared {
  Shared(net::Loop& loop, ServiceToken* with, Hosts own, Hosts foreign, FileLimits given)
      : token(with),
        service(std::move(own)),
        others(std::move(foreign)),
        limits(given),
        client(loop, {.proxy_from_environment = true}),
        local(loop) {}

  bool is_service(const std::string& url) const { return service.trusts(place_of(url)); }
  bool is_allowed(const std::string& url) const {
    return is_service(url) || others.trusts(place_of(url));
  }
  net::HttpClient& client_for(const std::string& url) {
    const auto address = parse_address(place_of(url));
    return address && address->is_loopback ? local : client;
  }

  ServiceToken* const token;
  const Hosts service;
  const Hosts others;
  const FileLimits limits;
  net::HttpClient client;
  net::HttpClient local;  // a stand-in on this computer is behind no proxy
};

Files::Files(net::Loop& loop, ServiceToken* token, Hosts service, Hosts others, FileLimits limits)
    : shared_(
          std::make_shared<Shared>(loop, token, std::move(service), std::move(others), limits)) {}
Files::~Files() = default;

net::Task<std::expected<FetchedFile, Failure>> Files::download(std::string url,
                                                               std::size_t max_bytes) {
  using Result = std::expected<FetchedFile, Failure>;
  return [](std::shared_ptr<Shared> self, std::string from, std::size_t most) -> net::Task<Result> {
    const auto until = Clock::now() + self->limits.least + most * 1000ms / self->limits.slowest;
    std::string bearer;
    bool renewed = false;
    for (int redirects = 0; redirects <= kMostRedirects;) {
      if (!self->is_allowed(from))
        co_return std::unexpected(
            failed(Trouble::kOther,
                   "the file is not where Teams keeps files, and is fetched from nowhere "
                   "else"));
      const bool with_token = self->token != nullptr && self->is_service(from) &&
                              self->token->may_have_token(place_of(from));
      if (with_token && bearer.empty()) {
        TokenResult got = co_await self->token->get();
        if (!got)
          co_return std::unexpected(failed(got.error().trouble == TokenTrouble::kSetUp
                                               ? Trouble::kCredentials
                                               : Trouble::kRetryLater,
                                           got.error().message));
        bearer = *std::move(got);
      }
      net::HttpRequest request;
      request.url = from;
      if (with_token) request.headers.push_back({"Authorization", "Bearer " + bearer});
      request.connect_timeout = kConnectLimit;
      request.idle_timeout = kSilenceLimit;
      request.total_timeout = std::max(
          std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()), 1ms);
      request.max_body_bytes = most;
      const auto response = co_await self->client_for(from).fetch(std::move(request));
      if (!response && response.error().code == sdk::Code::kBusy)
        co_return std::unexpected(
            failed(Trouble::kTooLarge, "the file is larger than " + chat::size_words(most)));
      if (!response)  // its words may have the address, which is a secret
        co_return std::unexpected(
            Clock::now() + kClose < until
                ? failed(Trouble::kRetryLater, "the file's host does not answer")
                : failed(Trouble::kOther, "the file's host is too slow, it was given up"));
      const net::HttpHead& head = response->head;
      if (head.status >= 300 && head.status < 400) {
        from = resolved(from, head.header("location"));
        ++redirects;
        continue;
      }
      if (head.status == 401 && with_token && !std::exchange(renewed, true)) {
        TokenResult another = co_await self->token->refused(bearer);
        if (another) {
          bearer = *std::move(another);
          continue;
        }
      }
      const bool is_page =
          head.header("content-type").starts_with("text/html") || looks_like_html(response->body);
      if (head.status == 404 || head.status == 410)
        co_return std::unexpected(failed(Trouble::kMissing, std::string(kNoFile), head.status));
      // A share that wants a login shows its page, with 200.
      if (head.status == 401 || head.status == 403 ||
          (head.status == 200 && is_page &&
           !head.header("content-disposition").starts_with("attachment")))
        co_return std::unexpected(
            failed(Trouble::kSetUp,
                   "the file's host asks for a login: its address has expired, or the app may not "
                   "read it",
                   head.status));
      if (head.status != 200) {
        Failure why = failure_of(head.status, {}, false);
        why.message =
            "the file's host answered " + std::to_string(head.status) + " instead of the file";
        co_return std::unexpected(std::move(why));
      }
      const std::string_view type = head.header("content-type");
      co_return FetchedFile{std::string(type.substr(0, type.find(';'))), response->body};
    }
    co_return std::unexpected(failed(Trouble::kOther, "the file's address leads nowhere"));
  }(shared_, std::move(url), max_bytes);
}

net::Task<std::expected<void, Failure>> Files::upload(std::string url, std::string bytes,
                                                      Progress progress) {
  using Result = std::expected<void, Failure>;
  return [](std::shared_ptr<Shared> self, std::string to, std::string all,
            Progress so_far) -> net::Task<Result> {
    const auto until = std::chrono::steady_clock::now() + kUploadLimit;
    if (all.empty()) co_return std::unexpected(failed(Trouble::kContent, "the file is empty"));
    // Its address is the permission, so that the token stays here.
    if (!self->is_allowed(to))
      co_return std::unexpected(
          failed(Trouble::kOther, "the file's place is not where Teams keeps files"));
    const auto gone = [](int status) {
      return std::unexpected(failed(Trouble::kMissing,
                                    "the place for the file is gone: it is good for a while, and "
                                    "for one file",
                                    status));
    };
    bool asks = so_far.has_begun;
    int asked = 0;
    for (std::size_t at = 0; at < all.size();) {
      if (std::chrono::steady_clock::now() > until)
        co_return std::unexpected(
            failed(Trouble::kRetryLater, "the file is on its way, and goes on"));
      net::HttpRequest request;
      request.url = to;
      request.connect_timeout = kConnectLimit;
      request.idle_timeout = kSilenceLimit;
      request.total_timeout = kPartLimit;
      request.max_body_bytes = 1 << 20;
      const std::string part = asks ? std::string() : all.substr(at, kPart);
      const bool is_last = !asks && at + part.size() == all.size();
      if (!asks) {
        if (is_last && so_far.before_last && !co_await so_far.before_last())
          co_return std::unexpected(failed(Trouble::kRetryLater, "the disk does not answer"));
        request.method = "PUT";
        request.once = true;  // one that is repeated may find that it was done
        request.headers = {{"Content-Type", "application/octet-stream"},
                           {"Content-Range", "bytes " + std::to_string(at) + "-" +
                                                 std::to_string(at + part.size() - 1) + "/" +
                                                 std::to_string(all.size())}};
        request.body = part;
      }
      const auto response = co_await self->client_for(to).fetch(std::move(request));
      const int status = response ? response->head.status : 0;
      // Cut off, or the host has another part than was thought: it says which.
      if ((status == 0 || status == 416) && !asks && ++asked < kMostAsked) {
        asks = true;
        so_far.may_be_whole = so_far.may_be_whole || is_last;
        continue;
      }
      if (!response)
        co_return std::unexpected(
            failed(Trouble::kRetryLater, "the file's host does not answer; it is tried again"));
      if (status >= 200 && status < 300) {
        if (!asks && status != 202 && is_last) break;
        const std::size_t next = next_byte(response->body).value_or(asks ? 0 : at + part.size());
        if (!asks && next <= at && ++asked >= kMostAsked)
          co_return std::unexpected(
              failed(Trouble::kRetryLater, "the file's host does not get on with it"));
        at = next;
        asks = false;
        continue;
      }
      // A place that has all of its file is gone as well.
      if ((status == 404 || status == 410) && asks && so_far.may_be_whole) break;
      if (status == 404 || status == 410) co_return gone(status);
      Failure why = failure_of(status, {}, false);
      why.not_done = true;
      if (status == 401 || status == 403) why.trouble = Trouble::kMissing;
      why.message = "the file's host did not take it (" + std::to_string(status) + ")";
      if (const auto wait = response->head.retry_after()) why.retry_after = *wait;
      co_return std::unexpected(std::move(why));
    }
    co_return Result();
  }(shared_, std::move(url), std::move(bytes), std::move(progress));
}

}  // namespace viaduct::teams
