#include "plugins/teams/token_rules.hpp"

#include <gtest/gtest.h>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using Time = TokenRules::Time;

Time at(Uptime::duration since) {
  return Time(1000h + since);
}
FetchResult token(std::string text, std::chrono::seconds lives = 3599s) {
  return FetchedToken{std::move(text), lives};
}
FetchResult failure(TokenTrouble trouble, std::chrono::seconds retry_after = 0s) {
  return std::unexpected(TokenFailure{trouble, "1", "no", retry_after});
}
std::string answer(const std::optional<TokenResult>& known) {
  if (!known) return "fetch";
  return *known ? **known
                : "failure for " + std::to_string(known->error().retry_after.count()) + " s";
}

TEST(TeamsTokenRules, FetchOneAndKeepItUntil5MinutesBeforeItExpires) {
  TokenRules rules;
  EXPECT_EQ(answer(rules.look(at(0s))), "fetch");
  EXPECT_EQ(rules.fetched(token("t1"), at(0s)), "t1");
  EXPECT_EQ(answer(rules.look(at(1s))), "t1");
  EXPECT_FALSE(rules.is_due(at(3298s)));
  // From here on it serves while another one is fetched.
  EXPECT_TRUE(rules.is_due(at(3299s)));
  EXPECT_EQ(answer(rules.look(at(3299s))), "t1");
  EXPECT_EQ(answer(rules.look(at(3598s))), "t1");
  EXPECT_EQ(answer(rules.look(at(3599s))), "fetch");
}

TEST(TeamsTokenRules, KeepOneThatLivesShortlyForHalfOfThat) {
  TokenRules rules;
  rules.fetched(token("t1", 60s), at(0s));
  EXPECT_FALSE(rules.is_due(at(29s)));
  EXPECT_TRUE(rules.is_due(at(30s)));
  EXPECT_EQ(answer(rules.look(at(59s))), "t1");
  EXPECT_EQ(answer(rules.look(at(60s))), "fetch");
}

TEST(TeamsTokenRules, ServeTheOldOneWhileTheLoginIsDown) {
  TokenRules rules;
  rules.fetched(token("t1"), at(0s));
  EXPECT_EQ(rules.fetched(failure(TokenTrouble::kRetryLater), at(3300s)), "t1");
  EXPECT_FALSE(rules.is_due(at(3300s)));
  EXPECT_EQ(answer(rules.look(at(3300s))), "t1");
  EXPECT_TRUE(rules.is_due(at(3301s)));
  EXPECT_FALSE(rules.fetched(failure(TokenTrouble::kRetryLater), at(3599s)));
}

TEST(TeamsTokenRules, TryAgainMoreAndMoreSeldom) {
  TokenRules rules;
  Time now = at(0s);
  for (const int pause : {1, 2, 4, 8, 16, 32, 60, 60}) {
    const auto failed = rules.fetched(failure(TokenTrouble::kRetryLater), now);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().retry_after.count(), pause);
    EXPECT_EQ(answer(rules.look(now)), "failure for " + std::to_string(pause) + " s");
    now += std::chrono::seconds(pause);
    EXPECT_EQ(answer(rules.look(now)), "fetch");
  }
  rules.fetched(token("t1", 10s), now);
  const auto failed = rules.fetched(failure(TokenTrouble::kRetryLater), now + 10s);
  EXPECT_EQ(failed.error().retry_after, 1s);
}

TEST(TeamsTokenRules, WaitAsLongAsTheLoginSays) {
  TokenRules rules;
  EXPECT_EQ(rules.fetched(failure(TokenTrouble::kRetryLater, 120s), at(0s)).error().retry_after,
            120s);
  EXPECT_EQ(answer(rules.look(at(119s))), "failure for 1 s");
  EXPECT_EQ(answer(rules.look(at(120s))), "fetch");
}

TEST(TeamsTokenRules, DoNotAskAgainAndAgainForWhatOnlyAPersonCanMend) {
  TokenRules rules;
  rules.fetched(failure(TokenTrouble::kSetUp), at(0s));
  EXPECT_EQ(answer(rules.look(at(1s))), "failure for 299 s");
  EXPECT_EQ(answer(rules.look(at(300s))), "fetch");
  EXPECT_EQ(rules.fetched(token("t1"), at(300s)), "t1");
  EXPECT_EQ(answer(rules.look(at(301s))), "t1");
}

