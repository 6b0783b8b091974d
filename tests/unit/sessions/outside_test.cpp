// What a backend says when no turn runs has its place in the log, too; and a session that is lost
// while a message is on its way to it.
#include "scripted_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace viaduct::sessions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Recorder;
using testing::World;

class OutsideOfTurns : public ::testing::Test {
 protected:
  OutsideOfTurns() : id_(world_.create(world_.alice).record.id) {
    handle_ = world_.backend->last("open").session;
  }
  void say(std::uint32_t kind, std::string text, std::string item = "", std::string json = "",
           std::uint64_t turn = 0) {
    EXPECT_EQ(world_.sessions->emit(
                  handle_, {kind, turn, std::move(item), std::move(text), std::move(json)}),
              VIADUCT_FLOW_OK);
  }
  void prompt(std::size_t times) {
    ASSERT_TRUE(world_.send(id_, "hello", "k" + std::to_string(times)));
    world_.until([&] { return world_.backend->count("prompt") == times; });
    handle_ = world_.backend->last("prompt").session;
  }
  void until_types(const std::vector<std::string>& wanted) {
    world_.until([&] { return world_.types(id_) == wanted; });
  }
  std::string last_end() { return world_.log(id_).back().data; }

  World world_;
  const std::string id_;
  Handle handle_ = 0;
};

TEST_F(OutsideOfTurns, PiecesThatFollowEachOtherAreOneText) {
  Recorder recorder;
  ASSERT_TRUE(world_.wait<SubscriptionId>([&](Done<SubscriptionId> done) {
    world_.sessions->subscribe(world_.alice, id_, {}, recorder, std::move(done));
  }));
  for (const char* piece : {"The ", "job ", "is done."}) say(VIADUCT_EVENT_TEXT, piece);
  say(VIADUCT_EVENT_THOUGHT, "What now");
  say(VIADUCT_EVENT_THOUGHT, "?");
  say(VIADUCT_EVENT_TEXT, "Another thing.");
  say(VIADUCT_EVENT_TEXT, "A third one.", "message-3");
  until_types({"text", "thought", "text", "text"});
  world_.until([&] { return world_.log(id_).back().complete; });
  const auto log = world_.log(id_);
  EXPECT_EQ(log[0].text, "The job is done.");
  EXPECT_EQ(log[1].text, "What now?");
  for (const auto& entry : log) {
    EXPECT_TRUE(entry.complete);
    EXPECT_EQ(entry.turn, 0u);
  }
  EXPECT_THAT(recorder.texts(),
              ElementsAre(std::pair(1, "The job is done."), std::pair(2, "What now?"),
                          std::pair(3, "Another thing."), std::pair(4, "A third one.")));
}

TEST_F(OutsideOfTurns, AMessageInBetweenEndsTheText) {
  say(VIADUCT_EVENT_TEXT, "One.");
  until_types({"text"});
  prompt(1);
  world_.backend->end_turn();
  until_types({"text", "user_message", "turn_end"});
  say(VIADUCT_EVENT_TEXT, "Two.");
  until_types({"text", "user_message", "turn_end", "text"});
  world_.until([&] { return world_.log(id_).back().complete; });
  EXPECT_TRUE(world_.log(id_).front().complete);
}

TEST_F(OutsideOfTurns, AToolOfATurnThatHasEndedIsHeardOfAgainInItsPlace) {
  prompt(1);
  const std::uint64_t turn = world_.backend->last("prompt").turn;
  say(VIADUCT_EVENT_TOOL_CALL, "", "bg", R"({"title":"job","status":"in_progress"})", turn);
  world_.backend->end_turn();
  until_types({"user_message", "tool_call", "turn_end"});
  say(VIADUCT_EVENT_TOOL_CALL, "", "bg", R"({"status":"completed"})");
  say(VIADUCT_EVENT_TOOL_CALL, "", "new", R"({"title":"other"})");
  say(VIADUCT_EVENT_TOOL_CALL, "", "new", R"({"status":"failed"})");
  until_types({"user_message", "tool_call", "turn_end", "tool_call"});
  world_.until([&] {
    return world_.log(id_)[1].data.find("completed") != std::string::npos &&
           world_.log(id_)[3].data.find("failed") != std::string::npos;
  });
  EXPECT_THAT(world_.log(id_)[1].data, HasSubstr("\"job\""));
  EXPECT_THAT(world_.log(id_)[3].data, HasSubstr("\"other\""));
  EXPECT_TRUE(world_.log(id_)[3].complete);
}

