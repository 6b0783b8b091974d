// Errors of model servers in words, and when a request is sent again.
#include "plugins/bridge/failure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace viaduct::bridge {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::HasSubstr;
using ::testing::Not;

Llm server(Api api = Api::kOpenAi) {
  Llm llm;
  llm.api = api;
  llm.base_url = "http://127.0.0.1:11434/v1";
  llm.model = "qwen3";
  llm.api_key = "very-secret-key";
  return llm;
}

struct Case {
  const char* name;
  int status;
  const char* body;
  Code code;
  bool transient;
  bool overflow;
  const char* words;  // in the message
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}

class RefusedRequest : public ::testing::TestWithParam<Case> {};

TEST_P(RefusedRequest, SaysWhatTheServerSaidAndWhatToDo) {
  const Case& c = GetParam();
  const Failure failure = refused(server(), {c.status, c.body, "", ""}, system_clock::now());
  EXPECT_EQ(failure.code, c.code);
  EXPECT_EQ(failure.transient, c.transient);
  EXPECT_EQ(failure.overflow, c.overflow);
  EXPECT_THAT(failure.message, HasSubstr("The model server http://127.0.0.1:11434/v1 "));
  EXPECT_THAT(failure.message, HasSubstr(c.words));
  EXPECT_THAT(failure.message, Not(HasSubstr("very-secret-key")));
}

TEST(RefusedRequests, OfAnAddressWithoutAPathAskForItsVersion) {
  Llm llm = server();
  llm.base_url = "http://127.0.0.1:11434";
  const Failure failure = refused(llm, {404, "404 page not found", "", ""}, system_clock::now());
  EXPECT_EQ(failure.code, Code::kFailedPrecondition);
  EXPECT_EQ(
      failure.message,
      "The model server http://127.0.0.1:11434 has nothing at this address (404): base_url of "
      "this backend most likely lacks /v1, http://127.0.0.1:11434/v1");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RefusedRequest,
    ::testing::Values(
        Case{
            "OpenAiKey", 401,
            R"({"error":{"message":"Incorrect API key provided: very-secret-key.","type":"invalid_request_error","code":"invalid_api_key"}})",
            Code::kFailedPrecondition, false, false,
            "does not accept the key (401: Incorrect API key provided: ***.): set api_key"},
        Case{
            "AnthropicKey", 401,
            R"({"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}})",
            Code::kFailedPrecondition, false, false, "(401: invalid x-api-key)"},
        Case{"NoModel", 404, R"({"error":"model \"qwen3\" not found, try pulling it first"})",
             Code::kFailedPrecondition, false, false,
             "has no model \"qwen3\" (404: model \"qwen3\" not found, try pulling it first)"},
        Case{"NoBody", 502, "<html><h1>Bad Gateway</h1></html>", Code::kUnavailable, true, false,
             "failed (502)"},
        Case{"Empty", 500, "", Code::kUnavailable, true, false, "failed (500)"},
        Case{"Timeout", 408, "{}", Code::kUnavailable, true, false, "(408)"},
        Case{"Conflict", 409, "{}", Code::kUnavailable, true, false, "(409)"},
        Case{"Limit", 429, R"({"error":{"message":"Rate limit reached"}})", Code::kUnavailable,
             true, false, "takes no more requests for now (429: Rate limit reached)"},
        Case{
            "Quota", 429,
            R"({"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}})",
            Code::kFailedPrecondition, false, false, "wants to be paid first"},
        Case{
            "Credit", 400,
            R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API"}})",
            Code::kFailedPrecondition, false, false, "wants to be paid first"},
        Case{"Overloaded", 529,
             R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
             Code::kUnavailable, true, false, "is overloaded (529: Overloaded)"},
        Case{"Detail", 422, R"({"detail":[{"loc":["body"],"msg":"bad"}]})", Code::kInvalidArgument,
             false, false, "refused the request (422: [{"},
        Case{"Message", 400, R"({"object":"error","message":"no such thing","code":40301})",
             Code::kInvalidArgument, false, false, "refused the request (400: no such thing)"},
        Case{"List", 400, R"([{"error":{"code":400,"message":"bad one"}}])", Code::kInvalidArgument,
             false, false, "(400: bad one)"},
        Case{"Redirect", 301, "", Code::kFailedPrecondition, false, false, "is somewhere else"},
        Case{
            "OverflowOpenAi", 400,
            R"({"error":{"message":"This model's maximum context length is 128000 tokens","code":"context_length_exceeded"}})",
            Code::kInvalidArgument, false, true, "cannot hold a conversation of this length"},
        Case{
            "OverflowAnthropic", 400,
            R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}})",
            Code::kInvalidArgument, false, true, "210000 tokens"},
        Case{
            "OverflowAnthropicBytes", 413,
            R"({"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}})",
            Code::kInvalidArgument, false, true, "413"},
        Case{
            "OverflowVllm", 400,
            R"({"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000","type":"BadRequestError","code":400})",
            Code::kInvalidArgument, false, true, "4096"},
        Case{
            "OverflowLlamaCpp", 400,
            R"({"error":{"code":400,"message":"the request exceeds the available context size. try increasing the context size","type":"exceed_context_size_error"}})",
            Code::kInvalidArgument, false, true, "context size"}),
    [](const auto& info) { return info.param.name; });

TEST(RefusedRequest, KeepsNoPartOfASecretAtTheCut) {
  const std::string body =
      R"({"error":{"message":")" + std::string(490, 'x') + R"( very-secret-key"}})";
  const Failure failure = refused(server(), {401, body, "", ""}, system_clock::now());
  EXPECT_THAT(failure.message, Not(HasSubstr("very")));
}

