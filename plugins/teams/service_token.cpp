#include "plugins/teams/service_token.hpp"

#include "plugins/teams/assertion.hpp"
#include "plugins/teams/flight.hpp"
#include "plugins/teams/percent.hpp"

#include <ctime>
#include <utility>
#include <viaduct/net/http_client.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;

constexpr auto kFetchLimit = 15s;
constexpr std::size_t kMostOfAnAnswer = 64 << 10;

FetchResult set_up(std::string message) {
  return std::unexpected(TokenFailure{TokenTrouble::kSetUp, "", std::move(message), 0s});
}

}  // namespace

struct ServiceToken::Shared : std::enable_shared_from_this<Shared> {
  Shared(net::Loop& loop, ServiceCredentials given, Hosts to, Reporter report, Clock by)
      : credentials(std::move(given)),
        hosts(std::move(to)),
        reporter(std::move(report)),
        clock(std::move(by)),
        http(loop, {.proxy_from_environment = !is_loopback_url(credentials.token_url)}),
        flight(std::make_shared<Flight<TokenResult>>(loop)) {}

  Flight<TokenResult>::Errand errand() {
    return [self = shared_from_this()] { return fetch(self); };
  }
  // The body of the request, or what is wrong with the credentials.
  std::expected<std::string, std::string> form() const;

  static net::Task<FetchResult> ask(std::shared_ptr<Shared> self);
  static net::Task<TokenResult> fetch(std::shared_ptr<Shared> self);
  static net::Task<TokenResult> answer(std::shared_ptr<Shared> self,
                                       std::optional<TokenResult> known);

  const ServiceCredentials credentials;
  const Hosts hosts;
  const Reporter reporter;
  const Clock clock;
  net::HttpClient http;
  const std::shared_ptr<Flight<TokenResult>> flight;
  TokenRules rules;
};

std::expected<std::string, std::string> ServiceToken::Shared::form() const {
  const auto address = parse_address(credentials.token_url);
  if (!address || (!address->is_secure && !address->is_loopback))
    return std::unexpected(
        "endpoints.token: must begin with https://, since the secret goes there");
  std::string body =
      "grant_type=client_credentials&client_id=" + percent_encoded(credentials.app_id) +
      "&scope=" + percent_encoded(credentials.scope);
  if (credentials.certificate_file.empty()) {
    if (credentials.secret.empty())
      return std::unexpected("app_password: must be given, or a certificate");
    return body + "&client_secret=" + percent_encoded(credentials.secret);
  }
  const auto assertion = make_assertion({credentials.app_id, credentials.token_url,
                                         credentials.certificate_file, credentials.key_file},
                                        std::time(nullptr));
  if (!assertion) return std::unexpected("certificate: " + assertion.error());
  return body +
         "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
         "&client_assertion=" +
         *assertion;
}

net::Task<FetchResult> ServiceToken::Shared::ask(std::shared_ptr<Shared> self) {
  auto body = self->form();
  if (!body) co_return set_up(body.error());
  net::HttpRequest request;
  request.method = "POST";
  request.url = self->credentials.token_url;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                     {"Accept", "application/json"}};
  request.body = *std::move(body);
  request.total_timeout = kFetchLimit;
  request.max_body_bytes = kMostOfAnAnswer;
  const auto response = co_await self->http.fetch(std::move(request));
  const std::string& secret = self->credentials.secret;
  if (response)
    co_return parse_token_answer(response->head.status, response->body, secret,
                                 response->head.retry_after());
  const std::vector<std::string> secrets =
      secret.empty() ? std::vector<std::string>() : std::vector{secret};
  co_return std::unexpected(TokenFailure{TokenTrouble::kRetryLater, "",
                                         "the login of Microsoft does not answer (" +
                                             net::redacted(response.error().message, secrets) +
                                             "); it is tried again",
                                         0s});
}

net::Task<TokenResult> ServiceToken::Shared::fetch(std::shared_ptr<Shared> self) {
  const auto begun = std::chrono::steady_clock::now();
  FetchResult result = co_await ask(self);
  TokenReport report;
  report.ok = result.has_value();
  report.took = std::chrono::steady_clock::now() - begun;
  if (!result) {
    report.error = result.error().error;
    report.message = result.error().message;
  }
  TokenResult answer = self->rules.fetched(std::move(result), self->clock());
  if (self->reporter) self->reporter(report);
  co_return answer;
}

net::Task<TokenResult> ServiceToken::Shared::answer(std::shared_ptr<Shared> self,
                                                    std::optional<TokenResult> known) {
  if (known) {
    // One that still serves is replaced while it does.
    if (*known && self->rules.is_due(self->clock()))
      Flight<TokenResult>::begin(self->flight, self->errand());
    co_return *std::move(known);
  }
  auto fetched = co_await Flight<TokenResult>::join(self->flight, self->errand());
  if (fetched) co_return *std::move(fetched);
  co_return std::unexpected(TokenFailure{TokenTrouble::kRetryLater, "", "cancelled", 0s});
}

// ---------------------------------------------------------------- the public ends

ServiceToken::ServiceToken(net::Loop& loop, ServiceCredentials credentials, Hosts hosts,
                           Reporter reporter, Clock clock)
    : shared_(std::make_shared<Shared>(loop, std::move(credentials), std::move(hosts),
                                       std::move(reporter), std::move(clock))) {}
ServiceToken::~ServiceToken() = default;

std::string ServiceToken::complaint() const {
  const auto form = shared_->form();
  return form ? std::string() : form.error();
}

net::Task<TokenResult> ServiceToken::get() {
  return Shared::answer(shared_, shared_->rules.look(shared_->clock()));
}

net::Task<TokenResult> ServiceToken::refused(std::string token) {
  return Shared::answer(shared_, shared_->rules.refused(token, shared_->clock()));
}

bool ServiceToken::may_have_token(std::string_view url) const {
  return shared_->hosts.trusts(url.substr(0, url.find('?')));
}

}  // namespace viaduct::teams
