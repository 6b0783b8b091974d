#include "plugins/teams/service_token.hpp"

#include "tests/unit/teams/login.hpp"
#include "tests/unit/teams/signer.hpp"

#include <filesystem>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using namespace net::asio::experimental::awaitable_operators;
using net::run_on;
using net::Task;

constexpr const char* kSecret = "s3cr~t+/=&%";
constexpr const char* kToken = "token-that-nobody-may-see";

std::string token_reply(const std::string& token, int lives = 3599) {
  return reply(R"({"token_type":"Bearer","expires_in":)" + std::to_string(lives) +
               R"(,"ext_expires_in":3599,"access_token":")" + token + "\"}");
}
// token 1, token 2, …
Login::Answer numbered(std::shared_ptr<int> count = std::make_shared<int>(0), int lives = 3599) {
  return [count, lives](const std::string&) {
    return token_reply("t" + std::to_string(++*count), lives);
  };
}

ServiceCredentials credentials(const Login& login) {
  ServiceCredentials made;
  made.app_id = "app-1";
  made.secret = kSecret;
  made.token_url = login.origin() + "/tenant-1/oauth2/v2.0/token";
  made.scope = "https://api.botframework.com/.default";
  return made;
}

std::vector<TokenReport> with_token(
    ServiceCredentials given, std::function<Task<>(ServiceToken&)> test,
    ServiceToken::Clock clock = [] { return Uptime::time_point(1000h); }) {
  std::vector<TokenReport> reports;
  net::Loop loop;
  ServiceToken token(
      loop, std::move(given), Hosts({"smba.trafficmanager.net", "127.0.0.1"}),
      [&](const TokenReport& report) {
        EXPECT_EQ(report.message.find(kSecret), std::string::npos) << report.message;
        EXPECT_EQ(report.message.find(kToken), std::string::npos) << report.message;
        reports.push_back(report);
      },
      std::move(clock));
  run_on(loop, [](ServiceToken& with, std::function<Task<>(ServiceToken&)> then) -> Task<> {
    co_await then(with);
  }(token, std::move(test)));
  return reports;
}

