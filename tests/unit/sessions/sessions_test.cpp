#include "scripted_backend.hpp"

#include "host/sessions/sessions_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace viaduct::sessions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Recorder;
using testing::World;

class SessionsTest : public ::testing::Test {
 protected:
  World world;

  viaduct_flow say(std::uint32_t kind, std::string text, std::string item = "",
                   std::string json = "") {
    const auto& prompt = world.backend->last("prompt");
    return world.sessions->emit(
        prompt.session, {kind, prompt.turn, std::move(item), std::move(text), std::move(json)});
  }
  void until_prompted(std::size_t times) {
    world.until([&] { return world.backend->count("prompt") == times; });
  }
  void until_idle(const std::string& id) {
    world.until([&] {
      const auto view = world.wait<SessionView>(
          [&](Done<SessionView> done) { world.sessions->get(world.alice, id, std::move(done)); });
      return view && view->state == State::idle;
    });
  }
  SubscriptionId watch(const std::string& id, Recorder& recorder, Cursor cursor = {}) {
    auto subscription = world.wait<SubscriptionId>([&](Done<SubscriptionId> done) {
      world.sessions->subscribe(world.alice, id, cursor, recorder, std::move(done));
    });
    EXPECT_TRUE(subscription);
    world.until([&] {
      return !recorder.changes.empty() && recorder.changes.back()->kind == ChangeKind::live;
    });
    return subscription.value_or(0);
  }
  Result<PermissionAnswer> decide(const Principal& who, const std::string& id, std::uint64_t entry,
                                  std::string option) {
    return world.wait<PermissionAnswer>([&](Done<PermissionAnswer> done) {
      world.sessions->answer(who, id, entry, std::move(option), std::move(done));
    });
  }
  Result<ResumeAnswer> resume(const std::string& id) {
    return world.wait<ResumeAnswer>(
        [&](Done<ResumeAnswer> done) { world.sessions->resume(world.alice, id, std::move(done)); });
  }
  Result<> cancel(const std::string& id, std::uint64_t turn) {
    return world.wait<void>(
        [&](Done<> done) { world.sessions->cancel(world.alice, id, turn, std::move(done)); });
  }
  std::string last_data(const std::string& id) { return world.log(id).back().data; }
};

TEST_F(SessionsTest, ATurnGoesFromMessageToOneOutcome) {
  const auto session = world.create(world.alice);
  ASSERT_TRUE(world.send(session.record.id, "hello", "k1"));
  until_prompted(1);
  EXPECT_EQ(world.backend->last("prompt").text, "hello");
  EXPECT_EQ(say(VIADUCT_EVENT_TEXT, "Hi "), VIADUCT_FLOW_OK);
  EXPECT_EQ(say(VIADUCT_EVENT_TEXT, "there"), VIADUCT_FLOW_OK);
  world.backend->end_turn("native-2");
  until_idle(session.record.id);
  EXPECT_THAT(world.types(session.record.id), ElementsAre("user_message", "text", "turn_end"));
  EXPECT_EQ(world.log(session.record.id)[1].text, "Hi there");
  EXPECT_THAT(last_data(session.record.id), HasSubstr("\"stop_reason\":\"end_turn\""));
  EXPECT_EQ(say(VIADUCT_EVENT_THOUGHT, "too late"), VIADUCT_FLOW_GONE);
}

TEST_F(SessionsTest, ATextJustAfterItsTurnJoinsItsAnswerAlsoOnDisk) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  say(VIADUCT_EVENT_TEXT, "Hi ");
  world.backend->end_turn();
  Recorder recorder;
  watch(id, recorder);
  until_idle(id);
  if (say(VIADUCT_EVENT_TEXT, "there") == VIADUCT_FLOW_GONE) GTEST_SKIP() << "too slow for it";
  world.until([&] { return world.log(id)[1].text == "Hi there"; });
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "text", "turn_end"));
  EXPECT_TRUE(world.log(id)[1].complete);
  world.until([&] {
    return recorder.changes.back()->kind == ChangeKind::entry &&
           recorder.changes.back()->json.find("Hi there") != std::string::npos;
  });
  world.kill();
  world.start();
  EXPECT_EQ(world.log(id)[1].text, "Hi there");
  EXPECT_TRUE(world.log(id)[1].complete);
}

TEST_F(SessionsTest, OptionsThatWereChosenInATurnAreAppliedWhenItIsHadBack) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "/model fast", "k1"));
  until_prompted(1);
  world.backend->reply(world.backend->last("prompt"),
                       BackendAnswer{"n2", "end_turn", R"({"options":{"model":"fast"}})"});
  until_idle(id);
  world.kill();
  world.start();
  world.backend->rules["restore"] = [](const auto&) { return BackendAnswer{"n2", "", "{}"}; };
  ASSERT_TRUE(resume(id));
  EXPECT_EQ(world.backend->restored_with, R"({"model":"fast"})");
}

