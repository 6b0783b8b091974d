// The service's end for tests: tokens and the connector, answered by a function of the test, on a
// port of its own; and what the plugin needs to call it.
#pragma once

#include "plugins/teams/connector.hpp"
#include "tests/unit/teams/login.hpp"

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace viaduct::teams {

constexpr const char* kSecretToken = "token-secret-";

class Service {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  // `answer`: of everything but tokens.
  explicit Service(Answer answer)
      : login_([this, answer = std::move(answer)](const std::string& request) {
          if (!request.starts_with("POST /token ")) return answer(request);
          if (!no_tokens.empty()) return no_tokens;
          return reply(R"({"token_type":"Bearer","expires_in":3600,"access_token":")" +
                       (kSecretToken + std::to_string(++tokens)) + R"("})");
        }) {}

  std::string origin() const { return login_.origin(); }
  std::string service_url() const { return origin() + "/amer/tenant-1/"; }
  Destination chat(const std::string& id = "a:1") const {
    return {service_url(), id, "tenant-1", true, false};
  }
  // Without those for tokens.
  std::vector<std::string> requests() const {
    auto all = login_.requests();
    std::erase_if(all, [](const std::string& one) { return one.starts_with("POST /token "); });
    return all;
  }
  static Hosts hosts() { return Hosts({"127.0.0.1"}); }

  std::atomic<int> tokens{0};  // that were issued
  std::string no_tokens;       // what is answered instead of them

 private:
  Login login_;
};

inline ServiceCredentials credentials_at(const std::string& origin) {
  ServiceCredentials all;
  all.app_id = "app-1";
  all.secret = "pass";
  all.token_url = origin + "/token";
  all.scope = "scope";
  return all;
}

// A token of the service, and the connector.
struct Client {
  explicit Client(const Service& service, Connector::Reporter reporter = {})
      : token(loop, credentials_at(service.origin()), Service::hosts(), {}),
        connector(loop, &token, {.bot = "28:app-1", .hosts = Service::hosts()},
                  std::move(reporter)) {}

  net::Loop loop;
  ServiceToken token;
  Connector connector;
};

}  // namespace viaduct::teams
