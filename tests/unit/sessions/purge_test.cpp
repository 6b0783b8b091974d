// What nobody used for long is deleted for good.
#include "scripted_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace viaduct::sessions {
namespace {

using ::testing::HasSubstr;
using testing::Recorder;
using testing::ScriptedBackend;
using testing::World;

constexpr store::Micros kLater = 4'000'000'000'000'000;  // everything is older than that

class PurgeTest : public ::testing::Test {
 protected:
  PurgeTest() { begin(); }
  void begin() {
    world.backend->rules["purge"] = [](const auto&) { return BackendAnswer{"", "", "{}"}; };
  }
  Result<PurgeAnswer> purge(bool dry_run = false, store::Micros since = kLater) {
    return world.wait<PurgeAnswer>(
        [&](Done<PurgeAnswer> done) { world.sessions->purge({since, dry_run}, std::move(done)); });
  }
  std::string said(const char* text) {
    const auto id = world.create(world.alice).record.id;
    const auto before = world.backend->count("prompt");
    EXPECT_TRUE(world.send(id, text, text));
    world.until([&] { return world.backend->count("prompt") == before + 1; });
    world.backend->end_turn("native-" + id);
    world.until([&] { return world.types(id).size() == 2; });
    return id;
  }
  bool there(const std::string& id) {
    return world
        .wait<SessionView>(
            [&](Done<SessionView> done) { world.sessions->get_any(id, std::move(done)); })
        .has_value();
  }
  std::vector<store::AuditRecord> audit(const std::string& id) {
    return world
        .wait<std::vector<store::AuditRecord>>([&](Done<std::vector<store::AuditRecord>> done) {
          world.sessions->audit_any(id, 100, std::move(done));
        })
        .value_or(std::vector<store::AuditRecord>{});
  }
  World world;
};

TEST_F(PurgeTest, DeletesWhatIsOldEverywhereAndSaysWhatItWas) {
  const auto old = said("old");
  const store::Micros since = std::chrono::duration_cast<std::chrono::microseconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count();
  const auto young = said("young");
  const auto answer = purge(false, since);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->count, 1u);
  EXPECT_EQ(answer->sessions[0].record.id, old);
  EXPECT_GT(answer->bytes, 3u);
  EXPECT_EQ(world.backend->last("purge").text, "native-" + old);
  EXPECT_EQ(world.backend->last("purge").session, 0u);
  EXPECT_EQ(world.backend->last("close").text, "") << "it would stay if this failed";
  EXPECT_FALSE(there(old));
  EXPECT_TRUE(there(young));
  ASSERT_EQ(audit(old).size(), 1u);
  EXPECT_EQ(audit(old)[0].event, "purged");
  EXPECT_THAT(audit(old)[0].detail, HasSubstr("\"by\":\"operator\""));
  EXPECT_THAT(world.metrics->text(),
              HasSubstr("viaduct_sessions_purged_total{backend=\"agent\"} 1"));
  world.kill();
  world.start();
  EXPECT_FALSE(there(old));
  EXPECT_TRUE(there(young));
}

TEST_F(PurgeTest, ADryRunDeletesNothing) {
  const auto id = said("old");
  const auto answer = purge(true);
  EXPECT_TRUE(answer->dry_run);
  EXPECT_EQ(answer->count, 1u);
  EXPECT_GT(answer->bytes, 3u);
  EXPECT_TRUE(there(id));
  EXPECT_EQ(world.backend->count("purge"), 0u);
}

TEST_F(PurgeTest, WhatRunsOrWaitsStays) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "1"));
  world.until([&] { return world.backend->count("prompt") == 1; });
  const auto answer = purge();
  EXPECT_EQ(answer->count, 0u);
  EXPECT_EQ(answer->in_use, 1u);
  world.backend->end_turn();
  world.until([&] { return world.types(id).size() == 2; });
  EXPECT_EQ(purge()->count, 1u);
}

TEST_F(PurgeTest, WhatTheBackendCannotRemoveStaysToBeTriedAgain) {
  const auto id = said("old");
  world.backend->rules["purge"] = [](const auto&) {
    return fail(Errc::unavailable, "the folder says EIO");
  };
  const auto answer = purge();
  EXPECT_EQ(answer->count, 0u);
  ASSERT_EQ(answer->failures.size(), 1u);
  EXPECT_EQ(answer->failures[0].first, id);
  EXPECT_EQ(answer->failures[0].second.message, "the folder says EIO");
  EXPECT_TRUE(there(id));
  EXPECT_TRUE(world.send(id, "still here", "2"));
  world.until([&] { return world.backend->count("prompt") == 2; });
  world.backend->end_turn();
  world.until([&] { return world.types(id).size() == 4; });
  world.backend->rules["purge"] = [](const auto&) {
    return fail(Errc::unsupported, "this backend keeps nothing");
  };
  EXPECT_EQ(purge()->count, 1u);
  EXPECT_FALSE(there(id));
}

