#include "plugins/slack/socket_plan.hpp"

#include "plugins/slack/socket_mode_json.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;
using Event = SocketEvent::Kind;
using Kind = SocketAction::Kind;

// A plan, its clock, and what it wants done.
class Plan {
 public:
  explicit Plan(double chance = 1) : plan_({}, [chance] { return chance; }) {}

  SocketPlan::Actions tell(SocketEvent event) {
    auto actions = plan_.next(event, now_);
    all_.insert(all_.end(), actions.begin(), actions.end());
    return actions;
  }
  // The first link that the actions open; 0: none.
  static int opened(const SocketPlan::Actions& actions) {
    const auto found =
        std::ranges::find_if(actions, [](const auto& one) { return one.kind == Kind::kOpen; });
    return found == actions.end() ? 0 : found->link;
  }
  int start() { return opened(tell({.kind = Event::kStart})); }
  SocketPlan::Actions ready(int link, int connections = 1) {
    tell({.kind = Event::kOpened, .link = link});
    return tell({.kind = Event::kHello, .link = link, .connections = connections});
  }
  SocketPlan::Actions lost(int link) {
    return tell({.kind = Event::kLost, .link = link, .text = "it broke"});
  }
  SocketPlan::Actions disconnect(int link, std::string why) {
    return tell({.kind = Event::kDisconnect, .link = link, .text = std::move(why)});
  }
  SocketPlan::Actions failed(int link) {
    return tell({.kind = Event::kFailed, .link = link, .text = "no way"});
  }
  void heard(int link) { plan_.heard(link, now_); }
  // Does what is due meanwhile; the links in `alive` are heard of every second.
  SocketPlan::Actions pass(std::chrono::milliseconds time, std::vector<int> alive = {}) {
    SocketPlan::Actions done;
    const auto end = now_ + time;
    while (plan_.wake() && *plan_.wake() <= end) {
      now_ = std::max(now_, *plan_.wake());
      for (const int link : alive) heard(link);
      const auto actions = tell({.kind = Event::kTick});
      done.insert(done.end(), actions.begin(), actions.end());
      if (++ticks_ > 100'000) {
        ADD_FAILURE() << "it ticks without end";
        break;
      }
    }
    now_ = end;
    return done;
  }
  void sleep(std::chrono::milliseconds time) { now_ += time; }
  bool wants(Kind kind, int link) const { return has(all_, kind, link); }
  static bool has(const SocketPlan::Actions& actions, Kind kind, int link = 0) {
    return std::ranges::any_of(actions, [&](const auto& one) {
      return one.kind == kind && (link == 0 || one.link == link);
    });
  }
  std::string said(Kind kind) const {
    std::string text;
    for (const auto& one : all_)
      if (one.kind == kind) text += one.text + "\n";
    return text;
  }
  std::string words() const { return plan_.words(now_); }
  bool is_connected() const { return plan_.is_connected(); }
  SocketPlan::Time now() const { return now_; }

 private:
  SocketPlan plan_;
  SocketPlan::Time now_{};
  SocketPlan::Actions all_;
  int ticks_ = 0;
};

TEST(SocketPlan, IsConnectedOnlyAfterHello) {
  Plan plan;
  const int link = plan.start();
  EXPECT_EQ(link, 1);
  plan.tell({.kind = Event::kOpened, .link = link});
  EXPECT_FALSE(plan.is_connected());
  plan.tell({.kind = Event::kHello, .link = link, .connections = 1});
  EXPECT_TRUE(plan.is_connected());
  EXPECT_EQ(plan.said(Kind::kError), "");
}