TEST(TeamsServiceToken, IsFetchedWithTheSecretInAFormAndKept) {
  Login login(numbered());
  const auto reports = with_token(credentials(login), [](ServiceToken& token) -> Task<> {
    EXPECT_EQ(token.complaint(), "");
    for (int i = 0; i < 3; ++i) EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
  });
  ASSERT_EQ(login.count(), 1U);
  const std::string request = login.requests()[0];
  EXPECT_TRUE(request.starts_with("POST /tenant-1/oauth2/v2.0/token HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("\r\nContent-Type: application/x-www-form-urlencoded\r\n"), request.npos);
  EXPECT_EQ(body_of(request),
            "grant_type=client_credentials&client_id=app-1&scope=https%3A%2F%2Fapi.botframework."
            "com%2F.default&client_secret=s3cr~t%2B%2F%3D%26%25");
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_TRUE(reports[0].ok);
}

TEST(TeamsServiceToken, IsFetchedOnceForAllWhoAskAtOnce) {
  Login login(numbered());
  with_token(credentials(login), [](ServiceToken& token) -> Task<> {
    const auto [a, b, c] = co_await (token.get() && token.get() && token.get());
    EXPECT_EQ(a.value_or("none"), "t1");
    EXPECT_EQ(b.value_or("none"), "t1");
    EXPECT_EQ(c.value_or("none"), "t1");
  });
  EXPECT_EQ(login.count(), 1U);
}

TEST(TeamsServiceToken, IsReplacedOnceForAllWhoWereRefused) {
  Login login(numbered());
  with_token(credentials(login), [](ServiceToken& token) -> Task<> {
    EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
    const auto [a, b] = co_await (token.refused("t1") && token.refused("t1"));
    EXPECT_EQ(a.value_or("none"), "t2");
    EXPECT_EQ(b.value_or("none"), "t2");
    EXPECT_EQ((co_await token.refused("t1")).value_or("none"), "t2");
    EXPECT_EQ((co_await token.get()).value_or("none"), "t2");
    const auto again = co_await token.refused("t2");
    EXPECT_FALSE(again);
    if (!again) EXPECT_EQ(again.error().trouble, TokenTrouble::kSetUp);
  });
  EXPECT_EQ(login.count(), 2U);
}

TEST(TeamsServiceToken, ServesWhileItIsReplacedBeforeItExpires) {
  const auto count = std::make_shared<int>(0);
  net::Signal gate;
  Login login([&, count](const std::string&) {
    if (++*count == 2) gate.wait();
    return token_reply("t" + std::to_string(*count));
  });
  Uptime::time_point now(1000h);
  with_token(
      credentials(login),
      [&](ServiceToken& token) -> Task<> {
        EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
        now += 3299s;
        EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
        EXPECT_TRUE(co_await net::until([&] { return login.count() == 2; }));
        EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
        gate.give();
        std::string last;
        const auto limit = std::chrono::steady_clock::now() + 20s;
        while (last != "t2" && std::chrono::steady_clock::now() < limit) {
          last = (co_await token.get()).value_or("none");
          co_await net::pause(2ms);
        }
        EXPECT_EQ(last, "t2");
      },
      [&] { return now; });
  EXPECT_EQ(login.count(), 2U);
}

TEST(TeamsServiceToken, IsWaitedForWhenTheOldOneHasExpired) {
  Login login(numbered());
  Uptime::time_point now(1000h);
  with_token(
      credentials(login),
      [&](ServiceToken& token) -> Task<> {
        EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
        now += 3599s;
        EXPECT_EQ((co_await token.get()).value_or("none"), "t2");
      },
      [&] { return now; });
}

TEST(TeamsServiceToken, IsNotAskedForAgainAndAgainWhenTheSecretIsWrong) {
  Login login([](const std::string&) {
    return reply(R"({"error":"invalid_client","error_description":"AADSTS7000215: Invalid client )"
                 R"(secret provided: s3cr~t+/=&%","error_codes":[7000215]})",
                 401);
  });
  const auto reports = with_token(credentials(login), [](ServiceToken& token) -> Task<> {
    for (int i = 0; i < 5; ++i) {
      const auto failed = co_await token.get();
      EXPECT_FALSE(failed);
      if (failed) co_return;
      EXPECT_EQ(failed.error().trouble, TokenTrouble::kSetUp);
      EXPECT_EQ(failed.error().error, "7000215");
      EXPECT_NE(failed.error().message.find("app_password is wrong"), std::string::npos);
      EXPECT_GT(failed.error().retry_after, 200s);
    }
  });
  EXPECT_EQ(login.count(), 1U);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].error, "7000215");
}

TEST(TeamsServiceToken, IsFetchedAgainWhenTheLoginWasDown) {
  Login login([](const std::string&) { return std::string(); });
  Uptime::time_point now(1000h);
  with_token(
      credentials(login),
      [&](ServiceToken& token) -> Task<> {
        for (int i = 0; i < 3; ++i) {
          const auto failed = co_await token.get();
          EXPECT_FALSE(failed);
          if (failed) co_return;
          EXPECT_EQ(failed.error().trouble, TokenTrouble::kRetryLater);
          EXPECT_EQ(failed.error().retry_after, 1s);
        }
        login.say(numbered());
        now += 1s;
        EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
      },
      [&] { return now; });
}

TEST(TeamsServiceToken, FollowsNoRedirectWithTheSecret) {
  Login stranger(numbered());
  Login login([&](const std::string&) {
    return reply("", 307, "Location: " + stranger.origin() + "/token\r\n");
  });
  with_token(credentials(login),
             [](ServiceToken& token) -> Task<> { EXPECT_FALSE(co_await token.get()); });
  EXPECT_EQ(stranger.count(), 0U);
}