TEST_F(SessionsTest, TheSameKeyTwiceIsOneTurn) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_EQ(world.send(id, "hello", "k1")->turn, 1u);
  until_prompted(1);
  EXPECT_TRUE(world.send(id, "hello", "k1")->duplicate);
  world.backend->end_turn();
  until_idle(id);
  const auto again = world.send(id, "hello", "k1");
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->turn, 1u);
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "turn_end"));
}

TEST_F(SessionsTest, TheSameCreationKeyTwiceIsOneSession) {
  EXPECT_EQ(world.create(world.alice, "c1").record.id, world.create(world.alice, "c1").record.id);
}

TEST_F(SessionsTest, MessagesDuringATurnWaitAndRunInOrder) {
  const auto id = world.create(world.alice).record.id;
  for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(world.send(id, text, text));
  until_prompted(1);
  world.backend->end_turn();
  until_prompted(2);
  EXPECT_EQ(world.backend->last("prompt").text, "two");
  world.backend->end_turn();
  until_prompted(3);
  EXPECT_EQ(world.backend->last("prompt").text, "three");
  world.backend->end_turn();
  until_idle(id);
}

TEST_F(SessionsTest, AFullQueueIsBusy) {
  world.kill();
  world.limits.queue = 1;
  world.start();
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "one", "1"));
  ASSERT_TRUE(world.send(id, "two", "2"));
  EXPECT_EQ(world.send(id, "three", "3").error().code, Errc::busy);
}

TEST_F(SessionsTest, SomebodyElsesSessionIsNotFound) {
  const auto id = world.create(world.alice).record.id;
  const Principal bob{"web", "", "bob", "Bob", "", true};
  const auto view = world.wait<SessionView>(
      [&](Done<SessionView> done) { world.sessions->get(bob, id, std::move(done)); });
  EXPECT_EQ(view.error().code, Errc::not_found);
  EXPECT_EQ(world
                .wait<SendAnswer>([&](Done<SendAnswer> done) {
                  world.sessions->send(bob, id, {"k", "hi", "", ""}, std::move(done));
                })
                .error()
                .message,
            world
                .wait<SendAnswer>([&](Done<SendAnswer> done) {
                  world.sessions->send(bob, "s_none", {"k", "hi", "", ""}, std::move(done));
                })
                .error()
                .message);
}

TEST_F(SessionsTest, ASubscriberSeesStateResetEntriesThenLive) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  Recorder recorder;
  watch(id, recorder);
  EXPECT_THAT(recorder.kinds(), ElementsAre("state", "reset", "entry", "live"));
  say(VIADUCT_EVENT_TEXT, "Hi ");
  say(VIADUCT_EVENT_TEXT, "there");
  world.backend->end_turn();
  until_idle(id);
  EXPECT_EQ(recorder.texts().at(2), "Hi there");
}

TEST_F(SessionsTest, ACursorBringsWhatChangedSinceWholeAndOnce) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  Recorder first;
  const auto subscription = watch(id, first);
  say(VIADUCT_EVENT_TEXT, "Hi ");
  world.until([&] { return first.texts().contains(2); });
  world.sessions->unsubscribe(subscription);
  const Cursor cut = first.changes.back()->cursor;
  say(VIADUCT_EVENT_TEXT, "there");
  world.backend->end_turn();
  until_idle(id);
  watch(id, first, cut);
  EXPECT_EQ(first.texts().at(2), "Hi there");
  EXPECT_EQ(std::ranges::count(first.kinds(), "reset"), 1);
  EXPECT_EQ(first.texts().size(), 3u);
}

TEST_F(SessionsTest, ATooSlowSubscriberIsDroppedAndNobodyElse) {
  const auto id = world.create(world.alice).record.id;
  Recorder slow, fast;
  watch(id, slow);
  watch(id, fast);
  slow.slow = true;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  world.backend->end_turn();
  until_idle(id);
  EXPECT_EQ(fast.texts().size(), 2u);
  EXPECT_EQ(slow.texts().size(), 0u);
}

TEST_F(SessionsTest, CancelEndsTheTurnOnceWhateverComesLater) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  ASSERT_TRUE(cancel(id, 0));
  EXPECT_EQ(world.backend->count("cancel"), 1u);
  EXPECT_EQ(say(VIADUCT_EVENT_TEXT, "more"), VIADUCT_FLOW_CANCELLED);
  world.backend->reply(world.backend->last("prompt"), BackendAnswer{"", "cancelled", "{}"});
  until_idle(id);
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "turn_end"));
  EXPECT_THAT(last_data(id), HasSubstr("cancelled"));
}

TEST_F(SessionsTest, AWaitingTurnIsCancelledWithoutRunning) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "one", "1"));
  const auto second = world.send(id, "two", "2");
  until_prompted(1);
  ASSERT_TRUE(cancel(id, second->turn));
  world.backend->end_turn();
  until_idle(id);
  EXPECT_EQ(world.backend->count("prompt"), 1u);
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "user_message", "turn_end", "turn_end"));
}