TEST(RefusedRequest, HidesValuesOfHeadersAndWhatLooksLikeAKey) {
  Llm llm = server();
  llm.headers = {{"X-Proxy-Auth", "Bearer proxy-password"}};
  const Failure failure = refused(
      llm, {401, R"({"error":"proxy-password sk-proj-abc123*****xyz ask-me-anything"})", "", ""},
      system_clock::now());
  EXPECT_THAT(failure.message, HasSubstr("(401: *** *** ask-me-anything)"));
}

TEST(RefusedRequest, KeepsControlCharactersFromTheUser) {
  const Failure failure =
      refused(server(), {400, "{\"error\":\"a\\u001b[31m\\n\\n b\"}", "", ""}, system_clock::now());
  EXPECT_THAT(failure.message, HasSubstr("(400: a [31m b)"));
}

TEST(RefusedRequest, HonoursTheExactHeaderFirst) {
  const auto now = system_clock::now();
  EXPECT_EQ(refused(server(), {429, "", "7", "1500"}, now).retry_after, milliseconds(1500));
  EXPECT_EQ(refused(server(), {429, "", "7", ""}, now).retry_after, milliseconds(7000));
  EXPECT_EQ(refused(server(), {503, "", "", ""}, now).retry_after, std::nullopt);
  EXPECT_EQ(refused(server(), {400, "", "7", ""}, now).retry_after, std::nullopt);
}

TEST(ErrorEvent, IsTransientUnlessItSaysOtherwise) {
  const Failure overloaded = error_event(
      server(), R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})");
  EXPECT_TRUE(overloaded.transient);
  EXPECT_EQ(overloaded.code, Code::kUnavailable);
  EXPECT_THAT(overloaded.message, HasSubstr("is overloaded (Overloaded)"));
  const Failure wrong =
      error_event(server(), R"({"error":{"type":"invalid_request_error","message":"bad image"}})");
  EXPECT_FALSE(wrong.transient);
  EXPECT_EQ(wrong.code, Code::kInvalidArgument);
  EXPECT_TRUE(error_event(server(), R"({"error":{"message":"context length exceeded"}})").overflow);
}

TEST(RetryAfter, IsSecondsOrAnyHttpDate) {
  const auto now = system_clock::from_time_t(784111777);  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(parse_retry_after("5", now), seconds(5));
  EXPECT_EQ(parse_retry_after(" 1.5 ", now), milliseconds(1500));
  EXPECT_EQ(parse_retry_after("0", now), seconds(0));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now), seconds(30));
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:50:07 GMT", now), seconds(30));
  EXPECT_EQ(parse_retry_after("Sun Nov  6 08:50:07 1994", now), seconds(30));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), seconds(0)) << "in the past";
}

TEST(RetryAfter, IsNothingWhereItMakesNoSense) {
  const auto now = system_clock::now();
  for (const char* value : {"", "-5", "soon", "1.2.3", "Sun, 99 Foo 1994", "1e9"})
    EXPECT_EQ(parse_retry_after(value, now), std::nullopt) << value;
  EXPECT_TRUE(parse_retry_after(std::string(400, '9'), now).value_or(milliseconds(0)) >=
              milliseconds(0));
}

Failure transient(std::optional<milliseconds> after = std::nullopt) {
  Failure failure = broken(server(), "failed");
  failure.retry_after = after;
  return failure;
}

TEST(Retries, GrowByTwoWithHalfByChance) {
  const RetryConfig config{5, milliseconds(1000), milliseconds(60'000)};
  Retry low(config), high(config);
  for (const int base : {1000, 2000, 4000, 8000}) {
    EXPECT_EQ(low.next(transient(), 0.0), milliseconds(base / 2));
    const auto wait = high.next(transient(), 0.999);
    ASSERT_TRUE(wait);
    EXPECT_GT(*wait, milliseconds(base * 9 / 10));
    EXPECT_LE(*wait, milliseconds(base));
  }
  EXPECT_EQ(low.next(transient(), 0.0), std::nullopt) << "the fifth attempt was the last";
}

TEST(BridgeFailure, JsonThatIsNestedWithoutEndHarmsNothing) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_FALSE(error_event(server(), R"({"error":{"detail":)" + deep + "}}").message.empty());
  const Refusal refusal{400, deep, "", ""};
  EXPECT_FALSE(refused(server(), refusal, std::chrono::system_clock::now()).message.empty());
}

TEST(Retries, NeverWaitLongerThanTheLongest) {
  Retry retry({20, milliseconds(1000), milliseconds(3000)});
  for (int i = 1; i < 20; ++i) EXPECT_LE(*retry.next(transient(), 0.999), milliseconds(3000));
}

TEST(Retries, ComeNoEarlierThanTheServerAsked) {
  Retry retry({5, milliseconds(100), milliseconds(60'000)});
  EXPECT_EQ(retry.next(transient(seconds(20)), 0.0), seconds(20));
  const auto later = retry.next(transient(seconds(20)), 0.9);
  EXPECT_GT(*later, seconds(20));
  EXPECT_LT(*later, seconds(21));
}

TEST(Retries, AreGivenUpWhenTheServerAsksForTooMuch) {
  Retry retry({5, milliseconds(100), milliseconds(60'000)});
  EXPECT_EQ(retry.next(transient(seconds(61)), 0.0), std::nullopt);
}

TEST(Retries, AreOnlyForWhatPasses) {
  Retry retry({5, milliseconds(100), milliseconds(60'000)});
  Failure failure = transient();
  failure.transient = false;
  EXPECT_EQ(retry.next(failure, 0.0), std::nullopt);
}

}  // namespace
}  // namespace viaduct::bridge