TEST(TeamsServiceToken, SendsNoSecretWithoutTls) {
  Login login(numbered());
  ServiceCredentials open = credentials(login);
  open.token_url = "http://login.microsoftonline.com/t/oauth2/v2.0/token";
  with_token(open, [](ServiceToken& token) -> Task<> {
    EXPECT_TRUE(token.complaint().starts_with("endpoints.token: ")) << token.complaint();
    const auto failed = co_await token.get();
    EXPECT_FALSE(failed);
    if (!failed) EXPECT_EQ(failed.error().trouble, TokenTrouble::kSetUp);
  });
  ServiceCredentials empty = credentials(login);
  empty.secret.clear();
  with_token(empty, [](ServiceToken& token) -> Task<> {
    EXPECT_EQ(token.complaint(), "app_password: must be given, or a certificate");
    EXPECT_FALSE(co_await token.get());
  });
  EXPECT_EQ(login.count(), 0U);
}

TEST(TeamsServiceToken, MayGoToTheServiceAndNowhereElse) {
  Login login(numbered());
  with_token(credentials(login), [](ServiceToken& token) -> Task<> {
    for (const char* good :
         {"https://smba.trafficmanager.net/amer/t/v3/conversations/"
          "19:abc@thread.tacv2;messageid=1/activities",
          "https://smba.trafficmanager.net/amer/t/v3/conversations/a%3A1/activities/1?"
          "isTargetedActivity=true",
          "http://127.0.0.1:4711/amer/v3/conversations"})
      EXPECT_TRUE(token.may_have_token(good)) << good;
    for (const char* bad :
         {"http://smba.trafficmanager.net/amer/", "https://evil.example/",
          "https://evil.example/?https://smba.trafficmanager.net/",
          "https://evil.example?.smba.trafficmanager.net/",
          "https://smba.trafficmanager.net.evil.example/",
          "https://smba.trafficmanager.net@evil.example/",
          "https://smba.trafficmanager.net\\@evil.example/", "https://contoso.sharepoint.com/x",
          "http://169.254.169.254/metadata", "http://localhost:80/", "file:///etc/passwd", ""})
      EXPECT_FALSE(token.may_have_token(bad)) << bad;
    co_return;
  });
}

// ---------------------------------------------------------------- certificates

