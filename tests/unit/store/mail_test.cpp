#include "fixture.hpp"

#include "host/store/database.hpp"
#include "host/store/inbox.hpp"
#include "host/store/mail_sql.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

namespace viaduct::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr Micros kHour = 3600LL * 1'000'000;
constexpr Micros kNow = 1'700'000'000LL * 1'000'000;

class MailTest : public StoreTest {
 protected:
  void SetUp() override { open(); }

  Result<bool> receive(std::vector<std::string> keys, std::string payload = "{}", Micros at = kNow,
                       std::string space = "slack") {
    return answer<bool>([&](Done<bool> done) {
      store->mail().receive(std::move(space), std::move(keys), std::move(payload), at,
                            std::move(done));
    });
  }
  Result<> handled(std::string key, std::string space = "slack") {
    return answer([&](Done<> done) {
      store->mail().handled(std::move(space), std::move(key), std::move(done));
    });
  }
  InboxPage unhandled(std::uint64_t after = 0, std::uint32_t limit = 1000,
                      std::size_t bytes = SIZE_MAX, std::string space = "slack") {
    return *answer<InboxPage>([&](auto done) {
      store->mail().unhandled(std::move(space), after, limit, bytes, std::move(done));
    });
  }
  std::vector<std::string> left(std::string space = "slack") {
    std::vector<std::string> keys;
    for (const auto& event : unhandled(0, 1000, SIZE_MAX, std::move(space)).events)
      keys.push_back(event.key);
    return keys;
  }
  Result<> tidy(Micros now = kNow) {
    return answer([&](Done<> done) { store->mail().tidy(now, std::move(done)); });
  }

  static Parcel a_parcel(std::string key, std::string target = "t", bool edit = false,
                         std::string payload = "1") {
    Parcel parcel;
    parcel.space = "slack";
    parcel.key = std::move(key);
    parcel.target = std::move(target);
    parcel.edit = edit;
    parcel.payload = std::move(payload);
    parcel.posted_at = kNow;
    parcel.due_at = kNow;
    parcel.expires_at = kNow + 24 * kHour;
    return parcel;
  }
  Result<Posted> post(Parcel parcel) {
    return answer<Posted>(
        [&](auto done) { store->mail().post(std::move(parcel), std::move(done)); });
  }
  Result<Parcel> find(std::string key) {
    return answer<Parcel>(
        [&](auto done) { store->mail().find("slack", std::move(key), std::move(done)); });
  }
  NextParcel next(Micros now = kNow, std::string target = "t") {
    return *answer<NextParcel>(
        [&](auto done) { store->mail().next("slack", std::move(target), now, std::move(done)); });
  }
  Result<ParcelState> settle(std::uint64_t number, ParcelState state, std::string result = {},
                             Micros due_at = 0, Micros now = kNow) {
    return answer<ParcelState>([&](auto done) {
      store->mail().settle({number, state, std::move(result), "a reason", due_at, now},
                           std::move(done));
    });
  }
  std::vector<std::string> list(std::vector<ParcelState> states = {}, std::uint64_t before = 0,
                                std::uint32_t limit = 50) {
    std::vector<std::string> keys;
    for (const auto& parcel : *answer<std::vector<Parcel>>([&](auto done) {
           store->mail().parcels({"", std::move(states), before, limit}, std::move(done));
         }))
      keys.push_back(parcel.key);
    return keys;
  }
  std::vector<std::string> targets(std::string after = {}, std::uint32_t limit = 100) {
    return *answer<std::vector<std::string>>([&](auto done) {
      store->mail().open_targets("slack", std::move(after), limit, std::move(done));
    });
  }
  // Posts, claims and settles one, so that it is in this state.
  std::uint64_t brought_to(ParcelState state, const std::string& key) {
    EXPECT_TRUE(post(a_parcel(key, key)));
    const auto number = next(kNow, key).parcel.value().number;
    EXPECT_TRUE(settle(number, state, state == ParcelState::sent ? "{}" : ""));
    return number;
  }
  std::int64_t count(const char* table) {
    auto database = *Database::open(file());
    const auto sql = fmt::format("SELECT count(*) FROM {}", table);
    Query query(*database, sql.c_str());
    return query.next() ? query.integer(0) : -1;
  }
};