TEST_F(PurgeTest, ASessionThatIsNotInMemoryIsDeletedToo) {
  const auto id = said("old");
  world.kill();
  world.start();
  begin();
  EXPECT_EQ(purge()->count, 1u);
  EXPECT_FALSE(there(id));
}

TEST_F(PurgeTest, WhileItIsDeletedNobodyGetsIt) {
  const auto id = said("old");
  world.backend->rules.erase("purge");
  auto answer = std::make_shared<std::optional<Result<PurgeAnswer>>>();
  world.sessions->purge({kLater, false},
                        [answer](Result<PurgeAnswer> a) { *answer = std::move(a); });
  world.until([&] { return world.backend->count("purge") == 1; });
  EXPECT_EQ(world.send(id, "too late", "2").error().code, Errc::unavailable) << "it may stay yet";
  EXPECT_EQ(purge().error().code, Errc::busy);
  world.backend->reply(world.backend->last("purge"), BackendAnswer{"", "", "{}"});
  world.until([&] { return answer->has_value(); });
  EXPECT_EQ((**answer)->count, 1u);
}

TEST_F(PurgeTest, AViewerOfASessionThatCouldNotBeDeletedGoesOnWatchingIt) {
  const auto id = said("old");
  Recorder recorder;
  ASSERT_TRUE(world.wait<SubscriptionId>([&](Done<SubscriptionId> done) {
    world.sessions->subscribe(world.alice, id, {}, recorder, std::move(done));
  }));
  world.backend->rules["purge"] = [](const auto&) {
    return fail(Errc::unavailable, "the folder says EIO");
  };
  EXPECT_EQ(purge()->failed, 1u);
  EXPECT_FALSE(recorder.end);
  ASSERT_TRUE(world.send(id, "still here", "2"));
  world.until([&] { return world.backend->count("prompt") == 2; });
  world.backend->end_turn();
  world.until([&] { return world.types(id).size() == 4; });
  EXPECT_EQ(recorder.texts()[3], "still here");
}

TEST_F(PurgeTest, AViewerIsToldOnlyWhenTheBackendHasRemovedWhatItKeeps) {
  const auto id = said("old");
  Recorder recorder;
  ASSERT_TRUE(world.wait<SubscriptionId>([&](Done<SubscriptionId> done) {
    world.sessions->subscribe(world.alice, id, {}, recorder, std::move(done));
  }));
  world.backend->rules.erase("purge");
  std::optional<Result<PurgeAnswer>> answer;
  world.sessions->purge({kLater, false}, [&](Result<PurgeAnswer> a) { answer = std::move(a); });
  world.until([&] { return world.backend->count("purge") == 1; });
  EXPECT_FALSE(recorder.end);
  world.backend->reply(world.backend->last("purge"), BackendAnswer{"", "", "{}"});
  world.until([&] { return answer.has_value(); });
  EXPECT_TRUE(recorder.end);
}

TEST_F(PurgeTest, AViewerIsToldThatTheSessionIsGone) {
  const auto id = said("old");
  Recorder recorder;
  ASSERT_TRUE(world.wait<SubscriptionId>([&](Done<SubscriptionId> done) {
    world.sessions->subscribe(world.alice, id, {}, recorder, std::move(done));
  }));
  EXPECT_EQ(purge()->count, 1u);
  ASSERT_TRUE(recorder.end);
  EXPECT_EQ(recorder.end->code, Errc::not_found);
}

TEST_F(PurgeTest, ManyAreDeletedPageByPage) {
  for (int i = 0; i < 120; ++i) world.create(world.alice);
  world.backend->rules["purge"] = [n = 0](const auto&) mutable -> Result<BackendAnswer> {
    if (++n % 50 == 0) return fail(Errc::internal, "not this one");
    return BackendAnswer{"", "", "{}"};
  };
  const auto answer = purge();
  EXPECT_EQ(answer->count, 118u);
  EXPECT_EQ(answer->failed, 2u);
  EXPECT_EQ(world
                .wait<store::Counts>(
                    [&](Done<store::Counts> done) { world.store->counts(std::move(done)); })
                ->sessions,
            2u);
}

}  // namespace
}  // namespace viaduct::sessions
