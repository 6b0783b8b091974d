#include "plugins/slack/oauth.hpp"

#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/value.hpp>
#include "plugins/slack/form.hpp"
#include "plugins/slack/manifest.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <utility>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongestVisit = 10min;  // from asking to coming back
constexpr auto kBeforeExpiry = 2h;
constexpr auto kBetweenLooks = 30s;
constexpr std::uint32_t kPage = 500;
constexpr std::string_view kPrefix = "installation/";
constexpr std::string_view kBehind = "installation0";
constexpr std::string_view kCookie = "viaduct-slack-install";

// Empty: the system has none.
std::string random_text() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return "";
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

// Beside the database, where that has its usual place.
std::filesystem::path key_file(const Config& config) {
  if (!config.key_file.empty()) {
    const char* home = std::getenv("HOME");
    if (config.key_file.starts_with("~/") && home != nullptr)
      return home + config.key_file.substr(1);
    return config.key_file;
  }
  if (const char* viaduct = std::getenv("VIADUCT_HOME"); viaduct != nullptr && *viaduct != '\0')
    return std::filesystem::path(viaduct) / "slack.key";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "." : home) / ".viaduct" / "slack.key";
}

std::string cookie_of(const sdk::Request& request) {
  std::string_view all = request.header("cookie").value_or("");
  while (!all.empty()) {
    const std::size_t end = all.find(';');
    std::string_view one = all.substr(0, end);
    all = end == std::string_view::npos ? "" : all.substr(end + 1);
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.starts_with(kCookie) && one.substr(kCookie.size()).starts_with('='))
      return std::string(one.substr(kCookie.size() + 1));
  }
  return "";
}

std::string html(std::string_view id) {
  std::string text(id);
  std::erase_if(text, [](char c) { return c == '<' || c == '>' || c == '&' || c == '"'; });
  return text;
}

