#include "plugins/teams/limits.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using chat::Budget;
using Rank = Budget::Rank;

// When calls went that were made as fast as the lanes let them.
std::vector<Budget::Time> storm(CallKind kind, std::size_t calls, int conversations = 1) {
  Budget budget;
  std::vector<Budget::Time> went;
  Budget::Time now{};
  while (went.size() < calls) {
    const std::string conversation =
        std::to_string(went.size() % static_cast<std::size_t>(conversations));
    const auto ticket = budget.enter(lanes_of(kind, "tenant", conversation), Rank::kLastWord, now);
    while (const auto again = budget.look(ticket, now)) now = *again;
    went.push_back(now);
  }
  return went;
}

std::size_t most_within(const std::vector<Budget::Time>& times, Budget::Time::duration window) {
  std::size_t most = 0;
  for (std::size_t first = 0, last = 0; last < times.size(); ++last) {
    while (times[last] - times[first] >= window) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

TEST(Limits, KeepWhatTeamsAllowsAConversationInEveryWindow) {
  const auto sends = storm(CallKind::kSend, 4000);
  EXPECT_LE(most_within(sends, 1s), 7U);
  EXPECT_LE(most_within(sends, 2s), 8U);
  EXPECT_LE(most_within(sends, 30s), 60U);
  EXPECT_LE(most_within(sends, 3600s), 1800U);
  EXPECT_GE(most_within(sends, 30s), 50U) << "and do not waste it";
  const auto reads = storm(CallKind::kRead, 8000);
  EXPECT_LE(most_within(reads, 1s), 14U);
  EXPECT_LE(most_within(reads, 2s), 16U);
  EXPECT_LE(most_within(reads, 30s), 120U);
  EXPECT_LE(most_within(reads, 3600s), 3600U);
}

TEST(Limits, KeepWhatTeamsAllowsATenantAndAnAppWithReactions) {
  EXPECT_LE(most_within(storm(CallKind::kSend, 500, 200), 1s), 50U);
  EXPECT_LE(most_within(storm(CallKind::kReaction, 50, 50), 1s), 2U);
}

TEST(Limits, LetAStreamGrowOnceInASecond) {
  EXPECT_LE(most_within(storm(CallKind::kStream, 100), 1s), 1U);
}

TEST(Limits, KeepRoomForTheLastWordFromTyping) {
  Budget budget;
  const auto lanes = lanes_of(CallKind::kSend, "tenant", "a");
  int typed = 0;
  for (;; ++typed) {
    const auto ticket = budget.enter(lanes, Rank::kPassing, {});
    const bool went = !budget.look(ticket, {});
    budget.leave(ticket);
    if (!went) break;
  }
  EXPECT_GT(typed, 0);
  const auto ticket = budget.enter(lanes, Rank::kLastWord, {});
  EXPECT_EQ(budget.look(ticket, {}), std::nullopt);
}

TEST(Limits, HoldAConversationBackAndNoOther) {
  Budget budget;
  const auto lanes = lanes_of(CallKind::kSend, "tenant", "a");
  budget.pause(refused_lane(lanes), Budget::Time{} + 10s);
  EXPECT_NE(budget.look(budget.enter(lanes, Rank::kLastWord, {}), {}), std::nullopt);
  const auto other = lanes_of(CallKind::kSend, "tenant", "b");
  EXPECT_EQ(budget.look(budget.enter(other, Rank::kLastWord, {}), {}), std::nullopt);
}

}  // namespace
}  // namespace viaduct::teams