TEST(TeamsTokenRules, FetchOneNewTokenForAllWhoWereRefusedWithTheSame) {
  TokenRules rules;
  rules.fetched(token("t1"), at(0s));
  EXPECT_EQ(answer(rules.refused("t1", at(1s))), "fetch");
  EXPECT_EQ(answer(rules.refused("t1", at(1s))), "fetch");  // joins the same
  EXPECT_EQ(answer(rules.look(at(1s))), "fetch");
  rules.fetched(token("t2"), at(2s));
  EXPECT_EQ(answer(rules.refused("t1", at(3s))), "t2");
  EXPECT_EQ(answer(rules.look(at(3s))), "t2");
}

TEST(TeamsTokenRules, SayThatANewTokenIsRefusedInsteadOfFetchingForEver) {
  TokenRules rules;
  rules.fetched(token("t1"), at(0s));
  rules.refused("t1", at(1s));
  rules.fetched(token("t2"), at(2s));
  const auto refused = rules.refused("t2", at(3s));
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error().trouble, TokenTrouble::kSetUp);
  EXPECT_NE(refused->error().message.find("app_id"), std::string::npos);
  EXPECT_EQ(answer(refused), "failure for 59 s");
  // A minute later it may have been revoked.
  EXPECT_EQ(answer(rules.refused("t2", at(62s))), "fetch");
}

TEST(TeamsTokenRules, DoNotGiveARefusedTokenWhenThereIsNoOther) {
  TokenRules rules;
  rules.fetched(token("t1"), at(0s));
  rules.refused("t1", at(1s));
  EXPECT_FALSE(rules.fetched(failure(TokenTrouble::kSetUp), at(2s)));
  EXPECT_EQ(answer(rules.refused("t1", at(3s))), "failure for 299 s");
  EXPECT_EQ(answer(rules.look(at(3s))), "failure for 299 s");
}

// ---------------------------------------------------------------- what the login says

struct ErrorCase {
  const char* name;  // the number of AADSTS
  int status;
  TokenTrouble trouble;
  const char* words;
};
void PrintTo(const ErrorCase& one, std::ostream* out) {
  *out << "AADSTS" << one.name;
}
class TeamsTokenError : public testing::TestWithParam<ErrorCase> {};

TEST_P(TeamsTokenError, IsToldWithWhatToDo) {
  const std::string number = GetParam().name;
  for (const bool has_codes : {true, false}) {
    const std::string body =
        R"({"error":"invalid_client","error_description":"AADSTS)" + number +
        R"(: Something about the secret hush-hush. Trace ID: 1\r\nCorrelation ID: 2",)" +
        (has_codes ? "\"error_codes\":[" + number + "]," : std::string()) + R"("trace_id":"1"})";
    const auto answer = parse_token_answer(GetParam().status, body, "hush-hush", {});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().error, number);
    EXPECT_EQ(answer.error().trouble, GetParam().trouble);
    const std::string& message = answer.error().message;
    EXPECT_NE(message.find(GetParam().words), std::string::npos) << message;
    EXPECT_NE(message.find("[AADSTS" + number + "]"), std::string::npos) << message;
    EXPECT_NE(message.find("Something about"), std::string::npos) << message;
    EXPECT_EQ(message.find("hush"), std::string::npos) << message;
    EXPECT_EQ(message.find("Correlation"), std::string::npos) << message;
    EXPECT_EQ(message.find("Trace"), std::string::npos) << message;
    EXPECT_EQ(message.find("AADSTS"), message.rfind("AADSTS")) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TeamsTokenError,
    testing::Values(ErrorCase{"7000215", 401, TokenTrouble::kSetUp, "the secret's value"},
                    ErrorCase{"7000222", 401, TokenTrouble::kSetUp, "has expired"},
                    ErrorCase{"700016", 400, TokenTrouble::kSetUp, "app_id"},
                    ErrorCase{"700027", 401, TokenTrouble::kSetUp, "certificate"},
                    ErrorCase{"700024", 401, TokenTrouble::kSetUp, "clock"},
                    ErrorCase{"90002", 400, TokenTrouble::kSetUp, "tenant_id"},
                    ErrorCase{"900023", 400, TokenTrouble::kSetUp, "tenant_id"},
                    ErrorCase{"1002012", 400, TokenTrouble::kSetUp, "scope"},
                    ErrorCase{"50034", 400, TokenTrouble::kSetUp, "tenant"},
                    ErrorCase{"7000112", 401, TokenTrouble::kSetUp, "disabled"},
                    ErrorCase{"53003", 400, TokenTrouble::kSetUp, "Conditional Access"},
                    ErrorCase{"90033", 503, TokenTrouble::kRetryLater, "overloaded"}),
    [](const auto& info) { return "AADSTS" + std::string(info.param.name); });

