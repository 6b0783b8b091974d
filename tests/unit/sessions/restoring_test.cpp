// How a lost session is had back, and what is counted and kept of it.
#include "scripted_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace viaduct::sessions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::World;

class Restoring : public ::testing::Test {
 protected:
  void restart() {
    world.kill();
    world.start();
  }
  // A session in which something was said; its native id is `native`.
  std::string said(const std::string& native = "A", std::string working_dir = "~",
                   std::string usage = "{}") {
    auto created = world.wait<SessionView>([&](Done<SessionView> done) {
      world.sessions->create(world.alice, {"", working_dir, "", ""}, std::move(done));
    });
    const std::string id = created->record.id;
    talk(id, native, std::move(usage));
    return id;
  }
  void talk(const std::string& id, const std::string& native, std::string usage = "{}") {
    const auto before = world.backend->count("prompt");
    const auto turns = ends(id);
    ASSERT_TRUE(world.send(id, "hello", std::to_string(before) + native));
    world.until([&] { return world.backend->count("prompt") == before + 1; });
    world.backend->reply(world.backend->last("prompt"), BackendAnswer{native, "end_turn", usage});
    world.until([&] { return ends(id) == turns + 1; });
  }
  std::ptrdiff_t ends(const std::string& id) {
    const auto types = world.types(id);
    return std::ranges::count(types, "turn_end");
  }
  Result<ResumeAnswer> resume(const std::string& id) {
    return world.wait<ResumeAnswer>(
        [&](Done<ResumeAnswer> done) { world.sessions->resume(world.alice, id, std::move(done)); });
  }
  std::vector<store::AuditRecord> audit(const std::string& id) {
    return *world.wait<std::vector<store::AuditRecord>>(
        [&](Done<std::vector<store::AuditRecord>> done) {
          world.sessions->audit_any(id, 100, std::move(done));
        });
  }
  store::Session record(const std::string& id) {
    return *world.wait<store::Session>(
        [&](Done<store::Session> done) { world.store->session(id, std::move(done)); });
  }
  // As if it had happened so long ago.
  void age(const std::string& id, std::chrono::hours by) {
    store::Session old = record(id);
    old.native_at -= std::chrono::duration_cast<std::chrono::microseconds>(by).count();
    ASSERT_TRUE(world.wait<void>(
        [&](Done<> done) { world.store->write({store::PutSession{old}}, std::move(done)); }));
  }
  void restoring_fails(Errc code) {
    world.backend->rules["restore"] = [code](const auto&) { return fail(code, "no luck"); };
  }
  World world;
};

TEST_F(Restoring, AnIdOfAnotherAgentTypeIsNotOfferedAndTheTranscriptIs) {
  const auto id = said();
  restart();
  world.backend->facts().agent_type = "another";
  EXPECT_EQ(resume(id)->context, "transcript");
  EXPECT_EQ(world.backend->count("restore"), 0u);
  EXPECT_THAT(audit(id).back().detail, HasSubstr("another agent (scripted)"));
  EXPECT_EQ(record(id).agent_type, "another");
  EXPECT_THAT(world.metrics->text(), HasSubstr("reason=\"other_agent\""));
}

TEST_F(Restoring, AWorkingFolderThatIsGoneOrAnotherSkipsTheNativeId) {
  const auto folder = world.folder / "project";
  std::filesystem::create_directory(folder);
  const auto gone = said("A", folder.string());
  const auto replaced = said("B", folder.string());
  std::filesystem::rename(folder, world.folder / "moved");  // keeps its inode from being used again
  restart();
  EXPECT_EQ(resume(gone)->context, "transcript");
  EXPECT_THAT(audit(gone).back().detail, HasSubstr("is gone"));
  std::filesystem::create_directory(folder);
  EXPECT_EQ(resume(replaced)->context, "transcript");
  EXPECT_THAT(audit(replaced).back().detail, HasSubstr("is not the one it was"));
  EXPECT_EQ(world.backend->count("restore"), 0u);
  EXPECT_THAT(world.metrics->text(), HasSubstr("reason=\"folder\""));
}