TEST(SocketPlan, GivesUpAConnectionThatSaysNoHello) {
  Plan plan;
  const int link = plan.start();
  plan.tell({.kind = Event::kOpened, .link = link});
  EXPECT_FALSE(Plan::has(plan.pass(9'999ms, {link}), Kind::kClose));
  const auto actions = plan.pass(1ms, {link});
  EXPECT_TRUE(Plan::has(actions, Kind::kClose, link));
  EXPECT_EQ(Plan::opened(actions), 2);
}

TEST(SocketPlan, OpensTheNewConnectionBeforeTheOldOneGoes) {
  for (const char* reason : {"warning", "refresh_requested", "something_new"}) {
    Plan plan;
    const int old = plan.start();
    plan.ready(old);
    plan.pass(1h, {old});
    const int fresh = Plan::opened(plan.disconnect(old, reason));
    EXPECT_EQ(fresh, 2) << reason;
    EXPECT_FALSE(plan.wants(Kind::kClose, old));
    EXPECT_TRUE(plan.is_connected());
    plan.pass(1s, {old});
    EXPECT_FALSE(Plan::has(plan.ready(fresh, 2), Kind::kGap));
    EXPECT_FALSE(plan.wants(Kind::kClose, old)) << "it may still deliver";
    EXPECT_TRUE(Plan::has(plan.pass(9s, {old, fresh}), Kind::kClose, old));
    EXPECT_EQ(Plan::opened(plan.lost(old)), 0);
    EXPECT_TRUE(plan.is_connected());
    EXPECT_EQ(plan.said(Kind::kError), "") << "both are ours";
  }
}

TEST(SocketPlan, KeepsFewConnectionsThatAreLeaving) {
  Plan plan;
  int link = plan.start();
  for (int i = 0; i < 9; ++i) {
    plan.ready(link);
    link = Plan::opened(plan.disconnect(link, "warning"));
    EXPECT_NE(link, 0);
  }
  for (int i = 1; i <= 9; ++i) EXPECT_EQ(plan.wants(Kind::kClose, i), i <= 6) << i;
}

TEST(SocketPlan, TriesAtOnceAndThenLessAndLessOften) {
  Plan plan;
  int link = plan.start();
  plan.ready(link);
  plan.pass(1h, {link});
  link = Plan::opened(plan.lost(link));
  EXPECT_EQ(link, 2) << "at once";
  for (const auto wait :
       {500ms, 1'000ms, 2'000ms, 4'000ms, 8'000ms, 16'000ms, 30'000ms, 30'000ms}) {
    EXPECT_EQ(Plan::opened(plan.failed(link)), 0);
    EXPECT_EQ(Plan::opened(plan.pass(wait - 1ms)), 0) << wait.count();
    link = Plan::opened(plan.pass(1ms));
    EXPECT_NE(link, 0) << wait.count();
  }
  // A connection that holds makes good for all of that.
  plan.ready(link);
  plan.pass(1min, {link});
  EXPECT_NE(Plan::opened(plan.lost(link)), 0);
}

TEST(SocketPlan, SpreadsTheAttemptsOfMany) {
  for (const double chance : {0.0, 1.0}) {
    Plan plan(chance);
    int link = plan.start();
    for (int i = 0; i < 10; ++i) {
      const int at_once = Plan::opened(plan.failed(link));
      link = at_once != 0 ? at_once : Plan::opened(plan.pass(30s));
      EXPECT_NE(link, 0);
    }
    plan.failed(link);
    EXPECT_EQ(Plan::opened(plan.pass(14'999ms)), 0);
    EXPECT_EQ(Plan::opened(plan.pass(1ms)) != 0, chance == 0);
  }
}

TEST(SocketPlan, DoesNotHammerWhereConnectionsDoNotHold) {
  Plan plan;
  int link = plan.start();
  int attempts = 1;
  for (const auto end = plan.now() + 10min; plan.now() < end;) {
    plan.ready(link);
    plan.pass(100ms, {link});
    const bool asked = attempts % 2 == 0;
    int next = Plan::opened(asked ? plan.disconnect(link, "refresh_requested") : plan.lost(link));
    while (next == 0) next = Plan::opened(plan.pass(100ms));
    link = next;
    ++attempts;
  }
  EXPECT_LT(attempts, 70) << "in 10 minutes";
}

TEST(SocketPlan, WaitsAsLongAsSlackSays) {
  Plan plan;
  const int link = plan.start();
  plan.tell({.kind = Event::kFailed, .link = link, .text = "429", .retry_after = 45s});
  EXPECT_EQ(Plan::opened(plan.pass(44'999ms)), 0);
  EXPECT_NE(Plan::opened(plan.pass(1ms)), 0);
}

TEST(SocketPlan, BacksOffLongWhereSomebodyMustActAndSaysSo) {
  Plan token;
  token.tell({.kind = Event::kFailed,
              .link = token.start(),
              .text = "app_token is wrong",
              .is_final = true});
  EXPECT_NE(token.said(Kind::kError).find("app_token is wrong"), std::string::npos);
  EXPECT_NE(token.words().find("app_token is wrong"), std::string::npos);
  EXPECT_NE(token.words().find("300 s"), std::string::npos) << token.words();
  EXPECT_EQ(Plan::opened(token.pass(299s)), 0);
  EXPECT_NE(Plan::opened(token.pass(1s)), 0);

  for (const auto& [reason, wait, words] :
       {std::tuple("link_disabled", 300'000ms, "switched off"),
        std::tuple("too_many_websockets", 60'000ms, "more than 10")}) {
    Plan plan;
    const int link = plan.start();
    plan.ready(link);
    plan.pass(1h, {link});
    const auto actions = plan.disconnect(link, reason);
    EXPECT_TRUE(Plan::has(actions, Kind::kClose, link));
    EXPECT_TRUE(Plan::has(actions, Kind::kError));
    EXPECT_FALSE(plan.is_connected());
    EXPECT_EQ(Plan::opened(plan.lost(link)), 0);
    EXPECT_NE(plan.words().find(words), std::string::npos) << plan.words();
    EXPECT_EQ(Plan::opened(plan.pass(wait - 1ms)), 0);
    const int next = Plan::opened(plan.pass(1ms));
    EXPECT_NE(next, 0);
    EXPECT_TRUE(Plan::has(plan.ready(next), Kind::kGap)) << "what came meanwhile is missing";
  }
}

TEST(SocketPlan, TellsWhenAnotherProcessTakesAPartOfTheEvents) {
  Plan plan;
  const int link = plan.start();
  plan.ready(link, 2);
  EXPECT_NE(plan.said(Kind::kError).find("another process"), std::string::npos);
  EXPECT_NE(plan.words().find("another process"), std::string::npos);
  // Our own, which Slack still counts, are none.
  plan.pass(1h, {link});
  const int next = Plan::opened(plan.lost(link));
  plan.ready(next, 2);
  EXPECT_EQ(plan.words().find("another process"), std::string::npos) << plan.words();
}

TEST(SocketPlan, FindsADeadConnectionByItsFramesAndNeverByQuiet) {
  Plan plan;
  const int link = plan.start();
  plan.ready(link);
  // Pongs only, for a day: nothing is wrong.
  const auto quiet = plan.pass(24h, {link});
  EXPECT_TRUE(Plan::has(quiet, Kind::kPing, link) || quiet.empty());
  EXPECT_FALSE(Plan::has(quiet, Kind::kClose));
  const auto last = plan.now();
  plan.heard(link);
  auto actions = plan.pass(29s);
  EXPECT_TRUE(Plan::has(actions, Kind::kPing, link));
  EXPECT_FALSE(Plan::has(actions, Kind::kClose));
  actions = plan.pass(2s);
  EXPECT_TRUE(Plan::has(actions, Kind::kClose, link));
  const int next = Plan::opened(actions);
  EXPECT_NE(next, 0);
  EXPECT_FALSE(plan.is_connected());
  const auto again = plan.ready(next);
  const auto gap =
      std::ranges::find_if(again, [](const auto& one) { return one.kind == Kind::kGap; });
  ASSERT_NE(gap, again.end());
  EXPECT_LE(gap->since, last);
  EXPECT_GE(gap->since, last - 10s);
}

TEST(SocketPlan, AsksBeforeItTakesAComputerThatSleptForADeadConnection) {
  Plan plan;
  const int link = plan.start();
  plan.ready(link);
  plan.sleep(1h);  // nothing was done meanwhile, and nothing came
  auto actions = plan.tell({.kind = Event::kTick});
  EXPECT_TRUE(Plan::has(actions, Kind::kPing, link));
  EXPECT_FALSE(Plan::has(actions, Kind::kClose));
  EXPECT_FALSE(Plan::has(plan.pass(9s), Kind::kClose));
  EXPECT_TRUE(Plan::has(plan.pass(1s), Kind::kClose, link));
}

TEST(SocketPlan, ClosesAllWhenItStopsAndOpensNothingMore) {
  Plan plan;
  const int old = plan.start();
  plan.ready(old);
  plan.pass(1h, {old});
  const int fresh = Plan::opened(plan.disconnect(old, "warning"));
  const auto actions = plan.tell({.kind = Event::kStop});
  EXPECT_TRUE(Plan::has(actions, Kind::kClose, old));
  EXPECT_TRUE(Plan::has(actions, Kind::kClose, fresh));
  EXPECT_EQ(Plan::opened(plan.lost(old)), 0);
  // One that was being opened is closed when it is there.
  EXPECT_TRUE(Plan::has(plan.tell({.kind = Event::kOpened, .link = fresh}), Kind::kClose, fresh));
  EXPECT_EQ(Plan::opened(plan.lost(fresh)), 0);
  EXPECT_EQ(Plan::opened(plan.pass(1h)), 0);
}

TEST(SocketPlan, IgnoresWhatIsAboutLinksThatAreGone) {
  Plan plan;
  const int link = plan.start();
  plan.ready(link);
  plan.lost(link);
  for (const auto kind :
       {Event::kOpened, Event::kFailed, Event::kHello, Event::kDisconnect, Event::kLost})
    EXPECT_TRUE(plan.tell({.kind = kind, .link = link}).empty());
}

// ---------------------------------------------------------------- what Slack sends

TEST(SocketMessage, IsReadAsFarAsItIsOne) {
  const auto event = parse_socket_message(
      R"({"envelope_id":"e1","type":"events_api","payload":{"a":[1,"ä"]},"accepts_response_payload":false,"retry_attempt":2,"retry_reason":"timeout"})");
  EXPECT_EQ(event->type, "events_api");
  EXPECT_EQ(event->envelope_id, "e1");
  EXPECT_EQ(event->payload, R"({"a":[1,"ä"]})");
  EXPECT_EQ(event->retry, 2U);
  EXPECT_FALSE(event->takes_payload);
  const auto hello = parse_socket_message(R"({"type":"hello","num_connections":3})");
  EXPECT_EQ(hello->connections, 3);
  EXPECT_EQ(parse_socket_message(R"({"type":"disconnect","reason":"warning"})")->reason, "warning");
  for (const char* odd : {"", "[]", "null", "{", "\"x\"", "ping"})
    EXPECT_FALSE(parse_socket_message(odd)) << odd;
  const auto strange = parse_socket_message(
      R"({"type":7,"envelope_id":[],"payload":null,"retry_attempt":-1,"num_connections":1e99,"accepts_response_payload":"yes"})");
  EXPECT_EQ(strange->type, "");
  EXPECT_EQ(strange->retry, 0U);
  EXPECT_FALSE(parse_socket_message(std::string(100'000, '[')));
}

TEST(SocketMessage, IsAcknowledgedWithOrWithoutAnAnswer) {
  EXPECT_EQ(ack_json("a\"b", ""), R"({"envelope_id":"a\"b"})");
  EXPECT_EQ(ack_json("a", R"({"text":"x"})"), R"({"envelope_id":"a","payload":{"text":"x"}})");
}

TEST(SocketAddress, IsEncryptedUnlessBothEndsAreHere) {
  const auto url = [](const std::string& given, const char* base) {
    return socket_url(R"({"ok":true,"url":")" + given + R"("})", base);
  };
  const char* const kSlack = "https://slack.com/api/";
  const char* const kHere = "http://127.0.0.1:1/api/";
  EXPECT_EQ(url("wss://wss-primary.slack.com/link/?ticket=a", kSlack),
            "wss://wss-primary.slack.com/link/?ticket=a");
  EXPECT_EQ(url("ws://127.0.0.1:2/link/?ticket=a", kHere), "ws://127.0.0.1:2/link/?ticket=a");
  EXPECT_EQ(url("ws://127.0.0.1:2/link/?ticket=a", kSlack), "");
  EXPECT_EQ(url("ws://wss-primary.slack.com/link/", kHere), "");
  EXPECT_EQ(url("https://slack.com/", kSlack), "");
  EXPECT_EQ(socket_url("{}", kSlack), "");
}

}  // namespace
}  // namespace viaduct::slack