TEST(TeamsTokenAnswer, OfAnUnknownErrorIsToldAsItIs) {
  const auto answer = parse_token_answer(
      400, R"({"error":"unauthorized_client","error_description":"AADSTS999999: New."})", "", {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().trouble, TokenTrouble::kSetUp);
  EXPECT_EQ(answer.error().message,
            "the login of Microsoft gives the bot no token [AADSTS999999]: New.");
  const auto down = parse_token_answer(503, "{}", "", {});
  EXPECT_EQ(down.error().message, "the login of Microsoft gives the bot no token [503]");
  const auto bare = parse_token_answer(400, R"({"error":"invalid_request"})", "", {});
  EXPECT_EQ(bare.error().error, "invalid_request");
  EXPECT_EQ(bare.error().message,
            "the login of Microsoft gives the bot no token [invalid_request]");
}

TEST(TeamsTokenAnswer, IsAToken) {
  const auto token = [](const char* body) { return parse_token_answer(200, body, "", {}); };
  const auto good = token(
      R"({"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"a.b.c"})");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->token, "a.b.c");
  EXPECT_EQ(good->lives, 3599s);
  EXPECT_EQ(token(R"({"token_type":"bearer","expires_in":"60","access_token":"a"})")->lives, 60s);
  EXPECT_EQ(token(R"({"token_type":"Bearer","expires_in":99999999,"access_token":"a"})")->lives,
            24h);
  for (const char* bad :
       {"", "{}", "[]", "hello", R"({"token_type":"Bearer","expires_in":3599})",
        R"({"token_type":"Bearer","access_token":"a"})",
        R"({"token_type":"MAC","expires_in":3599,"access_token":"a"})",
        R"({"token_type":"Bearer","expires_in":0,"access_token":"a"})",
        R"({"token_type":"Bearer","expires_in":-5,"access_token":"a"})",
        R"({"token_type":"Bearer","expires_in":"5x","access_token":"a"})",
        R"({"token_type":"Bearer","expires_in":3599,"access_token":""})",
        R"({"token_type":"Bearer","expires_in":3599,"access_token":"a\r\nX-Evil: 1"})",
        R"({"token_type":"Bearer","expires_in":3599,"access_token":["a"]})"}) {
    const auto none = token(bad);
    ASSERT_FALSE(none) << bad;
    EXPECT_EQ(none.error().trouble, TokenTrouble::kRetryLater) << bad;
  }
}

TEST(TeamsTokenAnswer, OfSomebodyElseIsToldToo) {
  const auto gone = parse_token_answer(302, "", "", {});
  EXPECT_EQ(gone.error().trouble, TokenTrouble::kSetUp);
  EXPECT_NE(gone.error().message.find("endpoints.token"), std::string::npos);
  EXPECT_EQ(parse_token_answer(502, "<html>", "", {}).error().trouble, TokenTrouble::kRetryLater);
  const auto slow = parse_token_answer(429, R"({"error":"too_many"})", "", 17s);
  EXPECT_EQ(slow.error().trouble, TokenTrouble::kRetryLater);
  EXPECT_EQ(slow.error().retry_after, 17s);
  EXPECT_EQ(parse_token_answer(429, "{}", "", 9999999s).error().retry_after, 1h);
}

}  // namespace
}  // namespace viaduct::teams
