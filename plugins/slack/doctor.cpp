#include "plugins/slack/doctor.hpp"

#include <viaduct/chat/text.hpp>
#include <viaduct/chat/value.hpp>
#include "plugins/slack/manifest.hpp"
#include "plugins/slack/signature.hpp"

#include <algorithm>
#include <ctime>
#include <utility>
#include <viaduct/net/http_client.hpp>
#include <viaduct/net/text.hpp>
#include <viaduct/sdk/base.hpp>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMostAhead = 60;  // seconds; signatures fail at kLongestSkew
constexpr auto kConnectLimit = 5s;
constexpr auto kAnswerLimit = 10s;

Check check_scopes(const std::string& where, std::string_view granted) {
  const std::string name = "scopes" + where;
  if (granted.empty()) return {name, true, "Slack does not say which there are"};
  const std::vector<std::string> missing = missing_scopes(granted);
  if (missing.empty()) return {name, true, "all that are needed"};
  std::string list;
  for (const std::string& one : missing) list += (list.empty() ? "" : ", ") + one;
  return {name, false,
          "missing: " + list +
              "; add them at Slack under OAuth & Permissions (or paste what `viaduct … manifest` "
              "prints) and install the app again"};
}

Check check_clock(const std::string& where, std::string_view date) {
  const std::string name = "clock" + where;
  const auto ahead = ahead_of(date, std::time(nullptr));
  if (!ahead) return {name, true, "Slack does not say what time it is"};
  const std::int64_t off = *ahead < 0 ? -*ahead : *ahead;
  if (off <= kMostAhead) return {name, true, "as Slack's, within a minute"};
  return {name, false,
          "this host's clock is " + std::to_string(off) + " seconds " +
              (*ahead < 0 ? "behind" : "ahead of") + " Slack's; set it by NTP: at " +
              std::to_string(kLongestSkew) + " seconds every request of Slack is refused"};
}

// Each credential is mended elsewhere, and nobody tries again behind `doctor`.
std::string words(const ApiFailure& failure, bool of_app) {
  constexpr std::string_view kAgain = "; it is tried again";
  std::string text = failure.message;
  if (const auto at = text.find(kAgain); at != std::string::npos) text.erase(at, kAgain.size());
  if (failure.error.empty())
    return text + "; look at this host's network and proxy (HTTPS_PROXY), and at api_base_url";
  const bool is_dead = failure.trouble == ApiTrouble::kCredentials;
  if (!is_dead && failure.error != "not_allowed_token_type") return text;
  if (of_app)
    return "Slack does not accept this app_token; make another (xapp-…) under Basic Information, "
           "App-Level Tokens, with the scope connections:write, and put it into the configuration "
           "[" +
           net::one_line(failure.error, 100) + "]";
  if (failure.error != "invalid_auth" && failure.error != "not_allowed_token_type") return text;
  return "Slack does not accept this bot_token; take the one (xoxb-…) under OAuth & Permissions, "
         "after the app was installed in the workspace, and put it into the configuration [" +
         net::one_line(failure.error, 100) + "]";
}

}  // namespace

Check check_allowed(const Allow& allow) {
  if (allow.everyone || !allow.users.empty() || !allow.channels.empty())
    return {"allow", true, "some people may talk to the bot"};
  return {"allow", false,
          "nobody may talk to the bot: it answers whom `allow` of its config names; add allow: "
          "everyone (all members of the workspace), or allow: {users: [member IDs]}"};
}

std::vector<std::string> missing_scopes(std::string_view granted) {
  std::vector<std::string> has;
  while (!granted.empty()) {
    const std::size_t comma = std::min(granted.find(','), granted.size());
    has.emplace_back(chat::trimmed(granted.substr(0, comma)));
    granted.remove_prefix(std::min(comma + 1, granted.size()));
  }
  std::vector<std::string> missing;
  for (const std::string& one : bot_scopes())
    if (std::ranges::find(has, one) == has.end()) missing.push_back(one);
  return missing;
}

