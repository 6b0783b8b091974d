#include "plugins/teams/keys.hpp"

#include "tests/unit/teams/login.hpp"
#include "tests/unit/teams/signer.hpp"

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using namespace net::asio::experimental::awaitable_operators;
using net::run_on;
using net::Task;

std::string one_key(const std::string& id = "k1") {
  return jwks({teams_signer().jwk(id)});
}

void with_keys(const std::string& url, std::function<Task<>(Keys&)> test,
               Keys::Reporter reporter = {}) {
  net::Loop loop;
  Keys keys(loop, url, std::move(reporter));
  run_on(loop, [](Keys& with, std::function<Task<>(Keys&)> then) -> Task<> {
    co_await then(with);
  }(keys, std::move(test)));
}

TEST(TeamsKeys, AreFetchedWhenTheyAreStarted) {
  Login login([](const std::string&) { return reply("{}"); });
  login.say(keys_answer(&login, one_key()));
  std::vector<Keys::Report> reports;
  with_keys(
      login.metadata_url(),
      [](Keys& keys) -> Task<> {
        EXPECT_EQ(keys.count(), 0U);
        keys.start();
        EXPECT_TRUE(co_await net::until([&] { return keys.count() == 1; }));
        EXPECT_NE(keys.find("k1"), nullptr);
        EXPECT_EQ(keys.find("k2"), nullptr);
      },
      [&](const Keys::Report& report) { reports.push_back(report); });
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_TRUE(reports[0].ok);
  EXPECT_EQ(reports[0].keys, 1U);
  const auto requests = login.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(requests[0].starts_with("GET /v1/.well-known/openidconfiguration HTTP/1.1\r\n"));
  EXPECT_TRUE(requests[1].starts_with("GET /keys HTTP/1.1\r\n"));
}

TEST(TeamsKeys, AreFetchedAgainAfterAFailure) {
  Login login([](const std::string&) { return std::string(); });
  std::vector<Keys::Report> reports;
  with_keys(
      login.metadata_url(),
      [&](Keys& keys) -> Task<> {
        keys.start();
        EXPECT_TRUE(co_await net::until([&] { return !reports.empty(); }));
        login.say(keys_answer(&login, one_key()));
        EXPECT_TRUE(co_await net::until([&] { return keys.count() == 1; }));
      },
      [&](const Keys::Report& report) { reports.push_back(report); });
  EXPECT_FALSE(reports.at(0).ok);
  EXPECT_TRUE(reports.at(0).message.starts_with("the keys of Teams cannot be had ("))
      << reports.at(0).message;
  EXPECT_TRUE(reports.at(1).ok);
}

TEST(TeamsKeys, ServeWhileTheirEndpointIsDown) {
  Login login([](const std::string&) { return reply("{}"); });
  login.say(keys_answer(&login, one_key()));
  with_keys(login.metadata_url(), [&](Keys& keys) -> Task<> {
    EXPECT_TRUE((co_await keys.fetch()).ok);
    login.say([](const std::string&) { return reply("down", 503); });
    const auto report = co_await keys.fetch();
    EXPECT_FALSE(report.ok);
    EXPECT_EQ(report.keys, 1U);
    EXPECT_NE(keys.find("k1"), nullptr);
  });
}

TEST(TeamsKeys, AreAskedForOnceAMinuteHoweverManyAsk) {
  Login login([](const std::string&) { return reply("{}"); });
  login.say(keys_answer(&login, one_key()));
  with_keys(login.metadata_url(), [&](Keys& keys) -> Task<> {
    const auto [a, b, c] = co_await (keys.ask() && keys.ask() && keys.ask());
    EXPECT_TRUE(a && b && c);
    EXPECT_EQ(login.count(), 2U);
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(co_await keys.ask());
    EXPECT_EQ(login.count(), 2U);
  });
}

TEST(TeamsKeys, AreAskedForOnceAMinuteAlsoWhenThatFails) {
  Login login([](const std::string&) { return reply("no", 500); });
  with_keys(login.metadata_url(), [&](Keys& keys) -> Task<> {
    EXPECT_TRUE(co_await keys.ask());
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(co_await keys.ask());
    EXPECT_EQ(login.count(), 1U);
    EXPECT_EQ(keys.count(), 0U);
  });
}

TEST(TeamsKeys, LetOneWhoIsCancelledGoAndServeTheOthers) {
  net::Signal gate;  // outlives the server's threads, which wait at it
  Login login([](const std::string&) { return reply("{}"); });
  login.say([&](const std::string& request) {
    if (request.starts_with("GET /keys")) gate.wait();
    return keys_answer(&login, one_key())(request);
  });
  with_keys(login.metadata_url(), [&](Keys& keys) -> Task<> {
    const auto wait_and_leave = [](Keys& of, net::Signal& then) -> Task<> {
      const auto first = co_await (of.ask() || net::pause(20ms));
      EXPECT_EQ(first.index(), 1U);
      then.give();
    };
    const bool other = co_await (keys.ask() && wait_and_leave(keys, gate));
    EXPECT_TRUE(other);
    EXPECT_EQ(keys.count(), 1U);
  });
  EXPECT_EQ(login.count(), 2U);
}

