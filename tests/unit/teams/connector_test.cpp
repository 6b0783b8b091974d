#include "plugins/teams/connector.hpp"

#include "tests/unit/teams/service.hpp"

#include <algorithm>
#include <map>
#include <mutex>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using namespace net::asio::experimental::awaitable_operators;
using net::run_on;
using net::Task;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kHello = R"({"type":"message","text":"hello"})";
constexpr std::string_view kCreated = R"({"id":"m-1"})";

std::string refusal(std::string_view code, std::string_view words = "x") {
  return R"({"error":{"code":")" + std::string(code) + R"(","message":")" + std::string(words) +
         R"("}})";
}

void with(Client& client, std::function<Task<>(Connector&)> test) {
  run_on(client.loop, [](Connector& connector, std::function<Task<>(Connector&)> then) -> Task<> {
    co_await then(connector);
  }(client.connector, std::move(test)));
}
void with(const Service& service, std::function<Task<>(Connector&)> test) {
  Client client(service, [](const CallReport& report) {
    EXPECT_EQ(std::string(report.error).find("secret"), std::string::npos);
  });
  with(client, std::move(test));
}

TEST(Connector, SendsAnActivityWithTheTokenAndWhereItIsFromAndFor) {
  Service service([](const std::string&) { return reply(kCreated, 201); });
  with(service, [&](Connector& connector) -> Task<> {
    const auto done = co_await connector.send(service.chat("19:x@thread.tacv2;messageid=17"),
                                              std::string(kHello));
    EXPECT_EQ(done->id, "m-1");
  });
  const std::string request = service.requests().at(0);
  EXPECT_TRUE(request.starts_with(
      "POST /amer/tenant-1/v3/conversations/19%3Ax%40thread.tacv2%3Bmessageid%3D17/activities "))
      << request;
  EXPECT_NE(request.find("\r\nAuthorization: Bearer token-secret-1\r\n"), request.npos);
  EXPECT_NE(request.find("\r\nContent-Type: application/json"), request.npos);
  EXPECT_EQ(
      body_of(request),
      R"({"conversation":{"id":"19:x@thread.tacv2;messageid=17"},"from":{"id":"28:app-1"},"text":"hello","type":"message"})");
}

TEST(Connector, FindsEachOfItsPlaces) {
  Service service([](const std::string&) { return reply(kCreated, 201); });
  with(service, [&](Connector& connector) -> Task<> {
    Destination whispered = service.chat();
    whispered.is_targeted = true;
    const std::string hello(kHello);
    co_await connector.reply(service.chat(), "m 0", hello);
    co_await connector.update(whispered, "m/1", hello);
    co_await connector.remove(service.chat(), "m-1");
    co_await connector.typing(service.chat("b"));
    co_await connector.react(service.chat("c"), "m-1", "like");
    co_await connector.unreact(service.chat("d"), "m-1", "1f440_eyes");
    co_await connector.stream(service.chat("e"), hello, 1s);
    const auto bad = co_await connector.send(service.chat("f"), "no json");
    EXPECT_EQ(bad.error().trouble, Trouble::kContent);
  });
  std::vector<std::string> lines;
  for (const std::string& one : service.requests())
    lines.push_back(one.substr(0, one.find(" HTTP/")));
  const std::string base = "/amer/tenant-1/v3/conversations/";
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "POST " + base + "a%3A1/activities/m%200",
                       "PUT " + base + "a%3A1/activities/m%2F1?isTargetedActivity=true",
                       "DELETE " + base + "a%3A1/activities/m-1", "POST " + base + "b/activities",
                       "PUT " + base + "c/activities/m-1/reactions/like",
                       "DELETE " + base + "d/activities/m-1/reactions/1f440_eyes",
                       "POST " + base + "e/activities"}));
}

