// An InboundAuth with keys of a login of the test's own; tokens and activities that it takes.
#pragma once

#include "plugins/teams/inbound_auth.hpp"
#include "tests/unit/teams/login.hpp"
#include "tests/unit/teams/signer.hpp"

#include <functional>
#include <string>

namespace viaduct::teams {

inline constexpr const char* kApp = "11111111-2222-3333-4444-555555555555";
inline constexpr const char* kTenant = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
inline constexpr const char* kService =
    "https://smba.trafficmanager.net/amer/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/";
inline constexpr const char* kIssuer = "https://api.botframework.com";

inline std::int64_t now() {
  return std::time(nullptr);
}
inline Object header(const std::string& key = "k1") {
  return Object().text("alg", "RS256").text("kid", key).text("x5t", key).text("typ", "JWT");
}
inline Object claims() {
  return Object()
      .text("serviceurl", kService)
      .number("nbf", now() - 60)
      .number("exp", now() + 3600)
      .text("iss", kIssuer)
      .text("aud", kApp);
}
inline Object entra_claims(const std::string& tenant = kTenant) {
  return Object()
      .text("iss", "https://login.microsoftonline.com/" + tenant + "/v2.0")
      .text("aud", kApp)
      .text("azp", kApp)
      .text("tid", tenant)
      .text("ver", "2.0")
      .number("nbf", now() - 60)
      .number("exp", now() + 3600);
}
inline std::string bearer(const std::string& token) {
  return "Bearer " + token;
}
inline std::string good_token() {
  return teams_signer().token(header(), claims());
}
inline ActivityFacts facts() {
  return {kService, "msteams", kTenant, kTenant, false};
}
inline InboundConfig config() {
  InboundConfig config;
  config.app_id = kApp;
  config.issuer = kIssuer;
  config.service_hosts = Hosts({"smba.trafficmanager.net"});
  config.allowed_tenants = {kTenant};
  config.entra_login = "https://login.microsoftonline.com";
  config.entra_tenants = {kTenant, "d6d49420-f39b-4df7-a1dc-d59a935871db"};
  return config;
}
inline std::string service_keys() {
  return jwks({teams_signer().jwk("k1", R"(["msteams","webchat"])"),
               teams_signer().jwk("web", R"(["webchat"])"), teams_signer().jwk("bare", ""),
               Object().text("kty", "EC").text("kid", "curve").text("crv", "P-256")});
}

// An InboundAuth whose keys are there, and who is asked for them.
class Gate {
 public:
  explicit Gate(InboundConfig with = config(), bool has_keys = true)
      : login_([](const std::string&) { return reply("{}", 503); }),
        keys_(loop_, login_.metadata_url(), {}),
        entra_(loop_, login_.origin() + "/entra", {}),
        auth_(std::move(with), keys_, &entra_) {
    login_.say([this](const std::string& request) {
      if (request.starts_with("GET /entra ")) return reply(login_.metadata_of("/entra-keys"));
      if (request.starts_with("GET /entra-keys"))
        return reply(jwks({other_signer().jwk("e1", "")}));
      return keys_answer(&login_, service_keys())(request);
    });
    if (!has_keys) return;
    on_loop([](Gate& gate) -> net::Task<> {
      EXPECT_TRUE((co_await gate.keys_.fetch()).ok);
      EXPECT_TRUE((co_await gate.entra_.fetch()).ok);
    });
    asked_ = login_.count();
  }

  // May be called again and again.
  void on_loop(std::function<net::Task<>(Gate&)> test) {
    bool ended = false;
    loop_.spawn(test(*this), [&](const net::Result<>& result) {
      if (!result) ADD_FAILURE() << result.error().message;
      ended = true;
    });
    const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!ended && std::chrono::steady_clock::now() < limit)
      loop_.context().run_one_for(std::chrono::seconds(1));
    ASSERT_TRUE(ended) << "the test did not end in time";
  }
  InboundAuth::Verdict admit(const std::string& authorization, ActivityFacts of = facts()) {
    InboundAuth::Verdict verdict = std::unexpected(Refused::kNoToken);
    on_loop(
        [&](Gate& gate) -> net::Task<> { verdict = co_await gate.auth_.admit(authorization, of); });
    return verdict;
  }
  // How often somebody else was asked for something since the keys are there.
  std::size_t asked() const { return login_.count() - asked_; }

  Login& login() { return login_; }
  Keys& keys() { return keys_; }
  InboundAuth& auth() { return auth_; }

 private:
  net::Loop loop_;
  Login login_;
  Keys keys_;
  Keys entra_;
  InboundAuth auth_;
  std::size_t asked_ = 0;
};

inline std::string word(const InboundAuth::Verdict& verdict) {
  return verdict ? "admitted" : std::string(word_of(verdict.error()));
}

inline ActivityFacts with_url(const std::string& url) {
  ActivityFacts of = facts();
  of.service_url = url;
  return of;
}
inline ActivityFacts with_tenants(const std::string& channel, const std::string& conversation) {
  ActivityFacts of = facts();
  of.channel_tenant = channel;
  of.conversation_tenant = conversation;
  return of;
}

inline ActivityFacts by_channel(const std::string& channel) {
  ActivityFacts of = facts();
  of.channel = channel;
  return of;
}

}  // namespace viaduct::teams