// ---------------------------------------------------------------- inbox

using InboxTest = MailTest;

TEST_F(InboxTest, TakesAnEventOnceByAnyOfItsKeys) {
  EXPECT_EQ(receive({"a", "b"}, "first"), true);
  EXPECT_EQ(receive({"b", "c"}, "second"), false);
  EXPECT_EQ(receive({"c"}, "third"), false) << "a key that came with a known one is known, too";
  EXPECT_EQ(receive({"d", "d"}), true);
  EXPECT_EQ(receive({"a"}, "other", kNow, "teams"), true) << "keys are the instance's own";
  ASSERT_EQ(left(), (std::vector<std::string>{"a", "d"}));
  EXPECT_EQ(unhandled().events[0].payload, "first");
  EXPECT_EQ(unhandled().events[0].at, kNow);
}

TEST_F(InboxTest, KnowsKeysAfterARestartAndWhereverTheyAreKept) {
  EXPECT_EQ(receive({"a", "b"}), true);
  ASSERT_TRUE(tidy());
  EXPECT_EQ(count("key_log"), 0);
  EXPECT_EQ(count("known_keys"), 2);
  EXPECT_EQ(receive({"c"}), true);
  reopen();
  for (const auto* key : {"a", "b", "c"}) EXPECT_EQ(receive({key}), false) << key;
  EXPECT_TRUE(handled("b"));
  EXPECT_EQ(left(), std::vector<std::string>{"c"});
  reopen();
  EXPECT_EQ(receive({"a"}), false);
  EXPECT_EQ(left(), std::vector<std::string>{"c"});
}

TEST_F(InboxTest, HandledIsFoundByAnyKeyAndMayBeSaidTwice) {
  receive({"a", "b"});
  receive({"b", "c"});
  EXPECT_TRUE(handled("c"));
  EXPECT_TRUE(handled("a"));
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_EQ(handled("x").error().code, Errc::not_found);
  EXPECT_EQ(handled("a", "teams").error().code, Errc::not_found);
}

TEST_F(InboxTest, ListsWhatIsUnhandledInPages) {
  for (int i = 0; i < 10; ++i)
    receive({fmt::format("k{}", i)}, std::string(100, 'x'), kNow - i);  // a clock that goes back
  handled("k3");
  std::vector<std::string> seen;
  std::uint64_t after = 0;
  for (;;) {
    const auto page = unhandled(after, 2);
    for (const auto& event : page.events) {
      seen.push_back(event.key);
      after = event.number;
    }
    if (!page.more) break;
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"k0", "k1", "k2", "k4", "k5", "k6", "k7", "k8", "k9"}));
  EXPECT_EQ(unhandled(0, 100, 250).events.size(), 2U);
  EXPECT_EQ(unhandled(0, 100, 1).events.size(), 1U);
  EXPECT_TRUE(unhandled(0, 100, 1).more);
}

TEST_F(InboxTest, ForgetsKeysAfterTwoDaysAndNotBefore) {
  receive({"old"}, "{}", kNow - 50 * kHour);
  receive({"young"}, "{}", kNow - 48 * kHour);
  ASSERT_TRUE(tidy(kNow - 48 * kHour));  // both are in the index
  ASSERT_TRUE(tidy(kNow));
  EXPECT_EQ(receive({"young"}), false);
  EXPECT_EQ(receive({"old"}), true);
}

