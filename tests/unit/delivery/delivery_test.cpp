#include "host/delivery/delivery.hpp"

#include "tests/unit/store/fixture.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::delivery {
namespace {

using std::chrono::milliseconds;
using store::Micros;
using store::Parcel;
using store::ParcelState;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr Micros kStart = 1'700'000'000LL * 1'000'000;
constexpr Micros kSecond = 1'000'000;

// A clock that a test moves; survives the Delivery that it wakes.
struct Clock {
  Micros now = kStart;
  Micros due = 0;
  std::function<void()> wake;
};
class ManualAlarm final : public Alarm {
 public:
  explicit ManualAlarm(Clock& clock) : clock_(clock) {}
  Micros now() const override { return clock_.now; }
  void set(Micros when, std::function<void()> wake) override {
    clock_.due = when;
    clock_.wake = std::move(wake);
  }
  void clear() override { clock_.due = 0; }

 private:
  Clock& clock_;
};

// Keeps what it is given until the test answers, or answers by a rule.
class ScriptedSender final : public Sender {
 public:
  struct Call {
    bool asks = false;
    Parcel parcel;
    SendDone done;
  };
  using Rule = std::function<std::optional<SendAnswer>(const Call&)>;

  explicit ScriptedSender(Loop& loop) : loop_(loop) {}
  void send(const Parcel& parcel, SendDone done) override {
    take({false, parcel, std::move(done)});
  }
  void reconcile(const Parcel& parcel, SendDone done) override {
    take({true, parcel, std::move(done)});
  }
  bool reconciles() const override { return can_reconcile; }
  void undelivered(const Parcel& parcel, const Error& why) override {
    told.push_back(fmt::format("{} {}: {}", parcel.key, name(parcel.state), why.message));
  }

  void answer(const std::string& key, SendAnswer given) {
    const auto found =
        std::ranges::find_if(open, [&](const Call& call) { return call.parcel.key == key; });
    ASSERT_NE(found, open.end()) << key << " is not being sent";
    auto done = std::move(found->done);
    open.erase(found);
    done(std::move(given));
  }
  std::vector<std::string> waiting() const {
    std::vector<std::string> keys;
    for (const auto& call : open) keys.push_back((call.asks ? "?" : "") + call.parcel.key);
    return keys;
  }

  std::vector<std::string> calls;  // "key=payload", "?key"
  std::vector<std::string> told;
  std::deque<Call> open;
  Rule rule;
  bool can_reconcile = true;

 private:
  void take(Call call) {
    calls.push_back(call.asks ? "?" + call.parcel.key
                              : call.parcel.key + "=" + call.parcel.payload);
    auto answer = rule ? rule(call) : std::nullopt;
    if (!answer) return open.push_back(std::move(call));
    loop_.post([done = std::move(call.done), answer = std::move(*answer)]() mutable {
      done(std::move(answer));
    });
  }
  Loop& loop_;
};

// Hands everything on, but for outcomes that shall not be stored.
class FailingMail final : public store::Mail {
 public:
  FailingMail(Loop& loop, store::Mail& mail) : loop_(loop), mail_(mail) {}
  void receive(std::string space, std::vector<std::string> keys, std::string payload, Micros at,
               Done<bool> done) override {
    mail_.receive(space, keys, payload, at, std::move(done));
  }
  void handled(std::string space, std::string key, Done<> done) override {
    mail_.handled(space, key, std::move(done));
  }
  void unhandled(std::string space, std::uint64_t after, std::uint32_t limit, std::size_t bytes,
                 Done<store::InboxPage> done) override {
    mail_.unhandled(space, after, limit, bytes, std::move(done));
  }
  void post(Parcel parcel, Done<store::Posted> done) override {
    mail_.post(parcel, std::move(done));
  }
  void find(std::string space, std::string key, Done<Parcel> done) override {
    mail_.find(space, key, std::move(done));
  }
  void open_targets(std::string space, std::string after, std::uint32_t limit,
                    Done<std::vector<std::string>> done) override {
    if (take(fail_lists)) return refuse(std::move(done));
    mail_.open_targets(space, after, limit, std::move(done));
  }
  void next(std::string space, std::string target, Micros now,
            Done<store::NextParcel> done) override {
    if (take(fail_claims)) return refuse(std::move(done));
    mail_.next(space, target, now, std::move(done));
    if (const auto meanwhile = std::exchange(while_claiming, nullptr)) meanwhile();
  }
  void settle(store::ParcelOutcome outcome, Done<ParcelState> done) override {
    if (take(fail_settles)) return refuse(std::move(done));
    mail_.settle(outcome, std::move(done));
  }
  void parcels(store::ParcelQuery query, Done<std::vector<Parcel>> done) override {
    mail_.parcels(query, std::move(done));
  }
  void retry(std::uint64_t number, Micros now, Micros expires, Done<Parcel> done) override {
    mail_.retry(number, now, expires, std::move(done));
  }
  void drop(std::uint64_t number, Micros now, Done<Parcel> done) override {
    mail_.drop(number, now, std::move(done));
  }
  void counts(Done<store::MailCounts> done) override { mail_.counts(std::move(done)); }
  void tidy(Micros now, Done<> done) override {
    ++tidied;
    mail_.tidy(now, std::move(done));
  }

