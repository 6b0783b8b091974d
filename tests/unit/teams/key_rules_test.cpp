#include "plugins/teams/key_rules.hpp"

#include "plugins/teams/verified.hpp"
#include "tests/unit/teams/signer.hpp"

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using Time = KeyRules::Time;

Time at(Uptime::duration since) {
  return Time(1000h + since);
}

KeySet keys(const std::vector<Object>& list) {
  auto parsed = parse_keys(jwks(list));
  EXPECT_TRUE(parsed) << parsed.error();
  return parsed ? parsed->keys : KeySet();
}
KeySet one_key() {
  return keys({teams_signer().jwk("k1")});
}

// ---------------------------------------------------------------- the documents

TEST(TeamsKeySet, KeepsRsaKeysAndPassesOverOthers) {
  const auto parsed = parse_keys(jwks({
      teams_signer().jwk("k1", R"(["msteams","webchat"])"),
      other_signer().jwk("k2", ""),
      Object()
          .text("kty", "EC")
          .text("kid", "k3")
          .text("crv", "P-256")
          .text("x", "AA")
          .text("y", "AA"),
      Object().text("kty", "oct").text("kid", "k4").text("k", "c2VjcmV0"),
      Object().text("kty", "OKP").text("kid", "k5"),
      other_signer().jwk("k6").text("use", "enc"),
      other_signer().jwk("k7").text("alg", "PS256"),
      other_signer().jwk("k8").drop("kid"),
      other_signer().jwk("k9").text("alg", "RS256").drop("use"),
      Object(),
  }));
  ASSERT_TRUE(parsed) << parsed.error();
  std::string ids;
  for (const auto& [id, key] : parsed->keys) ids += id + " ";
  EXPECT_EQ(ids, "k1 k2 k9 ");
  EXPECT_TRUE(parsed->refused.empty());
  EXPECT_EQ(parsed->keys.at("k1")->endorsements, (std::vector<std::string>{"msteams", "webchat"}));
  EXPECT_TRUE(parsed->keys.at("k2")->endorsements.empty());
}

TEST(TeamsKeySet, RefusesWeakKeysByName) {
  const auto parsed = parse_keys(jwks({Signer(1024).jwk("weak"), teams_signer().jwk("k1")}));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->keys.size(), 1U);
  EXPECT_EQ(parsed->refused, std::vector<std::string>{"key weak: it is shorter than 2048 bits"});
}