TEST_F(SessionsTest, AKilledHostMarksTheTurnInterruptedAndDoesNotRunItAgain) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  say(VIADUCT_EVENT_TEXT, std::string(3000, 'x'));
  world.until([&] {  // the text is on disk
    auto page = world.wait<store::EntryPage>([&](Done<store::EntryPage> done) {
      world.store->entries(id, 0, 10, SIZE_MAX, std::move(done));
    });
    return page && page->entries.size() == 2;
  });
  world.kill();
  world.start();
  EXPECT_EQ(world.backend->count("prompt"), 0u);
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "text", "turn_end"));
  EXPECT_EQ(world.log(id)[1].text.size(), 3000u);
  EXPECT_THAT(last_data(id), HasSubstr("interrupted"));
}

TEST_F(SessionsTest, WhatWaitedWhenTheHostWasKilledRunsAfterTheRestart) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "one", "1"));
  ASSERT_TRUE(world.send(id, "two", "2"));
  until_prompted(1);
  world.kill();
  world.start();
  until_prompted(1);
  EXPECT_EQ(world.backend->last("prompt").text, "two");
  EXPECT_EQ(world.backend->last("restore").text, "n1");
  world.backend->end_turn();
  until_idle(id);
}

TEST_F(SessionsTest, AfterARestartTheNewestNativeIdIsOffered) {
  const auto id = world.create(world.alice).record.id;
  for (const char* native : {"A", "B", "C"}) {
    const auto before = world.backend->count("prompt");
    ASSERT_TRUE(world.send(id, native, native));
    until_prompted(before + 1);
    world.backend->end_turn(native);
    until_idle(id);
  }
  world.kill();
  world.start();
  ASSERT_EQ(resume(id)->context, "native");
  EXPECT_EQ(world.backend->last("restore").text, "C");
}

TEST_F(SessionsTest, WithoutTheNativeSessionTheTranscriptIsGivenAndItSaysSo) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "remember 42", "1"));
  until_prompted(1);
  say(VIADUCT_EVENT_TEXT, "noted");
  world.backend->end_turn();
  until_idle(id);
  world.kill();
  world.start();
  world.backend->rules["restore"] = [](const auto&) {
    return fail(Errc::not_found, "no such session");
  };
  ASSERT_TRUE(world.send(id, "which number?", "2"));
  until_prompted(1);
  EXPECT_THAT(world.backend->last("inject").text, HasSubstr("remember 42"));
  EXPECT_THAT(world.backend->last("inject").text, HasSubstr("noted"));
  EXPECT_THAT(world.backend->last("inject").text, ::testing::Not(HasSubstr("which number?")));
  world.backend->end_turn();
  until_idle(id);
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "text", "turn_end", "user_message",
                                           "context_restored", "turn_end"));
}

TEST_F(SessionsTest,
       WhereContextGoesInOnlyWithAPromptItComesWithTheNextOneAndTheTextIsTheSendersOwn) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "remember 42", "1"));
  until_prompted(1);
  world.backend->end_turn();
  until_idle(id);
  world.kill();
  world.start();
  world.backend->facts().can = VIADUCT_CAN_CANCEL;
  ASSERT_EQ(resume(id)->context, "transcript");
  world.kill();  // it is pending on disk
  world.start();
  world.backend->facts().can = VIADUCT_CAN_CANCEL;
  ASSERT_TRUE(world.send(id, "which number?", "2"));
  until_prompted(1);
  EXPECT_THAT(world.backend->restored, HasSubstr("User (Alice):\n    remember 42\n"));
  EXPECT_EQ(world.backend->last("prompt").text, "which number?");
}

TEST_F(SessionsTest, ContextComesAgainUntilTheAgentHasHadIt) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "remember 42", "1"));
  until_prompted(1);
  world.backend->end_turn();
  until_idle(id);
  world.kill();
  world.start();
  world.backend->facts().can = VIADUCT_CAN_CANCEL;
  ASSERT_TRUE(world.send(id, "/model fast", "2"));
  until_prompted(1);
  EXPECT_THAT(world.backend->restored, HasSubstr("remember 42"));
  world.backend->reply(world.backend->last("prompt"), BackendAnswer{"", "end_turn", "{}", false});
  until_idle(id);
  ASSERT_TRUE(world.send(id, "which number?", "3"));
  until_prompted(2);
  EXPECT_THAT(world.backend->restored, HasSubstr("remember 42"));
  EXPECT_THAT(world.backend->restored, HasSubstr("/model fast"));
  world.backend->end_turn();
  until_idle(id);
  ASSERT_TRUE(world.send(id, "thanks", "4"));
  until_prompted(3);
  EXPECT_EQ(world.backend->restored, "");
}

TEST_F(SessionsTest, TheAnswerThatAMessageWaitedForIsContextToo) {
  const auto id = world.create(world.alice).record.id;
  world.backend->facts().can = VIADUCT_CAN_CANCEL;
  ASSERT_TRUE(world.send(id, "one", "1"));
  until_prompted(1);
  ASSERT_TRUE(world.send(id, "two", "2"));
  say(VIADUCT_EVENT_TEXT, "half an answer");
  say(VIADUCT_EVENT_LOST, "it crashed");
  until_prompted(2);
  EXPECT_THAT(world.backend->restored, HasSubstr("Assistant:\n    half an answer\n"));
  EXPECT_THAT(world.backend->restored, HasSubstr("(The answer was interrupted here: it crashed)"));
  EXPECT_THAT(world.backend->restored, ::testing::Not(HasSubstr("two")));
}