TEST_F(InboxTest, SortsKeysInByItselfAndLosesNoneMeanwhile) {
  const int many = static_cast<int>(Inbox::kMany) + 3000;
  int fresh = 0;
  for (int i = 0; i < many; ++i)
    store->mail().receive("slack", {fmt::format("key {}", i)}, "{}", kNow,
                          [&](Result<bool> is_new) { fresh += is_new && *is_new; });
  StoreTest::settle();
  EXPECT_EQ(fresh, many);
  for (int i = 0; i < 1024; ++i)  // so that it is looked at
    store->mail().receive("slack", {"key 0"}, "{}", kNow,
                          [&](Result<bool> is_new) { fresh += is_new && *is_new; });
  StoreTest::settle();
  EXPECT_GT(count("known_keys"), Inbox::kMany - 1);
  for (int i = 0; i < many; ++i)
    store->mail().receive("slack", {fmt::format("key {}", i)}, "{}", kNow,
                          [&](Result<bool> is_new) { fresh += is_new && *is_new; });
  StoreTest::settle();
  EXPECT_EQ(fresh, many);
  reopen();
  EXPECT_EQ(receive({"key 1"}), false);
  EXPECT_EQ(receive({fmt::format("key {}", many - 1)}), false);
}

TEST_F(InboxTest, KnowsAllKeysAfterAKillWhileTheyAreSortedIn) {
  for (int i = 0; i < 100; ++i) receive({fmt::format("key {}", i)});
  store.reset();
  {
    auto database = *Database::open(file());
    Inbox inbox(*database);
    ASSERT_TRUE(inbox.begin());
    for (int step = 0; step < Inbox::kSteps / 2; ++step)
      ASSERT_TRUE(inbox.sort_in(step, inbox.newest_key(), 0));
  }
  open();
  EXPECT_GT(count("known_keys"), 20);
  EXPECT_EQ(count("key_log"), 100);
  for (const bool sorted : {false, true}) {
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(receive({fmt::format("key {}", i)}), false) << i << sorted;
    ASSERT_TRUE(tidy());
    EXPECT_EQ(count("known_keys"), 100);
    EXPECT_EQ(count("key_log"), 0);
  }
  EXPECT_EQ(left().size(), 100U);
}

// What was rolled back was never received: the next one with its keys is new.
TEST_F(InboxTest, TakesAnEventAfterTheDiskWasFull) {
  store.reset();
  open(200);
  const std::string large(300'000, 'x');
  int taken = 0;
  while (taken < 10 && receive({fmt::format("large {}", taken)}, large)) ++taken;
  ASSERT_LT(taken, 10);
  const auto refused = fmt::format("large {}", taken);
  // In one transaction with others that fit, so that it is undone alone.
  std::vector<Result<bool>> results;
  for (int i = 0; i < 20; ++i)
    store->mail().receive("slack", {i == 10 ? refused : fmt::format("small {}", i)},
                          i == 10 ? large : "{}", kNow,
                          [&](Result<bool> result) { results.push_back(std::move(result)); });
  StoreTest::settle();
  ASSERT_EQ(results.size(), 20U);
  EXPECT_EQ(results[10].error().code, Errc::unavailable);
  EXPECT_EQ(results[9], true);
  EXPECT_EQ(results[11], true);
  EXPECT_EQ(receive({refused}), true);
  EXPECT_EQ(receive({"small 9"}), false);
}

// They are on disk: they must never change. Made with another program, which was checked against
// the vectors of SipHash's authors.
TEST(InboxKeys, HaveTheHashesThatAreOnDisk) {
  EXPECT_EQ(static_cast<std::uint64_t>(key_hash("slack", "Ev1")), 0x23101e40ef77282d);
  EXPECT_EQ(static_cast<std::uint64_t>(key_hash("slack", "")), 0xbbb13da50e5a5ed9);
  EXPECT_EQ(static_cast<std::uint64_t>(key_hash("slack", "Ev0123456789")), 0x415b9d8f999c3e73);
}

// ---------------------------------------------------------------- outbox

using OutboxTest = MailTest;

TEST_F(OutboxTest, KnowsAKeyAndAnswersWithTheFirst) {
  const auto first = post(a_parcel("k"));
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->fresh);
  auto again = post(a_parcel("k", "t", false, "2"));
  EXPECT_FALSE(again->fresh);
  EXPECT_EQ(again->state, ParcelState::ready);
  const auto claimed = next();
  EXPECT_EQ(claimed.parcel->payload, "1");
  EXPECT_EQ(settle(claimed.parcel->number, ParcelState::sent, R"({"ts":"1"})"), ParcelState::sent);
  reopen();
  again = post(a_parcel("k", "t", false, "3"));
  EXPECT_FALSE(again->fresh);
  EXPECT_EQ(again->state, ParcelState::sent);
  EXPECT_EQ(again->result, R"({"ts":"1"})");
  EXPECT_EQ(find("k")->result, R"({"ts":"1"})");
  EXPECT_EQ(find("k")->payload, "");
  EXPECT_EQ(find("x").error().code, Errc::not_found);
}