struct BadAnswer {
  const char* name;
  std::function<std::string(const Login&, const std::string&)> answer;
  const char* words;
};
void PrintTo(const BadAnswer& one, std::ostream* out) {
  *out << one.name;
}
class TeamsKeysBadAnswer : public testing::TestWithParam<BadAnswer> {};

TEST_P(TeamsKeysBadAnswer, BringsNoKeysAndIsToldInWords) {
  Login login([](const std::string&) { return reply("{}"); });
  login.say([&](const std::string& request) { return GetParam().answer(login, request); });
  with_keys(login.metadata_url(), [](Keys& keys) -> Task<> {
    const auto report = co_await keys.fetch();
    EXPECT_FALSE(report.ok);
    EXPECT_NE(report.message.find(GetParam().words), std::string::npos) << report.message;
    EXPECT_EQ(keys.count(), 0U);
  });
}

bool is_for_keys(const std::string& request) {
  return request.starts_with("GET /keys");
}

INSTANTIATE_TEST_SUITE_P(
    All, TeamsKeysBadAnswer,
    testing::Values(
        BadAnswer{"NotFound", [](auto&, auto&) { return reply("no", 404); }, "answers 404"},
        BadAnswer{"LoginPage", [](auto&, auto&) { return reply("<html>Sign in</html>"); },
                  "it is no JSON object"},
        BadAnswer{"Redirect",
                  [](const Login& login, const std::string& request) {
                    if (request.starts_with("GET /away")) return reply(login.metadata());
                    return reply("", 302, "Location: " + login.origin() + "/away\r\n");
                  },
                  "answers 302"},
        BadAnswer{"RedirectOfTheKeys",
                  [](const Login& login, const std::string& request) {
                    if (request.starts_with("GET /away")) return reply(one_key());
                    if (is_for_keys(request))
                      return reply("", 302, "Location: " + login.origin() + "/away\r\n");
                    return reply(login.metadata());
                  },
                  "answers 302"},
        BadAnswer{"KeysElsewhere",
                  [](auto&, auto&) { return reply(R"({"jwks_uri":"https://evil.example/keys"})"); },
                  "at another host"},
        BadAnswer{"NoKeys",
                  [](const Login& login, const std::string& request) {
                    return reply(is_for_keys(request) ? R"({"keys":[]})" : login.metadata());
                  },
                  "no RSA key"},
        BadAnswer{"WeakKey",
                  [](const Login& login, const std::string& request) {
                    return reply(is_for_keys(request) ? jwks({Signer(1024).jwk("weak")})
                                                      : login.metadata());
                  },
                  "shorter than 2048 bits"},
        BadAnswer{"HugeMetadata", [](auto&, auto&) { return reply(std::string(65 << 10, ' ')); },
                  "is longer than"},
        BadAnswer{"HugeKeys",
                  [](const Login& login, const std::string& request) {
                    return reply(is_for_keys(request) ? std::string((1 << 20) + 1, ' ')
                                                      : login.metadata());
                  },
                  "is longer than"},
        BadAnswer{"Cut", [](auto&, auto&) { return std::string(); }, "cannot be had"}),
    testing::PrintToStringParamName());

TEST(TeamsKeys, AreNotFetchedWithoutTlsFromElsewhere) {
  with_keys("http://login.botframework.com/v1/.well-known/openidconfiguration",
            [](Keys& keys) -> Task<> {
              const auto report = co_await keys.fetch();
              EXPECT_NE(report.message.find("is not https"), std::string::npos) << report.message;
            });
}

TEST(TeamsKeys, MayGoWhileTheyAreFetched) {
  net::Signal gate;  // outlives the server's threads, which wait at it
  Login login([](const std::string&) { return reply("{}"); });
  login.say([&](const std::string& request) {
    gate.wait();
    return keys_answer(&login, one_key())(request);
  });
  net::Loop loop;
  auto keys = std::make_unique<Keys>(loop, login.metadata_url(), Keys::Reporter());
  keys->start();
  run_on(loop, [](std::unique_ptr<Keys>& of, Login& at, net::Signal& then) -> Task<> {
    EXPECT_TRUE(co_await net::until([&] { return at.count() == 1; }));
    of.reset();
    then.give();
    EXPECT_TRUE(co_await net::until([&] { return at.count() == 2; }));
  }(keys, login, gate));
}

TEST(TeamsKeys, LeaveNothingBehindWhenTheLoopEndsWhileTheyAreFetched) {
  net::Signal gate;  // outlives the server's threads, which wait at it
  Login login([](const std::string&) { return reply("{}"); });
  login.say([&](const std::string&) {
    gate.wait();
    return reply("{}");
  });
  {
    net::Loop loop;
    Keys keys(loop, login.metadata_url(), {});
    keys.start();
    loop.spawn([](Keys& of) -> Task<> { co_await of.ask(); }(keys));
    run_on(loop, [](Login& at) -> Task<> {
      EXPECT_TRUE(co_await net::until([&] { return at.count() == 1; }));
    }(login));
  }
  gate.give();
}

}  // namespace
}  // namespace viaduct::teams
