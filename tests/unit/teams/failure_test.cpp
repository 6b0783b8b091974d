#include "plugins/teams/failure.hpp"

#include <gtest/gtest.h>

namespace viaduct::teams {
namespace {

Failure of(int status, std::string_view body, bool sends = true) {
  return failure_of(status, parse_complaint(body), sends);
}

struct Case {
  const char* name;
  int status;
  const char* body;
  Trouble trouble;
  StreamTrouble stream;
  bool not_done;
  const char* words;
};
void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}
class FailureOf : public testing::TestWithParam<Case> {};

TEST_P(FailureOf, SaysWhatIsToBeDone) {
  const Failure why = of(GetParam().status, GetParam().body);
  EXPECT_EQ(why.trouble, GetParam().trouble) << why.message;
  EXPECT_EQ(why.stream, GetParam().stream) << why.message;
  EXPECT_EQ(why.not_done, GetParam().not_done) << why.message;
  EXPECT_NE(why.message.find(GetParam().words), std::string::npos) << why.message;
  EXPECT_EQ(why.status, GetParam().status);
}

constexpr auto kNone = StreamTrouble::kNone;
INSTANTIATE_TEST_SUITE_P(
    Teams, FailureOf,
    testing::Values(
        Case{"bad_argument", 400, R"({"error":{"code":"BadArgument","message":"Unknown type"}})",
             Trouble::kContent, kNone, true, "BadArgument: Unknown type"},
        Case{"no_json", 400, "<html>", Trouble::kContent, kNone, true, "does not understand"},
        Case{"unauthorized", 401, R"({"message":"Authorization has been denied."})",
             Trouble::kCredentials, kNone, true, "tenant_id"},
        Case{"not_registered", 401, R"({"error":{"code":"BotNotRegistered"}})",
             Trouble::kCredentials, kNone, true, "Teams channel is switched on"},
        Case{"removed", 403, R"({"error":{"code":"BotNotInConversationRoster","message":"x"}})",
             Trouble::kTargetGone, kNone, true, "add it again"},
        Case{"uninstalled", 403, R"({"error":{"code":"ForbiddenOperationException"}})",
             Trouble::kTargetGone, kNone, true, "not installed"},
        Case{"by_admin", 403, R"({"error":{"code":"BotDisabledByAdmin"}})", Trouble::kTargetGone,
             kNone, true, "admin centre"},
        Case{"blocked", 403, R"({"error":{"code":"ConversationBlockedByUser"}})",
             Trouble::kTargetGone, kNone, true, "blocked the app"},
        Case{
            "writes_blocked", 403,
            R"({"errorCode":209,"message":"{ \"subCode\": \"MessageWritesBlocked\", \"details\": \"by policy\" }"})",
            Trouble::kTargetGone, kNone, true, "MessageWritesBlocked: by policy"},
        Case{"forbidden", 403, "", Trouble::kSetUp, kNone, true, "does not allow"},
        Case{"permissions", 403, R"({"error":{"code":"NotEnoughPermissions"}})", Trouble::kSetUp,
             kNone, true, "manifest"},
        Case{"gone", 404, R"({"error":{"code":"ConversationNotFound","message":"x"}})",
             Trouble::kTargetGone, kNone, true, "does not exist"},
        Case{"no_activity", 404, R"({"error":{"code":"ActivityNotFoundInConversation"}})",
             Trouble::kMissing, kNone, true, "not there any more"},
        Case{"not_found", 404, "", Trouble::kOther, kNone, true, "404"},
        Case{"busy", 412, R"({"error":{"code":"PreconditionFailed"}})", Trouble::kRetryLater, kNone,
             true, "tried again"},
        Case{"large", 413, R"({"error":{"code":"MessageSizeTooBig"}})", Trouble::kTooLarge, kNone,
             true, "too long"},
        Case{"throttled", 429, R"({"error":{"code":"Throttled"}})", Trouble::kRetryLater, kNone,
             true, "no more at the moment"},
        Case{"failed", 500, R"({"error":{"code":"ServiceError"}})", Trouble::kOther, kNone, false,
             "ServiceError"},
        Case{"gateway", 502, "<html>", Trouble::kRetryLater, kNone, false, "502"},
        Case{"overloaded", 503, "", Trouble::kRetryLater, kNone, true, "503"},
        Case{"late", 504, "", Trouble::kRetryLater, kNone, false, "504"},
        Case{"elsewhere", 302, "", Trouble::kSetUp, kNone, true, "service_hosts"},
        Case{"stream_off", 400,
             R"({"error":{"code":"BadArgument","message":"The Streaming API is not enabled"}})",
             Trouble::kStream, StreamTrouble::kNotEnabled, true, "cannot be streamed"},
        Case{
            "stream_cancelled", 403,
            R"({"error":{"code":"ContentStreamNotAllowed","message":"Content stream was canceled by user."}})",
            Trouble::kStream, StreamTrouble::kCancelled, true, "stopped"},
        Case{
            "stream_time", 403,
            R"({"error":{"code":"ContentStreamNotAllowed","message":"Content stream finished due to exceeded streaming time."}})",
            Trouble::kStream, StreamTrouble::kTimeOver, true, "longer"},
        Case{
            "stream_done", 403,
            R"({"error":{"code":"ContentStreamNotAllowed","message":"Content stream is not allowed on an already completed streamed message"}})",
            Trouble::kStream, StreamTrouble::kCompleted, true, "has ended"},
        Case{
            "stream_prefix", 403,
            R"({"error":{"code":"ContentStreamNotAllowed","message":"Request streamed content should contain the previously streamed content"}})",
            Trouble::kStream, StreamTrouble::kPrefix, true, "does not continue"},
        Case{"stream_large", 403,
             R"({"error":{"code":"ContentStreamNotAllowed","message":"Message size too large"}})",
             Trouble::kTooLarge, kNone, true, "too long"},
        Case{
            "stream_none", 403,
            R"({"error":{"code":"ContentStreamNotAllowed","message":"Content stream is not allowed"}})",
            Trouble::kStream, StreamTrouble::kNotAllowed, true, "here now"},
        Case{"stream_order", 202,
             R"({"error":{"code":"ContentStreamSequenceOrderPreConditionFailed","message":"x"}})",
             Trouble::kStream, StreamTrouble::kSequence, true, "too late"}),
    [](const auto& at) { return std::string(at.param.name); });

TEST(FailureOf, TellsOfTheConversationOnlyWhereSomethingWasToBePosted) {
  constexpr std::string_view kNotTheAuthor =
      R"({"error":{"code":"ForbiddenOperationException","message":"not the author"}})";
  EXPECT_EQ(of(403, kNotTheAuthor, true).trouble, Trouble::kTargetGone);
  EXPECT_EQ(of(403, kNotTheAuthor, false).trouble, Trouble::kSetUp);
}

TEST(FailureOf, SaysOnOneLineWhatIsShort) {
  const Failure why =
      of(400, R"({"error":{"code":"Bad\nThing","message":")" + std::string(5000, 'x') + "\"}}");
  EXPECT_EQ(why.error, "Bad Thing");
  EXPECT_LT(why.message.size(), 500U);
  EXPECT_EQ(parse_complaint(R"({"error":"invalid"})").error, "invalid");
  EXPECT_EQ(parse_complaint("[1]").error, "");
}

}  // namespace
}  // namespace viaduct::teams