  int fail_settles = 0, fail_claims = 0, fail_lists = 0;
  int tidied = 0;
  std::function<void()> while_claiming;

 private:
  static bool take(int& left) {
    if (left == 0) return false;
    --left;
    return true;
  }
  template <class T>
  void refuse(Done<T> done) {
    loop_.post([done = std::move(done)]() mutable {
      done(fail(Errc::unavailable, "the disk of the store is full"));
    });
  }
  Loop& loop_;
  store::Mail& mail_;
};

SendAnswer arrived(std::string result = "{}") {
  return {std::move(result)};
}
SendAnswer no(Errc code, std::string why, milliseconds retry_after = {}) {
  return {fail(code, std::move(why)), retry_after};
}

class DeliveryTest : public store::StoreTest {
 protected:
  void SetUp() override {
    open();
    begin();
  }

  void begin() {
    mail = std::make_unique<FailingMail>(loop, store->mail());
    delivery = std::make_unique<Delivery>(*mail, metrics, Logger(sink, "delivery"),
                                          std::make_unique<ManualAlarm>(clock), options);
    attach();
  }
  void attach() {
    sender = std::make_shared<ScriptedSender>(loop);
    delivery->attach("slack", sender);
    settle();
  }
  void TearDown() override {
    if (sender) sender->open.clear();  // what is not answered holds what it would be answered to
  }
  // The host dies wherever it is, and another one begins.
  void kill() {
    if (sender) sender->open.clear();
    delivery = nullptr;
    mail = nullptr;
    store = nullptr;
    settle();
    open();
    begin();
  }
  void pass(Micros time) {
    const Micros end = clock.now + time;
    for (;;) {
      settle();
      if (clock.due == 0 || clock.due > end) break;
      clock.now = std::max(clock.now, clock.due);
      clock.due = 0;
      clock.wake();
    }
    clock.now = end;
    settle();
  }

  void post(const std::string& key, const std::string& target = "t", bool edit = false,
            const std::string& payload = "1", milliseconds expires = {}) {
    const auto posted = answer<store::Posted>([&](auto done) {
      delivery->post("slack", {key, target, payload, edit, expires}, std::move(done));
    });
    ASSERT_TRUE(posted) << posted.error().message;
  }
  Parcel row(const std::string& key) {
    return *answer<Parcel>([&](auto done) { delivery->find("slack", key, std::move(done)); });
  }
  ParcelState state(const std::string& key) { return row(key).state; }
  void say(const std::string& key, SendAnswer given) {
    sender->answer(key, std::move(given));
    settle();
  }

