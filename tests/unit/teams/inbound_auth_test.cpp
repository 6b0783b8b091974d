#include "plugins/teams/inbound_auth.hpp"

#include "tests/unit/teams/login.hpp"
#include "tests/unit/teams/signer.hpp"

#include <cstring>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using net::Task;

constexpr const char* kApp = "11111111-2222-3333-4444-555555555555";
constexpr const char* kTenant = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
constexpr const char* kService =
    "https://smba.trafficmanager.net/amer/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/";
constexpr const char* kIssuer = "https://api.botframework.com";

std::int64_t now() {
  return std::time(nullptr);
}
Object header(const std::string& key = "k1") {
  return Object().text("alg", "RS256").text("kid", key).text("x5t", key).text("typ", "JWT");
}
Object claims() {
  return Object()
      .text("serviceurl", kService)
      .number("nbf", now() - 60)
      .number("exp", now() + 3600)
      .text("iss", kIssuer)
      .text("aud", kApp);
}
Object entra_claims(const std::string& tenant = kTenant) {
  return Object()
      .text("iss", "https://login.microsoftonline.com/" + tenant + "/v2.0")
      .text("aud", kApp)
      .text("azp", kApp)
      .text("tid", tenant)
      .text("ver", "2.0")
      .number("nbf", now() - 60)
      .number("exp", now() + 3600);
}
std::string bearer(const std::string& token) {
  return "Bearer " + token;
}
std::string good_token() {
  return teams_signer().token(header(), claims());
}
ActivityFacts facts() {
  return {kService, "msteams", kTenant, kTenant, false};
}
InboundConfig config() {
  InboundConfig config;
  config.app_id = kApp;
  config.issuer = kIssuer;
  config.service_hosts = Hosts({"smba.trafficmanager.net"});
  config.allowed_tenants = {kTenant};
  config.entra_login = "https://login.microsoftonline.com";
  config.entra_tenants = {kTenant, "d6d49420-f39b-4df7-a1dc-d59a935871db"};
  return config;
}
std::string service_keys() {
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
    on_loop([](Gate& gate) -> Task<> {
      EXPECT_TRUE((co_await gate.keys_.fetch()).ok);
      EXPECT_TRUE((co_await gate.entra_.fetch()).ok);
    });
    asked_ = login_.count();
  }

  // May be called again and again.
  void on_loop(std::function<Task<>(Gate&)> test) {
    bool ended = false;
    loop_.spawn(test(*this), [&](const net::Result<>& result) {
      if (!result) ADD_FAILURE() << result.error().message;
      ended = true;
    });
    const auto limit = std::chrono::steady_clock::now() + 60s;
    while (!ended && std::chrono::steady_clock::now() < limit) loop_.context().run_one_for(1s);
    ASSERT_TRUE(ended) << "the test did not end in time";
  }
  InboundAuth::Verdict admit(const std::string& authorization, ActivityFacts of = facts()) {
    InboundAuth::Verdict verdict = std::unexpected(Refused::kNoToken);
    on_loop([&](Gate& gate) -> Task<> { verdict = co_await gate.auth_.admit(authorization, of); });
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

std::string word(const InboundAuth::Verdict& verdict) {
  return verdict ? "admitted" : std::string(word_of(verdict.error()));
}

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

ActivityFacts with_url(const std::string& url) {
  ActivityFacts of = facts();
  of.service_url = url;
  return of;
}
ActivityFacts with_tenants(const std::string& channel, const std::string& conversation) {
  ActivityFacts of = facts();
  of.channel_tenant = channel;
  of.conversation_tenant = conversation;
  return of;
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

// ---------------------------------------------------------------- bad ones

struct BadCase {
  const char* name;
  std::function<std::string()> authorization;
  Refused why;
  int status;
  ActivityFacts facts = teams::facts();
};
void PrintTo(const BadCase& one, std::ostream* out) {
  *out << one.name;
}
class TeamsBadToken : public testing::TestWithParam<BadCase> {};

TEST_P(TeamsBadToken, IsRefusedWithoutACallToAnybody) {
  Gate gate;
  const std::string authorization = GetParam().authorization();
  for (int i = 0; i < 2; ++i) {
    const auto verdict = gate.admit(authorization, GetParam().facts);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(word(verdict), word_of(GetParam().why));
    EXPECT_EQ(status_of(verdict.error()), GetParam().status);
    const std::string body(body_of(verdict.error()));
    EXPECT_TRUE(body.starts_with("{\"error\"") && body.size() < 200) << body;
    EXPECT_FALSE(words_of(verdict.error()).empty());
  }
  EXPECT_EQ(gate.asked(), 0U);
  // Nothing of it is left behind.
  EXPECT_EQ(word(gate.admit(bearer(good_token()))), "admitted");
}

using Make = std::function<std::string()>;
Make text(std::string authorization) {
  return [authorization = std::move(authorization)] { return authorization; };
}
Make signed_with(Object head, std::function<void(Object&)> change = {}) {
  return [head, change] {
    Object body = claims();
    if (change) change(body);
    return bearer(teams_signer().token(head, body));
  };
}
Make with_claim(const char* name, std::string json) {
  return signed_with(header(), [name, json](Object& body) { body.set(name, json); });
}
Make with_text(const char* name, std::string value) {
  return with_claim(name, '"' + value + '"');
}
Make without(const char* name) {
  return signed_with(header(), [name](Object& body) { body.drop(name); });
}
// A header and claims with a signature of the test's own.
Make with_signature(Object head, std::function<std::string(const std::string&)> sign) {
  return [head, sign] {
    const std::string input = url64(head.json()) + '.' + url64(claims().json());
    return bearer(input + '.' + url64(sign(input)));
  };
}
Make changed(std::function<void(std::string&)> change) {
  return [change] {
    std::string token = good_token();
    change(token);
    return bearer(token);
  };
}
std::string in_seconds(std::int64_t offset) {
  return std::to_string(now() + offset);
}
std::string none(const std::string&) {
  return {};
}
std::string other(const std::string& input) {
  return other_signer().sign(input);
}
ActivityFacts by_channel(const std::string& channel) {
  ActivityFacts of = facts();
  of.channel = channel;
  return of;
}

INSTANTIATE_TEST_SUITE_P(
    Header, TeamsBadToken,
    testing::Values(
        BadCase{"NoHeader", text(""), Refused::kNoToken, 401},
        BadCase{"OnlyBearer", text("Bearer"), Refused::kNotBearer, 401},
        BadCase{"BearerAndBlank", text("Bearer "), Refused::kMalformed, 401},
        BadCase{"Basic", text("Basic dXNlcjpwYXNz"), Refused::kNotBearer, 401},
        BadCase{"WithoutBearer", [] { return good_token(); }, Refused::kNotBearer, 401},
        BadCase{"BearerInSmallLetters", [] { return "bearer " + good_token(); },
                Refused::kNotBearer, 401},
        BadCase{"BearerTwice", [] { return "Bearer Bearer " + good_token(); }, Refused::kNotBearer,
                401},
        BadCase{"TwoTokens", [] { return bearer(good_token() + " " + good_token()); },
                Refused::kNotBearer, 401},
        BadCase{"TwoTokensByComma", [] { return bearer(good_token() + "," + good_token()); },
                Refused::kMalformed, 401},
        BadCase{"BlankBefore", [] { return " Bearer " + good_token(); }, Refused::kNotBearer, 401},
        BadCase{"Tabulator", [] { return "Bearer\t" + good_token(); }, Refused::kNotBearer, 401},
        BadCase{"Garbage", text("Bearer hello"), Refused::kMalformed, 401},
        BadCase{"Dots", text("Bearer .."), Refused::kMalformed, 401},
        BadCase{"NotBase64", text("Bearer !!!.???.###"), Refused::kMalformed, 401},
        BadCase{"BytesThatAreNoText", text("Bearer \xFF\xFE.\x80.\x81"), Refused::kMalformed, 401},
        BadCase{"TwoParts", changed([](std::string& t) { t.resize(t.rfind('.')); }),
                Refused::kMalformed, 401},
        BadCase{"FourParts", changed([](std::string& t) { t += ".AAAA"; }), Refused::kMalformed,
                401},
        BadCase{"FiveParts", text("Bearer a.b.c.d.e"), Refused::kMalformed, 401},
        BadCase{"Padded", changed([](std::string& t) { t += "="; }), Refused::kMalformed, 401},
        BadCase{"LineEnd", changed([](std::string& t) { t += "\n"; }), Refused::kMalformed, 401},
        BadCase{"HugeToken", [] { return bearer(std::string(64 << 10, 'a')); }, Refused::kTooLong,
                401},
        BadCase{"HugeClaims", with_text("pad", std::string(32 << 10, 'x')), Refused::kTooLong,
                401}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Algorithm, TeamsBadToken,
    testing::Values(
        BadCase{"None", with_signature(header().text("alg", "none"), none), Refused::kMalformed,
                401},
        BadCase{"NoneWithSignature", signed_with(header().text("alg", "none")), Refused::kAlgorithm,
                401},
        BadCase{"NoneInCapitals", signed_with(header().text("alg", "NONE")), Refused::kMalformed,
                401},
        BadCase{"HmacWithThePublicKey",
                with_signature(header().text("alg", "HS256"),
                               [](const std::string& input) {
                                 return hmac256(teams_signer().public_pem(), input);
                               }),
                Refused::kAlgorithm, 401},
        BadCase{"HmacWithTheModulus",
                with_signature(header().text("alg", "HS256"),
                               [](const std::string& input) {
                                 return hmac256(teams_signer().number(OSSL_PKEY_PARAM_RSA_N),
                                                input);
                               }),
                Refused::kAlgorithm, 401},
        BadCase{"HmacOfThePlayground",
                with_signature(Object().text("alg", "HS256").text("typ", "JWT"),
                               [](const std::string& input) {
                                 return hmac256("dummy-secret-key", input);
                               }),
                Refused::kAlgorithm, 401},
        BadCase{"Pss",
                with_signature(header().text("alg", "PS256"),
                               [](const std::string& input) {
                                 return teams_signer().sign(input, true);
                               }),
                Refused::kAlgorithm, 401},
        BadCase{"PssSignatureThatSaysRs256",
                with_signature(header(),
                               [](const std::string& input) {
                                 return teams_signer().sign(input, true);
                               }),
                Refused::kSignature, 401},
        BadCase{"Rs512",
                with_signature(header().text("alg", "RS512"),
                               [](const std::string& input) {
                                 return teams_signer().sign(input, false, EVP_sha512());
                               }),
                Refused::kAlgorithm, 401},
        BadCase{"Sha512ThatSaysRs256",
                with_signature(header(),
                               [](const std::string& input) {
                                 return teams_signer().sign(input, false, EVP_sha512());
                               }),
                Refused::kSignature, 401},
        BadCase{"Curve", signed_with(header().text("alg", "ES256")), Refused::kAlgorithm, 401},
        BadCase{"Encrypted", signed_with(header().text("alg", "RSA-OAEP").text("enc", "A128GCM")),
                Refused::kMalformed, 401},
        BadCase{"NoAlgorithm", signed_with(header().drop("alg")), Refused::kMalformed, 401},
        BadCase{"EmptyHeader", signed_with(Object()), Refused::kMalformed, 401},
        BadCase{"Critical", signed_with(header().set("crit", R"(["exp"])")), Refused::kCritical,
                401},
        BadCase{"CriticalB64", signed_with(header().set("crit", R"(["b64"])").set("b64", "false")),
                Refused::kCritical, 401}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Key, TeamsBadToken,
    testing::Values(
        BadCase{"NoKeyId", signed_with(header().drop("kid")), Refused::kNoKeyId, 401},
        BadCase{"EmptyKeyId", signed_with(header("")), Refused::kNoKeyId, 401},
        BadCase{"KeyIdAsNumber", signed_with(header().set("kid", "1")), Refused::kNoKeyId, 401},
        BadCase{"KnownIdOtherKey", with_signature(header(), other), Refused::kSignature, 401},
        BadCase{
            "OwnKeyInTheHeader",
            with_signature(header().set("jwk", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"), other),
            Refused::kSignature, 401},
        BadCase{"OwnKeySetInTheHeader",
                with_signature(header().text("jku", "http://127.0.0.1:9/keys"), other),
                Refused::kSignature, 401},
        BadCase{"OwnCertificateInTheHeader",
                with_signature(header().set("x5c", R"(["AAAA"])"), other), Refused::kSignature,
                401},
        BadCase{"CertificatesAddressInTheHeader",
                with_signature(header().text("x5u", "http://127.0.0.1:9/cert"), other),
                Refused::kSignature, 401},
        BadCase{"CurveKey", signed_with(header("curve"), [](Object& b) { b.drop("exp"); }),
                Refused::kUnknownKey, 401},
        // Not worth a call, since something else is wrong, too.
        BadCase{
            "UnknownKeyOfAnotherIssuer",
            signed_with(header("new"), [](Object& b) { b.text("iss", "https://evil.example"); }),
            Refused::kUnknownKey, 401},
        BadCase{"UnknownKeyForAnotherBot",
                signed_with(header("new"), [](Object& b) { b.text("aud", "another"); }),
                Refused::kUnknownKey, 401},
        BadCase{"UnknownKeyExpired",
                signed_with(header("new"), [](Object& b) { b.number("exp", now() - 3600); }),
                Refused::kUnknownKey, 401},
        BadCase{"UnknownKeyWithoutExpiry",
                signed_with(header("new"), [](Object& b) { b.drop("exp"); }), Refused::kUnknownKey,
                401},
        BadCase{"UnknownKeyNotYet",
                signed_with(header("new"), [](Object& b) { b.number("nbf", now() + 3600); }),
                Refused::kUnknownKey, 401},
        BadCase{"KeyIdAsPath",
                signed_with(header("../../../etc/passwd"), [](Object& b) { b.drop("aud"); }),
                Refused::kUnknownKey, 401},
        BadCase{"KeyIdAsStatement",
                signed_with(header("' OR 1=1 --"), [](Object& b) { b.drop("iss"); }),
                Refused::kUnknownKey, 401},
        BadCase{"EmptySignature", with_signature(header(), none), Refused::kMalformed, 401},
        BadCase{"SignatureOfZeros",
                with_signature(header(), [](const std::string&) { return std::string(256, '\0'); }),
                Refused::kSignature, 401},
        BadCase{"ShortSignature",
                with_signature(header(), [](const std::string&) { return std::string(16, 'x'); }),
                Refused::kSignature, 401},
        BadCase{"SignatureOfAnotherToken",
                [] {
                  const std::string one = good_token();
                  const std::string two =
                      teams_signer().token(header(), claims().text("jti", "another"));
                  return bearer(one.substr(0, one.rfind('.')) + two.substr(two.rfind('.')));
                },
                Refused::kSignature, 401},
        BadCase{"PayloadOfAnotherToken",
                [] {
                  const std::string one = good_token();
                  return bearer(one.substr(0, one.find('.')) + '.' +
                                url64(claims().text("jti", "another").json()) +
                                one.substr(one.rfind('.')));
                },
                Refused::kSignature, 401},
        BadCase{"HeaderOfAnotherToken",
                [] {
                  const std::string one = good_token();
                  return bearer(url64(header("web").json()) + one.substr(one.find('.')));
                },
                Refused::kSignature, 401}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Claims, TeamsBadToken,
    testing::Values(
        BadCase{"Expired6Minutes", with_claim("exp", in_seconds(-360)), Refused::kExpired, 401},
        BadCase{"ExpiredAYear", with_claim("exp", in_seconds(-365 * 86400)), Refused::kExpired,
                401},
        BadCase{"ExpiredWithTheEpoch", with_claim("exp", "0"), Refused::kExpired, 401},
        BadCase{"NoExpiry", without("exp"), Refused::kNoExpiry, 401},
        BadCase{"ExpiryAsText", with_text("exp", in_seconds(3600)), Refused::kMalformed, 401},
        BadCase{"ExpiryAsNull", with_claim("exp", "null"), Refused::kMalformed, 401},
        BadCase{"ExpiryAsList", with_claim("exp", "[1]"), Refused::kMalformed, 401},
        BadCase{"ExpiryWithoutEnd", with_claim("exp", "1e400"), Refused::kMalformed, 401},
        BadCase{"NotYetFor10Minutes", with_claim("nbf", in_seconds(600)), Refused::kNotYet, 401},
        BadCase{"NotBeforeAsText", with_text("nbf", "0"), Refused::kMalformed, 401},
        BadCase{"NoAudience", without("aud"), Refused::kAudience, 401},
        BadCase{"EmptyAudience", with_text("aud", ""), Refused::kAudience, 401},
        BadCase{"OtherAudience", with_text("aud", "99999999-2222-3333-4444-555555555555"),
                Refused::kAudience, 401},
        BadCase{"AudienceThatBeginsSo", with_text("aud", std::string(kApp) + "0"),
                Refused::kAudience, 401},
        BadCase{"BeginningOfAudience", with_text("aud", "11111111-2222"), Refused::kAudience, 401},
        BadCase{"AudienceIsTheService", with_text("aud", kIssuer), Refused::kAudience, 401},
        BadCase{"TwoAudiences", with_claim("aud", "[\"" + std::string(kApp) + "\",\"another\"]"),
                Refused::kAudience, 401},
        BadCase{"NoIssuer", without("iss"), Refused::kIssuer, 401},
        BadCase{"OtherIssuer", with_text("iss", "https://evil.example"), Refused::kIssuer, 401},
        BadCase{"IssuerThatBeginsSo", with_text("iss", std::string(kIssuer) + ".evil.example"),
                Refused::kIssuer, 401},
        BadCase{"IssuerWithSlash", with_text("iss", std::string(kIssuer) + "/"), Refused::kIssuer,
                401},
        BadCase{"IssuerInCapitals", with_text("iss", "HTTPS://API.BOTFRAMEWORK.COM"),
                Refused::kIssuer, 401},
        BadCase{"IssuerOfAnotherCloud", with_text("iss", "https://api.botframework.us"),
                Refused::kIssuer, 401},
        BadCase{"IssuerAsList", with_claim("iss", "[\"" + std::string(kIssuer) + "\"]"),
                Refused::kMalformed, 401},
        BadCase{"EntraWhereItIsNotEnabled",
                [] { return bearer(teams_signer().token(header(), entra_claims())); },
                Refused::kIssuer, 401},
        BadCase{"NoServiceUrl", without("serviceurl"), Refused::kServiceUrl, 401},
        BadCase{"ServiceUrlWithOtherName",
                signed_with(header(),
                            [](Object& b) { b.drop("serviceurl").text("serviceUrl", kService); }),
                Refused::kServiceUrl, 401},
        BadCase{"OtherServiceUrl", with_text("serviceurl", "https://evil.example/"),
                Refused::kServiceUrl, 401},
        BadCase{"ServiceUrlThatBeginsSo", with_text("serviceurl", std::string(kService) + "more/"),
                Refused::kServiceUrl, 401},
        BadCase{"ServiceUrlOfTheHostOnly",
                with_text("serviceurl", "https://smba.trafficmanager.net/"), Refused::kServiceUrl,
                401},
        BadCase{"ServiceUrlOnAnotherPort",
                with_text("serviceurl", "https://smba.trafficmanager.net:8443/amer/" +
                                            std::string(kTenant) + "/"),
                Refused::kServiceUrl, 401},
        BadCase{"NoJson",
                [] {
                  const std::string input = url64(header().json()) + '.' + url64("hello");
                  return bearer(input + '.' + url64(teams_signer().sign(input)));
                },
                Refused::kMalformed, 401}),
    testing::PrintToStringParamName());

Make good_for(std::string url) {
  return with_text("serviceurl", std::move(url));
}
INSTANTIATE_TEST_SUITE_P(
    Activity, TeamsBadToken,
    testing::Values(
        BadCase{"OfAnotherServiceUrl", [] { return bearer(good_token()); }, Refused::kServiceUrl,
                401, with_url("https://smba.trafficmanager.net/emea/x/")},
        BadCase{"WithoutServiceUrl", [] { return bearer(good_token()); }, Refused::kServiceUrl, 401,
                with_url("")},
        BadCase{"ServiceAtAnUntrustedHost", good_for("https://evil.example/"),
                Refused::kServiceHost, 403, with_url("https://evil.example/")},
        BadCase{"ServiceAtAHostThatEndsSo", good_for("https://evil-smba.trafficmanager.net/"),
                Refused::kServiceHost, 403, with_url("https://evil-smba.trafficmanager.net/")},
        BadCase{"ServiceBelowTheHost", good_for("https://x.smba.trafficmanager.net/"),
                Refused::kServiceHost, 403, with_url("https://x.smba.trafficmanager.net/")},
        BadCase{"ServiceByHttp", good_for("http://smba.trafficmanager.net/"), Refused::kServiceHost,
                403, with_url("http://smba.trafficmanager.net/")},
        BadCase{"ServiceOnThisComputer", good_for("http://127.0.0.1:9/"), Refused::kServiceHost,
                403, with_url("http://127.0.0.1:9/")},
        BadCase{"ServiceWithUserName", good_for("https://smba.trafficmanager.net@evil.example/"),
                Refused::kServiceUrl, 401,
                with_url("https://smba.trafficmanager.net@evil.example/")},
        BadCase{"KeyNotEndorsedForTeams", signed_with(header("web")), Refused::kChannel, 403},
        BadCase{"KeyWithoutEndorsements", signed_with(header("bare")), Refused::kChannel, 403},
        BadCase{"OtherChannelOfAnEndorsedKey", [] { return bearer(good_token()); },
                Refused::kChannel, 403, by_channel("webchat")},
        BadCase{"DirectLine", [] { return bearer(good_token()); }, Refused::kChannel, 403,
                by_channel("directline")},
        BadCase{"NoChannel", [] { return bearer(good_token()); }, Refused::kChannel, 403,
                by_channel("")},
        BadCase{"ChannelInCapitals", [] { return bearer(good_token()); }, Refused::kChannel, 403,
                by_channel("MSTEAMS")},
        BadCase{"OtherTenant", [] { return bearer(good_token()); }, Refused::kTenant, 403,
                with_tenants("99999999-bbbb-cccc-dddd-eeeeeeeeeeee", "")},
        BadCase{"OtherTenantOfConversation", [] { return bearer(good_token()); }, Refused::kTenant,
                403, with_tenants(kTenant, "99999999-bbbb-cccc-dddd-eeeeeeeeeeee")},
        BadCase{"NoTenant", [] { return bearer(good_token()); }, Refused::kTenant, 403,
                with_tenants("", "")},
        BadCase{"BeginningOfTheTenant", [] { return bearer(good_token()); }, Refused::kTenant, 403,
                with_tenants("aaaaaaaa", "")}),
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