TEST_F(SessionsTest, OneThatKeepsALogIsGivenItWithARestoreToo) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "remember 42", "1"));
  until_prompted(1);
  say(VIADUCT_EVENT_TEXT, "noted");
  world.kill();
  world.start();
  world.backend->facts().can |= VIADUCT_KEEPS_LOG;
  ASSERT_TRUE(world.send(id, "which number?", "2"));
  until_prompted(1);
  EXPECT_THAT(world.backend->restore_log, HasSubstr("remember 42"));
  EXPECT_THAT(world.backend->restore_log, HasSubstr("interrupted"));
  EXPECT_THAT(world.backend->restore_log, ::testing::Not(HasSubstr("which number?")));
  EXPECT_EQ(world.backend->restored, "");  // it has it already
}

TEST_F(SessionsTest, ATransientFailureToRestoreKeepsTheSession) {
  const auto id = world.create(world.alice).record.id;
  world.kill();
  world.start();
  world.backend->rules["restore"] = [](const auto&) {
    return fail(Errc::unavailable, "the disk says EIO");
  };
  EXPECT_EQ(resume(id).error().code, Errc::unavailable);
  EXPECT_EQ(world.backend->count("restore"), 3u);
  world.backend->rules["restore"] = [](const auto& call) {
    return BackendAnswer{call.text, "", "{}"};
  };
  EXPECT_EQ(resume(id)->context, "native");
}

TEST_F(SessionsTest, TwoSendsToALostSessionRestoreItOnce) {
  const auto id = world.create(world.alice).record.id;
  world.kill();
  world.start();
  world.backend->rules.erase("restore");
  ASSERT_TRUE(world.send(id, "one", "1"));
  ASSERT_TRUE(world.send(id, "two", "2"));
  auto resumed = std::make_shared<std::optional<Result<ResumeAnswer>>>();
  world.sessions->resume(world.alice, id,
                         [resumed](Result<ResumeAnswer> answer) { *resumed = std::move(answer); });
  world.until([&] { return world.backend->count("restore") == 1; });
  world.backend->reply(world.backend->last("restore"), BackendAnswer{"n1", "", "{}"});
  until_prompted(1);
  world.until([&] { return resumed->has_value(); });
  world.backend->end_turn();
  until_prompted(2);
  world.backend->end_turn();
  until_idle(id);
  EXPECT_EQ(world.backend->count("restore"), 1u);
}

TEST_F(SessionsTest, AnIdOfAnotherAgentTypeIsNeverOffered) {
  const auto id = world.create(world.alice).record.id;
  world.kill();
  world.start();
  world.backend->facts().agent_type = "another";
  ASSERT_TRUE(resume(id));
  EXPECT_EQ(world.backend->count("restore"), 0u);
}

TEST_F(SessionsTest, ASendThatNobodyHoldsClimbsDownOnceAndPromptsAgain) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  world.backend->reply(world.backend->last("prompt"), fail(Errc::not_found, "lost it"));
  until_prompted(2);
  EXPECT_EQ(world.backend->count("restore"), 1u);
  world.backend->reply(world.backend->last("prompt"), fail(Errc::not_found, "lost it again"));
  until_idle(id);
  EXPECT_THAT(last_data(id), HasSubstr("unavailable"));
}

TEST_F(SessionsTest, ADeadSessionStaysDeadUntilItsOwnerResumesIt) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "die", "1"));
  until_prompted(1);
  world.backend->reply(world.backend->last("prompt"), fail(Errc::session_dead, "gone for good"));
  until_idle(id);
  EXPECT_EQ(world.send(id, "hello?", "2").error().code, Errc::session_dead);
  EXPECT_EQ(world.backend->count("prompt"), 1u);
  EXPECT_EQ(resume(id)->context, "transcript");
  EXPECT_TRUE(world.send(id, "hello?", "3"));
}

TEST_F(SessionsTest, WhatWaitsInASessionThatDiesIsAnsweredToo) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "die", "1"));
  auto answer = std::make_shared<std::optional<Result<AskAnswer>>>();
  world.sessions->ask(world.alice, id, {"2", "and me?", "", ""},
                      [answer](Result<AskAnswer> a) { *answer = std::move(a); });
  until_prompted(1);
  world.until([&] { return world.types(id).size() == 2; });
  world.backend->reply(world.backend->last("prompt"), fail(Errc::session_dead, "gone for good"));
  world.until([&] { return answer->has_value(); });
  EXPECT_EQ((**answer).error().code, Errc::session_dead);
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "user_message", "turn_end", "turn_end"));
}

