#include "plugins/teams/jwt.hpp"

#include "tests/unit/teams/signer.hpp"

#include <openssl/err.h>

namespace viaduct::teams {
namespace {

Object header() {
  return Object().text("alg", "RS256").text("kid", "k1").text("typ", "JWT");
}
Object claims() {
  return Object().text("iss", "me").text("aud", "you").number("exp", 2000);
}

PublicKey key_of(const Signer& signer) {
  auto key = PublicKey::of_jwk(signer.jwk("k1").json());
  EXPECT_TRUE(key) << key.error();
  return *std::move(key);
}

TEST(TeamsToken, IsReadAndVerified) {
  auto token = Token::parse(teams_signer().token(
      header(), claims().number("nbf", 1000).text("serviceurl", "https://a/").text("x", "y")));
  ASSERT_TRUE(token);
  EXPECT_EQ(token->key_id(), "k1");
  EXPECT_EQ(token->claims().issuer, "me");
  EXPECT_EQ(token->claims().audience, "you");
  EXPECT_EQ(token->claims().expires, 2000);
  EXPECT_EQ(token->claims().not_before, 1000);
  EXPECT_EQ(token->claims().service_url, "https://a/");
  EXPECT_TRUE(token->verify(key_of(teams_signer())));
  EXPECT_FALSE(token->verify(key_of(other_signer())));
  EXPECT_EQ(ERR_peek_error(), 0U) << "the next TLS connection would be blamed for it";
}

TEST(TeamsToken, IsNotVerifiedWithAnyByteOfItChanged) {
  const std::string text = teams_signer().token(header(), claims());
  const PublicKey key = key_of(teams_signer());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    auto token = Token::parse(other);
    // The last character of the signature has bits that count for nothing.
    if (i + 1 < text.size()) EXPECT_FALSE(token && token->verify(key)) << i;
  }
}

TEST(TeamsToken, IsNoneWhereItIsCutOrLengthened) {
  const std::string text = teams_signer().token(header(), claims());
  const PublicKey key = key_of(teams_signer());
  for (std::size_t size = 0; size < text.size(); ++size) {
    auto token = Token::parse(std::string_view(text).substr(0, size));
    EXPECT_FALSE(token && token->verify(key)) << size;
  }
  for (const char* bad : {"AAA=A.AAAA.AAAA", "A=AA.AAAA.AAAA", "AAAA.A=.AAAA", "AAAA.AAAA.A==="})
    EXPECT_FALSE(Token::parse(bad)) << bad;
  for (const char* more : {"A", "=", "==", ".", ".AA", " ", "\n", "\r\n", "%3D"}) {
    auto token = Token::parse(text + more);
    EXPECT_FALSE(token && token->verify(key)) << more;
  }
}

TEST(TeamsToken, KeepsWhatIsTooLongOut) {
  const auto token = Token::parse(std::string(kLongestToken + 1, 'a'));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error(), TokenFault::kTooLong);
}

struct HeaderCase {
  const char* name;
  Object header;
  TokenFault fault;
};
void PrintTo(const HeaderCase& one, std::ostream* out) {
  *out << one.name;
}
class TeamsTokenHeader : public testing::TestWithParam<HeaderCase> {};

TEST_P(TeamsTokenHeader, IsRefused) {
  const auto token = Token::parse(teams_signer().token(GetParam().header, claims()));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error(), GetParam().fault);
}

INSTANTIATE_TEST_SUITE_P(
    Bad, TeamsTokenHeader,
    testing::Values(
        HeaderCase{"None", header().text("alg", "none"), TokenFault::kAlgorithm},
        HeaderCase{"NoneInCapitals", header().text("alg", "NONE"), TokenFault::kMalformed},
        HeaderCase{"Hmac", header().text("alg", "HS256"), TokenFault::kAlgorithm},
        HeaderCase{"Pss", header().text("alg", "PS256"), TokenFault::kAlgorithm},
        HeaderCase{"Longer", header().text("alg", "RS512"), TokenFault::kAlgorithm},
        HeaderCase{"Curve", header().text("alg", "ES256"), TokenFault::kAlgorithm},
        HeaderCase{"InSmallLetters", header().text("alg", "rs256"), TokenFault::kMalformed},
        HeaderCase{"NoAlgorithm", header().drop("alg"), TokenFault::kMalformed},
        HeaderCase{"AlgorithmAsList", header().set("alg", R"(["RS256"])"), TokenFault::kMalformed},
        HeaderCase{"NoKeyId", header().drop("kid"), TokenFault::kNoKeyId},
        HeaderCase{"EmptyKeyId", header().text("kid", ""), TokenFault::kNoKeyId},
        HeaderCase{"KeyIdAsNumber", header().set("kid", "1"), TokenFault::kNoKeyId},
        HeaderCase{"Critical", header().set("crit", R"(["exp"])"), TokenFault::kCritical},
        HeaderCase{"CriticalButEmpty", header().set("crit", "[]"), TokenFault::kCritical}),
    testing::PrintToStringParamName());

