#include "tests/unit/teams/gate.hpp"

namespace viaduct::teams {
namespace {

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

}  // namespace
}  // namespace viaduct::teams