TEST_F(OutsideOfTurns, TheNewestPlanAndUsageReplaceTheOneBeforeThem) {
  say(VIADUCT_EVENT_PLAN, "", "", R"({"entries":[]})");
  say(VIADUCT_EVENT_PLAN, "", "", R"({"entries":[{"content":"look"}]})");
  say(VIADUCT_EVENT_USAGE, "", "", R"({"used":1,"size":9})");
  say(VIADUCT_EVENT_USAGE, "", "", R"({"used":2})");
  until_types({"plan", "usage"});
  world_.until([&] { return world_.log(id_)[1].data.find("\"used\":2") != std::string::npos; });
  EXPECT_THAT(world_.log(id_)[0].data, HasSubstr("look"));
  EXPECT_THAT(world_.log(id_)[1].data, HasSubstr("\"size\":9"));
}

TEST_F(OutsideOfTurns, ATextJustAfterATurnThatSaidNothingIsNotLost) {
  prompt(1);
  const std::uint64_t turn = world_.backend->last("prompt").turn;
  world_.backend->end_turn();
  until_types({"user_message", "turn_end"});
  const auto flow = world_.sessions->emit(handle_, {VIADUCT_EVENT_TEXT, turn, "", "Late.", ""});
  if (flow == VIADUCT_FLOW_GONE) GTEST_SKIP() << "too slow for it";
  until_types({"user_message", "turn_end", "text"});
  EXPECT_EQ(world_.log(id_).back().turn, 0u);
}

TEST_F(OutsideOfTurns, MetaOfATextIsKeptOnceWithIt) {
  prompt(1);
  const std::uint64_t turn = world_.backend->last("prompt").turn;
  say(VIADUCT_EVENT_TEXT, "a", "", R"({"_meta":{"n":1}})", turn);
  say(VIADUCT_EVENT_TEXT, "b", "", "", turn);
  say(VIADUCT_EVENT_TEXT, "c", "", R"({"_meta":{"n":2}})", turn);
  world_.backend->end_turn();
  until_types({"user_message", "text", "turn_end"});
  EXPECT_EQ(world_.log(id_)[1].text, "abc");
  EXPECT_EQ(world_.log(id_)[1].data, R"({"_meta":{"n":2}})");
}

// The backend says that the session is gone, not knowing that a message is on its way to it.
TEST_F(OutsideOfTurns, AMessageThatNeverReachedItsLostSessionIsPromptedAgain) {
  prompt(1);
  world_.backend->rules["restore"] = [](const auto&) { return BackendAnswer{"native", "", "{}"}; };
  say(VIADUCT_EVENT_LOST, "it ended");
  world_.until([&] { return true; });
  world_.backend->reply(world_.backend->last("prompt"),
                        fail(Errc::not_found, "holds no such session"));
  world_.until([&] { return world_.backend->count("prompt") == 2; });
  world_.backend->end_turn();
  world_.until([&] { return world_.types(id_).back() == "turn_end"; });
  EXPECT_THAT(last_end(), HasSubstr("\"end_turn\""));
}

TEST_F(OutsideOfTurns, AMessageThatDidReachItsLostSessionIsInterrupted) {
  prompt(1);
  say(VIADUCT_EVENT_LOST, "it ended");
  world_.backend->reply(world_.backend->last("prompt"), fail(Errc::unavailable, "it ended"));
  world_.until([&] { return world_.types(id_).back() == "turn_end"; });
  EXPECT_THAT(last_end(), HasSubstr("\"interrupted\""));
  EXPECT_EQ(world_.backend->count("prompt"), 1u);
}

TEST_F(OutsideOfTurns, ATurnThatSaidSomethingEndsWithItsSession) {
  prompt(1);
  say(VIADUCT_EVENT_TEXT, "half", "", "", world_.backend->last("prompt").turn);
  say(VIADUCT_EVENT_LOST, "it ended");
  world_.until([&] { return world_.types(id_).back() == "turn_end"; });
  EXPECT_THAT(last_end(), HasSubstr("\"interrupted\""));
  EXPECT_THAT(last_end(), Not(HasSubstr("end_turn")));
}

}  // namespace
}  // namespace viaduct::sessions