sdk::Response page(unsigned status, std::string_view words) {
  sdk::Response response = sdk::Response::html(
      status, "<!doctype html><html lang=en><meta charset=utf-8><title>Slack</title><p>" +
                  std::string(words) + "</p></html>");
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace

OAuth::OAuth(const sdk::Host& host, net::Loop& loop, WebApi& api, Installations& installations,
             const Config& config)
    : host_(host),
      loop_(loop),
      api_(api),
      installations_(installations),
      config_(config),
      http_(host),
      documents_(host),
      secrets_(host),
      log_(host) {}

std::optional<std::string> OAuth::begin() {
  auto sealer = Sealer::open(key_file(config_));
  if (!sealer) return "the key for tokens: " + sealer.error();
  sealer_ = *std::move(sealer);
  http_.public_route("GET", "/install",
                     [this](const sdk::Request& request, sdk::Exchange exchange) {
                       install(request, std::move(exchange));
                     });
  http_.public_route("GET", "/oauth_redirect",
                     [this](const sdk::Request& request, sdk::Exchange exchange) {
                       come_back(request, std::move(exchange));
                     });
  return std::nullopt;
}

net::Task<net::Result<>> OAuth::load() {
  std::vector<KeptInstallation> found;
  for (std::string from(kPrefix); !from.empty();) {
    const sdk::Answer answer = co_await chat::answered([this, from](sdk::Callback done) {
      documents_.scan(from, kBehind, kPage, std::move(done));
    });
    if (!answer.ok()) co_return std::unexpected(answer.status());
    KeptInstallations page = parse_installations(answer.result);
    from = std::move(page.next);
    std::ranges::move(page.all, std::back_inserter(found));
  }
  for (KeptInstallation& kept : found) {
    const std::string& team = kept.one.team;
    if (!config_.may_install(team)) {
      log_.warn("a workspace is no longer among workspaces, it is left alone team=" + team);
      continue;
    }
    const auto token = sealer_->unseal(kept.one.token, team);
    if (!token) {
      log_.error(
          "the token of a workspace cannot be opened with this key; install the app there "
          "again team=" +
          team);
      continue;
    }
    secrets_.redact(*token);
    kept.one.token = *token;
    if (const auto refresh = sealer_->unseal(kept.refresh, team); refresh && kept.expires_at > 0) {
      secrets_.redact(*refresh);
      rotating_[team] = {*refresh, std::chrono::system_clock::from_time_t(kept.expires_at)};
    }
    installations_.put(std::move(kept.one));
  }
  co_return net::Result<>();
}

// ---------------------------------------------------------------- from a browser

void OAuth::install(const sdk::Request& request, sdk::Exchange exchange) {
  std::string base = config_.public_url;
  if (base.empty()) {
    base = "http://" + std::string(request.header("host").value_or(""));
    if (!is_loopback_url(base))
      return exchange.respond(page(
          503, "Whoever runs this has to set <code>public_url</code> in the configuration first."));
  }
  const std::string cookie = random_text();
  const std::string redirect = base + "/apps/" + host_.name() + "/oauth_redirect";
  const auto state = cookie.empty() ? std::nullopt : state_for(cookie, redirect);
  if (!state) {
    log_.error("no installation can begin, there are no random bytes");
    return exchange.respond(page(500, "This does not work now."));
  }
  std::string scopes;
  for (const std::string& scope : bot_scopes()) scopes += (scopes.empty() ? "" : ",") + scope;
  std::string slack = config_.api_base_url;
  if (slack.ends_with("api/")) slack.resize(slack.size() - 4);
  sdk::Response response = sdk::Response::text(302, "");
  response.headers.emplace_back(
      "Location", slack + "oauth/v2/authorize?client_id=" + form_encoded(config_.client_id) +
                      "&scope=" + form_encoded(scopes) + "&state=" + form_encoded(*state) +
                      "&redirect_uri=" + form_encoded(redirect));
  response.headers.emplace_back("Set-Cookie", std::string(kCookie) + "=" + cookie +
                                                  "; Path=/apps/" + host_.name() +
                                                  "; Max-Age=600; HttpOnly; SameSite=Lax" +
                                                  (base.starts_with("https:") ? "; Secure" : ""));
  response.headers.emplace_back("Cache-Control", "no-store");
  exchange.respond(response);
}

std::optional<std::string> OAuth::state_for(const std::string& cookie,
                                            const std::string& redirect) const {
  const auto until = std::chrono::system_clock::now() + kLongestVisit;
  return sealer_->seal(std::to_string(std::chrono::system_clock::to_time_t(until)) + " " + redirect,
                       cookie);
}

std::string OAuth::redirect_of(const std::string& state, const std::string& cookie) const {
  if (cookie.empty()) return "";
  const auto inside = sealer_->unseal(state, cookie);
  if (!inside) return "";
  const auto until =
      std::chrono::system_clock::from_time_t(std::strtoll(inside->c_str(), nullptr, 10));
  const std::size_t blank = inside->find(' ');
  if (until < std::chrono::system_clock::now() || blank == std::string::npos) return "";
  return inside->substr(blank + 1);
}

void OAuth::come_back(const sdk::Request& request, sdk::Exchange exchange) {
  const std::string state = Form(request.query()).get("state");
  const std::string redirect = redirect_of(state, cookie_of(request));
  const auto now = std::chrono::system_clock::now();
  std::erase_if(used_, [now](const auto& one) { return one.second < now; });
  // A state is good for the browser that asked, and once.
  if (redirect.empty() || !used_.emplace(state, now + kLongestVisit).second)
    return exchange.respond(
        page(403,
             "This installation was not begun in this browser, or too long ago. "
             "<a href=\"install\">Begin again.</a>"));
  if (!Form(request.query()).get("error").empty())
    return exchange.respond(page(400,
                                 "The app was not installed. <a href=\"install\">Try "
                                 "again.</a>"));
  const std::string code = Form(request.query()).get("code");
  if (code.empty()) return exchange.respond(page(400, "Slack gave no code."));
  loop_.spawn(exchange_code(code, redirect, std::move(exchange)));
}

net::Task<> OAuth::exchange_code(std::string code, std::string redirect, sdk::Exchange exchange) {
  const ApiResult answer = co_await api_.call(
      "oauth.v2.access",
      R"({"client_id":)" + sdk::json_string(config_.client_id) + R"(,"client_secret":)" +
          sdk::json_string(config_.client_secret) + R"(,"code":)" + sdk::json_string(code) +
          R"(,"redirect_uri":)" + sdk::json_string(redirect) + "}",
      "");
  if (!answer) {
    log_.warn("not installed reason=" + answer.error().message);
    exchange.respond(page(502,
                          "Slack did not accept the installation. <a href=\"install\">Try "
                          "again.</a>"));
    co_return;
  }
  const auto grant = parse_grant(*answer);
  if (grant && !config_.may_install(grant->team)) {
    log_.warn("not installed, the workspace is not among workspaces team=" + grant->team);
    // The token is of no use to anybody here.
    co_await api_.call("auth.revoke", "{}", grant->token);
    exchange.respond(page(403,
                          "This bot may not be installed in your workspace. Whoever runs it has to "
                          "add it to <code>workspaces</code> first: <code>" +
                              html(grant->team) + "</code>."));
    co_return;
  }
  const auto one = co_await take(*answer, false);
  if (!one) {
    log_.error("not installed reason=" + one.error());
    exchange.respond(page(500, "The installation could not be kept."));
    co_return;
  }
  log_.info("installed team=" + one->team);
  exchange.respond(page(200, "Installed. You can close this page and write to the bot in Slack."));
}

net::Task<std::expected<Installation, std::string>> OAuth::take(std::string answer,
                                                                bool is_renewal) {
  const auto grant = parse_grant(answer);
  if (!grant) co_return std::unexpected("Slack's answer has no token");
  secrets_.redact(grant->token);
  if (!grant->refresh.empty()) secrets_.redact(grant->refresh);
  KeptInstallation kept;
  kept.one.team = grant->team;
  kept.one.enterprise = grant->enterprise;
  kept.one.team_name = grant->team_name;
  kept.one.app_id = grant->app;
  kept.one.bot_user = grant->bot_user;
  kept.one.token = grant->token;
  if (const auto before = installations_.find(grant->team)) {
    kept.one.bot_id = before->bot_id;
    kept.one.url = before->url;
  }
  if (!grant->refresh.empty() && grant->expires_in > 0)
    kept.expires_at =
        std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()) + grant->expires_in;
  // On disk before it is used: a refresh token is good once.
  KeptInstallation sealed = kept;
  auto token = sealer_->seal(grant->token, grant->team);
  auto refresh = sealer_->seal(grant->refresh, grant->team);
  if (!token || !refresh) co_return std::unexpected("the tokens cannot be sealed");
  sealed.one.token = *std::move(token);
  sealed.refresh = *std::move(refresh);
  if (!co_await write(grant->team, installation_json(sealed)) && !is_renewal) {
    unkept_.erase(grant->team);
    co_return std::unexpected("the installation could not be kept");
  }
  if (kept.expires_at > 0)
    rotating_[grant->team] = {grant->refresh,
                              std::chrono::system_clock::from_time_t(kept.expires_at)};
  if (const ApiResult me = co_await api_.call("auth.test", "{}", grant->token)) {
    const chat::Value who = chat::Value::parsed(*me);
    kept.one.bot_id = sealed.one.bot_id = who.text("bot_id");
    kept.one.url = sealed.one.url = who.text("url");
    co_await write(grant->team, installation_json(sealed));
  }
  installations_.put(kept.one);
  co_return kept.one;
}