TEST_F(SessionsTest, ATurnThatWaitsForItsSessionToBeHadBackIsCancelledAtOnce) {
  const auto id = world.create(world.alice).record.id;
  world.kill();
  world.start();
  world.backend->rules.erase("restore");
  ASSERT_TRUE(world.send(id, "hello", "1"));
  world.until([&] { return world.backend->count("restore") == 1; });
  ASSERT_TRUE(cancel(id, 0));
  until_idle(id);
  EXPECT_THAT(last_data(id), HasSubstr("cancelled"));
  world.backend->reply(world.backend->last("restore"), BackendAnswer{"n1", "", "{}"});
  ASSERT_TRUE(world.send(id, "again", "2"));
  until_prompted(1);
  EXPECT_EQ(world.backend->last("prompt").text, "again");
}

TEST_F(SessionsTest, EndIsATombstoneThatSurvivesARestart) {
  const auto id = world.create(world.alice).record.id;
  const auto end = [&] {
    return world.wait<void>(
        [&](Done<> done) { world.sessions->end(world.alice, id, std::move(done)); });
  };
  ASSERT_TRUE(end());
  ASSERT_TRUE(end());
  EXPECT_EQ(world.backend->count("close"), 1u);
  world.kill();
  world.start();
  EXPECT_EQ(world.send(id, "hello?", "2").error().code, Errc::session_dead);
  ASSERT_TRUE(resume(id));
  EXPECT_TRUE(world.send(id, "hello!", "3"));
}

TEST_F(SessionsTest, AnEndWhileTheSessionIsHadBackLetsGoOfIt) {
  const auto id = world.create(world.alice).record.id;
  world.kill();
  world.start();
  world.backend->rules.erase("restore");
  ASSERT_TRUE(world.send(id, "hello", "1"));
  world.until([&] { return world.backend->count("restore") == 1; });
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->end(world.alice, id, std::move(done)); }));
  world.backend->reply(world.backend->last("restore"), BackendAnswer{"n1", "", "{}"});
  world.until([&] { return world.backend->count("close") == 1; });
  EXPECT_EQ(world.backend->last("close").text, "ended");
  world.backend->rules["restore"] = [](const auto& call) {
    return BackendAnswer{call.text, "", "{}"};
  };
  ASSERT_TRUE(resume(id));
  EXPECT_TRUE(world.send(id, "hello!", "2"));
}

TEST_F(SessionsTest, AResumeOfAnEndedSessionKeepsWhatItHadBack) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->end(world.alice, id, std::move(done)); }));
  ASSERT_TRUE(resume(id));
  ASSERT_TRUE(world.send(id, "hello", "1"));
  until_prompted(1);
  EXPECT_EQ(world.backend->count("close"), 1u);
}

// A cursor of what memory no longer holds gets the newest entries instead.
TEST_F(SessionsTest, LongMessagesDoNotStayInMemory) {
  const auto id = world.create(world.alice).record.id;
  Recorder first;
  watch(id, first);
  const Cursor start = first.changes.back()->cursor;
  for (int turn = 1; turn <= 8; ++turn) {
    ASSERT_TRUE(world.send(id, std::string(900'000, 'x'), std::to_string(turn)));
    until_prompted(static_cast<std::size_t>(turn));
    world.backend->end_turn();
    until_idle(id);
  }
  Recorder again;
  watch(id, again, start);
  EXPECT_THAT(again.kinds(), ::testing::Contains("reset"));
  EXPECT_LT(again.texts().size(), 8u);
}

TEST_F(SessionsTest, EndDuringATurnEndsItOnce) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "one", "1"));
  ASSERT_TRUE(world.send(id, "two", "2"));
  until_prompted(1);
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->end(world.alice, id, std::move(done)); }));
  world.backend->end_turn();
  until_idle(id);
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "user_message", "turn_end", "turn_end"));
}

TEST_F(SessionsTest, APermissionRequestIsAnsweredOnceByWhoMay) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "deploy", "1"));
  until_prompted(1);
  say(VIADUCT_EVENT_PERMISSION, "", "p1",
      R"({"title":"Deploy?","options":[{"optionId":"yes","name":"Yes","kind":"allow_once"}]})");
  world.until([&] { return world.types(id).size() == 2; });
  EXPECT_EQ(decide(world.alice, id, 2, "maybe").error().code, Errc::invalid_argument);
  ASSERT_EQ(decide(world.alice, id, 2, "yes")->by, "Alice");
  EXPECT_EQ(world.backend->last("answer").text, "p1=yes");
  EXPECT_EQ(decide(world.alice, id, 2, "yes")->option_id, "yes");
  EXPECT_EQ(world.backend->count("answer"), 1u);
  EXPECT_EQ(decide(world.alice, id, 1, "yes").error().code, Errc::not_found);
}

TEST_F(SessionsTest, ARestartExpiresAPendingPermissionRequest) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "deploy", "1"));
  until_prompted(1);
  say(VIADUCT_EVENT_PERMISSION, "", "p1",
      R"({"title":"Deploy?","options":[{"optionId":"yes","name":"Yes","kind":"allow_once"}]})");
  world.until([&] { return world.types(id).size() == 2; });
  world.kill();
  world.start();
  EXPECT_EQ(decide(world.alice, id, 2, "yes").error().code, Errc::failed_precondition);
  EXPECT_THAT(world.log(id)[1].data, HasSubstr("agent restarted"));
}

