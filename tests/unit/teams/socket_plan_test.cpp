#include "plugins/teams/socket_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using Event = SocketEvent::Kind;
using Kind = SocketAction::Kind;

bool has(const SocketPlan::Actions& actions, Kind kind, int link = 0) {
  return std::ranges::any_of(actions, [&](const auto& one) {
    return one.kind == kind && (link == 0 || one.link == link);
  });
}
// The link that the actions open; 0: none.
int opened(const SocketPlan::Actions& actions) {
  const auto found = std::ranges::find(actions, Kind::kOpen, &SocketAction::kind);
  return found == actions.end() ? 0 : found->link;
}

// A plan, its clock, and what it wants done.
class Plan {
 public:
  explicit Plan(double chance = 1) : plan_("emea", {}, [chance] { return chance; }) {}

  SocketPlan::Actions tell(SocketEvent event) {
    auto actions = plan_.next(event, now_);
    all_.insert(all_.end(), actions.begin(), actions.end());
    return actions;
  }
  int start() { return opened(tell({.kind = Event::kStart})); }
  SocketPlan::Actions ready(int link, std::chrono::milliseconds expires_in = 1h) {
    tell({.kind = Event::kOpened, .link = link, .expires_in = expires_in});
    return tell({.kind = Event::kReady, .link = link});
  }
  SocketPlan::Actions lost(int link) {
    return tell({.kind = Event::kLost, .link = link, .text = "it broke"});
  }
  SocketPlan::Actions failed(int link) {
    return tell({.kind = Event::kFailed, .link = link, .text = "no way"});
  }
  // Does what is due meanwhile; the links in `alive` are heard of all the time.
  SocketPlan::Actions pass(std::chrono::milliseconds time, std::vector<int> alive = {}) {
    SocketPlan::Actions done;
    const auto end = now_ + time;
    while (plan_.wake() && *plan_.wake() <= end) {
      now_ = std::max(now_, *plan_.wake());
      for (const int link : alive) plan_.heard(link, now_);
      const auto actions = tell({.kind = Event::kTick});
      done.insert(done.end(), actions.begin(), actions.end());
      if (++ticks_ > 100'000) {
        ADD_FAILURE() << "it ticks without end";
        break;
      }
    }
    now_ = end;
    for (const int link : alive) plan_.heard(link, now_);
    return done;
  }
  std::string said(Kind kind) const {
    std::string text;
    for (const auto& one : all_)
      if (one.kind == kind) text += one.text + "\n";
    return text;
  }
  std::string words() const { return plan_.words(now_); }
  bool is_connected() const { return plan_.is_connected(); }

 private:
  SocketPlan plan_;
  SocketPlan::Time now_{};
  SocketPlan::Actions all_;
  int ticks_ = 0;
};

TEST(TeamsSocketPlan, IsConnectedOnlyWhenTeamsSaysSo) {
  Plan plan;
  const int link = plan.start();
  EXPECT_EQ(link, 1);
  plan.tell({.kind = Event::kOpened, .link = link});
  EXPECT_FALSE(plan.is_connected());
  plan.tell({.kind = Event::kReady, .link = link});
  EXPECT_TRUE(plan.is_connected());
  EXPECT_EQ(plan.words(), "connected to emea, last heard of 0 s ago");
  EXPECT_EQ(plan.said(Kind::kInfo), "Socket Mode: connected to emea\n");
}

