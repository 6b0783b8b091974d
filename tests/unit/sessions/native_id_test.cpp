// The native id of a session: on disk at once, and never that of two.
#include "scripted_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace viaduct::sessions {
namespace {

using ::testing::HasSubstr;
using testing::Recorder;
using testing::World;

class NativeId : public ::testing::Test {
 protected:
  viaduct_flow say(std::uint32_t kind, std::string text) {
    const auto& prompt = world.backend->last("prompt");
    return world.sessions->emit(prompt.session, {kind, prompt.turn, "", std::move(text), ""});
  }
  void send(const std::string& id, const std::string& text) {
    const auto before = world.backend->count("prompt");
    ASSERT_TRUE(world.send(id, text, text));
    world.until([&] { return world.backend->count("prompt") == before + 1; });
  }
  void until_ends(const std::string& id, std::ptrdiff_t turns) {
    world.until([&] { return std::ranges::count(world.types(id), "turn_end") == turns; });
  }
  // One turn whose answer tells this id.
  void talk(const std::string& id, const std::string& text, const std::string& native) {
    const auto turns = std::ranges::count(world.types(id), "turn_end");
    send(id, text);
    world.backend->end_turn(native);
    until_ends(id, turns + 1);
  }
  store::Session record(const std::string& id) {
    return *world.wait<store::Session>(
        [&](Done<store::Session> done) { world.store->session(id, std::move(done)); });
  }
  void until_given_up(const std::string& id) {
    world.until([&] { return record(id).native_dead; });
  }
  Result<ResumeAnswer> resume(const std::string& id) {
    return world.wait<ResumeAnswer>(
        [&](Done<ResumeAnswer> done) { world.sessions->resume(world.alice, id, std::move(done)); });
  }
  static bool writes_id(const std::vector<store::Write>& writes, const std::string& native) {
    return std::ranges::any_of(writes, [&](const store::Write& one) {
      const auto* put = std::get_if<store::PutSession>(&one);
      return put != nullptr && put->session.native_id == native;
    });
  }
  World world;
};

TEST_F(NativeId, IsOnDiskBeforeAnythingThatIsSaidLaterIsShown) {
  const auto id = world.create(world.alice).record.id;
  send(id, "hello");
  Recorder viewer;
  ASSERT_TRUE(world.wait<SubscriptionId>([&](Done<SubscriptionId> done) {
    world.sessions->subscribe(world.alice, id, {}, viewer, std::move(done));
  }));
  const auto sees = [&](const std::string& text) {
    return std::ranges::any_of(viewer.changes, [&](const ChangePtr& change) {
      return change->json.find(text) != std::string::npos;
    });
  };
  world.disk_waits = [&](const auto& writes) { return writes_id(writes, "B"); };
  say(VIADUCT_EVENT_TEXT, "sooner");
  say(VIADUCT_EVENT_NATIVE_ID, "B");
  say(VIADUCT_EVENT_TEXT, "later");
  world.until([&] { return sees("sooner") && !world.held_writes.empty(); });
  world.loop->context().poll();
  EXPECT_FALSE(sees("later"));
  world.release_writes();
  world.until([&] { return sees("later"); });
  world.kill();
  world.start();
  EXPECT_EQ(resume(id)->context, "native");
  EXPECT_EQ(world.backend->last("restore").text, "B");
}

TEST_F(NativeId, OfATurnsEndIsInTheSameWrite) {
  const auto id = world.create(world.alice).record.id;
  send(id, "hello");
  bool together = false;
  world.disk_waits = [&](const std::vector<store::Write>& writes) {
    together = together ||
               (writes_id(writes, "B") && std::ranges::any_of(writes, [](const store::Write& one) {
                  const auto* turn = std::get_if<store::PutTurn>(&one);
                  return turn != nullptr && turn->turn.state == store::TurnState::ended;
                }));
    return false;
  };
  world.backend->end_turn("B");
  until_ends(id, 1);
  EXPECT_TRUE(together);
}

TEST_F(NativeId, ToldInTwoSessionsIsUsedForNeither) {
  const auto left = world.create(world.alice).record.id;
  const auto right = world.create(world.alice).record.id;
  talk(left, "the secret is forty-two", "same");
  talk(right, "hello", "same");
  until_given_up(left);
  until_given_up(right);
  EXPECT_THAT(world.metrics->text(), HasSubstr("viaduct_native_ids_shared_total"));
  for (const auto& [id, own, other] :
       {std::tuple(left, "forty-two", "hello"), std::tuple(right, "hello", "forty-two")}) {
    send(id, "and now? " + id);
    EXPECT_THAT(world.backend->last("inject").text, HasSubstr(own));
    EXPECT_THAT(world.backend->last("inject").text, ::testing::Not(HasSubstr(other)));
    world.backend->end_turn("own " + id);
    until_ends(id, 2);
  }
  EXPECT_EQ(world.backend->count("restore"), 0u);
  world.kill();
  world.start();
  EXPECT_EQ(resume(left)->context, "native");
  EXPECT_EQ(world.backend->last("restore").text, "own " + left);
}

TEST_F(NativeId, OfASessionThatIsNotInMemoryIsGivenUpToo) {
  const auto left = world.create(world.alice).record.id;
  talk(left, "the secret is forty-two", "same");
  world.kill();
  world.start();
  const auto right = world.create(world.alice).record.id;
  talk(right, "hello", "same");
  until_given_up(left);
  EXPECT_EQ(resume(left)->context, "transcript");
  EXPECT_EQ(world.backend->count("restore"), 0u);
}

TEST_F(NativeId, ThatIsAlwaysTheSameKeepsTwoConversationsApart) {
  world.backend->rules["open"] =
      world.backend->rules["inject"] = [](const auto&) { return BackendAnswer{"same", "", "{}"}; };
  const auto left = world.create(world.alice).record.id;
  talk(left, "the secret is forty-two", "same");
  const auto right = world.create(world.alice).record.id;
  for (int round = 0; round < 3; ++round) {
    for (const auto& id : {left, right}) {
      until_given_up(id);
      const auto had = world.backend->count("inject");
      const auto said = std::ranges::count(world.types(id), "turn_end");
      talk(id, std::to_string(round) + id, "same");
      if (said == 0) continue;  // nothing to forget
      ASSERT_EQ(world.backend->count("inject"), had + 1) << round;
      EXPECT_EQ(world.backend->last("inject").text.find("secret") != std::string::npos, id == left);
    }
  }
  EXPECT_EQ(world.backend->count("restore"), 0u);
}

TEST_F(NativeId, IsNotRestoredWhenTheHostDiedBeforeItSawThatTwoHaveIt) {
  const auto left = world.create(world.alice).record.id;
  const auto right = world.create(world.alice).record.id;
  talk(left, "the secret is forty-two", "L");
  talk(right, "hello", "R");
  world.kill();
  world.start();
  for (const auto& id : {left, right}) {
    store::Session shared = record(id);
    shared.native_id = "same";
    ASSERT_TRUE(world.wait<void>(
        [&](Done<> done) { world.store->write({store::PutSession{shared}}, std::move(done)); }));
  }
  const auto resumed = resume(left);
  EXPECT_EQ(resumed->context, "transcript");
  EXPECT_EQ(world.backend->count("restore"), 0u);
}

TEST_F(NativeId, OfABackendThatCannotRestoreMayBeAnybodys) {
  world.backend->facts().can = VIADUCT_CAN_CANCEL;
  const auto left = world.create(world.alice).record.id;
  const auto right = world.create(world.alice).record.id;
  for (int round = 0; round < 2; ++round)
    for (const auto& id : {left, right}) talk(id, std::to_string(round), "1");
  EXPECT_EQ(world.backend->count("close"), 0u);
}

}  // namespace
}  // namespace viaduct::sessions