// ---------------------------------------------------------------- as long as it lasts

net::Task<> OAuth::keep_fresh() {
  for (;;) {
    std::vector<std::string> due;
    for (const auto& [team, one] : rotating_)
      if (std::chrono::system_clock::now() + kBeforeExpiry > one.expires) due.push_back(team);
    for (const std::string& team : due) co_await refresh(team);
    const auto unkept = unkept_;
    for (const auto& [team, json] : unkept) co_await write(team, json);
    boost::asio::steady_timer timer(loop_.context(), kBetweenLooks);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

net::Task<> OAuth::refresh(std::string team) {
  const auto found = rotating_.find(team);
  if (found == rotating_.end()) co_return;
  const ApiResult answer = co_await api_.call(
      "oauth.v2.access",
      R"({"grant_type":"refresh_token","client_id":)" + sdk::json_string(config_.client_id) +
          R"(,"client_secret":)" + sdk::json_string(config_.client_secret) +
          R"(,"refresh_token":)" + sdk::json_string(found->second.refresh) + "}",
      "");
  if (!answer) {
    log_.warn("token not replaced team=" + team + " reason=" + answer.error().message);
    if (answer.error().trouble == ApiTrouble::kCredentials ||
        answer.error().error == "invalid_refresh_token") {
      rotating_.erase(team);
      installations_.set_broken(team, "its token has expired; install the app there again");
    }
    co_return;
  }
  if (const auto one = co_await take(*answer, true); !one)
    log_.error("a new token could not be kept team=" + team + " reason=" + one.error());
}

// What cannot be written is tried again with the next look.
net::Task<bool> OAuth::write(std::string team, std::string json) {
  const sdk::Answer stored = co_await chat::answered([&](sdk::Callback done) {
    documents_.put(std::string(kPrefix) + team, json, sdk::Documents::kAnyVersion, std::move(done));
  });
  if (stored.ok()) {
    unkept_.erase(team);
    co_return true;
  }
  log_.error("installation not kept, it is tried again team=" + team + " reason=" + stored.message);
  unkept_.insert_or_assign(team, std::move(json));
  co_return false;
}

net::Task<> OAuth::forget(std::string team) {
  rotating_.erase(team);
  unkept_.erase(team);
  const sdk::Answer removed = co_await chat::answered([&](sdk::Callback done) {
    documents_.remove(std::string(kPrefix) + team, sdk::Documents::kAnyVersion, std::move(done));
  });
  if (!removed.ok() && removed.code != sdk::Code::kNotFound)
    log_.warn("installation not removed team=" + team + " reason=" + removed.message);
}

}  // namespace viaduct::slack