TEST_F(OutboxTest, GivesOutOneAfterTheOtherOfATarget) {
  post(a_parcel("a"));
  post(a_parcel("b"));
  post(a_parcel("c", "u"));
  const auto a = next();
  EXPECT_EQ(a.parcel->key, "a");
  EXPECT_EQ(a.parcel->attempt, 1U);
  EXPECT_FALSE(a.interrupted);
  EXPECT_EQ(find("a")->state, ParcelState::sending);
  EXPECT_EQ(next(kNow, "u").parcel->key, "c");
  EXPECT_EQ(settle(a.parcel->number, ParcelState::sent), ParcelState::sent);
  EXPECT_EQ(next().parcel->key, "b");
  EXPECT_EQ(targets(), (std::vector<std::string>{"t", "u"}));
  EXPECT_EQ(targets("t"), std::vector<std::string>{"u"});
  EXPECT_EQ(targets("", 1), std::vector<std::string>{"t"});
}

TEST_F(OutboxTest, KeepsThePlaceOfWhatIsPutOff) {
  post(a_parcel("a"));
  post(a_parcel("b"));
  const auto number = next().parcel->number;
  EXPECT_EQ(settle(number, ParcelState::ready, "", kNow + 50), ParcelState::ready);
  EXPECT_FALSE(next().parcel);
  EXPECT_EQ(next().due, kNow + 50);
  const auto again = next(kNow + 50);
  EXPECT_EQ(again.parcel->key, "a");
  EXPECT_EQ(again.parcel->attempt, 2U);
}

TEST_F(OutboxTest, SaysWhatSomebodyHadBegunToSend) {
  post(a_parcel("a"));
  post(a_parcel("e", "u", true));
  next(kNow);
  next(kNow, "u");
  reopen();
  const auto message = next(kNow + 7);
  EXPECT_TRUE(message.interrupted);
  EXPECT_EQ(message.parcel->attempt, 1U);
  EXPECT_EQ(message.parcel->changed_at, kNow) << "when it began";
  EXPECT_EQ(message.parcel->host_epoch, store->epoch());
  const auto edit = next(kNow + 7, "u");
  EXPECT_TRUE(edit.interrupted);
  EXPECT_EQ(edit.parcel->attempt, 2U);
  EXPECT_EQ(settle(message.parcel->number, ParcelState::sent), ParcelState::sent);
}

TEST_F(OutboxTest, LetsNobodySettleWhatIsNotTheirs) {
  post(a_parcel("a"));
  const auto number = next().parcel->number;
  EXPECT_EQ(settle(number, ParcelState::sent), ParcelState::sent);
  EXPECT_EQ(settle(number, ParcelState::failed).error().code, Errc::conflict);
  EXPECT_EQ(find("a")->state, ParcelState::sent);
  post(a_parcel("b"));
  const auto other = next().parcel->number;
  reopen();  // another epoch, that has not claimed it
  EXPECT_EQ(settle(other, ParcelState::sent).error().code, Errc::conflict);
  EXPECT_EQ(find("b")->state, ParcelState::sending);
}

TEST_F(OutboxTest, ReplacesAnEditThatWasNotSent) {
  post(a_parcel("e", "t", true, "1"));
  post(a_parcel("behind"));
  EXPECT_TRUE(post(a_parcel("e", "t", true, "2"))->fresh);
  const auto claimed = next();
  EXPECT_EQ(claimed.parcel->key, "e") << "it kept its place";
  EXPECT_EQ(claimed.parcel->payload, "2");
}

