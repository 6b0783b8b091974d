#include "plugins/teams/address.hpp"
#include "plugins/teams/clouds.hpp"

#include <gtest/gtest.h>

namespace viaduct::teams {
namespace {

TEST(TeamsAddress, IsTakenApart) {
  const auto address = parse_address("HTTPS://SMBA.TrafficManager.net:8443/amer/ABC/");
  ASSERT_TRUE(address);
  EXPECT_TRUE(address->is_secure);
  EXPECT_FALSE(address->is_loopback);
  EXPECT_EQ(address->host, "smba.trafficmanager.net");
  EXPECT_EQ(address->port, "8443");
  EXPECT_EQ(address->path, "/amer/ABC/");
  EXPECT_EQ(address->origin(), "https://smba.trafficmanager.net:8443");
  EXPECT_EQ(parse_address("https://a.example:443")->origin(), "https://a.example");
  EXPECT_EQ(parse_address("https://a.example")->path, "/");
}

TEST(TeamsAddress, IsOfThisComputerOnlyWhenItSaysSo) {
  for (const char* good : {"http://localhost/", "http://LOCALHOST:1/", "https://127.0.0.1/",
                           "http://127.8.9.10:80/", "http://[::1]:5/"}) {
    const auto address = parse_address(good);
    EXPECT_TRUE(address && address->is_loopback) << good;
  }
  for (const char* bad : {"http://localhost.example/", "http://127.0.0.1.example/",
                          "http://127.0.0.1x/", "http://0.0.0.0/", "http://127.1/",
                          "http://0x7f.0.0.1/", "http://2130706433/", "http://[::ffff:127.0.0.1]/",
                          "http://[::]/", "http://192.168.0.1/", "http://localhost./"}) {
    const auto address = parse_address(bad);
    EXPECT_FALSE(address && address->is_loopback) << bad;
  }
}

TEST(TeamsAddress, IsOfThisComputerWhereAHostSaysNothingElse) {
  for (const char* good : {"localhost", "LocalHost:8410", "127.0.0.1:1", "[::1]", "[::1]:65535"})
    EXPECT_TRUE(is_loopback_authority(good)) << good;
  for (const char* bad :
       {"", ":80", "[::1].evil.example", "[::1]evil", "127.0.0.1:evil", "127.0.0.1:99999",
        "127.0.0.1, evil.example", "127.0.0.1 evil.example", "localhost:1@evil.example",
        "localhost.", "localhost/", "127.0.0.1/evil.example", "localhost?", "localhost#", "[::1",
        "evil.example", "evil.example#127.0.0.1", "127.0.0.1:1:2", "127.1"})
    EXPECT_FALSE(is_loopback_authority(bad)) << bad;
}

TEST(TeamsAddress, IsNoneWhereItCouldBeReadInTwoWays) {
  for (const char* bad : {"",
                          "https://",
                          "https:///path",
                          "ftp://a.example/",
                          "ws://a.example/",
                          "//a.example/",
                          "a.example",
                          "https://user@a.example/",
                          "https://user:word@a.example/",
                          "https://a.example@b.example/",
                          "https://a.example\\@b.example/",
                          "https://a.example\\b/",
                          "https://a.example/?q=1",
                          "https://a.example/#f",
                          "https://a.example /",
                          "https://a example/",
                          "https://a.example/\n",
                          "https://%61.example/",
                          "https://a.example:0/",
                          "https://a.example:99999/",
                          "https://a.example:x/",
                          "https://[::1/",
                          "https://ä.example/",
                          "javascript:alert(1)",
                          "http://[::1].example/",
                          "http://[::1]x",
                          "https:/a.example/",
                          "https://a.example%00.b.example/"})
    EXPECT_FALSE(parse_address(bad)) << bad;
  EXPECT_FALSE(parse_address("https://a.example/" + std::string(3000, 'x')));
}

TEST(TeamsAddress, OfAServiceIsTheSameButForCaseOfTheHostAndTheLastSlash) {
  const char* url = "https://smba.trafficmanager.net/amer/tenant/";
  for (const char* same : {"https://smba.trafficmanager.net/amer/tenant",
                           "https://SMBA.trafficmanager.net/amer/tenant/",
                           "https://smba.trafficmanager.net:443/amer/tenant/"})
    EXPECT_TRUE(same_service(url, same)) << same;
  for (const char* other :
       {"https://smba.trafficmanager.net/amer/tenant//",
        "http://smba.trafficmanager.net/amer/tenant/",
        "https://smba.trafficmanager.net/emea/tenant/", "https://smba.trafficmanager.net/amer/",
        "https://smba.trafficmanager.net/amer/tenant/more",
        "https://smba.trafficmanager.net/AMER/tenant/",
        "https://smba.trafficmanager.net:444/amer/tenant/",
        "https://smba.trafficmanager.net.evil.example/amer/tenant/",
        "https://evil.example/amer/tenant/", "https://smba.trafficmanager.net/amer/tenant/?", ""})
    EXPECT_FALSE(same_service(url, other)) << other;
  EXPECT_FALSE(same_service("", ""));
  EXPECT_FALSE(same_service("nonsense", "nonsense"));
}

TEST(TeamsHosts, AreExactOrEverythingBelow) {
  const Hosts hosts({"smba.trafficmanager.net", "*.BotFramework.com"});
  EXPECT_TRUE(hosts.has("smba.trafficmanager.net"));
  EXPECT_TRUE(hosts.has("SMBA.TrafficManager.NET"));
  EXPECT_TRUE(hosts.has("api.botframework.com"));
  EXPECT_TRUE(hosts.has("a.b.botframework.com"));
  for (const char* other :
       {"", "x.smba.trafficmanager.net", "evilsmba.trafficmanager.net", "other.trafficmanager.net",
        "botframework.com", ".botframework.com", "evilbotframework.com",
        "api.botframework.com.evil.example", "api.botframework.com.", "x..botframework.com"})
    EXPECT_FALSE(hosts.has(other)) << other;
}

TEST(TeamsHosts, TrustHttpsOnTheUsualPortAndThisComputerOnlyWhereItIsListed) {
  const Hosts hosts({"smba.trafficmanager.net", "127.0.0.1"});
  EXPECT_TRUE(hosts.trusts("https://smba.trafficmanager.net/amer/x/"));
  EXPECT_TRUE(hosts.trusts("http://127.0.0.1:4711/amer/"));
  EXPECT_TRUE(hosts.trusts("https://127.0.0.1:4711/"));
  for (const char* bad : {"http://smba.trafficmanager.net/amer/", "http://localhost:4711/",
                          "https://smba.trafficmanager.net:8443/", "http://127.0.0.2/",
                          "https://evil.example/", "https://smba.trafficmanager.net@evil.example/",
                          "https://evil.example#smba.trafficmanager.net", ""})
    EXPECT_FALSE(hosts.trusts(bad)) << bad;
  EXPECT_FALSE(Hosts().trusts("https://smba.trafficmanager.net/"));
}

struct CloudCase {
  const char* name;
  Cloud cloud;
  const char* issuer;
  const char* metadata;
  const char* token;
  const char* shared_token;
  const char* scope;
  const char* service;
};
void PrintTo(const CloudCase& one, std::ostream* out) {
  *out << one.name;
}
class TeamsClouds : public testing::TestWithParam<CloudCase> {};

TEST_P(TeamsClouds, HaveTheirEndpoints) {
  const CloudCase& one = GetParam();
  EXPECT_EQ(cloud_named(one.name), one.cloud);
  const auto own = endpoints_of(one.cloud, "tenant-1", {});
  ASSERT_TRUE(own) << own.error();
  EXPECT_EQ(own->issuer, one.issuer);
  EXPECT_EQ(own->openid_metadata, one.metadata);
  EXPECT_EQ(own->token, one.token);
  EXPECT_EQ(own->scope, one.scope);
  EXPECT_EQ(endpoints_of(one.cloud, "", {})->token, one.shared_token);
  EXPECT_TRUE(Hosts(own->service_hosts).trusts(one.service));
  EXPECT_FALSE(Hosts(own->service_hosts).trusts("https://evil.trafficmanager.net/"));
}

INSTANTIATE_TEST_SUITE_P(
    All, TeamsClouds,
    testing::Values(
        CloudCase{"public", Cloud::kPublic, "https://api.botframework.com",
                  "https://login.botframework.com/v1/.well-known/openidconfiguration",
                  "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token",
                  "https://login.microsoftonline.com/botframework.com/oauth2/v2.0/token",
                  "https://api.botframework.com/.default",
                  "https://smba.trafficmanager.net/amer/tenant-1/"},
        CloudCase{"usgov", Cloud::kUsGov, "https://api.botframework.us",
                  "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
                  "https://login.microsoftonline.us/tenant-1/oauth2/v2.0/token",
                  "https://login.microsoftonline.us/MicrosoftServices.onmicrosoft.us/oauth2/v2.0/"
                  "token",
                  "https://api.botframework.us/.default",
                  "https://smba.infra.gov.teams.microsoft.us/gcch"},
        CloudCase{"dod", Cloud::kDod, "https://api.botframework.us",
                  "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
                  "https://login.microsoftonline.us/tenant-1/oauth2/v2.0/token",
                  "https://login.microsoftonline.us/MicrosoftServices.onmicrosoft.us/oauth2/v2.0/"
                  "token",
                  "https://api.botframework.us/.default",
                  "https://smba.infra.dod.teams.microsoft.us/dod"},
        CloudCase{"china", Cloud::kChina, "https://api.botframework.azure.cn",
                  "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
                  "https://login.partner.microsoftonline.cn/tenant-1/oauth2/v2.0/token",
                  "https://login.partner.microsoftonline.cn/"
                  "microsoftservices.partner.onmschina.cn/oauth2/v2.0/token",
                  "https://api.botframework.azure.cn/.default",
                  "https://frontend.botapi.msg.infra.teams.microsoftonline.cn/"}),
    testing::PrintToStringParamName());

TEST(TeamsEndpoints, MayBeReplacedOneByOne) {
  EndpointOverrides mine;
  mine.openid_metadata = "http://127.0.0.1:1/openid";
  mine.token = "http://localhost:1/{tenant}/token";
  mine.service_hosts = {"127.0.0.1"};
  const auto endpoints = endpoints_of(Cloud::kPublic, "t", mine);
  ASSERT_TRUE(endpoints) << endpoints.error();
  EXPECT_EQ(endpoints->openid_metadata, "http://127.0.0.1:1/openid");
  EXPECT_EQ(endpoints->token, "http://localhost:1/t/token");
  EXPECT_EQ(endpoints->service_hosts, std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(endpoints->issuer, "https://api.botframework.com");
  EXPECT_FALSE(cloud_named("mars"));
  EXPECT_EQ(cloud_names().size(), 4U);
}

TEST(TeamsEndpoints, AreHttpsButForThisComputer) {
  const auto error = [](const EndpointOverrides& mine) {
    const auto endpoints = endpoints_of(Cloud::kPublic, "t", mine);
    return endpoints ? std::string() : endpoints.error();
  };
  EndpointOverrides one;
  one.token = "http://login.example/token";
  EXPECT_EQ(error(one),
            "endpoints.token: must begin with https://; http is only for this computer itself");
  one = {};
  one.openid_metadata = "login.example";
  EXPECT_TRUE(error(one).starts_with("endpoints.openid_metadata: must be an address"));
  one = {};
  one.entra_metadata = "http://login.example/";
  EXPECT_TRUE(error(one).starts_with("endpoints.entra_metadata: "));
  one = {};
  one.connect = "http://socket.example";
  EXPECT_TRUE(error(one).starts_with("endpoints.connect: "));
  for (const char* bad : {"https://a.example", "a.example/path", "a.example:80", "*", "*.com", "",
                          "a b", "*.*.example", "*a.example"}) {
    one = {};
    one.service_hosts = {bad};
    EXPECT_TRUE(error(one).starts_with("endpoints.service_hosts: ")) << bad << ": " << error(one);
  }
}

}  // namespace
}  // namespace viaduct::teams