TEST_F(SessionsTest, InASharedPlaceOnlyTheSenderOrAnOperatorAnswers) {
  Principal anna{"web", "", "anna", "Anna", "thread-1", false};
  Principal ben{"web", "", "ben", "Ben", "thread-1", false};
  Principal olga{"web", "", "olga", "Olga", "thread-1", true};
  const auto id = world.create(anna).record.id;
  ASSERT_TRUE(world.wait<SendAnswer>([&](Done<SendAnswer> done) {
    world.sessions->send(anna, id, {"k", "deploy", "", ""}, std::move(done));
  }));
  until_prompted(1);
  say(VIADUCT_EVENT_PERMISSION, "", "p1",
      R"({"title":"Deploy?","options":[{"optionId":"yes","name":"Yes","kind":"allow_once"}]})");
  world.until([&] { return decide(ben, id, 2, "yes").error().code == Errc::permission_denied; });
  EXPECT_EQ(decide(olga, id, 2, "yes")->by, "Olga");
}

TEST_F(SessionsTest, AskIsAnsweredWithTheWholeText) {
  const auto id = world.create(world.alice).record.id;
  auto answer = std::make_shared<std::optional<Result<AskAnswer>>>();
  world.sessions->ask(world.alice, id, {"k", "hello", "", ""},
                      [answer](Result<AskAnswer> a) { *answer = std::move(a); });
  until_prompted(1);
  say(VIADUCT_EVENT_TEXT, "a");
  say(VIADUCT_EVENT_TOOL_CALL, "", "t1", R"({"title":"ls","status":"completed"})");
  say(VIADUCT_EVENT_TEXT, "b");
  world.backend->end_turn();
  world.until([&] { return answer->has_value(); });
  ASSERT_TRUE(**answer);
  EXPECT_EQ((**answer)->text, "ab");
  EXPECT_THAT(world.types(id),
              ElementsAre("user_message", "text", "tool_call", "text", "turn_end"));
  // The same message again is the same answer.
  EXPECT_EQ(world
                .wait<AskAnswer>([&](Done<AskAnswer> done) {
                  world.sessions->ask(world.alice, id, {"k", "hello", "", ""}, std::move(done));
                })
                ->text,
            "ab");
}

TEST_F(SessionsTest, ABackendThatIsFullIsToldWhenToGoOn) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  viaduct_flow flow = VIADUCT_FLOW_OK;
  std::size_t taken = 0;
  while (flow == VIADUCT_FLOW_OK) {
    flow = say(VIADUCT_EVENT_TEXT, std::string(10000, 'x'));
    if (flow == VIADUCT_FLOW_OK) ++taken;
  }
  EXPECT_EQ(flow, VIADUCT_FLOW_BUSY);
  world.until([&] { return world.backend->count("writable") == 1; });
  world.backend->end_turn();
  until_idle(id);
  EXPECT_EQ(world.log(id)[1].text.size(), taken * 10000);
}

TEST_F(SessionsTest, AStoppedBackendInterruptsItsTurn) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->remove_backend("agent", std::move(done)); }));
  until_idle(id);
  EXPECT_THAT(last_data(id), HasSubstr("interrupted"));
}

TEST_F(SessionsTest, WhatWaitsWhileItsBackendIsRestartedRunsWhenItIsBack) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "one", "1"));
  ASSERT_TRUE(world.send(id, "two", "2"));
  until_prompted(1);
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->remove_backend("agent", std::move(done)); }));
  world.until([&] { return world.types(id).size() == 3; });  // the first is interrupted
  EXPECT_THAT(last_data(id), HasSubstr("interrupted"));
  world.sessions->add_backend("agent", *world.backend);
  until_prompted(2);
  EXPECT_EQ(world.backend->last("prompt").text, "two");
  world.backend->end_turn();
  until_idle(id);
}

TEST_F(SessionsTest, ABackendThatDoesNotComeBackFailsTheTurnThatWaitsForIt) {
  world.kill();
  world.limits.backend_back = std::chrono::milliseconds(10);
  world.start();
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->remove_backend("agent", std::move(done)); }));
  ASSERT_TRUE(world.send(id, "one", "1"));
  until_idle(id);
  EXPECT_THAT(last_data(id), HasSubstr("unavailable"));
}

TEST_F(SessionsTest, ATitleIsOneShortLine) {
  const auto id = world.create(world.alice).record.id;
  const auto renamed = world.wait<SessionView>([&](Done<SessionView> done) {
    world.sessions->rename(world.alice, id, "first\nsecond", std::move(done));
  });
  ASSERT_TRUE(renamed);
  EXPECT_EQ(renamed->record.title, "first");
  const auto cut = world.wait<SessionView>([&](Done<SessionView> done) {
    world.sessions->rename(world.alice, id, std::string(10'000, 'x'), std::move(done));
  });
  EXPECT_LT(cut->record.title.size(), 200u);
}

TEST_F(SessionsTest, StoppingKeepsWhatWasSaid) {
  world.kill();
  world.limits.drain = std::chrono::milliseconds(0);
  world.start();
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "hello", "k1"));
  until_prompted(1);
  say(VIADUCT_EVENT_TEXT, "so far");
  ASSERT_TRUE(world.wait<void>([&](Done<> done) { world.sessions->stop(std::move(done)); }));
  EXPECT_EQ(world.send(id, "more", "k2").error().code, Errc::unavailable);
  world.kill();
  world.start();
  EXPECT_THAT(world.types(id), ElementsAre("user_message", "text", "turn_end"));
  EXPECT_EQ(world.log(id)[1].text, "so far");
}

