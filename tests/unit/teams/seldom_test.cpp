#include "plugins/teams/seldom.hpp"

#include <gtest/gtest.h>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
constexpr Seldom::Clock::time_point kStart{100h};

TEST(Seldom, LetsAFewOfEachKindPassAndCountsTheRest) {
  Seldom lines(10s, 2);
  EXPECT_EQ(lines.line("a", "one", kStart), "one");
  EXPECT_EQ(lines.line("a", "one", kStart + 1s), "one");
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(lines.line("a", "one", kStart + 2s));
  EXPECT_EQ(lines.line("b", "another", kStart + 2s), "another") << "each kind for itself";
  EXPECT_EQ(lines.line("a", "one", kStart + 10s), "one more_before=1000");
  EXPECT_EQ(lines.line("a", "one", kStart + 11s), "one");
  EXPECT_FALSE(lines.line("a", "one", kStart + 12s));
}

TEST(Seldom, RemembersOnlySoManyKinds) {
  Seldom refusals(1h, 1);
  for (std::size_t i = 0; i < 3 * Seldom::kMostKinds; ++i)
    EXPECT_EQ(refusals.now(std::to_string(i), kStart), 0U);
  EXPECT_FALSE(refusals.now(std::to_string(3 * Seldom::kMostKinds - 1), kStart));
}

}  // namespace
}  // namespace viaduct::teams