TEST_F(Restoring, AnIdIsGoodForItsAgeSinceItsLastUse) {
  const auto young = said("A");
  const auto old = said("B");
  age(young, std::chrono::hours(23));
  age(old, std::chrono::hours(25));
  restart();
  world.backend->facts().policy.native_max_age = std::chrono::hours(24);
  EXPECT_EQ(resume(young)->context, "native");
  EXPECT_EQ(resume(old)->context, "transcript");
  EXPECT_EQ(world.backend->count("restore"), 1u);
  EXPECT_THAT(audit(old).back().detail, HasSubstr("expired"));
  EXPECT_THAT(audit(old).back().detail, HasSubstr("\"native_age_ms\":9000"));  // 25 h and a little
  EXPECT_THAT(
      world.metrics->text(),
      HasSubstr(
          "viaduct_resume_age_seconds_bucket{backend=\"agent\",rung=\"native\",le=\"86400\"} 1"));
  // It was used just now.
  restart();
  world.backend->facts().policy.native_max_age = std::chrono::hours(24);
  EXPECT_EQ(resume(young)->context, "native");
}

TEST_F(Restoring, TheFifthFailedResumeUsesTheTranscriptAndTheSixthDoesNotTryTheId) {
  const auto id = said();
  restart();
  world.backend->facts().policy.attempts = 2;
  restoring_fails(Errc::unavailable);
  for (int i = 1; i <= 4; ++i) {
    EXPECT_EQ(resume(id).error().code, Errc::unavailable) << i;
    EXPECT_EQ(record(id).failures, static_cast<std::uint32_t>(i));
  }
  EXPECT_EQ(world.backend->count("restore"), 8u);
  EXPECT_EQ(resume(id)->context, "transcript");
  EXPECT_EQ(world.backend->count("restore"), 10u);
  EXPECT_EQ(record(id).failures, 0u);
  EXPECT_EQ(world.backend->count("inject"), 1u);
}

TEST_F(Restoring, TheMarkOfAnIdThatWasGivenUpSurvivesARestart) {
  const auto id = said();
  restart();
  world.backend->facts().policy.attempts = 1;
  world.backend->facts().policy.give_up_after = 2;
  restoring_fails(Errc::unavailable);
  world.backend->rules["inject"] = [](const auto&) { return fail(Errc::unavailable, "nor this"); };
  EXPECT_FALSE(resume(id));
  restart();  // the count survives as well
  world.backend->facts().policy.attempts = 1;
  world.backend->facts().policy.give_up_after = 2;
  restoring_fails(Errc::unavailable);
  world.backend->rules["inject"] = [](const auto&) { return fail(Errc::unavailable, "nor this"); };
  EXPECT_EQ(resume(id).error().code, Errc::unavailable);
  EXPECT_TRUE(record(id).native_dead);
  restart();
  EXPECT_EQ(resume(id)->context, "transcript");
  EXPECT_EQ(world.backend->count("restore"), 0u);
  EXPECT_FALSE(record(id).native_dead);  // there is a new id
  EXPECT_THAT(world.metrics->text(), HasSubstr("reason=\"given_up\""));
}

TEST_F(Restoring, AGoodResumeForgetsTheFailures) {
  const auto id = said();
  restart();
  world.backend->facts().policy.attempts = 1;
  restoring_fails(Errc::unavailable);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(resume(id));
  EXPECT_EQ(record(id).failures, 4u);
  world.backend->rules["restore"] = [](const auto& call) {
    return BackendAnswer{call.text, "", "{}"};
  };
  EXPECT_EQ(resume(id)->context, "native");
  EXPECT_EQ(record(id).failures, 0u);
}

