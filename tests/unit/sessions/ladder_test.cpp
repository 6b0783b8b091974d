#include "host/sessions/ladder.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace viaduct::sessions {
namespace {

using Step = Ladder::Step;

Ladder::Facts full() {
  Ladder::Facts facts;
  facts.can_restore = true;
  facts.has_native = true;
  facts.has_transcript = true;
  return facts;
}

TEST(Ladder, BeginsWithTheNativeId) {
  Ladder ladder(full());
  EXPECT_EQ(ladder.begin().step, Step::restore);
  EXPECT_EQ(ladder.rung(), "native");
}

TEST(Ladder, AnErrorAnswerOfALiveAgentFailsItsRungAtOnce) {
  Ladder ladder(full());
  ladder.begin();
  EXPECT_EQ(ladder.failed({Errc::not_found, "no such session"}).step, Step::inject);
  EXPECT_EQ(ladder.rung(), "transcript");
  EXPECT_EQ(ladder.reason(), "no such session");
  EXPECT_EQ(ladder.failures(), 0u);
}

TEST(Ladder, TriesATransientFailureAgainWithDoubledPauses) {
  Ladder ladder(full());
  ladder.begin();
  auto action = ladder.failed({Errc::unavailable, "down"});
  EXPECT_EQ(action.step, Step::wait);
  EXPECT_EQ(action.wait.count(), 1000);
  EXPECT_EQ(ladder.again().step, Step::restore);
  action = ladder.failed({Errc::unavailable, "down"});
  EXPECT_EQ(action.wait.count(), 2000);
  ladder.again();
  action = ladder.failed({Errc::unavailable, "down"});
  EXPECT_EQ(action.step, Step::fail);
  EXPECT_EQ(action.error.code, Errc::unavailable);
  EXPECT_EQ(ladder.failures(), 1u);
}

TEST(Ladder, TheFifthFailedResumeGivesTheNativeIdUpAndUsesTheTranscript) {
  Ladder::Facts facts = full();
  facts.policy.attempts = 1;
  facts.failures = 4;
  Ladder ladder(facts);
  ladder.begin();
  EXPECT_EQ(ladder.failed({Errc::unavailable, "down"}).step, Step::inject);
  EXPECT_TRUE(ladder.native_given_up());
  EXPECT_EQ(ladder.failures(), 5u);
}

TEST(Ladder, SkipsTheNativeIdWithTheReason) {
  Ladder::Facts facts = full();
  facts.native_refused = "its id has expired";
  Ladder ladder(facts);
  EXPECT_EQ(ladder.begin().step, Step::inject);
  EXPECT_EQ(ladder.reason(), "its id has expired");
}

TEST(Ladder, NamesTheCauseInOneWord) {
  const auto cause = [](auto change, std::optional<Errc> failing = std::nullopt) {
    Ladder::Facts facts = full();
    facts.policy.attempts = 1;
    change(facts);
    Ladder ladder(facts);
    ladder.begin();
    if (failing) ladder.failed({*failing, "why"});
    return std::string(ladder.cause());
  };
  using Facts = Ladder::Facts;
  EXPECT_EQ(cause([](Facts&) {}), "");
  EXPECT_EQ(cause([](Facts& f) { f.can_restore = false; }), "cannot_restore");
  EXPECT_EQ(cause([](Facts& f) { f.has_native = false; }), "no_id");
  EXPECT_EQ(cause([](Facts& f) { f.native_refused = "why", f.refused_cause = "expired"; }),
            "expired");
  EXPECT_EQ(cause([](Facts& f) { f.policy.enabled = false; }), "turned_off");
  EXPECT_EQ(cause([](Facts&) {}, Errc::not_found), "refused");
  EXPECT_EQ(cause([](Facts&) {}, Errc::unavailable), "transient");
  EXPECT_EQ(cause([](Facts& f) { f.failures = 4; }, Errc::unavailable), "given_up");
  EXPECT_EQ(cause([](Facts&) {}, Errc::failed_precondition), "operator");
}

TEST(Ladder, IsNeverSilentlyFresh) {
  Ladder ladder(full());
  ladder.begin();
  ladder.failed({Errc::not_found, "gone"});
  const auto action = ladder.failed({Errc::invalid_argument, "too long"});
  EXPECT_EQ(action.step, Step::fail);
  EXPECT_EQ(action.error.code, Errc::session_dead);
}

TEST(Ladder, IsFreshWhereTheConfigurationAllowsIt) {
  Ladder::Facts facts = full();
  facts.policy.fresh_on_loss = true;
  Ladder ladder(facts);
  ladder.begin();
  ladder.failed({Errc::not_found, "gone"});
  EXPECT_EQ(ladder.failed({Errc::invalid_argument, "too long"}).step, Step::open);
  EXPECT_TRUE(ladder.lost_context());
  EXPECT_EQ(ladder.rung(), "fresh");
}

TEST(Ladder, ASessionInWhichNothingWasSaidLosesNothingByBeingFresh) {
  Ladder::Facts facts = full();
  facts.has_transcript = false;
  Ladder ladder(facts);
  ladder.begin();
  EXPECT_EQ(ladder.failed({Errc::not_found, "gone"}).step, Step::open);
  EXPECT_FALSE(ladder.lost_context());
}

TEST(Ladder, TurnedOffItUsesNeitherTheIdNorTheTranscript) {
  Ladder::Facts facts = full();
  facts.policy.enabled = false;
  Ladder ladder(facts);
  EXPECT_EQ(ladder.begin().error.code, Errc::session_dead);
}

TEST(Ladder, WhatTheOperatorMustMendIsNoReasonToLoseTheContext) {
  Ladder ladder(full());
  ladder.begin();
  const auto action = ladder.failed({Errc::failed_precondition, "log in first"});
  EXPECT_EQ(action.step, Step::fail);
  EXPECT_EQ(action.error.code, Errc::failed_precondition);
}

}  // namespace
}  // namespace viaduct::sessions
