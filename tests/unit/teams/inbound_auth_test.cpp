#include "tests/unit/teams/gate.hpp"

#include <cstring>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using net::Task;

// ---------------------------------------------------------------- good ones

struct GoodCase {
  const char* name;
  Object claims;
  ActivityFacts facts;
};
void PrintTo(const GoodCase& one, std::ostream* out) {
  *out << one.name;
}
class TeamsGoodToken : public testing::TestWithParam<GoodCase> {};

TEST_P(TeamsGoodToken, IsAdmittedAgainAndAgainWithoutACallToAnybody) {
  Gate gate;
  const std::string token = bearer(teams_signer().token(header(), GetParam().claims));
  for (int i = 0; i < 3; ++i) {
    const auto verdict = gate.admit(token, GetParam().facts);
    EXPECT_EQ(word(verdict), "admitted");
    if (verdict) EXPECT_EQ(*verdict, Caller::kService);
  }
  EXPECT_EQ(gate.asked(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    All, TeamsGoodToken,
    testing::Values(
        GoodCase{"Plain", claims(), facts()},
        GoodCase{"FourMinutesLate", claims().number("exp", now() - 240), facts()},
        GoodCase{"FourMinutesEarly", claims().number("nbf", now() + 240), facts()},
        GoodCase{"WithoutNotBefore", claims().drop("nbf"), facts()},
        GoodCase{"AudienceAsList", claims().set("aud", "[\"" + std::string(kApp) + "\"]"), facts()},
        GoodCase{"MoreClaims", claims().text("extra", "x").set("list", "[1,2]"), facts()},
        GoodCase{"ClaimWithoutSlash",
                 claims().text("serviceurl", std::string(kService, std::strlen(kService) - 1)),
                 facts()},
        GoodCase{"ActivityWithoutSlash", claims(),
                 with_url(std::string(kService, std::strlen(kService) - 1))},
        GoodCase{"HostInCapitals", claims(),
                 with_url("https://SMBA.trafficmanager.net/amer/" + std::string(kTenant) + "/")},
        GoodCase{"TenantInCapitals", claims(),
                 with_tenants("AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE", "")},
        GoodCase{"TenantOfConversationOnly", claims(), with_tenants("", kTenant)}),
    testing::PrintToStringParamName());

// ---------------------------------------------------------------- keys that change

TEST(TeamsInboundAuth, FetchesTheKeysOnceForManyTokensOfANewKey) {
  Gate gate;
  gate.login().say(keys_answer(&gate.login(), jwks({other_signer().jwk("k2")})));
  const std::string token = bearer(other_signer().token(header("k2"), claims()));
  gate.on_loop([&](Gate& at) -> Task<> {
    using namespace net::asio::experimental::awaitable_operators;
    const auto [a, b, c, d] =
        co_await (at.auth().admit(token, facts()) && at.auth().admit(token, facts()) &&
                  at.auth().admit(token, facts()) &&
                  at.auth().admit(bearer(other_signer().token(header("k3"), claims())), facts()));
    EXPECT_EQ(word(a), "admitted");
    EXPECT_EQ(word(b), "admitted");
    EXPECT_EQ(word(c), "admitted");
    EXPECT_EQ(word(d), "unknown_key");
  });
  EXPECT_EQ(gate.asked(), 2U);  // metadata and keys
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(
        word(gate.admit(bearer(other_signer().token(header("new" + std::to_string(i)), claims())))),
        "unknown_key");
  EXPECT_EQ(gate.asked(), 2U);
}

TEST(TeamsInboundAuth, RefusesTheTokenOfARevokedKeyThoughItWasGoodBefore) {
  Gate gate;
  const std::string token = bearer(good_token());
  EXPECT_EQ(word(gate.admit(token)), "admitted");
  gate.login().say(keys_answer(&gate.login(), jwks({other_signer().jwk("k1")})));
  gate.on_loop([](Gate& at) -> Task<> { EXPECT_TRUE((co_await at.keys().fetch()).ok); });
  EXPECT_EQ(word(gate.admit(token)), "signature");
}

TEST(TeamsInboundAuth, ForgetsATokenThatHasExpired) {
  Gate gate;
  const std::string token = bearer(good_token());
  const std::int64_t begun = now();
  EXPECT_EQ(word(gate.auth().check(token, facts(), begun)), "admitted");
  EXPECT_EQ(word(gate.auth().check(token, facts(), begun + 3600 + 299)), "admitted");
  EXPECT_EQ(word(gate.auth().check(token, facts(), begun + 3600 + 310)), "expired");
  EXPECT_EQ(word(gate.auth().check(token, facts(), begun - 60 - 310)), "not_yet");
  EXPECT_EQ(word(gate.auth().check(token, facts(), begun)), "admitted");
}

TEST(TeamsInboundAuth, ChecksTheActivityOfATokenThatIsKnown) {
  Gate gate;
  const std::string token = bearer(good_token());
  EXPECT_EQ(word(gate.admit(token)), "admitted");
  EXPECT_EQ(word(gate.admit(token, with_url("https://evil.example/"))), "service_url");
  EXPECT_EQ(word(gate.admit(token, by_channel("webchat"))), "channel");
  EXPECT_EQ(word(gate.admit(token, with_tenants("another", ""))), "tenant");
  EXPECT_EQ(word(gate.admit(token)), "admitted");
}

TEST(TeamsInboundAuth, FailsClosedWithoutKeysAndGetsThemWithTheFirstToken) {
  Gate gate(config(), /*has_keys=*/false);
  EXPECT_EQ(word(gate.auth().check(bearer(good_token()), facts(), now())), "no_keys");
  EXPECT_EQ(word(gate.admit(bearer(good_token()))), "admitted");

  Gate alone(config(), /*has_keys=*/false);
  alone.login().say([](const std::string&) { return reply("{}", 500); });
  EXPECT_EQ(word(alone.admit(bearer(good_token()))), "no_keys");
  EXPECT_EQ(alone.asked(), 1U);
  EXPECT_EQ(word(alone.admit(bearer(good_token()))), "no_keys");
  EXPECT_EQ(alone.asked(), 1U);
}

TEST(TeamsInboundAuth, ChecksWhatTheActivityOfASocketSays) {
  Gate gate;
  const auto said = [&](const ActivityFacts& of) { return word(gate.auth().check_socket(of)); };
  EXPECT_EQ(said(facts()), "admitted");
  EXPECT_EQ(said(with_url("https://evil.example/")), "service_host");
  EXPECT_EQ(said(with_url("")), "service_host");
  EXPECT_EQ(said(by_channel("webchat")), "channel");
  EXPECT_EQ(said(with_tenants("another", kTenant)), "tenant");
  EXPECT_EQ(said(with_tenants("", "")), "tenant");
}

TEST(TeamsInboundAuth, AdmitsNobodyWithoutATenantThatIsAllowed) {
  InboundConfig nobody = config();
  nobody.allowed_tenants.clear();
  EXPECT_EQ(word(Gate(nobody).admit(bearer(good_token()))), "tenant");
}

TEST(TeamsInboundAuth, AdmitsNobodyWithoutAnAppId) {
  InboundConfig nobody = config();
  nobody.app_id.clear();
  Gate gate(nobody);
  EXPECT_EQ(word(gate.admit(bearer(teams_signer().token(header(), claims().text("aud", ""))))),
            "audience");
  EXPECT_EQ(word(gate.admit(bearer(teams_signer().token(header(), claims().drop("aud"))))),
            "audience");
}

TEST(TeamsInboundAuth, TakesAnAppIdInCapitals) {
  InboundConfig shouted = config();
  shouted.app_id = "ABCDEFAB-2222-3333-4444-555555555555";
  Gate gate(shouted);
  EXPECT_EQ(word(gate.admit(bearer(teams_signer().token(
                header(), claims().text("aud", "abcdefab-2222-3333-4444-555555555555"))))),
            "admitted");
}

// ---------------------------------------------------------------- who is not the service

InboundConfig with_entra() {
  InboundConfig open = config();
  open.allow_entra_tokens = true;
  return open;
}
std::string entra(const Object& body, const std::string& key = "e1") {
  return bearer(other_signer().token(header(key), body));
}
ActivityFacts local_facts() {
  ActivityFacts of = with_url("http://localhost:56150/");
  of.is_direct = true;
  return of;
}

TEST(TeamsEntraToken, IsAdmittedWhereItIsEnabledForAServiceOnThisComputerOrTheList) {
  Gate gate(with_entra());
  for (const auto& of : {local_facts(), facts()}) {
    const auto verdict = gate.admit(entra(entra_claims()), of);
    EXPECT_EQ(word(verdict), "admitted");
    if (verdict) EXPECT_EQ(*verdict, Caller::kEntra);
  }
  const std::string microsoft = "d6d49420-f39b-4df7-a1dc-d59a935871db";
  EXPECT_EQ(word(gate.admit(entra(entra_claims(microsoft)), local_facts())), "admitted");
  Object old = entra_claims();
  old.text("iss", "https://sts.windows.net/" + std::string(kTenant) + "/").text("ver", "1.0");
  old.drop("azp").text("appid", kApp);
  EXPECT_EQ(word(gate.admit(entra(old), local_facts())), "admitted");
  // The service's own tokens stay what they are.
  EXPECT_EQ(*gate.admit(bearer(good_token())), Caller::kService);
  EXPECT_EQ(gate.asked(), 0U);
}

TEST(TeamsEntraToken, IsRefusedForWhatIsWrongWithIt) {
  Gate gate(with_entra());
  const auto refused = [&](const Object& body, ActivityFacts of = local_facts(),
                           const std::string& key = "e1") {
    return word(gate.admit(entra(body, key), of));
  };
  const std::string stranger = "99999999-bbbb-cccc-dddd-eeeeeeeeeeee";
  EXPECT_EQ(refused(entra_claims(stranger)), "entra_tenant");
  EXPECT_EQ(refused(entra_claims().text("tid", stranger)), "issuer");
  EXPECT_EQ(refused(entra_claims().drop("tid")), "issuer");
  EXPECT_EQ(refused(entra_claims().text("iss", "https://login.microsoftonline.com/")), "issuer");
  EXPECT_EQ(refused(entra_claims().text("azp", "another")), "entra_app");
  EXPECT_EQ(refused(entra_claims().drop("azp").text("appid", kApp)), "entra_app");
  EXPECT_EQ(refused(entra_claims().text("ver", "1.0")), "entra_app");
  EXPECT_EQ(refused(entra_claims().text("aud", "another")), "audience");
  EXPECT_EQ(refused(entra_claims().number("exp", now() - 3600)), "expired");
  EXPECT_EQ(refused(entra_claims().drop("exp")), "no_expiry");
  EXPECT_EQ(refused(entra_claims(), with_url("https://evil.example/")), "service_host");
  EXPECT_EQ(refused(entra_claims(), with_url("")), "service_host");
  ActivityFacts other = local_facts();
  other.channel = "webchat";
  EXPECT_EQ(refused(entra_claims(), other), "channel");
  other = local_facts();
  other.channel_tenant = stranger;
  EXPECT_EQ(refused(entra_claims(), other), "tenant");
  // A key of the service signs nothing of Entra's, nor the other way round.
  EXPECT_EQ(word(gate.admit(bearer(teams_signer().token(header("k1"), entra_claims(stranger))),
                            local_facts())),
            "unknown_key");
  EXPECT_EQ(word(gate.admit(entra(claims().text("iss", "https://elsewhere"), "e1"), local_facts())),
            "unknown_key");
  EXPECT_EQ(gate.asked(), 0U);
}

TEST(TeamsAnonymous, IsAdmittedOnlyFromThisComputerToThisComputer) {
  InboundConfig open = config();
  open.allow_anonymous_loopback = true;
  open.listener_is_loopback = true;
  {
    Gate gate(open);
    const auto verdict = gate.admit("", local_facts());
    ASSERT_TRUE(verdict);
    EXPECT_EQ(*verdict, Caller::kAnonymous);
    EXPECT_EQ(word(gate.admit("", facts())), "no_token");
    ActivityFacts through = local_facts();
    through.is_direct = false;
    EXPECT_EQ(word(gate.admit("", through)), "no_token");
    ActivityFacts nowhere = local_facts();
    nowhere.service_url = "";
    EXPECT_EQ(word(gate.admit("", nowhere)), "no_token");
    // A token that is there must be good.
    const std::string input = url64(R"({"alg":"HS256","typ":"JWT"})") + '.' + url64("{}");
    EXPECT_EQ(word(gate.admit(bearer(input + '.' + url64(hmac256("dummy-secret-key", input))),
                              local_facts())),
              "algorithm");
  }
  open.listener_is_loopback = false;
  EXPECT_EQ(word(Gate(open).admit("", local_facts())), "no_token");
  open.listener_is_loopback = true;
  open.allow_anonymous_loopback = false;
  EXPECT_EQ(word(Gate(open).admit("", local_facts())), "no_token");
}

}  // namespace
}  // namespace viaduct::teams