class TeamsCertificate : public testing::Test {
 protected:
  TeamsCertificate() {
    std::string name = (std::filesystem::temp_directory_path() / "viaduct-teams-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~TeamsCertificate() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }
  ServiceCredentials with(const std::string& certificate, const std::string& key,
                          const Login& login) {
    ServiceCredentials made = credentials(login);
    made.secret.clear();
    made.certificate_file = certificate;
    made.key_file = key;
    return made;
  }

  std::filesystem::path folder_;
};

std::string field(const std::string& form, const std::string& name) {
  const std::size_t at = form.find(name + "=");
  if (at == form.npos) return {};
  const std::size_t begin = at + name.size() + 1;
  return form.substr(begin, std::min(form.find('&', begin), form.size()) - begin);
}
std::string decoded(std::string text) {
  for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  const std::size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  std::string out(text.size() / 4 * 3, '\0');
  EXPECT_GE(EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                            reinterpret_cast<const unsigned char*>(text.data()),
                            static_cast<int>(text.size())),
            0);
  out.resize(out.size() - padding);
  return out;
}

TEST_F(TeamsCertificate, ProvesTheBotWithAnAssertionInsteadOfASecret) {
  const auto certificate = teams_signer().certificate();
  Login login(numbered());
  const ServiceCredentials given =
      with(file("cert.pem", certificate.pem), file("key.pem", teams_signer().private_pem()), login);
  const auto begun = std::time(nullptr);
  with_token(given, [](ServiceToken& token) -> Task<> {
    EXPECT_EQ(token.complaint(), "");
    EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
  });
  const std::string form = body_of(login.requests().at(0));
  EXPECT_EQ(field(form, "client_assertion_type"),
            "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer");
  EXPECT_EQ(form.find("client_secret"), form.npos);
  const std::string assertion = field(form, "client_assertion");
  const std::size_t first = assertion.find('.'), last = assertion.rfind('.');
  ASSERT_TRUE(first != assertion.npos && last > first) << form;
  EXPECT_TRUE(
      teams_signer().verify_pss(assertion.substr(0, last), decoded(assertion.substr(last + 1))));
  const std::string header = decoded(assertion.substr(0, first));
  for (const std::string& member : {std::string(R"("alg":"PS256")"), std::string(R"("typ":"JWT")"),
                                    R"("x5t#S256":")" + url64(certificate.hash) + '"'})
    EXPECT_NE(header.find(member), header.npos) << header;
  const std::string claims = decoded(assertion.substr(first + 1, last - first - 1));
  for (const std::string& member :
       {R"("aud":")" + given.token_url + '"', std::string(R"("iss":"app-1")"),
        std::string(R"("sub":"app-1")"), std::string(R"("jti":")")})
    EXPECT_NE(claims.find(member), claims.npos) << claims;
  const long expires = std::stol(claims.substr(claims.find(R"("exp":)") + 6));
  EXPECT_GT(expires, begun + 300);
  EXPECT_LE(expires, begun + 660);
}

TEST_F(TeamsCertificate, IsReadAnewForEachToken) {
  Login login(numbered());
  const std::string certificate = file("cert.pem", teams_signer().certificate().pem);
  const std::string key = file("key.pem", teams_signer().private_pem());
  with_token(with(certificate, key, login), [&](ServiceToken& token) -> Task<> {
    EXPECT_EQ((co_await token.get()).value_or("none"), "t1");
    file("cert.pem", other_signer().certificate().pem);
    file("key.pem", other_signer().private_pem());
    EXPECT_EQ((co_await token.refused("t1")).value_or("none"), "t2");
  });
  const std::string assertion = field(body_of(login.requests().at(1)), "client_assertion");
  const std::size_t last = assertion.rfind('.');
  EXPECT_TRUE(
      other_signer().verify_pss(assertion.substr(0, last), decoded(assertion.substr(last + 1))));
}

TEST_F(TeamsCertificate, IsComplainedOfByTheNameOfItsFile) {
  Login login(numbered());
  const std::string certificate = file("cert.pem", teams_signer().certificate().pem);
  const std::string key = file("key.pem", teams_signer().private_pem());
  const std::string nonsense = file("nonsense.pem", "-----BEGIN NONSENSE-----\nsecret\n");
  const auto complaint = [&](const std::string& of, const std::string& its_key) {
    std::string said;
    with_token(with(of, its_key, login), [&](ServiceToken& token) -> Task<> {
      said = token.complaint();
      const auto failed = co_await token.get();
      EXPECT_FALSE(failed);
      if (!failed) {
        EXPECT_EQ(failed.error().message, said);
        EXPECT_EQ(failed.error().trouble, TokenTrouble::kSetUp);
      }
    });
    EXPECT_EQ(said.find("NONSENSE"), said.npos);
    return said;
  };
  EXPECT_EQ(complaint("/nowhere/cert.pem", key),
            "certificate: /nowhere/cert.pem: cannot be read: No such file or directory");
  EXPECT_EQ(complaint(certificate, "/nowhere/key.pem"),
            "certificate: /nowhere/key.pem: cannot be read: No such file or directory");
  EXPECT_NE(complaint(nonsense, key).find("nonsense.pem: has no certificate in PEM"),
            std::string::npos);
  EXPECT_NE(complaint(certificate, nonsense).find("nonsense.pem: has no private key"),
            std::string::npos);
  EXPECT_NE(complaint(certificate, file("other.pem", other_signer().private_pem()))
                .find("other.pem: is not the key of the certificate in"),
            std::string::npos);
  EXPECT_NE(complaint(file("old.pem", teams_signer().certificate(-60).pem), key)
                .find("old.pem: the certificate has expired"),
            std::string::npos);
  EXPECT_NE(complaint(certificate, file("weak.pem", Signer(1024).private_pem()))
                .find("weak.pem: is no RSA key of at least 2048 bits"),
            std::string::npos);
  EXPECT_EQ(login.count(), 0U);
}

}  // namespace
}  // namespace viaduct::teams