  Clock clock;
  Metrics metrics;
  DeliveryOptions options;
  std::unique_ptr<FailingMail> mail;
  std::unique_ptr<Delivery> delivery;
  std::shared_ptr<ScriptedSender> sender;
};

TEST_F(DeliveryTest, SendsWhatIsPostedAndKeepsItsResult) {
  post("a", "t", false, R"({"text":"hello"})");
  EXPECT_THAT(sender->calls, ElementsAre(R"(a={"text":"hello"})"));
  EXPECT_EQ(state("a"), ParcelState::sending) << "on disk before the sender hears of it";
  EXPECT_EQ(sender->open[0].parcel.attempt, 1U);
  say("a", arrived(R"({"ts":"1.2"})"));
  EXPECT_EQ(state("a"), ParcelState::sent);
  EXPECT_EQ(row("a").result, R"({"ts":"1.2"})");
  post("a");
  EXPECT_EQ(sender->calls.size(), 1U) << "a known key";
}

TEST_F(DeliveryTest, KeepsTheOrderOfATargetAndServesOthersMeanwhile) {
  post("a1", "a");
  post("a2", "a");
  post("b1", "b");
  EXPECT_THAT(sender->waiting(), ElementsAre("a1", "b1"));
  say("b1", arrived());
  EXPECT_THAT(sender->waiting(), ElementsAre("a1"));
  say("a1", arrived());
  EXPECT_THAT(sender->waiting(), ElementsAre("a2"));
}

TEST_F(DeliveryTest, SendsToSoManyTargetsAtATimeAndNoMore) {
  for (int i = 0; i < 20; ++i) post(fmt::format("k{}", i), fmt::format("t{}", i));
  EXPECT_EQ(sender->open.size(), options.outbox.parallel);
  say("k0", arrived());
  EXPECT_EQ(sender->open.size(), options.outbox.parallel);
  EXPECT_EQ(sender->calls.size(), options.outbox.parallel + 1);
}

TEST_F(DeliveryTest, WaitsAsLongAsItIsToldAndHoldsNobodyElseUp) {
  post("a1", "a");
  post("a2", "a");
  say("a1", no(Errc::busy, "limited", milliseconds(30'000)));
  EXPECT_EQ(state("a1"), ParcelState::ready);
  EXPECT_EQ(row("a1").reason, "limited");
  post("b1", "b");
  EXPECT_THAT(sender->waiting(), ElementsAre("b1"));
  pass(29 * kSecond);
  EXPECT_THAT(sender->waiting(), ElementsAre("b1"));
  pass(kSecond);
  EXPECT_THAT(sender->waiting(), ElementsAre("b1", "a1")) << "it kept its place";
  EXPECT_EQ(sender->open.back().parcel.attempt, 2U);
  say("a1", arrived());
  EXPECT_THAT(sender->waiting(), ElementsAre("b1", "a2"));
}

TEST_F(DeliveryTest, BacksOffLongerAndLonger) {
  sender->rule = [](const auto&) { return no(Errc::unavailable, "no network"); };
  post("a");
  Micros before = clock.now;
  for (int n = 0; n < 10; ++n) {
    const double wait = static_cast<double>(row("a").due_at - before) / kSecond;
    const double wanted = std::min(std::pow(2.0, n), 60.0);
    EXPECT_GE(wait, 0.75 * wanted) << n;
    EXPECT_LE(wait, 1.25 * wanted + 0.002) << n;
    before = row("a").due_at;
    pass(before - clock.now);
  }
  EXPECT_EQ(sender->calls.size(), 11U);
}

TEST_F(DeliveryTest, FindsOutWhatBecameOfWhatWasCutOffAndDoesNotPostItTwice) {
  post("a");
  post("behind");
  say("a", no(Errc::timeout, "the connection broke"));
  EXPECT_EQ(state("a"), ParcelState::sending);
  EXPECT_THAT(sender->waiting(), IsEmpty()) << "it may still be under way";
  pass(2 * kSecond);
  EXPECT_THAT(sender->waiting(), ElementsAre("?a"));
  say("a", arrived(R"({"ts":"7"})"));
  EXPECT_EQ(row("a").result, R"({"ts":"7"})");
  EXPECT_EQ(state("a"), ParcelState::sent);
  EXPECT_THAT(sender->waiting(), ElementsAre("behind"));
  EXPECT_THAT(sender->calls, ElementsAre("a=1", "?a", "behind=1"));
}

TEST_F(DeliveryTest, SendsAgainWhatDidNotArrive) {
  post("a");
  say("a", no(Errc::timeout, "the connection broke"));
  pass(2 * kSecond);
  say("a", no(Errc::not_found, "not there"));
  EXPECT_THAT(sender->calls, ElementsAre("a=1", "?a", "a=1"));
  EXPECT_EQ(sender->open[0].parcel.attempt, 2U);
  say("a", arrived());
  EXPECT_EQ(state("a"), ParcelState::sent);
}

TEST_F(DeliveryTest, AsksAgainWhileItCannotBeFoundOut) {
  post("a");
  say("a", no(Errc::timeout, "the connection broke"));
  pass(2 * kSecond);
  for (const Errc code : {Errc::unavailable, Errc::busy, Errc::timeout}) {
    EXPECT_EQ(sender->waiting(), std::vector<std::string>{"?a"});
    say("a", no(code, "no network"));
    EXPECT_EQ(state("a"), ParcelState::sending);
    pass(10 * kSecond);
  }
  say("a", arrived());
  EXPECT_THAT(sender->calls, ElementsAre("a=1", "?a", "?a", "?a", "?a"));
}

TEST_F(DeliveryTest, ShowsWhatCannotBeFoundOutAndGoesOn) {
  post("a");
  post("behind");
  say("a", no(Errc::timeout, "the connection broke"));
  pass(2 * kSecond);
  say("a", no(Errc::permission_denied, "history is not readable"));
  EXPECT_EQ(state("a"), ParcelState::ambiguous);
  EXPECT_THAT(sender->told, ElementsAre("a ambiguous: history is not readable"));
  EXPECT_THAT(sender->waiting(), ElementsAre("behind"));
  pass(3600 * kSecond);
  EXPECT_THAT(sender->calls, ElementsAre("a=1", "?a", "behind=1"));
}

TEST_F(DeliveryTest, IsAmbiguousAtOnceWhereNobodyCanFindOut) {
  sender->can_reconcile = false;
  post("a");
  say("a", no(Errc::timeout, "the connection broke"));
  EXPECT_EQ(state("a"), ParcelState::ambiguous);
  EXPECT_EQ(sender->told.size(), 1U);
}

TEST_F(DeliveryTest, StopsAskingWhenItWouldBeTooLate) {
  post("a", "t", false, "1", milliseconds(60'000));
  say("a", no(Errc::timeout, "the connection broke"));
  sender->rule = [](const auto&) { return no(Errc::unavailable, "no network"); };
  pass(120 * kSecond);
  EXPECT_EQ(state("a"), ParcelState::ambiguous);
  EXPECT_THAT(sender->told, ElementsAre("a ambiguous: no network"));
}

TEST_F(DeliveryTest, RepeatsAnEditUntilItIsKnownToHaveArrived) {
  post("e", "t", true);
  say("e", no(Errc::timeout, "the connection broke"));
  EXPECT_EQ(state("e"), ParcelState::ready);
  pass(2 * kSecond);
  say("e", arrived());
  EXPECT_EQ(state("e"), ParcelState::sent);
  EXPECT_THAT(sender->calls, ElementsAre("e=1", "e=1"));
}

TEST_F(DeliveryTest, SendsTheNewestOfAnEdit) {
  post("e", "t", true, "1");
  post("e", "t", true, "2");
  post("e", "t", true, "3");
  EXPECT_THAT(sender->calls, ElementsAre("e=1"));
  say("e", arrived());
  EXPECT_THAT(sender->calls, ElementsAre("e=1", "e=3"));
  say("e", arrived());
  EXPECT_EQ(state("e"), ParcelState::sent);
  post("e", "t", true, "4");
  EXPECT_THAT(sender->calls, ElementsAre("e=1", "e=3", "e=4"));
}

TEST_F(DeliveryTest, DoesNotTellOfAFailedEditThatIsReplaced) {
  post("e", "t", true, "bad");
  post("e", "t", true, "good");
  say("e", no(Errc::invalid_argument, "too long"));
  EXPECT_THAT(sender->told, IsEmpty());
  EXPECT_THAT(sender->calls, ElementsAre("e=bad", "e=good"));
}

TEST_F(DeliveryTest, GivesUpWhatCanNeverArriveAndSaysSo) {
  post("a");
  post("behind");
  say("a", no(Errc::failed_precondition, "not_in_channel"));
  EXPECT_EQ(state("a"), ParcelState::failed);
  EXPECT_THAT(sender->told, ElementsAre("a failed: not_in_channel"));
  EXPECT_THAT(sender->waiting(), ElementsAre("behind"));
  EXPECT_THAT(sink.lines(Level::warn),
              Contains(HasSubstr("not known to have arrived instance=slack number=1")));
}

TEST_F(DeliveryTest, GivesUpWhatIsTooLate) {
  post("a", "t", false, "1", milliseconds(10'000));
  post("behind");
  say("a", no(Errc::busy, "limited", milliseconds(3'600'000)));
  pass(11 * kSecond);
  EXPECT_EQ(state("a"), ParcelState::expired);
  EXPECT_THAT(sender->told, ElementsAre("a expired: it could not be sent in time: limited"));
  EXPECT_THAT(sender->waiting(), ElementsAre("behind"));
}

// ---------------------------------------------------------------- the host dies

TEST_F(DeliveryTest, SendsAfterARestartWhatNobodyHadBegunToSend) {
  mail->fail_claims = 1000;
  post("a");
  EXPECT_THAT(sender->calls, IsEmpty());
  kill();
  EXPECT_THAT(sender->calls, ElementsAre("a=1"));
}

TEST_F(DeliveryTest, AsksAfterARestartAboutWhatWasBeingSent) {
  post("a");
  post("b", "other");
  kill();
  EXPECT_THAT(sender->calls, IsEmpty()) << "it may still be under way";
  pass(2 * kSecond);
  EXPECT_THAT(sender->waiting(), UnorderedElementsAre("?a", "?b"));
  say("a", arrived());
  say("b", no(Errc::not_found, "not there"));
  EXPECT_THAT(sender->waiting(), ElementsAre("b"));
}

TEST_F(DeliveryTest, AsksAfterARestartWhenTheOutcomeWasNotStored) {
  post("a");
  mail->fail_settles = 1000;
  say("a", arrived());
  kill();
  pass(2 * kSecond);
  EXPECT_THAT(sender->waiting(), ElementsAre("?a"));
  say("a", arrived());
  EXPECT_EQ(state("a"), ParcelState::sent);
}

TEST_F(DeliveryTest, SendsAnEditAgainAfterARestart) {
  post("e", "t", true, "1");
  post("e", "t", true, "2");
  kill();
  EXPECT_THAT(sender->calls, ElementsAre("e=2"));
}

TEST_F(DeliveryTest, AsksOnAfterARestartInTheMiddleOfAsking) {
  post("a");
  say("a", no(Errc::timeout, "the connection broke"));
  pass(2 * kSecond);
  EXPECT_THAT(sender->waiting(), ElementsAre("?a"));
  kill();
  EXPECT_THAT(sender->waiting(), ElementsAre("?a"));
}

TEST_F(DeliveryTest, TakesUpMoreTargetsThanItKeepsInMemory) {
  delivery->detach("slack", sender.get());
  for (int i = 0; i < 200; ++i) post(fmt::format("k{}", i), fmt::format("t{}", i % 70));
  options.outbox.targets = 8;
  kill();
  sender->rule = [](const auto&) { return arrived(); };
  for (const auto& key : sender->waiting()) say(key, arrived());
  pass(10 * kSecond);
  EXPECT_EQ(sender->calls.size(), 200U);
  for (int i = 200; i < 240; ++i) post(fmt::format("k{}", i), fmt::format("t{}", i));
  pass(10 * kSecond);
  EXPECT_EQ(sender->calls.size(), 240U);
}

// ---------------------------------------------------------------- the instance stops

TEST_F(DeliveryTest, SendsNothingWhileNoInstanceRuns) {
  delivery->detach("slack", sender.get());
  post("a");
  pass(60 * kSecond);
  EXPECT_THAT(sender->calls, IsEmpty());
  attach();
  EXPECT_THAT(sender->calls, ElementsAre("a=1"));
}

TEST_F(DeliveryTest, StoresWhatIsAnsweredWhileItStops) {
  post("a");
  post("behind");
  delivery->detach("slack", sender.get());
  say("a", arrived());
  EXPECT_EQ(state("a"), ParcelState::sent);
  EXPECT_EQ(sender->calls.size(), 1U);
  attach();
  EXPECT_THAT(sender->calls, ElementsAre("behind=1"));
}

TEST_F(DeliveryTest, AsksTheNextInstanceAboutWhatTheLastOneDidNotAnswer) {
  post("a");
  delivery->detach("slack", sender.get());
  say("a", no(Errc::timeout, "it has stopped"));
  EXPECT_EQ(state("a"), ParcelState::sending);
  pass(2 * kSecond);
  attach();
  EXPECT_THAT(sender->waiting(), ElementsAre("?a"));
}

TEST_F(DeliveryTest, GivesBackWhatWasClaimedWhenItStops) {
  // Between the claim and its answer.
  mail->while_claiming = [&] { delivery->detach("slack", sender.get()); };
  post("a");
  EXPECT_THAT(sender->calls, IsEmpty());
  EXPECT_EQ(state("a"), ParcelState::ready);
  attach();
  EXPECT_THAT(sender->calls, ElementsAre("a=1"));
}

TEST_F(DeliveryTest, AnOldInstanceDoesNotDetachANewOne) {
  const auto old = sender;
  attach();
  delivery->detach("slack", old.get());
  post("a");
  EXPECT_THAT(sender->calls, ElementsAre("a=1"));
}

// ---------------------------------------------------------------- the disk fails

TEST_F(DeliveryTest, StoresAnOutcomeLaterAndDoesNotSendTwice) {
  post("a");
  post("behind");
  mail->fail_settles = 3;
  say("a", arrived(R"({"ts":"1"})"));
  EXPECT_EQ(state("a"), ParcelState::sending);
  EXPECT_EQ(sender->calls.size(), 1U);
  pass(5 * kSecond);
  EXPECT_EQ(state("a"), ParcelState::sent);
  EXPECT_THAT(sender->calls, ElementsAre("a=1", "behind=1"));
}

TEST_F(DeliveryTest, BeginsLaterWhatItCannotClaim) {
  mail->fail_claims = 3;
  post("a");
  EXPECT_THAT(sender->calls, IsEmpty());
  pass(5 * kSecond);
  EXPECT_THAT(sender->calls, ElementsAre("a=1"));
}

TEST_F(DeliveryTest, LooksAgainForWhatIsOpenWhenThatCannotBeRead) {
  delivery->detach("slack", sender.get());
  post("a");
  mail->fail_lists = 2;
  attach();
  EXPECT_THAT(sender->calls, IsEmpty());
  pass(5 * kSecond);
  EXPECT_THAT(sender->calls, ElementsAre("a=1"));
}

// ---------------------------------------------------------------- people

TEST_F(DeliveryTest, APersonHasItSentAgainInItsOldPlace) {
  sender->can_reconcile = false;
  post("a");
  say("a", no(Errc::timeout, "the connection broke"));
  post("b");
  say("b", no(Errc::busy, "limited", milliseconds(60'000)));
  const auto lost =
      *answer<std::vector<Parcel>>([&](auto done) { delivery->list({}, std::move(done)); });
  ASSERT_EQ(lost.size(), 1U);
  ASSERT_TRUE(answer<Parcel>([&](auto done) { delivery->retry(lost[0].number, std::move(done)); }));
  EXPECT_THAT(sender->waiting(), ElementsAre("a"));
  say("a", arrived());
  EXPECT_EQ(state("a"), ParcelState::sent);
  EXPECT_THAT(sender->waiting(), IsEmpty()) << "b is still to wait";
}

TEST_F(DeliveryTest, APersonDropsWhatHoldsOthersUp) {
  post("a");
  post("behind");
  say("a", no(Errc::busy, "limited", milliseconds(3'600'000)));
  ASSERT_TRUE(answer<Parcel>([&](auto done) { delivery->drop(row("a").number, std::move(done)); }));
  EXPECT_THAT(sender->waiting(), ElementsAre("behind"));
}

// ---------------------------------------------------------------- inbox, and the rest

TEST_F(DeliveryTest, ReceivesOnceAndRemembersWhatIsNotHandled) {
  const auto receive = [&](std::string key) {
    return answer<bool>(
        [&](auto done) { delivery->receive("slack", {std::move(key)}, "{}", std::move(done)); });
  };
  EXPECT_EQ(receive("a"), true);
  EXPECT_EQ(receive("a"), false);
  EXPECT_EQ(receive("b"), true);
  clock.now += 5 * kSecond;
  kill();
  EXPECT_EQ(receive("b"), false);
  EXPECT_TRUE(answer([&](Done<> done) { delivery->handled("slack", "a", std::move(done)); }));
  const auto left = *answer<Delivery::Unhandled>(
      [&](auto done) { delivery->unhandled("slack", 0, 10, std::move(done)); });
  ASSERT_EQ(left.page.events.size(), 1U);
  EXPECT_EQ(left.page.events[0].key, "b");
  EXPECT_EQ(left.now - left.page.events[0].at, 5 * kSecond);
}

TEST_F(DeliveryTest, ACredentialBelongsToOneInstanceUntilItStops) {
  int one = 0, other = 0;
  EXPECT_TRUE(delivery->claim(&one, "slack", "xapp-1"));
  EXPECT_TRUE(delivery->claim(&one, "slack", "xapp-1"));
  const auto refused = delivery->claim(&other, "slack-2", "xapp-1");
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_THAT(refused.error().message, HasSubstr("the instance slack uses"));
  EXPECT_EQ(refused.error().message.find("xapp"), std::string::npos);
  EXPECT_TRUE(delivery->claim(&other, "slack-2", "xapp-2"));
  delivery->release(&one);
  EXPECT_TRUE(delivery->claim(&other, "slack-2", "xapp-1"));
}

TEST_F(DeliveryTest, TidiesOnceAnHour) {
  pass(59 * 60 * kSecond);
  EXPECT_EQ(mail->tidied, 0);
  pass(60 * kSecond);
  EXPECT_EQ(mail->tidied, 1);
  pass(2 * 3600 * kSecond);
  EXPECT_EQ(mail->tidied, 3);
}

TEST_F(DeliveryTest, MeasuresWhatWaits) {
  post("a");
  clock.now += 7 * kSecond;
  const auto measure = [&] {
    delivery->measure();
    settle();
    return metrics.text();
  };
  EXPECT_THAT(measure(),
              HasSubstr("viaduct_delivery_waiting{instance=\"slack\",state=\"sending\"} 1"));
  EXPECT_THAT(metrics.text(),
              HasSubstr("viaduct_delivery_oldest_seconds{instance=\"slack\",state=\"sending\"} 7"));
  say("a", arrived());
  EXPECT_THAT(measure(),
              HasSubstr("viaduct_delivery_waiting{instance=\"slack\",state=\"sending\"} 0"));
  EXPECT_THAT(metrics.text(), HasSubstr("viaduct_delivery_outcomes_total{instance=\"slack\","
                                        "outcome=\"sent\"} 1"));
}

}  // namespace
}  // namespace viaduct::delivery