TEST_F(OutboxTest, SendsAnEditOnceMoreThatWasReplacedWhileItWasSent) {
  post(a_parcel("e", "t", true, "1"));
  const auto number = next().parcel->number;
  EXPECT_TRUE(post(a_parcel("e", "t", true, "2"))->fresh);
  EXPECT_EQ(settle(number, ParcelState::sent, "{}"), ParcelState::ready);
  const auto again = next();
  EXPECT_EQ(again.parcel->payload, "2");
  EXPECT_EQ(again.parcel->attempt, 1U);
  EXPECT_EQ(settle(again.parcel->number, ParcelState::sent, "{}"), ParcelState::sent);
  // And what was sent is sent anew, behind what came meanwhile.
  post(a_parcel("behind"));
  EXPECT_TRUE(post(a_parcel("e", "t", true, "3"))->fresh);
  EXPECT_EQ(next().parcel->key, "behind");
}

TEST_F(OutboxTest, SendsAnEditThatWasReplacedBeforeAKillOnce) {
  post(a_parcel("e", "t", true, "1"));
  next();
  post(a_parcel("e", "t", true, "2"));
  reopen();
  const auto again = next();
  EXPECT_EQ(again.parcel->payload, "2");
  EXPECT_EQ(settle(again.parcel->number, ParcelState::sent, "{}"), ParcelState::sent);
}

TEST_F(OutboxTest, RefusesAnEditOfAKeyThatGoesElsewhere) {
  post(a_parcel("e", "t", true));
  EXPECT_EQ(post(a_parcel("e", "u", true)).error().code, Errc::conflict);
}

TEST_F(OutboxTest, DoesNotTakeAMessageForAnEditOfItself) {
  post(a_parcel("m", "t", false, "1"));
  EXPECT_FALSE(post(a_parcel("m", "t", true, "2"))->fresh);
  EXPECT_EQ(next().parcel->payload, "1");
}

TEST_F(OutboxTest, ExpiresWhatIsTooLate) {
  auto parcel = a_parcel("a");
  parcel.expires_at = kNow + 10;
  post(parcel);
  const auto number = next().parcel->number;
  settle(number, ParcelState::ready, "", kNow + 1000);
  EXPECT_EQ(next().due, kNow + 10) << "it is told in time";
  const auto late = next(kNow + 10);
  EXPECT_EQ(late.parcel->state, ParcelState::expired);
  EXPECT_THAT(late.parcel->reason, HasSubstr("in time: a reason"));
  EXPECT_EQ(find("a")->state, ParcelState::expired);
  EXPECT_FALSE(next(kNow + 10).parcel);
  EXPECT_EQ(next(kNow + 10).due, 0);
}

TEST_F(OutboxTest, ShowsPeopleWhatMayBeMissing) {
  brought_to(ParcelState::sent, "sent");
  const auto ambiguous = brought_to(ParcelState::ambiguous, "ambiguous");
  brought_to(ParcelState::failed, "failed");
  brought_to(ParcelState::expired, "expired");
  post(a_parcel("ready", "r"));
  EXPECT_EQ(list(), (std::vector<std::string>{"expired", "failed", "ambiguous"}));
  EXPECT_EQ(list({ParcelState::ready, ParcelState::sent}),
            (std::vector<std::string>{"ready", "sent"}));
  EXPECT_EQ(list({}, 0, 1), std::vector<std::string>{"expired"});
  EXPECT_THAT(list({}, ambiguous), IsEmpty());
}

