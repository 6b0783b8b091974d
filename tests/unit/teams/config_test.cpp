// The configuration of the Teams surface, and its schema by the validator that the host uses.
#include "plugins/teams/config.hpp"

#include <gtest/gtest.h>
#ifdef __clang__  // RapidJSON adds to null pointers, harmlessly
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

#include <string>
#include <vector>

namespace viaduct::teams {
namespace {

#define ID "00000000-0000-0000-0000-00000000000a"
#define TENANT "00000000-0000-0000-0000-00000000000b"
#define PERSON "00000000-0000-0000-0000-00000000000C"

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
  return R"({"app_id":")" ID R"(","app_password":"secret","tenant_id":")" TENANT "\"" +
         (rest.empty() ? "" : "," + rest) + "}";
}

struct Case {
  const char* name;
  const char* rest;
  bool fits;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}
class TeamsConfig : public testing::TestWithParam<Case> {};
TEST_P(TeamsConfig, IsTakenOrRefusedAlikeBySchemaAndParser) {
  const std::string json = with(GetParam().rest);
  EXPECT_EQ(fits_schema(json), GetParam().fits) << json;
  const auto config = parse_config(json);
  EXPECT_EQ(config.has_value(), GetParam().fits) << (config ? json : config.error());
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TeamsConfig,
    testing::Values(
        Case{"Least", "", true}, Case{"Unknown", R"("app_secret":"x")", false},
        Case{"Socket", R"("transport":"socket","socket_geos":["emea"])", true},
        Case{"Transport", R"("transport":"https")", false},
        Case{"Geo", R"("socket_geos":["mars"])", false},
        Case{"NoGeo", R"("socket_geos":[])", false}, Case{"Cloud", R"("cloud":"usgov")", true},
        Case{"OtherCloud", R"("cloud":"mine")", false},
        Case{"Tenants", R"("allowed_tenants":[")" PERSON R"("])", true},
        Case{"TenantName", R"("allowed_tenants":["contoso"])", false},
        Case{"Everyone", R"("allow":"everyone")", true}, Case{"All", R"("allow":"all")", false},
        Case{"AllowLists",
             R"("allow":{"users":[")" PERSON R"("],"teams":["19:x@thread.tacv2",")" ID R"("]})",
             true},
        Case{"AllowNothing", R"("allow":{})", true},
        Case{"AllowMail", R"("allow":{"users":["ada@example.test"]})", false},
        Case{"AllowTeamName", R"("allow":{"teams":["Team"]})", false},
        Case{"AllowTypo", R"("allow":{"user":[]})", false},
        Case{"Operators", R"("operators":[")" PERSON R"("])", true},
        Case{"OperatorsName", R"("operators":["ada"])", false},
        Case{
            "Flags",
            R"("allow_entra_tokens":true,"allow_anonymous_loopback":true,"messages_alias":false,"extended_markdown":true,"ai_label":false,"feedback":false)",
            true},
        Case{"FlagText", R"("ai_label":"no")", false},
        Case{"Endpoints",
             R"("endpoints":{"token":"http://127.0.0.1:9/t","service_hosts":["127.0.0.1"]})", true},
        Case{"NoEndpoints", R"("endpoints":{})", true},
        Case{"EndpointTypo", R"("endpoints":{"tokens":"x"})", false},
        Case{"PublicUrl", R"("public_url":"https://v.example.test")", true},
        Case{"PublicUrlSlash", R"("public_url":"https://v.example.test:8443/")", true},
        Case{"PublicUrlHost", R"("public_url":"v.example.test")", false},
        Case{"Channels", R"("channel_messages":"all")", true},
        Case{"ChannelsOther", R"("channel_messages":"some")", false},
        Case{"Edits", R"("edits":"offer")", true}, Case{"EditsOther", R"("edits":"run")", false},
        Case{"Greeting", R"("greeting":"Hello")", true},
        Case{"TargetedMessages", R"("targeted_messages":true)", true},
        Case{"NoGreeting", R"("greeting":false)", true},
        Case{"GreetingNumber", R"("greeting":7)", false},
        Case{"Dir", R"("default_working_dir":"~/src")", true},
        Case{"DirRelative", R"("default_working_dir":"src")", false},
        Case{"Dirs", R"("working_dirs":["~","/srv"])", true},
        Case{"DirsRelative", R"("working_dirs":["srv"])", false},
        Case{"Most", R"("max_sessions_per_user":3)", true},
        Case{"MostNone", R"("max_sessions_per_user":0)", false},
        Case{
            "App",
            R"("app":{"name":"Helper","version":"1.2.3","accent_color":"#abcdef","website":"https://a.test"})",
            true},
        Case{"AppNameLong", R"("app":{"name":"aaaaaaaaaabbbbbbbbbbccccccccccd"})", false},
        Case{"AppNameNone", R"("app":{"name":""})", false},
        Case{"AppVersion", R"("app":{"version":"1.2"})", false},
        Case{"AppColour", R"("app":{"accent_color":"blue"})", false},
        Case{"AppLink", R"("app":{"privacy":"http://a.test"})", false},
        Case{"AppTypo", R"("app":{"title":"x"})", false}),
    testing::PrintToStringParamName());

struct Refused {
  const char* name;
  std::string json;
  const char* error;  // as it begins
};
void PrintTo(const Refused& c, std::ostream* os) {
  *os << c.name;
}
class TeamsConfigRefused : public testing::TestWithParam<Refused> {};
TEST_P(TeamsConfigRefused, NamesTheFieldAndNotWhatItHolds) {
  const auto config = parse_config(GetParam().json);
  ASSERT_FALSE(config.has_value());
  EXPECT_TRUE(config.error().starts_with(GetParam().error)) << config.error();
  EXPECT_EQ(config.error().find("hush"), std::string::npos) << config.error();
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TeamsConfigRefused,
    testing::Values(
        Refused{"NoJson", "hush", "config"},
        Refused{"NoApp", R"({"app_password":"hush"})", "app_id: must be given"},
        Refused{"AppName", R"({"app_id":"hush"})", "app_id: must be an id"},
        Refused{"NoSecret", R"({"app_id":")" ID R"(","tenant_id":")" TENANT R"("})",
                "app_password: must be given"},
        Refused{"SecretsId", R"({"app_id":")" ID R"(","app_password":")" ID R"("})",
                "app_password: must be the secret's value"},
        Refused{"SecretOfTwoLines", R"({"app_id":")" ID R"(","app_password":"hush\nx"})",
                "app_password: must be a client secret"},
        Refused{"SecretAndCertificate", with(R"("certificate":{"cert":"/c","key":"/k"})"),
                "certificate: must not be given together"},
        Refused{"CertificateHalf", R"({"app_id":")" ID R"(","certificate":{"cert":"/c"}})",
                "certificate.key"},
        Refused{"CertificateText",
                R"({"app_id":")" ID R"(","certificate":{"cert":"-----hush","key":"/k"}})",
                "certificate.cert: must begin with"},
        Refused{"NoTenant", R"({"app_id":")" ID R"(","app_password":"hush"})",
                "allowed_tenants: must be given where tenant_id is not"},
        Refused{"SocketInAnotherCloud", with(R"("transport":"socket","cloud":"china")"),
                "transport: must be http"},
        Refused{"TokenByHttp", with(R"("endpoints":{"token":"http://hush.example.test/"})"),
                "endpoints.token: must begin with https"},
        Refused{"WideHosts", with(R"("endpoints":{"service_hosts":["*.com"]})"),
                "endpoints.service_hosts"},
        Refused{"PublicPath", with(R"("public_url":"https://hush.example.test/x")"),
                "public_url: must end with the host's name or port"},
        Refused{"PublicQuery", with(R"("public_url":"https://hush.example.test/?hush")"),
                "public_url: must be an address"},
        Refused{"AnonymousBehindAProxy",
                with(R"("allow_anonymous_loopback":true,"public_url":"https://hush.example.test")"),
                "allow_anonymous_loopback: must not be set together with public_url"},
        Refused{"PublicHttp", with(R"("public_url":"http://hush.example.test")"), "public_url"}),
    testing::PrintToStringParamName());

TEST(TeamsConfigDefaults, AreThoseOfTheReadme) {
  const Config config = *parse_config(with(""));
  EXPECT_EQ(config.transport, Transport::kHttp);
  EXPECT_EQ(config.cloud, Cloud::kPublic);
  EXPECT_EQ(config.allowed_tenants, std::vector<std::string>{TENANT});
  EXPECT_FALSE(config.allow.everyone);
  EXPECT_FALSE(config.allow.takes(ID, "", ""));
  EXPECT_FALSE(config.allow_entra_tokens);
  EXPECT_FALSE(config.allow_anonymous_loopback);
  EXPECT_TRUE(config.messages_alias);
  EXPECT_EQ(config.channel_messages, ChannelMessages::kAddressed);
  EXPECT_EQ(config.edits, Edits::kIgnore);
  EXPECT_FALSE(config.extended_markdown);
  EXPECT_TRUE(config.ai_label);
  EXPECT_TRUE(config.feedback);
  EXPECT_TRUE(config.greets);
  EXPECT_EQ(config.default_working_dir, "~");
  EXPECT_EQ(config.working_dirs, std::vector<std::string>{"~"});
  EXPECT_EQ(config.max_sessions_per_user, 10U);
  EXPECT_EQ(config.endpoints.issuer, "https://api.botframework.com");
  EXPECT_NE(config.endpoints.token.find(TENANT), std::string::npos);
}

TEST(TeamsConfigExample, IsGoodAndCallsNobody) {
  EXPECT_TRUE(fits_schema(kExample));
  const auto config = parse_config(kExample);
  ASSERT_TRUE(config.has_value()) << config.error();
  for (const std::string* one :
       {&config->endpoints.token, &config->endpoints.openid_metadata, &config->endpoints.connect})
    EXPECT_TRUE(one->starts_with("http://127.0.0.1")) << *one;
}

TEST(TeamsConfigIds, AreTheSameInAnyCase) {
  const Config config =
      *parse_config(with(R"("operators":[")" PERSON R"("],"allow":{"users":[")" PERSON
                         R"("],"teams":["19:t",")" PERSON R"("]})"));
  EXPECT_TRUE(config.is_operator(PERSON));
  EXPECT_TRUE(config.is_operator("00000000-0000-0000-0000-00000000000c"));
  EXPECT_FALSE(config.is_operator(""));
  EXPECT_TRUE(config.allow.takes("00000000-0000-0000-0000-00000000000c", "", ""));
  EXPECT_TRUE(config.allow.takes(ID, "19:t", ""));
  EXPECT_TRUE(config.allow.takes(ID, "", PERSON));
  EXPECT_FALSE(config.allow.takes(ID, "19:other", ""));
  EXPECT_FALSE(config.allow.takes("", "19:t", ""));
  EXPECT_TRUE(config.takes_tenant("00000000-0000-0000-0000-00000000000B"));
  EXPECT_FALSE(config.takes_tenant(""));
}

TEST(TeamsConfig, OfACertificateNeedsNoSecret) {
  const Config config = *parse_config(R"({"app_id":")" ID R"(","tenant_id":")" TENANT
                                      R"(","certificate":{"cert":"~/c.pem","key":"/k.pem"}})");
  EXPECT_EQ(config.certificate.cert, "~/c.pem");
  EXPECT_TRUE(config.secrets().empty());
}

TEST(TeamsConfig, ForThePackageNeedsNoSecret) {
  EXPECT_TRUE(parse_config(R"({"app_id":")" ID R"("})", Needs::kManifest).has_value());
  EXPECT_FALSE(parse_config("{}", Needs::kManifest).has_value());
}

TEST(TeamsConfig, ForThePlaygroundNeedsNoSecretAndNoTenant) {
  EXPECT_TRUE(
      parse_config(R"({"app_id":")" ID R"(","allow_anonymous_loopback":true})").has_value());
}

}  // namespace
}  // namespace viaduct::teams
