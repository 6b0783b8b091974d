#include "host/http/deadlines.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace viaduct::http {
namespace {

using std::chrono::milliseconds;

struct Thing : Deadline {
  explicit Thing(int number) : id(number) {}
  int id;
};

class DeadlinesTest : public testing::Test {
 protected:
  std::vector<int> turn(milliseconds after) {
    std::vector<int> looked_at;
    deadlines.turn(start + after,
                   [&](Deadline& what) { looked_at.push_back(static_cast<Thing&>(what).id); });
    return looked_at;
  }
  Deadlines deadlines{milliseconds(10)};
  Clock::time_point start = Clock::now();
};

TEST_F(DeadlinesTest, LooksNoEarlierThanAskedForAndSoonAfter) {
  Thing one(1);
  deadlines.watch(one, start + milliseconds(95));
  EXPECT_TRUE(turn(milliseconds(90)).empty());
  EXPECT_EQ(turn(milliseconds(120)), std::vector{1});
  EXPECT_TRUE(turn(milliseconds(500)).empty());
}

TEST_F(DeadlinesTest, MovesOnlyToAnEarlierLook) {
  Thing one(1);
  deadlines.watch(one, start + milliseconds(500));
  deadlines.watch(one, start + milliseconds(50));
  deadlines.watch(one, start + milliseconds(500));
  EXPECT_EQ(turn(milliseconds(80)), std::vector{1});
}

TEST_F(DeadlinesTest, LooksEarlyAtWhatIsFartherThanARound) {
  Thing one(1);
  deadlines.watch(one, start + milliseconds(100'000));
  EXPECT_EQ(turn(milliseconds(1400)), std::vector{1});
}

TEST_F(DeadlinesTest, ForgetsWhatIsDestroyedEvenWhileTurning) {
  auto one = std::make_unique<Thing>(1);
  auto two = std::make_unique<Thing>(2);
  deadlines.watch(*one, start + milliseconds(20));
  deadlines.watch(*two, start + milliseconds(20));
  int looks = 0;
  deadlines.turn(start + milliseconds(60), [&](Deadline&) {
    ++looks;
    two.reset();
  });
  EXPECT_EQ(looks, 1);
}

TEST_F(DeadlinesTest, CatchesUpAfterALongSleep) {
  Thing one(1);
  deadlines.watch(one, start + milliseconds(20));
  EXPECT_EQ(turn(milliseconds(1'000'000)), std::vector{1});
  deadlines.watch(one, start + milliseconds(1'000'020));
  EXPECT_EQ(turn(milliseconds(1'000'100)), std::vector{1});
}

}  // namespace
}  // namespace viaduct::http