TEST_F(SessionsTest, ListsTheNewestFirstByPages) {
  for (int i = 0; i < 5; ++i) world.create(world.alice);
  auto page = world.wait<ListAnswer>([&](Done<ListAnswer> done) {
    world.sessions->list(world.alice, {"", 3, {}}, std::move(done));
  });
  ASSERT_EQ(page->sessions.size(), 3u);
  EXPECT_GT(page->sessions[0].record.last_active, page->sessions[2].record.last_active);
  page = world.wait<ListAnswer>([&](Done<ListAnswer> done) {
    world.sessions->list(world.alice, {page->next, 3, {}}, std::move(done));
  });
  EXPECT_EQ(page->sessions.size(), 2u);
  EXPECT_EQ(page->next, "");
}

TEST_F(SessionsTest, ForkCopiesTheLogAndGoesItsOwnWay) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "remember 42", "1"));
  until_prompted(1);
  say(VIADUCT_EVENT_TEXT, "noted");
  world.backend->end_turn();
  until_idle(id);
  const auto copy = world.wait<SessionView>(
      [&](Done<SessionView> done) { world.sessions->fork(world.alice, id, std::move(done)); });
  ASSERT_TRUE(copy) << copy.error().message;
  EXPECT_NE(copy->record.id, id);
  EXPECT_THAT(world.types(copy->record.id), ElementsAre("user_message", "text", "turn_end"));
  EXPECT_THAT(world.backend->last("inject").text, HasSubstr("noted"));
}

// ---------------------------------------------------------------- what goes wrong on the way

TEST_F(SessionsTest, CancellingAllWhileTheSessionIsHadBackRunsNothing) {
  const auto id = world.create(world.alice).record.id;
  world.kill();
  world.start();
  world.backend->rules.erase("restore");
  for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(world.send(id, text, text));
  world.until([&] { return world.backend->count("restore") == 1; });
  ASSERT_TRUE(cancel(id, 0));
  until_idle(id);
  world.backend->reply(world.backend->last("restore"), BackendAnswer{"n1", "", "{}"});
  ASSERT_TRUE(world.send(id, "four", "4"));
  until_prompted(1);
  EXPECT_EQ(world.backend->last("prompt").text, "four");
}

TEST_F(SessionsTest, WhatABackendSaysWhileItOpensASessionIsKept) {
  world.backend->rules.erase("open");
  auto created = std::make_shared<std::optional<Result<SessionView>>>();
  world.sessions->create(world.alice, {"", "~", "", ""},
                         [created](Result<SessionView> view) { *created = std::move(view); });
  world.until([&] { return world.backend->count("open") == 1; });
  auto& open = world.backend->last("open");
  EXPECT_EQ(world.sessions->emit(open.session, {VIADUCT_EVENT_NOTICE, 0, "", "warming up", ""}),
            VIADUCT_FLOW_OK);
  EXPECT_EQ(world.sessions->emit(open.session, {VIADUCT_EVENT_TITLE, 0, "", "Warm", ""}),
            VIADUCT_FLOW_OK);
  world.backend->reply(open, BackendAnswer{"n1", "", "{}"});
  world.until([&] { return created->has_value(); });
  ASSERT_TRUE(**created);
  const auto id = (**created)->record.id;
  ASSERT_TRUE(world.send(id, "hello", "1"));
  until_prompted(1);
  world.backend->end_turn();
  until_idle(id);
  world.kill();
  world.start();
  EXPECT_THAT(world.types(id), ElementsAre("notice", "user_message", "turn_end"));
}

TEST_F(SessionsTest, ASessionThatCouldNotBeOpenedLeavesNothing) {
  world.backend->rules.erase("open");
  auto created = std::make_shared<std::optional<Result<SessionView>>>();
  world.sessions->create(world.alice, {"", "~", "", ""},
                         [created](Result<SessionView> view) { *created = std::move(view); });
  world.until([&] { return world.backend->count("open") == 1; });
  auto& open = world.backend->last("open");
  world.sessions->emit(open.session, {VIADUCT_EVENT_NATIVE_ID, 0, "", "n9", ""});
  world.backend->reply(open, fail(Errc::unavailable, "no agent"));
  world.until([&] { return created->has_value(); });
  EXPECT_FALSE(**created);
  const auto listed = world.wait<ListAnswer>([&](Done<ListAnswer> done) {
    world.sessions->list(world.alice, {"", 50, {}}, std::move(done));
  });
  EXPECT_TRUE(listed->sessions.empty());
}