TEST(TeamsKeySet, IsNoneWithoutAKey) {
  for (const char* bad : {"", "{}", "[]", R"({"keys":{}})", R"({"keys":[]})",
                          R"({"keys":[1,null]})", "<html>Sign in</html>", R"({"keys":[)"})
    EXPECT_FALSE(parse_keys(bad)) << bad;
  std::string many;
  for (int i = 0; i < 201; ++i) many += std::string(i == 0 ? "" : ",") + "{}";
  EXPECT_EQ(parse_keys(R"({"keys":[)" + many + "]}").error(), "it has too many keys");
  EXPECT_FALSE(parse_keys(R"({"keys":)" + std::string(10'000, '[') + "}"));
}

TEST(TeamsMetadata, NamesKeysOfTheSameHost) {
  const char* from = "https://login.example/v1/openid";
  EXPECT_EQ(parse_metadata(R"({"jwks_uri":"https://login.example/keys"})", from),
            "https://login.example/keys");
  for (const char* bad :
       {"https://evil.example/keys", "http://login.example/keys", "https://login.example:8443/keys",
        "https://login.example@evil.example/keys", "file:///etc/passwd", "/keys", ""})
    EXPECT_FALSE(parse_metadata(R"({"jwks_uri":")" + std::string(bad) + R"("})", from)) << bad;
  EXPECT_FALSE(parse_metadata("{}", from));
  EXPECT_FALSE(parse_metadata("nonsense", from));
}

// ---------------------------------------------------------------- the rules

TEST(TeamsKeyRules, FetchAtOnceAndThenEvery12Hours) {
  KeyRules rules;
  EXPECT_LE(rules.due(), at(0s));
  EXPECT_EQ(rules.count(at(0s)), 0U);
  rules.fetched(one_key(), at(0s), at(1s));
  EXPECT_EQ(rules.due(), at(1s) + 12h);
  EXPECT_EQ(rules.count(at(1s)), 1U);
  EXPECT_NE(rules.find("k1", at(1s)), nullptr);
  EXPECT_EQ(rules.find("k2", at(1s)), nullptr);
  EXPECT_EQ(rules.find("", at(1s)), nullptr);
}

TEST(TeamsKeyRules, TryAgainMoreAndMoreSeldom) {
  KeyRules rules;
  Time now = at(0s);
  for (const auto pause : {1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s}) {
    rules.failed(now);
    EXPECT_EQ(rules.due() - now, pause);
    now = rules.due();
  }
  rules.fetched(one_key(), now, now);
  rules.failed(now);
  EXPECT_EQ(rules.due() - now, 1s);
}

TEST(TeamsKeyRules, ServeWhileTheEndpointIsDownAndFailClosedAfter24Hours) {
  KeyRules rules;
  rules.fetched(one_key(), at(0s), at(5s));
  for (Time now = rules.due(); now < at(24h); now = rules.due()) {
    rules.failed(now);
    EXPECT_NE(rules.find("k1", now), nullptr);
  }
  EXPECT_NE(rules.find("k1", at(24h - 1ns)), nullptr);
  // From when the fetch began: that is how old they may be.
  EXPECT_EQ(rules.find("k1", at(24h)), nullptr);
  EXPECT_EQ(rules.count(at(24h)), 0U);
  rules.fetched(one_key(), at(25h), at(25h));
  EXPECT_NE(rules.find("k1", at(25h)), nullptr);
}

TEST(TeamsKeyRules, LetAnUnknownKeyBeAskedForOnceAMinuteEvenIfItFails) {
  KeyRules rules;
  rules.fetched(one_key(), at(0s), at(0s));
  EXPECT_TRUE(rules.may_ask(at(10s)));
  rules.failed(at(11s));
  EXPECT_FALSE(rules.may_ask(at(11s)));
  EXPECT_FALSE(rules.may_ask(at(69s)));
  EXPECT_TRUE(rules.may_ask(at(70s)));
  rules.fetched(one_key(), at(70s), at(71s));
  EXPECT_FALSE(rules.may_ask(at(100s)));
}

TEST(TeamsKeyRules, KeepAKeyThatIsTheSameAndDropOneThatIsGone) {
  KeyRules rules;
  rules.fetched(keys({teams_signer().jwk("k1"), other_signer().jwk("k2")}), at(0s), at(0s));
  const auto first = rules.find("k1", at(0s)), second = rules.find("k2", at(0s));
  rules.fetched(keys({teams_signer().jwk("k1").text("x5t", "else"), teams_signer().jwk("k3")}),
                at(1h), at(1h));
  EXPECT_EQ(rules.find("k1", at(1h)), first);
  EXPECT_EQ(rules.find("k2", at(1h)), nullptr);
  EXPECT_NE(rules.find("k3", at(1h)), nullptr);
  // The name is the same, but the key is not; or what it is good for.
  rules.fetched(keys({other_signer().jwk("k1")}), at(2h), at(2h));
  const auto changed = rules.find("k1", at(2h));
  EXPECT_NE(changed, first);
  rules.fetched(keys({other_signer().jwk("k1", R"(["webchat"])")}), at(3h), at(3h));
  EXPECT_NE(rules.find("k1", at(3h)), changed);
}

// ---------------------------------------------------------------- what has been verified

TEST(TeamsVerifiedTokens, AreBoundedAndTheOldestGoesFirst) {
  VerifiedTokens tokens;
  const auto name = [](std::size_t i) { return VerifiedTokens::hash_of(std::to_string(i)); };
  for (std::size_t i = 0; i <= VerifiedTokens::kMost; ++i) tokens.keep(name(i), {});
  EXPECT_EQ(tokens.count(), VerifiedTokens::kMost);
  EXPECT_EQ(tokens.find(name(0)), nullptr);
  EXPECT_NE(tokens.find(name(1)), nullptr);
  tokens.drop(name(1));
  tokens.keep(name(2), {});
  EXPECT_EQ(tokens.find(name(1)), nullptr);
  EXPECT_EQ(tokens.count(), VerifiedTokens::kMost - 1);
  tokens.keep(name(5000), {});
  EXPECT_NE(tokens.find(name(2)), nullptr);
}

}  // namespace
}  // namespace viaduct::teams