TEST(TeamsSocketPlan, GivesUpAConnectionThatIsNeverReady) {
  Plan plan;
  const int link = plan.start();
  plan.tell({.kind = Event::kOpened, .link = link});
  EXPECT_FALSE(has(plan.pass(29'999ms, {link}), Kind::kClose));
  EXPECT_TRUE(has(plan.pass(1ms, {link}), Kind::kClose, link));
  EXPECT_EQ(opened(plan.pass(1s)), 2);
}

TEST(TeamsSocketPlan, PingsAllTheTime) {
  Plan plan;
  const int link = plan.start();
  plan.ready(link);
  int pings = 0;
  for (const auto& one : plan.pass(60s, {link})) pings += one.kind == Kind::kPing ? 1 : 0;
  EXPECT_EQ(pings, 4);
}

TEST(TeamsSocketPlan, FindsAConnectionThatIsSilent) {
  Plan plan;
  const int link = plan.start();
  plan.ready(link);
  plan.pass(10min, {link});
  EXPECT_FALSE(has(plan.pass(29'999ms), Kind::kClose));
  const auto actions = plan.pass(1ms);
  EXPECT_TRUE(has(actions, Kind::kClose, link));
  EXPECT_FALSE(plan.is_connected());
  const int fresh = opened(plan.pass(1s));
  EXPECT_EQ(fresh, 2);
  plan.ready(fresh);
  EXPECT_NE(plan.said(Kind::kWarn).find("after 31 s without"), std::string::npos)
      << plan.said(Kind::kWarn);
}

TEST(TeamsSocketPlan, ReplacesAConnectionBeforeItsTokenExpires) {
  Plan plan;
  const int old = plan.start();
  plan.ready(old, 1h);
  EXPECT_EQ(opened(plan.pass(59min - 1ms, {old})), 0);
  const int fresh = opened(plan.pass(1ms, {old}));
  ASSERT_EQ(fresh, 2);
  plan.tell({.kind = Event::kOpened, .link = fresh, .expires_in = 1h});
  EXPECT_FALSE(has(plan.pass(20s, {old, fresh}), Kind::kClose)) << "until the new one delivers";
  plan.tell({.kind = Event::kReady, .link = fresh});
  EXPECT_FALSE(has(plan.pass(9'999ms, {old, fresh}), Kind::kClose))
      << "what is under way may still be answered";
  EXPECT_TRUE(has(plan.pass(1ms, {old, fresh}), Kind::kClose, old));
  EXPECT_TRUE(plan.is_connected());
  plan.lost(old);
  EXPECT_EQ(opened(plan.pass(58min, {fresh})), 0);
  EXPECT_EQ(opened(plan.pass(1min, {fresh})), 3);
  EXPECT_EQ(plan.said(Kind::kWarn), "");
}

TEST(TeamsSocketPlan, KeepsTheOldConnectionWhileANewOneFails) {
  Plan plan;
  const int old = plan.start();
  plan.ready(old, 1h);
  int next = opened(plan.pass(59min, {old}));
  for (int i = 0; i < 3; ++i) {
    plan.failed(next);
    EXPECT_TRUE(plan.is_connected());
    const int again = opened(plan.pass(15s, {old}));
    EXPECT_EQ(again, next + 1);
    next = again;
  }
  plan.lost(old);
  EXPECT_FALSE(plan.is_connected());
  EXPECT_EQ(opened(plan.pass(1min)), 0) << "one is on its way";
  plan.ready(next);
  EXPECT_TRUE(plan.is_connected());
}

TEST(TeamsSocketPlan, DoesNotReplaceAtOnceWhatLivesShortly) {
  Plan plan;
  int link = plan.start();
  int renewed = 0;
  for (auto passed = 0s; passed < 10min; passed += 1s) {
    if (passed == 0s) plan.ready(link, 30s);
    if (const int next = opened(plan.pass(1s, {link, link + 1, link - 1}))) {
      ++renewed;
      link = next;
      plan.ready(link, 30s);
    }
  }
  EXPECT_GT(renewed, 30);
  EXPECT_LE(renewed, 40);
}

TEST(TeamsSocketPlan, ComesBackAfterAnyTimeUpToWhatDoublesWithEachFailure) {
  Plan plan;
  int link = plan.start();
  for (const auto wait : {1s, 2s, 4s, 8s, 15s, 15s}) {
    plan.failed(link);
    EXPECT_EQ(opened(plan.pass(wait - 1ms)), 0);
    link = opened(plan.pass(1ms));
    EXPECT_NE(link, 0);
  }
  Plan lucky(0);
  link = lucky.start();
  lucky.failed(link);
  EXPECT_NE(opened(lucky.pass(0ms)), 0);
}

TEST(TeamsSocketPlan, BeginsAnewAfterAConnectionThatHeld) {
  Plan plan;
  int link = plan.start();
  for (int i = 0; i < 4; ++i) {
    plan.failed(link);
    link = opened(plan.pass(15s));
  }
  plan.ready(link);
  plan.pass(10s, {link});
  plan.lost(link);
  EXPECT_EQ(opened(plan.pass(1s)), link + 1);
  // One that does not hold counts as a failure.
  link += 1;
  plan.ready(link);
  plan.pass(1s, {link});
  plan.lost(link);
  EXPECT_EQ(opened(plan.pass(1999ms)), 0);
  EXPECT_NE(opened(plan.pass(1ms)), 0);
}

TEST(TeamsSocketPlan, WaitsAsLongAsTeamsSays) {
  Plan plan;
  const int link = plan.start();
  plan.tell({.kind = Event::kFailed, .link = link, .text = "busy", .retry_after = 40s});
  EXPECT_EQ(opened(plan.pass(40s - 1ms)), 0);
  EXPECT_NE(opened(plan.pass(1ms)), 0);
}

TEST(TeamsSocketPlan, SaysOnceWhatSomebodyHasToMendAndLooksSeldom) {
  Plan plan;
  const int link = plan.start();
  plan.tell(
      {.kind = Event::kFailed, .link = link, .text = "set transport: http", .is_final = true});
  EXPECT_EQ(plan.said(Kind::kError), "Socket Mode: emea: set transport: http\n");
  EXPECT_EQ(plan.words(), "not connected to emea: set transport: http; tried again in 300 s");
  EXPECT_EQ(opened(plan.pass(5min - 1ms)), 0);
  EXPECT_NE(opened(plan.pass(1ms)), 0);
}

TEST(TeamsSocketPlan, StopsCleanly) {
  Plan plan;
  const int old = plan.start();
  plan.ready(old, 1h);
  const int fresh = opened(plan.pass(59min, {old}));
  const auto actions = plan.tell({.kind = Event::kStop});
  EXPECT_TRUE(has(actions, Kind::kClose, old));
  EXPECT_TRUE(has(actions, Kind::kClose, fresh));
  EXPECT_TRUE(has(plan.tell({.kind = Event::kOpened, .link = fresh}), Kind::kClose, fresh));
  EXPECT_FALSE(has(plan.lost(old), Kind::kOpen));
  EXPECT_FALSE(has(plan.failed(fresh), Kind::kOpen));
  EXPECT_TRUE(plan.pass(1h).empty());
  EXPECT_EQ(plan.start(), fresh + 1) << "and may start again";
}

TEST(TeamsSocketPlan, CaresForNothingThatItDoesNotKnow) {
  Plan plan;
  plan.start();
  EXPECT_TRUE(plan.tell({.kind = Event::kReady, .link = 77}).empty());
  EXPECT_TRUE(plan.lost(77).empty());
  EXPECT_TRUE(plan.tell({.kind = Event::kReady, .link = 1}).empty()) << "it is not open yet";
  EXPECT_FALSE(plan.is_connected());
}

}  // namespace
}  // namespace viaduct::teams