struct AnswerCase {
  const char* name;
  std::string answer;  // empty: the connection is cut
  Trouble trouble;
  const char* error;
  bool not_done;
};
void PrintTo(const AnswerCase& one, std::ostream* out) {
  *out << one.name;
}
class ConnectorAnswers : public testing::TestWithParam<AnswerCase> {};

TEST_P(ConnectorAnswers, AreToldAndNothingIsSentTwice) {
  Service service([](const std::string&) { return GetParam().answer; });
  with(service, [&](Connector& connector) -> Task<> {
    const auto done =
        co_await connector.send(service.chat(), std::string(kHello), Connector::kPassing);
    EXPECT_FALSE(done);
    if (done) co_return;
    EXPECT_EQ(done.error().trouble, GetParam().trouble) << done.error().message;
    EXPECT_EQ(done.error().error, GetParam().error);
    EXPECT_EQ(done.error().not_done, GetParam().not_done) << done.error().message;
    EXPECT_EQ(done.error().message.find("secret"), std::string::npos) << done.error().message;
  });
  EXPECT_EQ(service.requests().size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Teams, ConnectorAnswers,
    testing::Values(AnswerCase{"gone", reply(refusal("ConversationNotFound"), 404),
                               Trouble::kTargetGone, "ConversationNotFound", true},
                    AnswerCase{"echo", reply(refusal("Odd", "no token token-secret-1 here"), 400),
                               Trouble::kContent, "Odd", true},
                    AnswerCase{"throttled", reply(refusal("Throttled"), 429, "Retry-After: 9\r\n"),
                               Trouble::kRetryLater, "Throttled", true},
                    AnswerCase{"gateway", reply("<html>", 502), Trouble::kRetryLater, "", false},
                    AnswerCase{"overload", reply("", 503), Trouble::kRetryLater, "", true},
                    AnswerCase{"stream",
                               reply(refusal("ContentStreamSequenceOrderPreConditionFailed"), 202),
                               Trouble::kStream, "ContentStreamSequenceOrderPreConditionFailed",
                               true},
                    AnswerCase{"nameless", reply("{}", 201), Trouble::kRetryLater, "", false},
                    AnswerCase{"page", reply("<html>secret", 200), Trouble::kRetryLater, "", false},
                    AnswerCase{"cut", "", Trouble::kRetryLater, "", false},
                    AnswerCase{"elsewhere", reply("", 302, "Location: https://example.com/\r\n"),
                               Trouble::kSetUp, "", true}),
    [](const auto& at) { return std::string(at.param.name); });

TEST(Connector, KnowsThatNothingWasPostedWhereNobodyWasReached) {
  Service service([](const std::string&) { return reply(kCreated); });
  with(service, [](Connector& connector) -> Task<> {
    const auto done = co_await connector.send({"http://127.0.0.1:1/", "a", "t"},
                                              std::string(kHello), Connector::kPassing);
    EXPECT_EQ(done.error().trouble, Trouble::kRetryLater);
    EXPECT_TRUE(done.error().not_done) << done.error().message;
  });
}

TEST(Connector, SendsTheTokenNowhereElse) {
  Service service([](const std::string&) { return reply(kCreated); });
  with(service, [&](Connector& connector) -> Task<> {
    const std::string port = service.origin().substr(service.origin().rfind(':'));
    for (const std::string& url : {"http://localhost" + port + "/",
                                   std::string("https://smba.trafficmanager.net.example.com/amer/"),
                                   std::string("http://smba.trafficmanager.net/amer/"),
                                   std::string("file:///etc/passwd"), std::string()}) {
      const auto done = co_await connector.send({url, "a", "t"}, std::string(kHello));
      EXPECT_EQ(done.error().trouble, Trouble::kSetUp) << url;
      EXPECT_TRUE(done.error().not_done);
    }
  });
  EXPECT_EQ(service.requests().size(), 0U);
  EXPECT_EQ(service.tokens, 0);
}

TEST(Connector, FetchesAnotherTokenOnceAfterARefusal) {
  Service service([](const std::string& request) {
    return request.find("token-secret-1\r") != request.npos
               ? reply(refusal("AuthorizationError"), 401)
               : reply(kCreated, 201);
  });
  with(service, [&](Connector& connector) -> Task<> {
    const auto done = co_await connector.send(service.chat(), std::string(kHello));
    EXPECT_EQ(done->id, "m-1");
  });
  EXPECT_EQ(service.requests().size(), 2U);
  EXPECT_EQ(service.tokens, 2);
}

TEST(Connector, GivesUpWhereNoTokenIsTaken) {
  Service service([](const std::string&) { return reply(refusal("AuthorizationError"), 401); });
  with(service, [&](Connector& connector) -> Task<> {
    const auto done = co_await connector.send(service.chat(), std::string(kHello));
    EXPECT_EQ(done.error().trouble, Trouble::kCredentials);
    EXPECT_TRUE(done.error().not_done);
    EXPECT_EQ(done.error().message.find("secret-"), std::string::npos) << done.error().message;
  });
  EXPECT_EQ(service.requests().size(), 2U);
}

TEST(Connector, SaysWhyThereIsNoToken) {
  Service service([](const std::string&) { return reply(kCreated); });
  service.no_tokens = reply(
      R"({"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret","error_codes":[7000215]})",
      401);
  with(service, [&](Connector& connector) -> Task<> {
    const auto done = co_await connector.send(service.chat(), std::string(kHello));
    EXPECT_EQ(done.error().trouble, Trouble::kCredentials);
    EXPECT_EQ(done.error().error, "7000215");
    EXPECT_TRUE(done.error().not_done);
  });
  EXPECT_EQ(service.requests().size(), 0U);
}

TEST(Connector, NeedsNoTokenWithoutALogin) {
  Service service([](const std::string&) { return reply(kCreated); });
  net::Loop loop;
  Connector connector(loop, nullptr, {.bot = "bot", .hosts = Service::hosts()}, {});
  run_on(loop, [](Connector& one, Destination to) -> Task<> {
    EXPECT_TRUE(co_await one.send(to, std::string(kHello)));
  }(connector, service.chat()));
  EXPECT_EQ(service.requests().at(0).find("Authorization"), std::string::npos);
}

TEST(Connector, RepeatsWhatIsIdempotentAndNothingElse) {
  std::atomic<int> calls{0};
  Service service([&](const std::string&) {
    return ++calls % 2 == 1 ? reply("", 502, "Retry-After: 1\r\n") : reply(kCreated);
  });
  with(service, [&](Connector& connector) -> Task<> {
    const auto begun = Clock::now();
    EXPECT_TRUE(co_await connector.update(service.chat(), "m-1", std::string(kHello)));
    EXPECT_GE(Clock::now() - begun, 1s) << "Retry-After counts";
    EXPECT_EQ(calls, 2);
    const auto sent = co_await connector.send(service.chat(), std::string(kHello));
    EXPECT_FALSE(sent);
    EXPECT_FALSE(sent.error().not_done);
  });
  EXPECT_EQ(calls, 3);
}

TEST(Connector, RepeatsWhatWasCertainlyNotPosted) {
  for (const int status : {412, 429, 503}) {
    std::atomic<int> calls{0};
    Service service([&](const std::string&) {
      return ++calls == 1 ? reply(refusal("Busy"), status) : reply(kCreated, 201);
    });
    with(service, [&](Connector& connector) -> Task<> {
      EXPECT_TRUE(co_await connector.send(service.chat(), std::string(kHello))) << status;
    });
    EXPECT_EQ(calls, 2);
  }
}

Task<> change_in_chats(Connector& connector, const Service& service, int left) {
  if (left == 0) co_return;
  co_await (connector.update(service.chat(std::to_string(left)), "m-1", std::string(kHello)) &&
            change_in_chats(connector, service, left - 1));
}

// All that the service has refused at once would come back at once otherwise.
TEST(Connector, ComesBackAfterAboutASecondSoonerOrLaterByChance) {
  std::mutex mutex;
  std::map<std::string, std::vector<Clock::time_point>> tries;  // of each chat
  Service service([&](const std::string& request) {
    const std::lock_guard lock(mutex);
    auto& times = tries[request.substr(0, request.find(" HTTP/"))];
    times.push_back(Clock::now());
    return times.size() == 1 ? reply("", 503) : reply(kCreated);
  });
  constexpr int kChats = 24;
  with(service, [&](Connector& connector) -> Task<> {
    co_await change_in_chats(connector, service, kChats);
  });
  std::vector<Clock::duration> pauses;
  for (const auto& [chat, times] : tries) {
    ASSERT_EQ(times.size(), 2U) << chat;
    pauses.push_back(times[1] - times[0]);
  }
  ASSERT_EQ(pauses.size(), static_cast<std::size_t>(kChats));
  const auto [least, most] = std::ranges::minmax(pauses);
  EXPECT_GE(least, 740ms);
  EXPECT_LT(least, 990ms);  // in one of sixteen million runs none is below
  EXPECT_GT(most, 1010ms);
}

TEST(Connector, DoesNotWaitForLongerThanItsPatience) {
  Service service([&](const std::string&) { return reply("", 429, "Retry-After: 60\r\n"); });
  with(service, [&](Connector& connector) -> Task<> {
    const auto begun = Clock::now();
    const auto done = co_await connector.send(service.chat(), std::string(kHello), 2s);
    EXPECT_EQ(done.error().retry_after, 60s);
    const auto again = co_await connector.send(service.chat(), std::string(kHello), 2s);
    EXPECT_EQ(again.error().trouble, Trouble::kRetryLater);
    EXPECT_TRUE(again.error().not_done);
    EXPECT_LT(Clock::now() - begun, 2s);
  });
  EXPECT_EQ(service.requests().size(), 1U) << "nothing is asked while it is limited";
}

TEST(Connector, IsSilentForSomeMinutesWhereItIsToWaitForADayAndElsewhereNotAtAll) {
  for (const char* wait : {"86400", "100000000000", "9000000000000000000"}) {
    Service service([&](const std::string& request) {
      return request.find("/a%3A1/") != request.npos
                 ? reply("", 429, "Retry-After: " + std::string(wait) + "\r\n")
                 : reply(kCreated, 201);
    });
    with(service, [&](Connector& connector) -> Task<> {
      const auto done = co_await connector.send(service.chat(), std::string(kHello), 0s);
      EXPECT_EQ(done.error().retry_after, 10min) << wait;
      EXPECT_TRUE(co_await connector.send(service.chat("b"), std::string(kHello), 0s));
    });
  }
}

TEST(Connector, LooksNobodyUpForLong) {
  std::atomic<bool> over = false;
  Service service([&](const std::string&) {
    while (!over) std::this_thread::yield();
    return std::string();
  });
  Client client(service);
  Connector connector(client.loop, &client.token,
                      {.bot = "28:app-1", .hosts = Service::hosts(), .lookup_limit = 100ms}, {});
  run_on(client.loop, [](Connector& one, const Service& from, std::atomic<bool>& end) -> Task<> {
    const auto found = co_await one.member(from.chat(), "29:a");
    end = true;
    EXPECT_EQ(found.error().trouble, Trouble::kRetryLater);
  }(connector, service, over));
}

TEST(Connector, DoesNotStormWhereItMayComeBackAtOnce) {
  Service service([&](const std::string&) { return reply("", 503, "Retry-After: 0\r\n"); });
  with(service, [&](Connector& connector) -> Task<> {
    EXPECT_FALSE(co_await connector.update(service.chat(), "m-1", std::string(kHello), 700ms));
  });
  EXPECT_GE(service.requests().size(), 2U);
  EXPECT_LE(service.requests().size(), 4U);
}

TEST(Connector, LetsWhatIsPassingFailAndTheLastWordWait) {
  Service service([&](const std::string&) { return reply(kCreated, 201); });
  int reports = 0;
  Client client(service, [&](const CallReport&) { ++reports; });
  with(client, [&](Connector& connector) -> Task<> {
    int typed = 0;
    while (co_await connector.typing(service.chat())) ++typed;
    EXPECT_GE(typed, 2);
    EXPECT_LE(typed, 6);
    const auto begun = Clock::now();
    for (int i = 0; i < 4; ++i)
      EXPECT_TRUE(co_await connector.send(service.chat(), std::string(kHello)));
    EXPECT_GE(Clock::now() - begun, 1s);
  });
  EXPECT_EQ(static_cast<std::size_t>(reports), service.requests().size());
}

TEST(Connector, GoesToTheGovernmentCloudWhereTheServiceSaysSo) {
  Service gcc([](const std::string&) { return reply(kCreated, 201); });
  Service service([](const std::string&) { return reply(refusal("InvalidBotApiHost"), 403); });
  Client client(service);
  Connector connector(
      client.loop, &client.token,
      {.bot = "28:app-1", .hosts = Service::hosts(), .gcc_service_url = gcc.origin() + "/teams"},
      {});
  run_on(client.loop, [](Connector& one, Destination to) -> Task<> {
    EXPECT_TRUE(co_await one.send(to, std::string(kHello)));
    EXPECT_TRUE(co_await one.send(to, std::string(kHello)));
  }(connector, service.chat()));
  EXPECT_EQ(service.requests().size(), 1U) << "and remembers it";
  ASSERT_EQ(gcc.requests().size(), 2U);
  EXPECT_TRUE(gcc.requests()[0].starts_with("POST /teams/v3/conversations/a%3A1/activities "));
}

TEST(Connector, RemovesWhatIsNotThereAnyMore) {
  Service service(
      [](const std::string&) { return reply(refusal("ActivityNotFoundInConversation"), 404); });
  with(service, [&](Connector& connector) -> Task<> {
    EXPECT_TRUE(co_await connector.remove(service.chat(), "m-1"));
    const auto updated = co_await connector.update(service.chat(), "m-1", std::string(kHello));
    EXPECT_EQ(updated.error().trouble, Trouble::kMissing);
  });
}

TEST(Connector, BeginsConversations) {
  Service service(
      [](const std::string&) { return reply(R"({"id":"a:new","activityId":"m-9"})", 201); });
  with(service, [&](Connector& connector) -> Task<> {
    const auto chat =
        co_await connector.create_chat(service.service_url(), "tenant-1", "29:ada", "");
    EXPECT_EQ(chat->conversation, "a:new");
    EXPECT_EQ(chat->id, "m-9");
    EXPECT_TRUE(co_await connector.create_thread(service.service_url(), "tenant-1",
                                                 "19:c@thread.tacv2", std::string(kHello)));
    const auto bad =
        co_await connector.create_thread(service.service_url(), "tenant-1", "19:c", "no json");
    EXPECT_EQ(bad.error().trouble, Trouble::kContent);
  });
  ASSERT_EQ(service.requests().size(), 2U);
  EXPECT_EQ(
      body_of(service.requests()[0]),
      R"({"bot":{"id":"28:app-1"},"channelData":{"tenant":{"id":"tenant-1"}},"isGroup":false,"members":[{"id":"29:ada"}],"tenantId":"tenant-1"})");
  EXPECT_EQ(
      body_of(service.requests()[1]),
      R"({"activity":{"from":{"id":"28:app-1"},"text":"hello","type":"message"},"bot":{"id":"28:app-1"},"channelData":{"channel":{"id":"19:c@thread.tacv2"},"tenant":{"id":"tenant-1"}},"isGroup":true,"tenantId":"tenant-1"})");
}

TEST(Connector, ReadsWhoIsThere) {
  Service service([](const std::string& request) {
    if (request.find("/members/29%3Aada") != request.npos)
      return reply(
          R"({"id":"29:ada","name":"Ada","aadObjectId":"aad-1","email":"ada@example.com"})");
    if (request.find("continuationToken=a%2Bb") != request.npos)
      return reply(
          R"({"members":[{"id":"29:bob","objectId":"aad-2","userPrincipalName":"bob@x"}]})");
    return reply(R"({"members":[{"id":"29:ada"}],"continuationToken":"a+b"})");
  });
  with(service, [&](Connector& connector) -> Task<> {
    const auto all = co_await connector.members(service.chat());
    EXPECT_EQ(all->size(), 2U);
    EXPECT_EQ(all->back().aad, "aad-2");
    EXPECT_EQ(all->back().email, "bob@x");
    const auto ada = co_await connector.member(service.chat(), "29:ada");
    EXPECT_EQ(ada->name, "Ada");
    EXPECT_EQ(ada->aad, "aad-1");
  });
}

TEST(Connector, ReportsEachCallWithItsCorrelation) {
  std::vector<std::string> reports;
  Service service(
      [](const std::string&) { return reply(refusal("BadArgument"), 400, "MS-CV: abc.1\r\n"); });
  Client client(service, [&](const CallReport& report) {
    reports.push_back(std::string(report.operation) + " " + std::to_string(report.status) + " " +
                      std::string(report.error) + " " + std::string(report.correlation));
  });
  with(client, [&](Connector& connector) -> Task<> {
    EXPECT_FALSE(co_await connector.send(service.chat(), std::string(kHello)));
  });
  EXPECT_EQ(reports, std::vector<std::string>{"send 400 BadArgument abc.1"});
}

TEST(Connector, ReportsNoPieceOfATokenThatIsCutOffAtTheEnd) {
  for (std::size_t before = 85; before <= 100; ++before) {
    const std::string echo = std::string(before, 'x') + "token-secret-1";
    Service service([&](const std::string&) {
      return reply(refusal("BadArgument"), 400, "MS-CV: " + echo + "\r\n");
    });
    std::string correlation;
    Client client(service,
                  [&](const CallReport& report) { correlation = std::string(report.correlation); });
    with(client, [&](Connector& connector) -> Task<> {
      EXPECT_FALSE(co_await connector.send(service.chat(), std::string(kHello)));
    });
    EXPECT_NE(correlation, "");
    EXPECT_EQ(correlation.find("tok"), std::string::npos) << correlation;
  }
}

TEST(Connector, MayGoWhileACallIsUnderWay) {
  net::Signal arrived, go_on;
  Service service([&](const std::string&) {
    arrived.give();
    go_on.wait();
    return reply(kCreated, 201);
  });
  net::Loop loop;
  ServiceToken token(loop, credentials_at(service.origin()), Service::hosts(), {});
  auto connector =
      std::make_unique<Connector>(loop, &token, ConnectorOptions{"b", Service::hosts()}, nullptr);
  run_on(loop,
         [](net::Loop& of, std::unique_ptr<Connector>& one, Destination to, net::Signal& there,
            net::Signal& go) -> Task<> {
           bool ended = false;
           auto call = [](Task<CallResult> send, bool& over) -> Task<> {
             EXPECT_TRUE(co_await std::move(send));
             over = true;
           };
           of.spawn(call(one->send(to, std::string(kHello)), ended));
           EXPECT_TRUE(co_await net::until([&] { return there.given(); }));
           one.reset();
           go.give();
           EXPECT_TRUE(co_await net::until([&] { return ended; }));
         }(loop, connector, service.chat(), arrived, go_on));
}

}  // namespace
}  // namespace viaduct::teams
