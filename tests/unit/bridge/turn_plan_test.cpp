// What a turn requests and when: retries, and compaction of what no longer fits.
#include "plugins/bridge/turn_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace viaduct::bridge {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = TurnPlan::Step::Kind;

Llm server() {
  Llm llm;
  llm.base_url = "http://127.0.0.1:1/v1";
  llm.model = "m";
  llm.system = "SYSTEM";
  llm.retry = {3, milliseconds(100), milliseconds(10'000)};
  return llm;
}
Message message(Message::Role role, const std::string& text) {
  return {role, {{text, "", "", ""}}, ""};
}
Conversation talk(int turns, std::size_t bytes = 100) {
  Conversation conversation;
  for (int i = 1; i <= turns; ++i) {
    const std::string number = std::to_string(i);
    conversation.messages.push_back(
        message(Message::Role::kUser, "question " + number + std::string(bytes, '.')));
    conversation.messages.push_back(
        message(Message::Role::kAssistant, "answer " + number + std::string(bytes, '.')));
  }
  conversation.messages.push_back(message(Message::Role::kUser, "the last question"));
  return conversation;
}
TurnPlan::Outcome fails(Failure failure, bool said = false) {
  return {std::move(failure), "", said};
}
TurnPlan::Outcome says(const std::string& text) {
  return {std::nullopt, text, true};
}
Failure transient(const Llm& llm) {
  return broken(llm, "failed");
}
Failure overflow(const Llm& llm) {
  return refused(llm, {413, "", "", ""}, {});
}

struct Plan {
  explicit Plan(Conversation c, Llm l = server())
      : llm(std::move(l)),
        conversation(std::move(c)),
        plan(llm, conversation, [] { return 0.0; }) {}
  Llm llm;
  Conversation conversation;
  TurnPlan plan;
};

TEST(TurnPlan, RequestsTheWholeConversationOnce) {
  Plan p(talk(2));
  const auto step = p.plan.answer();
  ASSERT_EQ(step.kind, Kind::kRequest);
  EXPECT_TRUE(step.shown);
  EXPECT_EQ(json::parse(step.body)["messages"].size(), 6U);
  EXPECT_EQ(p.plan.requested(says("x")).kind, Kind::kEnd);
}

TEST(TurnPlan, TriesAgainWhatFailedBeforeTheFirstToken) {
  Plan p(talk(1));
  const std::string body = p.plan.answer().body;
  auto step = p.plan.requested(fails(transient(p.llm)));
  ASSERT_EQ(step.kind, Kind::kWait);
  EXPECT_EQ(step.wait, milliseconds(50));
  step = p.plan.waited();
  ASSERT_EQ(step.kind, Kind::kRequest);
  EXPECT_EQ(step.body, body);
  EXPECT_EQ(p.plan.requested(fails(transient(p.llm))).kind, Kind::kWait);
  p.plan.waited();
  step = p.plan.requested(fails(transient(p.llm)));
  ASSERT_EQ(step.kind, Kind::kFail);
  EXPECT_EQ(step.failure.code, Code::kUnavailable);
}

TEST(TurnPlan, NeverRepeatsWhatHasBegunToAnswer) {
  Plan p(talk(1));
  p.plan.answer();
  const auto step = p.plan.requested(fails(transient(p.llm), true));
  ASSERT_EQ(step.kind, Kind::kFail);
  EXPECT_EQ(step.failure.code, Code::kUnavailable);
}

TEST(TurnPlan, EndsAtOnceWithWhatWillNotPass) {
  Plan p(talk(1));
  p.plan.answer();
  EXPECT_EQ(p.plan.requested(fails(refused(p.llm, {401, "", "", ""}, {}))).kind, Kind::kFail);
}

TEST(TurnPlan, SummarisesTheOlderPartOfWhatNoLongerFits) {
  Plan p(talk(20));
  p.plan.answer();
  auto step = p.plan.requested(fails(overflow(p.llm)));
  ASSERT_EQ(step.kind, Kind::kRequest);
  EXPECT_FALSE(step.shown);
  EXPECT_THAT(step.body, HasSubstr("question 1."));
  EXPECT_THAT(step.body, Not(HasSubstr("the last question")));
  EXPECT_THAT(step.body, Not(HasSubstr("SYSTEM")));
  step = p.plan.requested(says("They counted"));
  ASSERT_EQ(step.kind, Kind::kRequest);
  EXPECT_TRUE(step.shown);
  EXPECT_THAT(step.notice, HasSubstr("no longer fits the model"));
  EXPECT_THAT(step.notice, HasSubstr("summary"));
  const json messages = json::parse(step.body)["messages"];
  EXPECT_EQ(messages[0]["role"], "system");
  EXPECT_THAT(messages[1]["content"].get<std::string>(), HasSubstr("They counted"));
  EXPECT_THAT(messages[1]["content"].get<std::string>(), HasSubstr("question 16.")) << "kept whole";
  EXPECT_EQ(messages.back()["content"], "the last question");
  EXPECT_THAT(step.body, Not(HasSubstr("question 1.")));
  EXPECT_THAT(step.body, HasSubstr("answer 20."));
  EXPECT_EQ(p.plan.requested(says("x")).kind, Kind::kEnd);
}

TEST(TurnPlan, SummarisesPieceByPieceWhereTheSummaryDoesNotFitEither) {
  Plan p(talk(40, 200));
  p.plan.answer();
  auto step = p.plan.requested(fails(overflow(p.llm)));
  std::string asked;
  int summaries = 0;
  for (int i = 0; i < 100 && !step.shown; ++i) {
    ASSERT_EQ(step.kind, Kind::kRequest);
    if (step.body.size() > 6000) {
      step = p.plan.requested(fails(overflow(p.llm)));
      continue;
    }
    asked += json::parse(step.body)["messages"][0]["content"].get<std::string>();
    step = p.plan.requested(says("summary " + std::to_string(++summaries)));
  }
  ASSERT_TRUE(step.shown);
  EXPECT_GT(summaries, 2);
  for (int i = 1; i <= 28; ++i)
    EXPECT_THAT(asked, HasSubstr("question " + std::to_string(i) + ".")) << "nothing is skipped";
  EXPECT_THAT(asked, HasSubstr("summary 1\n")) << "each piece builds on the summary so far";
  EXPECT_THAT(step.body, HasSubstr("summary " + std::to_string(summaries)));
}

TEST(TurnPlan, KeepsLessWhereTheCompactedConversationDoesNotFitEither) {
  Plan p(talk(20));
  p.plan.answer();
  p.plan.requested(fails(overflow(p.llm)));
  const std::size_t first = p.plan.requested(says("S1")).body.size();
  auto step = p.plan.requested(fails(overflow(p.llm)));
  EXPECT_FALSE(step.shown);
  EXPECT_THAT(step.body, HasSubstr("S1")) << "the first summary is part of the second";
  step = p.plan.requested(says("S2"));
  ASSERT_TRUE(step.shown);
  EXPECT_LT(step.body.size(), first);
  EXPECT_THAT(step.body, HasSubstr("the last question"));
}

TEST(TurnPlan, FailsInWordsWhenTheMessageAloneIsTooLong) {
  Plan p(talk(0));
  p.plan.answer();
  const auto step = p.plan.requested(fails(overflow(p.llm)));
  ASSERT_EQ(step.kind, Kind::kFail);
  EXPECT_EQ(step.failure.code, Code::kInvalidArgument);
  EXPECT_THAT(step.failure.message, HasSubstr("cannot hold a conversation of this length"));
}

TEST(TurnPlan, GivesUpWhenNothingFits) {
  Plan p(talk(20));
  auto step = p.plan.answer();
  int requests = 0;
  while (step.kind == Kind::kRequest && ++requests < 100)
    step = p.plan.requested(step.shown ? fails(overflow(p.llm)) : says("S"));
  EXPECT_EQ(step.kind, Kind::kFail);
  EXPECT_LT(requests, 10);
}

TEST(TurnPlan, LeavesTheConversationWhereTheSummaryFails) {
  Plan p(talk(20));
  p.plan.answer();
  p.plan.requested(fails(overflow(p.llm)));
  auto step = p.plan.requested(fails(transient(p.llm)));
  ASSERT_EQ(step.kind, Kind::kWait) << "a summary is tried again, too";
  EXPECT_FALSE(p.plan.waited().shown);
  step = p.plan.requested(fails(refused(p.llm, {401, "", "", ""}, {})));
  EXPECT_EQ(step.kind, Kind::kFail);
  EXPECT_EQ(p.conversation.messages.size(), 41U);
}

TEST(TurnPlan, TriesASummaryAgainThatBrokeOffInTheMiddle) {
  Plan p(talk(20));
  p.plan.answer();
  p.plan.requested(fails(overflow(p.llm)));
  EXPECT_EQ(p.plan.requested(fails(transient(p.llm), true)).kind, Kind::kWait);
}

TEST(TurnPlan, AnEmptySummaryIsNone) {
  Plan p(talk(20));
  p.plan.answer();
  p.plan.requested(fails(overflow(p.llm)));
  const auto step = p.plan.requested(says(""));
  ASSERT_EQ(step.kind, Kind::kFail);
  EXPECT_THAT(step.failure.message, HasSubstr("gave no summary"));
  EXPECT_EQ(p.conversation.messages.size(), 41U);
}

TEST(TurnPlan, CompactsBeforeASilentServerWouldCut) {
  Llm llm = server();
  llm.context_tokens = 1024;
  Plan small(talk(5, 100), llm);
  EXPECT_TRUE(small.plan.answer().shown);
  Plan large(talk(20, 100), llm);
  EXPECT_FALSE(large.plan.answer().shown);
  Plan counted(talk(5, 100), llm);
  counted.conversation.tokens = 1000;  // as the server says
  counted.conversation.counted = counted.conversation.messages.size() - 1;
  EXPECT_FALSE(counted.plan.answer().shown);
}

TEST(TurnPlan, CompactsAfterSoManyTurns) {
  Llm llm = server();
  llm.compact_after = 10;
  Plan p(talk(10), llm);
  p.conversation.turns = 9;
  EXPECT_TRUE(p.plan.answer().shown);
  p.conversation.turns = 10;
  EXPECT_FALSE(p.plan.answer().shown);
  EXPECT_TRUE(p.plan.requested(says("S")).shown);
  EXPECT_EQ(p.conversation.turns, 0U);
}

TEST(TurnPlan, AnswersAllTheSameWhereATimelyCompactionFails) {
  Llm llm = server();
  llm.compact_after = 2;
  Plan p(talk(5), llm);
  p.conversation.turns = 5;
  EXPECT_FALSE(p.plan.answer().shown);
  const auto step = p.plan.requested(fails(refused(p.llm, {400, "", "", ""}, {})));
  ASSERT_EQ(step.kind, Kind::kRequest);
  EXPECT_TRUE(step.shown);
  EXPECT_EQ(json::parse(step.body)["messages"].size(), 12U);
}

TEST(TurnPlan, CompactsWhenAskedAndSaysSo) {
  Plan p(talk(20));
  ASSERT_FALSE(p.plan.compact().shown);
  const auto step = p.plan.requested(says("S"));
  EXPECT_EQ(step.kind, Kind::kEnd);
  EXPECT_THAT(step.notice, HasSubstr("was compacted"));
  EXPECT_LT(p.conversation.messages.size(), 20U);
  Plan nothing(talk(0));
  EXPECT_EQ(nothing.plan.compact().kind, Kind::kEnd);
}

}  // namespace
}  // namespace viaduct::bridge
