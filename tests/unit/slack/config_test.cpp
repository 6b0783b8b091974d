// The configuration of the Slack surface, and its schema by the validator that the host uses.
#include "plugins/slack/config.hpp"

#include <gtest/gtest.h>
#ifdef __clang__  // RapidJSON adds to null pointers, harmlessly
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

#include <algorithm>
#include <string>
#include <vector>

namespace viaduct::slack {
namespace {

bool fits_schema(const std::string& json) {
  rapidjson::Document schema;
  schema.Parse(kSchema);
  EXPECT_FALSE(schema.HasParseError());
  const rapidjson::SchemaDocument compiled(schema);
  rapidjson::SchemaValidator validator(compiled);
  rapidjson::Document config;
  config.Parse(json.c_str());
  EXPECT_FALSE(config.HasParseError()) << json;
  return config.Accept(validator);
}

std::string with(const std::string& rest) {
  return R"({"app_token":"xapp-1","bot_token":"xoxb-1")" + (rest.empty() ? "" : "," + rest) + "}";
}

struct Case {
  const char* name;
  const char* rest;  // of an object with both tokens
  bool fits;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}
class SlackConfig : public testing::TestWithParam<Case> {};
TEST_P(SlackConfig, IsTakenOrRefusedAlikeBySchemaAndParser) {
  const std::string json = with(GetParam().rest);
  EXPECT_EQ(fits_schema(json), GetParam().fits) << json;
  const auto config = parse_config(json);
  EXPECT_EQ(config.has_value(), GetParam().fits) << (config ? json : config.error());
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackConfig,
    testing::Values(
        Case{"Least", "", true}, Case{"Unknown", R"("bot_tokne":"x")", false},
        Case{"Socket", R"("mode":"socket","signing_secret":"")", true},
        Case{"Http", R"("mode":"http","signing_secret":"s","public_url":"https://a.test")", true},
        Case{"HttpTwoSecrets",
             R"("mode":"http","signing_secret":["a","b"],"public_url":"https://a.test")", true},
        Case{"Mode", R"("mode":"https")", false}, Case{"Secret", R"("signing_secret":7)", false},
        Case{"Command", R"("command":"/ask-me_2")", true},
        Case{"CommandNoSlash", R"("command":"amp")", false},
        Case{"CommandUpper", R"("command":"/Amp")", false},
        Case{"CommandLong", R"("command":"/aaaaaaaaaabbbbbbbbbbccccccccccdd")", false},
        Case{"CommandBare", R"("command":"/")", false},
        Case{"Dir", R"("default_working_dir":"~/src")", true},
        Case{"DirRelative", R"("default_working_dir":"src")", false},
        Case{"DirOfOthers", R"("default_working_dir":"~root")", false},
        Case{"Dirs", R"("working_dirs":["~","/srv"])", true},
        Case{"NoDirs", R"("working_dirs":[])", true},
        Case{"DirsRelative", R"("working_dirs":["~","srv"])", false},
        Case{"DirsText", R"("working_dirs":"~")", false},
        Case{"Most", R"("max_sessions_per_user":3)", true},
        Case{"MostNone", R"("max_sessions_per_user":0)", false},
        Case{"MostFraction", R"("max_sessions_per_user":1.5)", false},
        Case{"Everyone", R"("allow":"everyone")", true}, Case{"All", R"("allow":"all")", false},
        Case{"AllowTrue", R"("allow":true)", false},
        Case{"AllowLists", R"("allow":{"users":["U1","W2"],"channels":["C1","G2"]})", true},
        Case{"AllowNothing", R"("allow":{})", true},
        Case{"AllowName", R"("allow":{"users":["@ada"]})", false},
        Case{"AllowEmptyId", R"("allow":{"users":[""]})", false},
        Case{"AllowChannelName", R"("allow":{"channels":["#general"]})", false},
        Case{"AllowTypo", R"("allow":{"user":["U1"]})", false},
        Case{"Operators", R"("operators":["U1"])", true},
        Case{"OperatorsName", R"("operators":["ada"])", false},
        Case{"Base", R"("api_base_url":"https://slack.example.test/api/")", true},
        Case{"BaseLoopback", R"("api_base_url":"http://127.0.0.1:8080/api/")", true},
        Case{"BaseOther", R"("api_base_url":"ftp://slack.com/api/")", false},
        Case{
            "OAuth",
            R"("client_id":"1.2","client_secret":"s","key_file":"~/keys/slack","workspaces":["T1"])",
            true},
        Case{"AnyWorkspace", R"("client_id":"1.2","client_secret":"s","workspaces":"any")", true},
        Case{"AllWorkspaces", R"("client_id":"1.2","client_secret":"s","workspaces":"all")", false},
        Case{"WorkspaceByName", R"("client_id":"1.2","client_secret":"s","workspaces":["acme"])",
             false},
        Case{"EveryoneAndAGuest", R"("allow":{"everyone":true,"users":["U1","T2/U2"]})", true},
        Case{"UserOfNoWorkspace", R"("operators":["C1/U2"])", false},
        Case{"KeyRelative", R"("key_file":"keys")", false},
        Case{"PublicUrl", R"("public_url":"https://viaduct.example.test")", true},
        Case{"PublicUrlEmpty", R"("public_url":"")", true},
        Case{"PublicUrlHost", R"("public_url":"viaduct.example.test")", false},
        Case{"Flags", R"("mention_only":true,"simulator":false)", true},
        Case{"FlagText", R"("simulator":"yes")", false}),
    testing::PrintToStringParamName());

struct Refused {
  const char* name;
  std::string json;
  const char* field;
};
void PrintTo(const Refused& c, std::ostream* os) {
  *os << c.name;
}
class SlackConfigRefused : public testing::TestWithParam<Refused> {};
TEST_P(SlackConfigRefused, NamesTheFieldAndNotWhatItHolds) {
  const auto config = parse_config(GetParam().json);
  ASSERT_FALSE(config.has_value());
  EXPECT_TRUE(config.error().starts_with(GetParam().field)) << config.error();
  EXPECT_EQ(config.error().find("hush"), std::string::npos) << config.error();
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackConfigRefused,
    testing::Values(
        Refused{"NoJson", "hush", "config"}, Refused{"NoObject", "[]", "config"},
        Refused{"NoAppToken", R"({"bot_token":"xoxb-1"})",
                "app_token: must be given in mode socket"},
        Refused{"EmptyAppToken", R"({"bot_token":"xoxb-1","app_token":""})", "app_token"},
        Refused{"NoBotToken", R"({"app_token":"xapp-1"})", "bot_token: must be given"},
        Refused{"TokensSwapped", R"({"app_token":"xoxb-hush","bot_token":"xapp-hush"})",
                "app_token: and bot_token are in each other's place"},
        Refused{"OneTokenTwice", R"({"app_token":"xoxb-hush","bot_token":"xoxb-hush"})",
                "app_token: must begin with xapp-"},
        Refused{"HttpNoPublicUrl",
                R"({"mode":"http","bot_token":"xoxb-1","signing_secret":"hush"})",
                "public_url: must be given in mode http"},
        Refused{"PublicUrlOfARoute", with(R"("public_url":"https://a.test/apps/slack/events")"),
                "public_url: must be the address of this host, without /apps/"},
        Refused{"UserToken", R"({"app_token":"xapp-1","bot_token":"xoxp-hush"})",
                "bot_token: must begin with xoxb-"},
        Refused{"TokenOfTwoLines", R"({"app_token":"xapp-1","bot_token":"xoxb-hush\nx"})",
                "bot_token"},
        Refused{"HttpNoSecret", R"({"mode":"http","bot_token":"xoxb-1"})",
                "signing_secret: must be given"},
        Refused{"HttpEmptySecret", R"({"mode":"http","bot_token":"xoxb-1","signing_secret":""})",
                "signing_secret: must be given"},
        Refused{"HttpNoSecrets", R"({"mode":"http","bot_token":"xoxb-1","signing_secret":[]})",
                "signing_secret: must be given"},
        Refused{"HttpOneEmptySecret",
                R"({"mode":"http","bot_token":"xoxb-1","signing_secret":["hush",""]})",
                "signing_secret: must not be empty"},
        Refused{"OAuthHalf", with(R"("client_id":"1.2")"), "client_secret: must be given"},
        Refused{"OAuthOtherHalf", with(R"("client_secret":"hush")"), "client_id: must be given"},
        Refused{"HttpBase", with(R"("api_base_url":"http://slack.example.test/api/")"),
                "api_base_url: must begin with https"},
        Refused{"HttpBaseLikeLoopback", with(R"("api_base_url":"http://127.0.0.1.hush.test/")"),
                "api_base_url"},
        Refused{"HttpBaseOfUser", with(R"("api_base_url":"http://127.0.0.1@hush.test/")"),
                "api_base_url"},
        Refused{"HttpBaseLocalhostLike", with(R"("api_base_url":"http://localhost.hush.test/")"),
                "api_base_url"},
        Refused{"HttpBaseBackslash", with(R"("api_base_url":"http://localhost\\@hush.test/")"),
                "api_base_url"},
        Refused{"HttpBaseShort", with(R"("api_base_url":"http://127.1/")"), "api_base_url"},
        Refused{"BaseQuery", with(R"("api_base_url":"https://a.test/?x=hush")"), "api_base_url"},
        Refused{"BaseNoHost", with(R"("api_base_url":"https:///api/")"), "api_base_url"},
        Refused{"BasePort", with(R"("api_base_url":"https://a.test:port/")"), "api_base_url"},
        Refused{"PublicHttp", with(R"("public_url":"http://a.test")"), "public_url"},
        Refused{"AllowUsers", with(R"("allow":{"users":["hush"]})"),
                "allow.users: must be a list of ids"}),
    testing::PrintToStringParamName());

TEST(SlackConfigDefaults, AreThoseOfTheReadme) {
  const Config config = *parse_config(with(""));
  EXPECT_EQ(config.mode, Mode::kSocket);
  EXPECT_EQ(config.command, "/amp");
  EXPECT_EQ(config.default_working_dir, "~");
  EXPECT_EQ(config.max_sessions_per_user, 10U);
  EXPECT_EQ(config.working_dirs, std::vector<std::string>{"~"});
  EXPECT_EQ(config.api_base_url, "https://slack.com/api/");
  EXPECT_FALSE(config.simulator);
  EXPECT_FALSE(config.allow.everyone);
  EXPECT_FALSE(config.allow.takes("U1", "C1", true));
}

TEST(SlackConfigUrls, EndAsTheyAreUsed) {
  EXPECT_EQ(parse_config(with(R"("api_base_url":"https://a.test/api")"))->api_base_url,
            "https://a.test/api/");
  EXPECT_EQ(parse_config(with(R"("public_url":"https://a.test/x//")"))->public_url,
            "https://a.test/x");
  for (const char* good : {"http://127.0.0.1/", "http://127.8.9.10:80", "http://localhost:1/x",
                           "http://LOCALHOST/", "http://[::1]:9/", "https://127.0.0.1/"})
    EXPECT_TRUE(is_loopback_url(good)) << good;
  for (const char* bad :
       {"http://128.0.0.1/", "http://127.0.0.256/", "http://127.0.0/", "http://127.0.0.1.1/",
        "http://127.0.0./", "http://[::2]/", "http://[::1", "http://[::1]x/",
        "http://a.test/127.0.0.1", "ftp://127.0.0.1/", "", "http://"})
    EXPECT_FALSE(is_loopback_url(bad)) << bad;
}

TEST(SlackAllow, EveryoneMeansMembers) {
  const Allow allow = parse_config(with(R"("allow":"everyone")"))->allow;
  EXPECT_TRUE(allow.takes("U1", "C1", true));
  EXPECT_FALSE(allow.takes("U1", "C1", false));
  EXPECT_FALSE(allow.takes("", "C1", true));
}

TEST(SlackAllow, NamesPeopleAnywhereAndMembersInChannels) {
  const Allow allow = parse_config(with(R"("allow":{"users":["U1"],"channels":["C1"]})"))->allow;
  EXPECT_TRUE(allow.takes("U1", "D9", true));
  EXPECT_TRUE(allow.takes("U1", "D9", false));  // a guest by name
  EXPECT_TRUE(allow.takes("U2", "C1", true));
  EXPECT_FALSE(allow.takes("U2", "C1", false));
  EXPECT_FALSE(allow.takes("U2", "C2", true));
}

TEST(SlackAllow, SaysTheLineToAdd) {
  EXPECT_EQ(line_to_add({}, "U2"), "allow: {users: [U2]}");
  EXPECT_EQ(line_to_add({true, {}, {}}, "U2"), "allow: {everyone: true, users: [U2]}");
  EXPECT_EQ(line_to_add({false, {"U1"}, {"C1", "C2"}}, "U2"), "add U2 to allow.users");
  EXPECT_EQ(line_to_add({true, {"U1"}, {}}, "T2/U2"), "add T2/U2 to allow.users");
}

TEST(SlackAllow, AnIdMeansSomebodyOfTheOwnWorkspaceUnlessItNamesAnother) {
  const Config config =
      *parse_config(with(R"("allow":{"users":["U1","T2/U2"]},"operators":["U1","T2/U2"])"));
  EXPECT_TRUE(config.allow.takes("U1", "D9", false, "T1", true));
  EXPECT_FALSE(config.allow.takes("U1", "D9", false, "T2", false));
  EXPECT_TRUE(config.allow.takes("U2", "D9", false, "T2", false));
  EXPECT_FALSE(config.allow.takes("U2", "D9", false, "T1", true));
  EXPECT_TRUE(config.is_operator("U1", "T1", true));
  EXPECT_FALSE(config.is_operator("U1", "T2", false));
  EXPECT_TRUE(config.is_operator("U2", "T2", false));
  EXPECT_FALSE(config.is_operator("U2", "T1", true));
}

TEST(SlackConfig, NamesTheWorkspacesThatMayInstall) {
  const Config some =
      *parse_config(with(R"("client_id":"1.2","client_secret":"s","workspaces":["T1","E2"])"));
  EXPECT_TRUE(some.may_install("T1"));
  EXPECT_TRUE(some.may_install("E2"));
  EXPECT_FALSE(some.may_install("T2"));
  const Config any =
      *parse_config(with(R"("client_id":"1.2","client_secret":"s","workspaces":"any")"));
  EXPECT_TRUE(any.may_install("T2"));
  const auto none = parse_config(with(R"("client_id":"1.2","client_secret":"s")"));
  ASSERT_FALSE(none.has_value());
  EXPECT_NE(none.error().find("workspaces: must be given"), std::string::npos) << none.error();
}

TEST(SlackConfig, KnowsItsSecretsLongestFirst) {
  const Config config = *parse_config(
      R"({"mode":"http","bot_token":"xoxb-123456","signing_secret":["sss","tttttt"],"client_id":"1","client_secret":"cc","workspaces":"any"})");
  EXPECT_EQ(config.secrets(), (std::vector<std::string>{"xoxb-123456", "tttttt", "sss", "cc"}));
}

TEST(SlackConfig, SaysAllThatIsWrongAtOnce) {
  const auto config = parse_config(
      R"({"bot_token":"xapp-1","command":"amp","allow":"all","operators":["bob"],"api_base_url":"x"})");
  ASSERT_FALSE(config.has_value());
  std::vector<std::string> fields;
  for (std::size_t at = 0; at < config.error().size();) {
    const std::size_t end = std::min(config.error().find('\n', at), config.error().size());
    const std::string line = config.error().substr(at, end - at);
    fields.push_back(line.substr(0, line.find(':')));
    at = end + 1;
  }
  EXPECT_EQ(fields, (std::vector<std::string>{"app_token", "bot_token", "command", "allow",
                                              "operators", "api_base_url"}));
}

TEST(SlackConfig, ForTheManifestNeedsNoTokens) {
  EXPECT_TRUE(parse_config("{}", Needs::kManifest).has_value());
  EXPECT_TRUE(parse_config(R"({"mode":"http"})", Needs::kManifest).has_value());
  EXPECT_FALSE(parse_config(R"({"mode":"post"})", Needs::kManifest).has_value());
}

TEST(SlackConfig, TheSimulatorNeedsNoTokensAndTakesNone) {
  EXPECT_TRUE(parse_config(R"({"simulator":true})").has_value());
  EXPECT_TRUE(parse_config(R"({"simulator":true,"mode":"http","bot_token":""})").has_value());
  for (const char* one :
       {R"("bot_token":"xoxb-1")", R"("app_token":"xapp-1")", R"("signing_secret":"s")",
        R"("signing_secret":["s"])", R"("client_id":"1","client_secret":"s")",
        R"("api_base_url":"https://slack.com/api/")"}) {
    const auto config = parse_config(std::string(R"({"simulator":true,)") + one + "}");
    ASSERT_FALSE(config.has_value()) << one;
    EXPECT_NE(config.error().find("with simulator"), std::string::npos) << config.error();
  }
}

TEST(SlackConfig, HasAnExampleThatIsFine) {
  EXPECT_TRUE(fits_schema(kExample));
  EXPECT_TRUE(parse_config(kExample).has_value());
}

}  // namespace
}  // namespace viaduct::slack