TEST_F(Restoring, ContextThatIsStillToBeGivenIsGivenToANewNativeSessionThatWasHadBack) {
  const auto knows_no_transcripts = [this] {
    world.backend->facts().can = VIADUCT_CAN_RESTORE | VIADUCT_CAN_CANCEL;
  };
  const auto id = said();
  restart();
  knows_no_transcripts();
  restoring_fails(Errc::not_found);
  ASSERT_EQ(resume(id)->context, "transcript");
  ASSERT_NE(record(id).native_id, "A") << "a new one, in which nothing was said yet";
  restart();
  knows_no_transcripts();
  ASSERT_EQ(resume(id)->context, "native");
  talk(id, "B");
  EXPECT_THAT(world.backend->restored, HasSubstr("hello"));
  talk(id, "B");
  EXPECT_EQ(world.backend->restored, "");
}

TEST_F(Restoring, TheAuditTrailSurvivesARestart) {
  const auto id = said();
  restart();
  world.backend->facts().policy.attempts = 1;
  restoring_fails(Errc::unavailable);
  EXPECT_FALSE(resume(id));
  restoring_fails(Errc::not_found);
  EXPECT_TRUE(resume(id));
  restart();
  std::vector<std::string> events;
  for (const auto& one : audit(id)) events.push_back(one.event);
  EXPECT_THAT(events, ElementsAre("created", "resume", "resume"));
  EXPECT_THAT(audit(id)[1].detail, HasSubstr(R"("rung":"native","outcome":"unavailable")"));
  EXPECT_THAT(audit(id)[2].detail,
              HasSubstr(R"("rung":"transcript","outcome":"ok","reason":"no luck")"));
}

TEST_F(Restoring, EveryResumeIsMeasured) {
  const auto id = said("A");
  talk(id, "B");
  talk(id, "B");
  EXPECT_THAT(world.metrics->text(),
              HasSubstr("viaduct_native_id_changes_total{backend=\"agent\"} 2"));
  restart();
  world.backend->facts().policy.attempts = 1;
  restoring_fails(Errc::unavailable);
  EXPECT_FALSE(resume(id));
  restoring_fails(Errc::not_found);
  EXPECT_TRUE(resume(id));
  const std::string text = world.metrics->text();
  EXPECT_THAT(
      text,
      HasSubstr(
          R"(viaduct_resumes_total{backend="agent",outcome="unavailable",reason="transient",rung="native"} 1)"));
  EXPECT_THAT(
      text,
      HasSubstr(
          R"(viaduct_resumes_total{backend="agent",outcome="ok",reason="refused",rung="transcript"} 1)"));
  EXPECT_THAT(text,
              HasSubstr("viaduct_resume_seconds_count{backend=\"agent\",rung=\"transcript\"} 1"));
  EXPECT_THAT(
      text, HasSubstr("viaduct_resume_age_seconds_count{backend=\"agent\",rung=\"transcript\"} 1"));
}

TEST_F(Restoring, WhatATurnCostIsCountedOnceForItsBackend) {
  const auto id = said(
      "A", "~",
      R"({"usage":{"inputTokens":100,"outputTokens":20,"cachedReadTokens":60,"cost":{"amount":0.25,"currency":"EUR"}}})");
  talk(id, "A",
       R"({"usage":{"inputTokens":1,"outputTokens":-5,"cost":{"amount":0.5,"currency":"a lot"}}})");
  talk(id, "A", R"({"usage":"none"})");
  const std::string text = world.metrics->text();
  EXPECT_THAT(text, HasSubstr(R"(viaduct_tokens_total{backend="agent",kind="input"} 101)"));
  EXPECT_THAT(text, HasSubstr(R"(viaduct_tokens_total{backend="agent",kind="output"} 20)"));
  EXPECT_THAT(text, HasSubstr(R"(viaduct_tokens_total{backend="agent",kind="cached"} 60)"));
  EXPECT_THAT(text, HasSubstr(R"(viaduct_cost_total{backend="agent",currency="EUR"} 0.25)"));
  EXPECT_THAT(text, HasSubstr(R"(viaduct_cost_total{backend="agent",currency="other"} 0.5)"));
}

}  // namespace
}  // namespace viaduct::sessions