struct PayloadCase {
  const char* name;
  std::string payload;
};
void PrintTo(const PayloadCase& one, std::ostream* out) {
  *out << one.name;
}
class TeamsTokenPayload : public testing::TestWithParam<PayloadCase> {};

TEST_P(TeamsTokenPayload, IsRefused) {
  EXPECT_FALSE(parse_claims(GetParam().payload));
  const std::string input = url64(header().json()) + '.' + url64(GetParam().payload);
  const auto token = Token::parse(input + '.' + url64(teams_signer().sign(input)));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error(), TokenFault::kMalformed);
}

INSTANTIATE_TEST_SUITE_P(
    Bad, TeamsTokenPayload,
    testing::Values(PayloadCase{"NoJson", "hello"}, PayloadCase{"List", "[]"},
                    PayloadCase{"Cut", R"({"iss":"me")"}, PayloadCase{"Text", R"("iss")"},
                    PayloadCase{"IssuerAsList", R"({"iss":["me"]})"},
                    PayloadCase{"AudienceAsObject", R"({"aud":{}})"},
                    PayloadCase{"ExpiryAsText", R"({"exp":"2000"})"},
                    PayloadCase{"ExpiryAsNull", R"({"exp":null})"},
                    PayloadCase{"ExpiryBelowZero", R"({"exp":-1})"},
                    PayloadCase{"ExpiryWithoutEnd", R"({"exp":1e300})"},
                    PayloadCase{"NotBeforeAsText", R"({"nbf":"1"})"},
                    PayloadCase{"ServiceUrlAsNumber", R"({"serviceurl":1})"},
                    PayloadCase{"BytesThatAreNoText", std::string("{\"iss\":\"\xFF\"}")},
                    PayloadCase{"Nested",
                                R"({"a":)" + std::string(100, '[') + std::string(100, ']') + "}"}),
    testing::PrintToStringParamName());

TEST(TeamsClaims, HaveOneAudience) {
  EXPECT_EQ(parse_claims(R"({"aud":["you"]})")->audience, "you");
  EXPECT_EQ(parse_claims(R"({"aud":["you","me"]})")->audience, "");
  EXPECT_EQ(parse_claims(R"({"aud":[]})")->audience, "");
  EXPECT_EQ(parse_claims(R"({"aud":[1]})")->audience, "");
}

TEST(TeamsClaims, NameTheAppAsTheirVersionDoes) {
  EXPECT_EQ(parse_claims(R"({"ver":"1.0","appid":"a","azp":"b"})")->app, "a");
  EXPECT_EQ(parse_claims(R"({"appid":"a","azp":"b"})")->app, "a");
  EXPECT_EQ(parse_claims(R"({"ver":"2.0","appid":"a","azp":"b"})")->app, "b");
  EXPECT_EQ(parse_claims(R"({"exp":12.9})")->expires, 12);
}

TEST(TeamsPublicKey, MustBeAnRsaKeyOf2048BitsOrMore) {
  const auto error = [](const Object& jwk) {
    const auto key = PublicKey::of_jwk(jwk.json());
    return key ? std::string() : key.error();
  };
  const Object good = teams_signer().jwk("k1");
  EXPECT_EQ(error(good), "");
  EXPECT_EQ(error(Signer(1024).jwk("k1")), "it is shorter than 2048 bits");
  // Zeros in front make nothing longer.
  const Signer weak(1024);
  EXPECT_EQ(error(weak.jwk("k1").text(
                "n", url64(std::string(200, '\0') + weak.number(OSSL_PKEY_PARAM_RSA_N)))),
            "it is shorter than 2048 bits");
  EXPECT_EQ(error(Object(good).text("n", url64(std::string(2000, '\xFF')))),
            "it is longer than 8192 bits");
  for (const std::string& exponent :
       {std::string("\x01"), std::string("\x02"), std::string("\0\x01", 2), std::string(9, '\xFF')})
    EXPECT_EQ(error(Object(good).text("e", url64(exponent))), "its numbers are none of an RSA key");
  EXPECT_EQ(error(Object(good).drop("n")), "it has no modulus or exponent");
  EXPECT_EQ(error(Object(good).text("e", "")), "it has no modulus or exponent");
  EXPECT_EQ(error(Object(good).text("n", "!!")), "it has no modulus or exponent");
  EXPECT_EQ(error(Object(good).text("n", "A=")), "it has no modulus or exponent");
  EXPECT_EQ(error(Object(good).text("e", "AQABA===")), "it has no modulus or exponent");
  EXPECT_EQ(error(Object(good).set("n", "1")), "it has no modulus or exponent");
  EXPECT_EQ(error(Object(good).text("kty", "EC")), "it cannot be read");
  EXPECT_EQ(error(Object()), "it has no modulus or exponent");
}

}  // namespace
}  // namespace viaduct::teams
