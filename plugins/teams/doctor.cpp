#include "plugins/teams/doctor.hpp"

#include "plugins/teams/address.hpp"
#include "plugins/teams/inbound_auth.hpp"

#include <utility>
#include <viaduct/net/http_client.hpp>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;

constexpr auto kConnectLimit = 5s;
constexpr auto kAnswerLimit = 10s;

}  // namespace

chat::Check check_allowed(const Allow& allow) {
  if (!allow.is_nobody()) return {"allow", true, "some people may talk to the bot"};
  return {"allow", false,
          "nobody may talk to the bot: it answers whom `allow` of its config names; add allow: "
          "everyone (all people of its tenant), or allow: {users: [object ids of Entra]}"};
}

net::Task<chat::Check> check_credentials(ServiceToken& token) {
  const std::string name = "app id and secret";
  if (const std::string wrong = token.complaint(); !wrong.empty())
    co_return chat::Check{name, false, wrong};
  const TokenResult had = co_await token.get();
  if (!had) {
    // Who looks once does not try again.
    constexpr std::string_view kAgain = "; it is tried again";
    std::string words = had.error().message;
    if (words.ends_with(kAgain))
      words.replace(words.size() - kAgain.size(), kAgain.size(),
                    "; let this host reach the login of Microsoft by https");
    co_return chat::Check{name, false, words};
  }
  co_return chat::Check{name, true, "Entra gives a token for them"};
}

net::Task<std::vector<chat::Check>> check_keys(Keys& keys) {
  const Keys::Report report = co_await keys.fetch();
  std::vector<chat::Check> checks;
  if (report.ok)
    checks.push_back({"keys", true, std::to_string(report.keys) + " keys of the service"});
  else
    checks.push_back({"keys", false,
                      report.message + ", by which it proves who it is; let this host reach "
                                       "login.botframework.com by https"});
  if (!report.date.empty())
    checks.push_back(chat::check_clock("the service", report.date, "tokens are refused"));
  co_return checks;
}

net::Task<chat::Check> check_public_address(net::Loop& loop, const Config& config,
                                            std::string instance) {
  const std::string name = "public address";
  if (config.public_url.empty())
    co_return chat::Check{
        name, false,
        "public_url is not given: it says where Teams is to find this host, such as "
        "https://viaduct.example.com; or set transport: socket, which needs no public address"};
  const std::string url =
      config.public_url + (config.messages_alias ? "" : "/apps/" + instance) + "/api/messages";
  net::HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.body = R"({"type":"typing","id":"doctor"})";
  request.headers = {{"Content-Type", "application/json"}};
  request.connect_timeout = kConnectLimit;
  request.total_timeout = kAnswerLimit;
  request.max_body_bytes = 64 << 10;
  const auto address = parse_address(config.public_url);
  net::HttpClient http(loop, {.proxy_from_environment = !address || !address->is_loopback});
  const auto response = co_await http.fetch(std::move(request));
  const std::string pass =
      "; let the proxy or tunnel of public_url pass it on to "
      "server.webhooks.listen (or server.listen) of this host";
  if (!response)
    co_return chat::Check{
        name, false,
        url + " cannot be reached from here (" + response.error().message + ")" + pass};
  if (response->head.status != 401 || response->body != body_of(Refused::kNoToken))
    co_return chat::Check{name, false,
                          url + " is answered by something else (status " +
                              std::to_string(response->head.status) + ")" + pass};
  co_return chat::Check{name, true,
                        url + " leads here; it is the messaging endpoint to be set in Azure"};
}

}  // namespace viaduct::teams