TEST_F(OutboxTest, IsTriedAgainOrDroppedByAPerson) {
  const auto retry = [&](std::uint64_t number) {
    return answer<Parcel>(
        [&](auto done) { store->mail().retry(number, kNow, kNow + kHour, std::move(done)); });
  };
  const auto drop = [&](std::uint64_t number) {
    return answer<Parcel>([&](auto done) { store->mail().drop(number, kNow, std::move(done)); });
  };
  const auto sent = brought_to(ParcelState::sent, "sent");
  const auto lost = brought_to(ParcelState::ambiguous, "lost");
  const auto failed = brought_to(ParcelState::failed, "failed");
  EXPECT_EQ(retry(sent).error().code, Errc::failed_precondition);
  EXPECT_EQ(drop(sent).error().code, Errc::failed_precondition);
  EXPECT_EQ(retry(999).error().code, Errc::not_found);
  EXPECT_EQ(drop(999).error().code, Errc::not_found);

  ASSERT_TRUE(retry(lost));
  EXPECT_EQ(retry(lost).error().code, Errc::failed_precondition);
  EXPECT_EQ(next(kNow, "lost").parcel->payload, "1");
  EXPECT_EQ(drop(lost).error().code, Errc::failed_precondition) << "it is being sent";

  ASSERT_TRUE(drop(failed));
  EXPECT_THAT(list(), IsEmpty());
  EXPECT_EQ(find("failed")->state, ParcelState::failed);
  EXPECT_THAT(find("failed")->reason, HasSubstr("dropped by an operator; a reason"));
  EXPECT_EQ(retry(failed).error().code, Errc::failed_precondition);
  EXPECT_FALSE(post(a_parcel("failed"))->fresh) << "its key is still known";
}

TEST_F(OutboxTest, ForgetsWhatWasSentAfterTwoDaysAndTheRestAfterAMonth) {
  for (const ParcelState state : {ParcelState::sent, ParcelState::ambiguous})
    brought_to(state, std::string(name(state)));
  post(a_parcel("open"));
  const auto known = [&] {
    std::string keys;
    for (const auto* key : {"sent", "ambiguous", "open"})
      if (find(key)) keys += std::string(key) + " ";
    return keys;
  };
  ASSERT_TRUE(tidy(kNow + 48 * kHour));
  EXPECT_EQ(known(), "sent ambiguous open ");
  ASSERT_TRUE(tidy(kNow + 50 * kHour));
  EXPECT_EQ(known(), "ambiguous open ");
  ASSERT_TRUE(tidy(kNow + 31 * 24 * kHour));
  EXPECT_EQ(known(), "open ");
}

TEST_F(OutboxTest, CountsWhatWaits) {
  receive({"a"}, "{}", kNow - 5);
  receive({"b"});
  brought_to(ParcelState::sent, "sent");
  brought_to(ParcelState::ambiguous, "lost");
  post(a_parcel("x"));
  post(a_parcel("y"));
  const auto counts = answer<MailCounts>([&](auto done) { store->mail().counts(std::move(done)); });
  std::vector<std::string> lines;
  for (const auto& one : counts->waiting)
    lines.push_back(fmt::format("{} {} {} {}", one.space, one.state, one.count, kNow - one.oldest));
  EXPECT_THAT(lines, testing::UnorderedElementsAre("slack unhandled 2 5", "slack ready 2 0",
                                                   "slack ambiguous 1 0"));
}

// So that they cost the same among any number of those that are done with.
TEST_F(OutboxTest, IsReadByIndexes) {
  store.reset();
  for (const auto* sql : {sql::kParcelByKey, sql::kOpenTargets, sql::kNextParcel, sql::kUnhandled,
                          sql::kParcelsOfState, sql::kForgetParcels, sql::kMailWaiting}) {
    const auto explain = std::string("EXPLAIN QUERY PLAN ") + sql;
    auto database = Database::open(file());
    ASSERT_TRUE(database);
    Query plan(**database, explain.c_str());
    std::string steps;
    while (plan.next()) steps += plan.text(3) + "\n";
    EXPECT_TRUE(plan.status()) << sql << plan.status().error().message;
    if (sql == sql::kMailWaiting)
      EXPECT_THAT(steps, HasSubstr("SCAN outbox USING INDEX outbox_for_people"));
    else
      EXPECT_THAT(steps, HasSubstr("SEARCH")) << sql;
    if (sql != sql::kMailWaiting) EXPECT_THAT(steps, Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
}

}  // namespace
}  // namespace viaduct::store