std::optional<std::int64_t> ahead_of(std::string_view date, std::int64_t now) {
  std::tm time{};
  const std::string text(date);
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return now - static_cast<std::int64_t>(::timegm(&time));
}

std::string checks_json(const std::vector<Check>& checks) {
  std::string all;
  for (const Check& one : checks)
    all += (all.empty() ? "" : ",") + (R"({"name":)" + sdk::json_string(one.name)) + R"(,"ok":)" +
           (one.ok ? "true" : "false") + (one.skipped ? R"(,"skipped":true)" : "") +
           R"(,"message":)" + sdk::json_string(one.message) + "}";
  return R"({"checks":[)" + all + "]}";
}

net::Task<std::vector<Check>> check_bot(WebApi& api, std::string token, std::string where) {
  if (!where.empty()) where = " of " + where;
  const WebApi::Probe me = co_await api.probe("auth.test", std::move(token));
  std::vector<Check> checks;
  if (me.result) {
    const chat::Value who = chat::Value::parsed(*me.result);
    checks.push_back(
        {"bot token" + where, true, who.text("user") + " is in the workspace " + who.text("team")});
    checks.push_back(check_scopes(where, me.head.header("x-oauth-scopes")));
  } else {
    checks.push_back({"bot token" + where, false, words(me.result.error(), /*of_app=*/false)});
  }
  // Also an answer that refuses has a time.
  if (me.head.status != 0) checks.push_back(check_clock(where, me.head.header("date")));
  co_return checks;
}

net::Task<Check> check_app_token(WebApi& api, std::string token) {
  const WebApi::Probe opened = co_await api.probe("apps.connections.open", std::move(token));
  if (!opened.result)
    co_return Check{"app token", false, words(opened.result.error(), /*of_app=*/true)};
  if (chat::Value::parsed(*opened.result).text("url").empty())
    co_return Check{"app token", false, "Slack names no address to connect to; try again"};
  co_return Check{"app token", true, "Slack lets the app connect"};
}

net::Task<Check> check_public_address(net::Loop& loop, const Config& config, std::string instance) {
  const std::string name = "public address";
  if (config.public_url.empty())
    co_return Check{name, false,
                    "public_url is not given: it says where Slack is to find this host, such as "
                    "https://viaduct.example.com"};
  const std::string url = config.public_url + "/apps/" + instance + "/events";
  const std::string challenge = "doctor-" + std::to_string(std::time(nullptr));
  const std::string now = std::to_string(std::time(nullptr));
  net::HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.body = R"({"type":"url_verification","challenge":)" + sdk::json_string(challenge) + "}";
  request.headers = {
      {"Content-Type", "application/json"},
      {"X-Slack-Request-Timestamp", now},
      {"X-Slack-Signature", signature_of(config.signing_secrets.front(), now, request.body)}};
  request.connect_timeout = kConnectLimit;
  request.total_timeout = kAnswerLimit;
  request.max_body_bytes = 64 << 10;
  net::HttpClient http(loop, {.proxy_from_environment = !is_loopback_url(config.public_url)});
  const auto response = co_await http.fetch(std::move(request));
  if (!response)
    co_return Check{name, false,
                    url + " cannot be reached from here (" + response.error().message +
                        "); let the proxy or tunnel of public_url pass it on to "
                        "server.webhooks.listen, or to server.listen without that"};
  const int status = response->head.status;
  if (status == 401)
    co_return Check{name, false,
                    url +
                        " refuses a request that is signed with the first signing_secret: "
                        "another Viaduct answers there, or something changes the body on its way"};
  if (status != 200)
    co_return Check{name, false,
                    url + " answers " + std::to_string(status) +
                        (status == 404 ? "; public_url leads to something else than this host's "
                                         "routes for Slack"
                                       : "; look at the log of the proxy that is in between")};
  if (chat::Value::parsed(response->body).text("challenge") != challenge)
    co_return Check{name, false,
                    url +
                        " gives another answer than Viaduct does: public_url leads to "
                        "something else, such as a login page"};
  co_return Check{name, true, url + " answers signed requests"};
}

}  // namespace viaduct::slack
