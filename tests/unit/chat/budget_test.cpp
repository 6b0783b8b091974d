#include <viaduct/chat/budget.hpp>

#include <gtest/gtest.h>

namespace viaduct::chat {
namespace {

using namespace std::chrono_literals;
using Rank = Budget::Rank;

constexpr Budget::Time kBegin{};
const Budget::Lane kChannel{"#C1", {1000ms, 4}};
const Budget::Lane kMethod{"chat.update", {100ms, 100}};

// Whether a call may go now; otherwise it does not wait.
bool goes(Budget& budget, const Budget::Lane& lane, Rank rank, Budget::Time now) {
  const auto ticket = budget.enter({lane}, rank, now);
  const bool gone = !budget.look(ticket, now);
  budget.leave(ticket);
  return gone;
}

TEST(Budget, LetsABurstGoAndThenOneForEachInterval) {
  Budget budget;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(goes(budget, kChannel, Rank::kLastWord, kBegin));
  const auto ticket = budget.enter({kChannel}, Rank::kLastWord, kBegin);
  EXPECT_EQ(budget.look(ticket, kBegin), kBegin + 1s);
  EXPECT_EQ(budget.look(ticket, kBegin + 400ms), kBegin + 1s);
  EXPECT_EQ(budget.look(ticket, kBegin + 1s), std::nullopt);
  EXPECT_FALSE(goes(budget, kChannel, Rank::kLastWord, kBegin + 1999ms));
  EXPECT_TRUE(goes(budget, kChannel, Rank::kLastWord, kBegin + 2s));
  // After a long rest there is a burst again, and no more.
  int gone = 0;
  while (goes(budget, kChannel, Rank::kLastWord, kBegin + 1h)) ++gone;
  EXPECT_EQ(gone, 4);
}

TEST(Budget, PutsTheLastWordFirstWhoeverCameBefore) {
  Budget budget;
  while (goes(budget, kChannel, Rank::kLastWord, kBegin)) {
  }
  const auto passing = budget.enter({kChannel}, Rank::kPassing, kBegin);
  const auto first = budget.enter({kChannel}, Rank::kLastWord, kBegin);
  const auto second = budget.enter({kChannel}, Rank::kLastWord, kBegin);
  EXPECT_NE(budget.look(passing, kBegin + 1s), std::nullopt);
  EXPECT_NE(budget.look(second, kBegin + 1s), std::nullopt);
  EXPECT_EQ(budget.look(first, kBegin + 1s), std::nullopt);
  EXPECT_EQ(budget.look(second, kBegin + 1s), kBegin + 2s);
  EXPECT_EQ(budget.look(second, kBegin + 2s), std::nullopt);
  EXPECT_NE(budget.look(passing, kBegin + 3s), std::nullopt);
}

TEST(Budget, KeepsRoomForTheLastWordFromWhatIsPassing) {
  Budget budget;
  int gone = 0;
  while (goes(budget, kChannel, Rank::kPassing, kBegin)) ++gone;
  EXPECT_EQ(gone, 3);
  EXPECT_TRUE(goes(budget, kChannel, Rank::kLastWord, kBegin));
}

TEST(Budget, GivesUpAPlaceThatIsLeft) {
  Budget budget;
  while (goes(budget, kChannel, Rank::kLastWord, kBegin)) {
  }
  const auto first = budget.enter({kChannel}, Rank::kLastWord, kBegin);
  const auto second = budget.enter({kChannel}, Rank::kLastWord, kBegin);
  EXPECT_EQ(budget.look(second, kBegin), kBegin + 2s);
  budget.leave(first);
  EXPECT_EQ(budget.look(second, kBegin), kBegin + 1s);
}

TEST(Budget, NeedsRoomInEachLaneAndTakesNothingWithoutIt) {
  Budget budget;
  while (goes(budget, kChannel, Rank::kLastWord, kBegin)) {
  }
  const Budget::Lane other{"#C2", kChannel.pace};
  const auto blocked = budget.enter({kMethod, kChannel}, Rank::kLastWord, kBegin);
  EXPECT_EQ(budget.look(blocked, kBegin), kBegin + 1s);
  // A channel that is full holds no other up.
  const auto free = budget.enter({kMethod, other}, Rank::kLastWord, kBegin);
  EXPECT_EQ(budget.look(free, kBegin), std::nullopt);
  int gone = 0;
  while (goes(budget, kMethod, Rank::kLastWord, kBegin)) ++gone;
  EXPECT_EQ(gone, 98);  // one went, and one place is the waiting call's
}

TEST(Budget, WaitsAfterARefusalAndThenSendsOneAfterTheOther) {
  Budget budget;
  EXPECT_TRUE(goes(budget, kMethod, Rank::kLastWord, kBegin));
  budget.pause(kMethod, kBegin + 5s);
  const auto first = budget.enter({kMethod}, Rank::kLastWord, kBegin);
  const auto second = budget.enter({kMethod}, Rank::kLastWord, kBegin);
  EXPECT_EQ(budget.look(first, kBegin), kBegin + 5s);
  EXPECT_EQ(budget.look(second, kBegin), kBegin + 5s + 100ms);
  budget.pause(kMethod, kBegin + 2s);  // a shorter one changes nothing
  EXPECT_EQ(budget.look(first, kBegin + 3s), kBegin + 5s);
  EXPECT_EQ(budget.look(first, kBegin + 5s), std::nullopt);
  EXPECT_EQ(budget.look(second, kBegin + 5s), kBegin + 5s + 100ms);
  EXPECT_EQ(budget.look(second, kBegin + 5s + 100ms), std::nullopt);
}

TEST(Budget, KeepsItsPlaceWhenTheServerSentItBack) {
  Budget budget;
  const auto first = budget.enter({kMethod}, Rank::kLastWord, kBegin);
  EXPECT_EQ(budget.look(first, kBegin), std::nullopt);
  budget.pause(kMethod, kBegin + 1s);
  const auto second = budget.enter({kMethod}, Rank::kLastWord, kBegin);
  EXPECT_EQ(budget.enter({kMethod}, Rank::kLastWord, kBegin, first), first);
  EXPECT_NE(budget.look(second, kBegin + 1s), std::nullopt);
  EXPECT_EQ(budget.look(first, kBegin + 1s), std::nullopt);
}

TEST(Budget, NeverSaysThatItIsToBeLookedAtNow) {
  Budget budget;
  const Budget::Lane odd{"odd", {7ms, 3}};
  std::vector<Budget::Ticket> waiting;
  for (int i = 0; i < 50; ++i)
    waiting.push_back(
        budget.enter({odd, kChannel}, i % 3 == 0 ? Rank::kPassing : Rank::kLastWord, kBegin));
  int looks = 0;
  for (auto now = kBegin; !waiting.empty() && looks < 10'000;) {
    auto next = now + 1h;
    std::erase_if(waiting, [&](Budget::Ticket ticket) {
      ++looks;
      const auto again = budget.look(ticket, now);
      if (again) EXPECT_GT(*again, now);
      if (again) next = std::min(next, *again);
      return !again;
    });
    now = next;
  }
  EXPECT_TRUE(waiting.empty());
  EXPECT_LT(looks, 10'000);
}

TEST(Budget, ForgetsChannelsThatNobodyTalksIn) {
  Budget budget;
  for (int i = 0; i < 5'000; ++i)
    goes(budget, {"#" + std::to_string(i), kChannel.pace}, Rank::kLastWord, kBegin + i * 10s);
  EXPECT_LT(budget.lanes(), 2'000U);
}

}  // namespace
}  // namespace viaduct::chat