TEST_F(SessionsTest, ACutBetweenTwoChangesOfOneWriteLosesNeither) {
  const auto id = world.create(world.alice).record.id;
  for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(world.send(id, text, text));
  until_prompted(1);
  Recorder recorder;
  watch(id, recorder);
  const auto before = recorder.changes.size();
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->end(world.alice, id, std::move(done)); }));
  // The viewer has only the first of the three ends of turns.
  const auto first_end = std::find_if(
      recorder.changes.begin() + static_cast<std::ptrdiff_t>(before), recorder.changes.end(),
      [](const ChangePtr& change) { return change->kind == ChangeKind::entry; });
  ASSERT_NE(first_end, recorder.changes.end());
  const Cursor cut = (*first_end)->cursor;
  recorder.changes.erase(first_end + 1, recorder.changes.end());
  watch(id, recorder, cut);
  EXPECT_EQ(recorder.texts().size(), 6u);
}

TEST_F(SessionsTest, AMessageThatComesWhileTheHostRecoversRunsAfterWhatWaited) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "one", "1"));
  ASSERT_TRUE(world.send(id, "two", "2"));
  until_prompted(1);
  world.kill();
  auto sent = std::make_shared<std::optional<Result<SendAnswer>>>();
  world.before_recovery = [&] {
    world.sessions->send(world.alice, id, {"3", "three", "", ""},
                         [sent](Result<SendAnswer> answer) { *sent = std::move(answer); });
  };
  world.start();
  until_prompted(1);
  EXPECT_EQ(world.backend->last("prompt").text, "two");
  world.backend->end_turn();
  until_prompted(2);
  EXPECT_EQ(world.backend->last("prompt").text, "three");
  world.backend->end_turn();
  until_idle(id);
  ASSERT_TRUE(sent->has_value());
  EXPECT_TRUE(**sent);
}

TEST_F(SessionsTest, NothingIsLostWhenAWriteFailsBehindAnother) {
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "one", "1"));
  until_prompted(1);
  bool failed = false;
  world.disk_fails = [&failed](const std::vector<store::Write>& writes) {
    for (const store::Write& write : writes) {
      const auto* added = std::get_if<store::AddEntry>(&write);
      if (added && added->entry.type == "permission" && !std::exchange(failed, true)) return true;
    }
    return false;
  };
  // Both come while a message is being written: a text long enough to be written at once, and a
  // request that must be on disk before it is shown.
  world.sessions->send(world.alice, id, {"2", "two", "", ""}, [](Result<SendAnswer>) {});
  say(VIADUCT_EVENT_TEXT, std::string(3000, 'x'));
  say(VIADUCT_EVENT_PERMISSION, "", "p1",
      R"({"title":"Deploy?","options":[{"optionId":"yes","name":"Yes","kind":"allow_once"}]})");
  world.until([&] { return failed; });
  world.backend->end_turn();
  until_prompted(2);
  world.backend->end_turn();
  until_idle(id);
  world.kill();
  world.start();
  EXPECT_THAT(world.types(id),
              ::testing::UnorderedElementsAre("user_message", "user_message", "text", "permission",
                                              "turn_end", "turn_end"));
}

TEST_F(SessionsTest, AnEndThatIsNotOnDiskIsNotAcknowledged) {
  const auto id = world.create(world.alice).record.id;
  const auto end = [&] {
    return world.wait<void>(
        [&](Done<> done) { world.sessions->end(world.alice, id, std::move(done)); });
  };
  world.disk_fails = [](const std::vector<store::Write>&) { return true; };
  EXPECT_EQ(end().error().code, Errc::unavailable);
  EXPECT_EQ(end().error().code, Errc::unavailable);
  world.disk_fails = nullptr;
  EXPECT_TRUE(end());
}

TEST_F(SessionsTest, WhoAsksAndStillWaitsInTheQueueIsToldWhenTheHostStops) {
  world.kill();
  world.limits.drain = std::chrono::milliseconds(0);
  world.start();
  const auto id = world.create(world.alice).record.id;
  ASSERT_TRUE(world.send(id, "one", "1"));
  auto asked = std::make_shared<std::optional<Result<AskAnswer>>>();
  world.sessions->ask(world.alice, id, {"2", "two", "", ""},
                      [asked](Result<AskAnswer> answer) { *asked = std::move(answer); });
  until_prompted(1);
  world.until([&] { return world.types(id).size() == 2; });
  ASSERT_TRUE(world.wait<void>([&](Done<> done) { world.sessions->stop(std::move(done)); }));
  ASSERT_TRUE(asked->has_value());
  EXPECT_EQ((*asked)->error().code, Errc::unavailable);
}

TEST_F(SessionsTest, RejectsUnknownCreateOptions) {
  EXPECT_EQ(parse_create_options(R"({"workdir":"~"})").error().code, Errc::invalid_argument);
  EXPECT_EQ(parse_create_options(R"({"working_dir":3})").error().code, Errc::invalid_argument);
  EXPECT_EQ(parse_create_options("[").error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace viaduct::sessions
