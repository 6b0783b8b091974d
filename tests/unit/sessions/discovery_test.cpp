// Sessions of other programs: found, read, taken over.
#include "scripted_backend.hpp"

#include "host/sessions/discovery.hpp"
#include "host/sessions/sessions_json.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace viaduct::sessions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptedBackend;
using testing::World;

constexpr const char* kSessions = R"({"sessions":[
  {"native_id":"3f2a-one","working_dir":"/tmp","title":"Old","updated_at":"2026-01-30T12:00:00Z"},
  {"native_id":"3f2a-two","working_dir":"/srv/x","title":"New","updated_at":"2026-01-31T12:00:00Z"},
  {"native_id":"9b","working_dir":"/tmp"}]})";
constexpr const char* kContent =
    R"({"working_dir":"/tmp","title":"Old","native_id":"native-1","entries":[
  {"type":"user_message","at":"2026-01-30T11:00:00Z","text":"remember 42"},
  {"type":"text","at":"2026-01-30T11:00:02Z","text":"noted"},
  {"type":"tool_call","at":"2026-01-30T11:00:03Z","data":{"toolCallId":"t","title":"ls","status":"completed"}},
  {"type":"user_message","at":"2026-01-30T11:01:00Z","text":"and 43"}]})";

class DiscoveryTest : public ::testing::Test {
 protected:
  DiscoveryTest() { begin(); }
  void begin() {
    world.backend->facts().can |= VIADUCT_CAN_DISCOVER;
    world.sessions->set_surface("chat", {"agent", {"agent", "other"}});
    answer("discover", kSessions);
    answer("read", kContent);
    answer("purge", "{}");
  }
  void answer(const char* what, std::string json) {
    world.backend->rules[what] = [json = std::move(json)](const ScriptedBackend::Call&) {
      return BackendAnswer{"", "", json};
    };
  }
  Result<DiscoverAnswer> discover(std::string backend = "", std::uint32_t limit = 100) {
    return world.wait<DiscoverAnswer>([&](Done<DiscoverAnswer> done) {
      world.sessions->discover(backend, limit, std::move(done));
    });
  }
  Result<DiscoverAnswer> discover_as(const Principal& who, DiscoverQuery query) {
    return world.wait<DiscoverAnswer>(
        [&](Done<DiscoverAnswer> done) { world.sessions->discover(who, query, std::move(done)); });
  }
  Result<AdoptAnswer> adopt(const Principal& who, std::string id, std::string backend = "") {
    return world.wait<AdoptAnswer>(
        [&](Done<AdoptAnswer> done) { world.sessions->adopt(who, id, backend, std::move(done)); });
  }
  Result<ResumeAnswer> resume(const Principal& who, std::string id) {
    return world.wait<ResumeAnswer>(
        [&](Done<ResumeAnswer> done) { world.sessions->resume(who, id, std::move(done)); });
  }
  std::vector<store::Entry> log(const Principal& who, const std::string& id) {
    auto page = world.wait<HistoryAnswer>([&](Done<HistoryAnswer> done) {
      world.sessions->history(who, id, 0, 500, std::move(done));
    });
    EXPECT_TRUE(page);
    return page ? page->entries : std::vector<store::Entry>{};
  }
  std::uint64_t stored_sessions() {
    return world
        .wait<store::Counts>(
            [&](Done<store::Counts> done) { world.store->counts(std::move(done)); })
        ->sessions;
  }

  World world;
  const Principal local{"chat", "", "local", "local", "", true};
};

TEST_F(DiscoveryTest, ListsWhatOtherProgramsLeftNewestFirst) {
  const auto found = discover();
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->sessions.size(), 3u);
  EXPECT_EQ(found->sessions[0].native_id, "3f2a-two");
  EXPECT_EQ(found->sessions[0].backend, "agent");
  EXPECT_EQ(found->sessions[2].native_id, "9b");
  EXPECT_EQ(discover("", 1)->sessions.size(), 1u);
  EXPECT_EQ(discover("", 1)->left_out, 2u);
  EXPECT_EQ(discover("nobody").error().code, Errc::not_found);
}

TEST_F(DiscoveryTest, AnOperatorOfASurfaceSeesWhatItsBackendsFind) {
  ScriptedBackend other(*world.loop), foreign(*world.loop);
  for (ScriptedBackend* one : {&other, &foreign}) {
    one->facts().can = VIADUCT_CAN_DISCOVER;
    one->rules["discover"] = [](const auto&) {
      return BackendAnswer{"", "", R"({"sessions":[{"native_id":"elsewhere"}]})"};
    };
  }
  world.sessions->add_backend("other", other);
  world.sessions->add_backend("foreign", foreign);  // of another surface
  EXPECT_EQ(discover_as(local, {})->sessions.size(), 4u);
  EXPECT_EQ(foreign.count("discover"), 0u);
  EXPECT_EQ(discover_as(local, {"other", 50})->sessions.size(), 1u);
  EXPECT_EQ(discover_as(local, {"", 1})->left_out, 3u);
  EXPECT_EQ(discover_as(local, {"foreign", 50}).error().code, Errc::invalid_argument);
  other.facts().can = 0;
  EXPECT_EQ(discover_as(local, {"other", 50}).error().code, Errc::unsupported);
  for (const char* name : {"other", "foreign"})
    ASSERT_TRUE(world.wait<void>(
        [&](Done<> done) { world.sessions->remove_backend(name, std::move(done)); }));
}

TEST_F(DiscoveryTest, NobodyButAnOperatorIsShownOrGivenIt) {
  Principal person = local;
  person.is_operator = false;
  EXPECT_EQ(discover_as(person, {}).error().code, Errc::permission_denied);
  EXPECT_EQ(adopt(person, "3f2a-one").error().code, Errc::permission_denied);
  EXPECT_EQ(world.backend->count("discover"), 0u);
  EXPECT_EQ(stored_sessions(), 0u);
}

TEST_F(DiscoveryTest, ABackendThatFailsIsNamedAndTheOthersAreShown) {
  ScriptedBackend other(*world.loop);
  other.facts().can = VIADUCT_CAN_DISCOVER;
  other.rules["discover"] = [](const auto&) {
    return fail(Errc::unavailable, "the disk says EIO");
  };
  world.sessions->add_backend("other", other);
  const auto found = discover();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sessions.size(), 3u);
  ASSERT_EQ(found->failures.size(), 1u);
  EXPECT_EQ(found->failures[0].backend, "other");
  EXPECT_EQ(found->failures[0].error.message, "the disk says EIO");
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->remove_backend("other", std::move(done)); }));
}

TEST_F(DiscoveryTest, AnAnswerThatIsNoneIsAFailureOfTheBackend) {
  for (const char* bad : {R"({"sessions":{}})", R"({"sessions":[{"native_id":""}]})", R"([])"}) {
    answer("discover", bad);
    const auto found = discover();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->failures.size(), 1u) << bad;
  }
}

TEST_F(DiscoveryTest, AnAdoptedSessionHasAllThatWasSaidAndGoesOn) {
  const auto adopted = adopt(local, "3f2a-one");
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_EQ(adopted->context, "native");
  EXPECT_EQ(world.backend->last("restore").text, "native-1");
  const store::Session& record = adopted->session.record;
  EXPECT_EQ(record.title, "Old");
  EXPECT_EQ(record.working_dir, "/tmp");
  EXPECT_EQ(record.project_id, "tmp");
  EXPECT_EQ(record.last_turn, 2u);
  const auto entries = log(local, record.id);
  std::vector<std::string> types;
  for (const auto& entry : entries) types.push_back(entry.type);
  EXPECT_THAT(types, ElementsAre("user_message", "text", "tool_call", "turn_end", "user_message",
                                 "turn_end"));
  EXPECT_EQ(entries[0].text, "remember 42");
  EXPECT_EQ(rfc3339(entries[0].at), "2026-01-30T11:00:00.000000Z");
  EXPECT_THAT(entries[0].data, HasSubstr(R"("user_id":"local")"));
  EXPECT_THAT(entries[3].data, HasSubstr(R"("stop_reason":"end_turn")"));
  EXPECT_THAT(entries[3].data, HasSubstr(R"("duration_ms":3000)"));
  EXPECT_THAT(entries[5].data, HasSubstr("interrupted"));  // nobody answered
  for (std::size_t i = 0; i < entries.size(); ++i) EXPECT_EQ(entries[i].number, i + 1);

  const auto sent = world.wait<SendAnswer>([&](Done<SendAnswer> done) {
    world.sessions->send(local, record.id, {"k", "which?", "", ""}, std::move(done));
  });
  EXPECT_EQ(sent->turn, 3u);
}

TEST_F(DiscoveryTest, WithoutANativeIdTheTranscriptIsGiven) {
  answer("read", R"({"working_dir":"/tmp","entries":[
    {"type":"user_message","at":"2026-01-30T11:00:00Z","text":"remember 42"},
    {"type":"text","at":"2026-01-30T11:00:02Z","text":"noted"}]})");
  const auto adopted = adopt(local, "3f2a-one");
  ASSERT_TRUE(adopted);
  EXPECT_EQ(adopted->context, "transcript");
  EXPECT_THAT(world.backend->last("inject").text, HasSubstr("remember 42"));
  EXPECT_EQ(world.backend->count("restore"), 0u);
}

TEST_F(DiscoveryTest, AnOldSessionsIdHasExpired) {
  world.backend->facts().policy.native_max_age = std::chrono::hours(24);
  const auto adopted = adopt(local, "3f2a-one");
  ASSERT_TRUE(adopted);
  EXPECT_EQ(adopted->context, "transcript");
  EXPECT_EQ(world.backend->count("restore"), 0u);
}

TEST_F(DiscoveryTest, TwiceIsTheSameSession) {
  const auto id = adopt(local, "3f2a-one")->session.record.id;
  EXPECT_EQ(adopt(local, "3f2a-one")->session.record.id, id);
  EXPECT_EQ(adopt(local, "3f2a-o")->session.record.id, id);
  answer("discover", R"({"sessions":[]})");  // gone since, and still the same
  EXPECT_EQ(adopt(local, "3f2a-one")->session.record.id, id);
  EXPECT_EQ(world.backend->count("read"), 1u);
  EXPECT_EQ(stored_sessions(), 1u);
}

TEST_F(DiscoveryTest, TwoAtOnceAreTheSameSessionAndLeaveNothingElse) {
  std::vector<std::string> ids;
  for (int i = 0; i < 2; ++i)
    world.sessions->adopt(local, "3f2a-one", "", [&](Result<AdoptAnswer> answer) {
      ids.push_back(answer ? answer->session.record.id : answer.error().message);
    });
  world.until([&] { return ids.size() == 2; });
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(stored_sessions(), 1u);
}

TEST_F(DiscoveryTest, AnExactIdBeatsAPrefixAndAnAmbiguousOneNamesTheCandidates) {
  answer("discover", R"({"sessions":[{"native_id":"abcd","working_dir":"/a"},
                                     {"native_id":"abcde","working_dir":"/b"}]})");
  EXPECT_EQ(adopt(local, "abcd")->from.native_id, "abcd");
  answer("discover", kSessions);
  const auto ambiguous = adopt(local, "3f2a");
  ASSERT_FALSE(ambiguous);
  EXPECT_EQ(ambiguous.error().code, Errc::invalid_argument);
  EXPECT_THAT(ambiguous.error().message, HasSubstr("3f2a-one  /tmp  2026-01-30"));
  EXPECT_THAT(ambiguous.error().message, HasSubstr("3f2a-two  /srv/x  2026-01-31"));
  EXPECT_EQ(adopt(local, "3f2a-t")->from.native_id, "3f2a-two");
  const auto too_short = adopt(local, "3f2");
  EXPECT_EQ(too_short.error().code, Errc::invalid_argument);
  EXPECT_THAT(too_short.error().message, HasSubstr("too short"));
  EXPECT_EQ(adopt(local, "unknown").error().code, Errc::not_found);
  EXPECT_EQ(adopt(local, "").error().code, Errc::invalid_argument);
}

TEST_F(DiscoveryTest, WhereTwoBackendsKnowItTheSurfacesOwnHasItUnlessTheOtherHasAlready) {
  ScriptedBackend other(*world.loop);
  other.facts() = world.backend->facts();
  other.rules = world.backend->rules;
  world.sessions->add_backend("other", other);
  EXPECT_EQ(adopt(local, "3f2a-t")->session.record.backend, "agent");
  const auto id = adopt(local, "3f2a-one", "other")->session.record.id;
  EXPECT_EQ(adopt(local, "3f2a-one")->session.record.id, id);
  EXPECT_EQ(adopt(local, "3f2a-o")->session.record.id, id);
  EXPECT_EQ(stored_sessions(), 2u);
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->remove_backend("other", std::move(done)); }));
}

TEST_F(DiscoveryTest, ASessionIsMarkedOnceItIsTheHosts) {
  const auto id = adopt(local, "3f2a-one")->session.record.id;
  for (const Discovered& session : discover()->sessions)
    EXPECT_EQ(session.session_id, session.native_id == "3f2a-one" ? id : "") << session.native_id;
}

TEST_F(DiscoveryTest, TheHostsOwnSessionsAreNotListedAndAreAdoptedAsWhatTheyAre) {
  const auto own = world.create(local).record.id;
  const auto bobs = world.create({"chat", "", "bob", "Bob", "", false}).record.id;
  answer("discover", R"({"sessions":[{"native_id":")" + own + R"("},{"native_id":")" + bobs +
                         R"("},{"native_id":"3f2a-one"}]})");
  const auto found = discover();
  ASSERT_EQ(found->sessions.size(), 1u);
  EXPECT_EQ(found->sessions[0].native_id, "3f2a-one");
  EXPECT_EQ(found->left_out, 0u);
  for (const std::string& id : {own, own.substr(0, 12)}) {
    const auto adopted = adopt(local, id);
    ASSERT_TRUE(adopted) << adopted.error().message;
    EXPECT_EQ(adopted->session.record.id, own);
  }
  EXPECT_EQ(adopt(local, bobs).error().code, Errc::conflict);
  EXPECT_EQ(stored_sessions(), 2u);
}

TEST_F(DiscoveryTest, WhatIsAdoptedIsListedOnceAndMarked) {
  ScriptedBackend other(*world.loop);
  other.facts() = world.backend->facts();
  other.rules = world.backend->rules;
  world.sessions->add_backend("other", other);
  EXPECT_EQ(discover()->sessions.size(), 6u) << "each may go on with it";
  const auto id = adopt(local, "3f2a-one")->session.record.id;
  const auto found = discover();
  EXPECT_EQ(found->sessions.size(), 5u);
  for (const Discovered& session : found->sessions)
    EXPECT_EQ(session.session_id, session.native_id == "3f2a-one" ? id : "") << session.native_id;
  ASSERT_TRUE(world.wait<void>(
      [&](Done<> done) { world.sessions->remove_backend("other", std::move(done)); }));
}

TEST_F(DiscoveryTest, WhoeverAsksWhileABackendLooksGetsTheSameListing) {
  world.backend->rules.erase("discover");
  std::vector<Errc> answers;
  for (const char* id : {"unknown-1", "unknown-2", "unknown-3"})
    world.sessions->resume(local, id, [&](Result<ResumeAnswer> answer) {
      answers.push_back(answer ? Errc::internal : answer.error().code);
    });
  std::optional<std::size_t> listed;
  world.sessions->discover(
      "", 10, [&](Result<DiscoverAnswer> found) { listed = found ? found->sessions.size() : 0; });
  std::string adopted;
  world.sessions->adopt(local, "3f2a-one", "", [&](Result<AdoptAnswer> answer) {
    adopted = answer ? answer->from.native_id : answer.error().message;
  });
  for (int i = 0; i < 20; ++i)  // each has asked the store fewer times, and in turn with this
    EXPECT_FALSE(world.wait<store::Session>(
        [&](Done<store::Session> done) { world.store->session("s_none", std::move(done)); }));
  ASSERT_EQ(world.backend->count("discover"), 1u);
  world.backend->reply(world.backend->last("discover"), BackendAnswer{"", "", kSessions});
  world.until([&] { return answers.size() == 3 && listed && !adopted.empty(); });
  EXPECT_EQ(answers, (std::vector<Errc>(3, Errc::not_found)));
  EXPECT_EQ(*listed, 3u);
  EXPECT_EQ(adopted, "3f2a-one");
  EXPECT_EQ(world.backend->count("discover"), 1u);
}

TEST_F(DiscoveryTest, AnUnknownIdThatIsAskedForAgainAndAgainIsLookedForOnce) {
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(resume(local, "unknown-" + std::to_string(i)).error().code, Errc::not_found);
  EXPECT_EQ(world.backend->count("discover"), 1u);
  answer("discover", R"({"sessions":[{"native_id":"unknown-1","working_dir":"/tmp"}]})");
  EXPECT_TRUE(adopt(local, "unknown-1")) << "who says adopt has just seen it";
  EXPECT_EQ(world.backend->count("discover"), 2u);
}

TEST_F(DiscoveryTest, AListingThatFailedIsTriedAgain) {
  world.backend->rules["discover"] = [](const auto&) {
    return fail(Errc::unavailable, "the disk says EIO");
  };
  EXPECT_EQ(resume(local, "3f2a-one").error().code, Errc::unavailable);
  answer("discover", kSessions);
  EXPECT_TRUE(resume(local, "3f2a-one"));
}

TEST_F(DiscoveryTest, AnIdThatTheHostHasGivenIsNotLookedForAtOtherPrograms) {
  const auto alices = world.create(world.alice).record.id;
  EXPECT_EQ(resume(local, alices).error().code, Errc::not_found);
  ASSERT_TRUE(world.wait<PurgeAnswer>([&](Done<PurgeAnswer> done) {
    world.sessions->purge({4'000'000'000'000'000, false}, std::move(done));
  }));
  EXPECT_EQ(resume(local, alices).error().code, Errc::not_found);
  EXPECT_EQ(resume(local, std::string(600, 'x')).error().code, Errc::not_found);
  EXPECT_EQ(world.backend->count("discover"), 0u);
  // what another Viaduct left looks the same
  const std::string theirs = "s_" + std::string(26, '7');
  answer("discover", R"({"sessions":[{"native_id":")" + theirs + R"(","working_dir":"/tmp"}]})");
  EXPECT_TRUE(resume(local, theirs));
}

TEST_F(DiscoveryTest, TheLoopGoesOnWhileALongSessionIsTakenApart) {
  std::string json = R"({"working_dir":"/tmp","entries":[)";
  for (int i = 0; i < 30'000; ++i)
    json += fmt::format(R"({}{{"type":"text","text":"message {}"}})", i ? "," : "", i);
  bool read = false, written = false;
  world.backend->rules["read"] = [&, json = json + "]}"](const auto&) {
    read = true;
    return BackendAnswer{"", "", json};
  };
  world.disk_fails = [&](const auto&) {
    written = written || read;
    return false;
  };
  std::size_t ticks = 0;
  std::function<void()> tick = [&] {
    if (written) return;
    ticks += read ? 1 : 0;
    world.loop->post([&] { tick(); });
  };
  tick();
  EXPECT_TRUE(adopt(local, "3f2a-one"));
  world.disk_fails = nullptr;
  EXPECT_GT(ticks, 20u);
}

TEST(ParseLeftBehind, TakesTheTitleFromTheFirstMessage) {
  const Principal who{"chat", "", "local", "local", "", false};
  const auto left = parse_left_behind(
      R"({"extra":[{"type":"text","text":"no"}],"entries":[{"type":"text","text":"hm"},)"
      R"({"type":"user_message","text":"First\nline"},{"type":"user_message","text":"b"}],"more":1})",
      who);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->first_words, "First");
  EXPECT_EQ(left->entries.size(), 5u) << "and two ends";
  EXPECT_EQ(left->working_dir, "~");
}

struct TooMuch {
  const char* name;
  std::string entries;
  const char* says;
};
void PrintTo(const TooMuch& one, std::ostream* out) {
  *out << one.name;
}
std::string times(std::string_view piece, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += piece;
  return all;
}
class LeftBehindTooMuch : public ::testing::TestWithParam<TooMuch> {};
TEST_P(LeftBehindTooMuch, IsRefusedInWords) {
  const Principal who{"chat", "", "local", "local", "", false};
  const auto left = parse_left_behind(R"({"entries":[)" + GetParam().entries + "]}", who);
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().code, Errc::failed_precondition);
  EXPECT_THAT(left.error().message, HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, LeftBehindTooMuch,
    ::testing::Values(
        TooMuch{"Entries", times(R"({"type":"x"},)", 100'000) + R"({"type":"x"})",
                "more than 100000 entries"},
        TooMuch{"Values", R"({"type":"text","data":{"a":[)" + times("[],", 600'000) + "[]]}}",
                "too many parts"},
        TooMuch{"Depth",
                R"({"type":"text","data":{"a":)" + times("[", 300) + times("]", 300) + "}}",
                "nested too deeply"},
        TooMuch{"Bytes", R"({"type":"text","text":")" + std::string(9 << 20, 'x') + R"("})",
                "larger than 8 MiB"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(DiscoveryTest, WhatSomebodyElseHasIsNotGivenAway) {
  ASSERT_TRUE(adopt(local, "3f2a-one"));
  const Principal bob{"chat", "", "bob", "Bob", "", true};
  EXPECT_EQ(adopt(bob, "3f2a-one").error().code, Errc::conflict);
  EXPECT_EQ(stored_sessions(), 1u);
}

TEST_F(DiscoveryTest, WhereNothingIsFoundBecauseABackendFailedItMayStillBeThere) {
  world.backend->rules["discover"] = [](const auto&) {
    return fail(Errc::unavailable, "the disk says EIO");
  };
  EXPECT_EQ(adopt(local, "3f2a-one").error().code, Errc::unavailable);
  EXPECT_EQ(resume(local, "3f2a-one").error().code, Errc::unavailable);
}

TEST_F(DiscoveryTest, ALongSessionIsWrittenInPartsAndIsThereAsAWhole) {
  std::string json = R"({"working_dir":"/tmp","entries":[)";
  for (int i = 0; i < 3000; ++i)
    json += fmt::format(R"({}{{"type":"{}","at":"2026-01-30T11:00:00Z","text":"message {}"}})",
                        i ? "," : "", i % 2 ? "text" : "user_message", i);
  answer("read", json + "]}");
  const auto adopted = adopt(local, "3f2a-one");
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_EQ(adopted->session.record.last_entry, 4501u);  // 1,500 ends, and the line of the resume
  EXPECT_THAT(world.backend->last("inject").text, HasSubstr("message 2999"));
  EXPECT_EQ(log(local, adopted->session.record.id).size(), 500u);
}

TEST_F(DiscoveryTest, AnAdoptionThatIsBrokenOffLeavesNothing) {
  std::string json = R"({"working_dir":"/tmp","entries":[)";
  for (int i = 0; i < 2000; ++i)
    json += fmt::format(R"({}{{"type":"user_message","text":"message {}"}})", i ? "," : "", i);
  answer("read", json + "]}");
  int writes = 0;
  std::string half;
  world.disk_fails = [&](const std::vector<store::Write>& all) {
    if (const auto* entry = std::get_if<store::AddEntry>(&all.back()))
      half = entry->entry.session_id;
    return ++writes == 3;
  };
  EXPECT_EQ(adopt(local, "3f2a-one").error().code, Errc::unavailable);
  world.disk_fails = nullptr;
  ASSERT_NE(half, "");
  world.until([&] {
    const auto page = world.wait<store::EntryPage>([&](Done<store::EntryPage> done) {
      world.store->entries(half, 0, 10, 1 << 20, std::move(done));
    });
    return page && page->entries.empty();
  });
  EXPECT_EQ(stored_sessions(), 0u);
  EXPECT_TRUE(adopt(local, "3f2a-one"));
}

TEST_F(DiscoveryTest, WhatMakesNoSenseIsNotTakenOver) {
  for (const char* bad :
       {R"({"working_dir":"/tmp","entries":{}})", R"({"working_dir":"/tmp"})", R"({"entries":[1]})",
        R"({"entries":[{"text":"no type"}]})", R"({"entries":[{"type":"text","text":5}]})",
        R"({"entries":[{"type":"text","data":[]}]})"}) {
    answer("read", bad);
    const auto refused = adopt(local, "3f2a-one");
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Errc::internal) << bad;
    EXPECT_THAT(refused.error().message, HasSubstr("agent: ")) << bad;
  }
  EXPECT_EQ(stored_sessions(), 0u);
}

TEST_F(DiscoveryTest, ABackendOfAnotherSurfaceIsNotUsed) {
  EXPECT_EQ(adopt(local, "3f2a-one", "third").error().code, Errc::invalid_argument);
  world.backend->facts().can &= ~std::uint64_t{VIADUCT_CAN_DISCOVER};
  EXPECT_EQ(adopt(local, "3f2a-one").error().code, Errc::unsupported);
}

// ---------------------------------------------------------------- resume by such an id

TEST_F(DiscoveryTest, TheLocalPrincipalResumesAnUnknownIdByAdoptingIt) {
  const auto resumed = resume(local, "3f2a-o");
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(resumed->context, "native");
  EXPECT_EQ(log(local, resumed->session.record.id).size(), 6u);
  EXPECT_EQ(resume(local, "3f2a").error().code, Errc::invalid_argument);
  EXPECT_EQ(resume(local, "unknown").error().code, Errc::not_found);
}

TEST_F(DiscoveryTest, NobodyElseIsToldWhatIsThere) {
  for (const Principal& who : {Principal{"chat", "", "bob", "Bob", "", false},
                               Principal{"chat", "acme", "local", "local", "", false},
                               Principal{"chat", "", "local", "local", "thread", false},
                               Principal{"chat", "", "olga", "Olga", "", true}})
    EXPECT_EQ(resume(who, "3f2a-one").error().code, Errc::not_found);
  EXPECT_EQ(world.backend->count("discover"), 0u);
  EXPECT_EQ(stored_sessions(), 0u);
}

TEST_F(DiscoveryTest, ThePersonsOwnSessionIsResumedByTheBeginningOfItsId) {
  const auto id = world.create(world.alice).record.id;
  EXPECT_EQ(resume(world.alice, id.substr(0, 12))->session.record.id, id);
  EXPECT_EQ(resume(local, id.substr(0, 12)).error().code, Errc::not_found);
  EXPECT_EQ(resume(local, id).error().code, Errc::not_found);
}

TEST(ParseRfc3339, TakesFractionsAndZones) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01Z"), 1'000'000);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01.5Z"), 1'500'000);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01.1234567Z"), 1'123'456);
  EXPECT_EQ(parse_rfc3339("1970-01-01T01:00:01+01:00"), 1'000'000);
  EXPECT_EQ(parse_rfc3339("1969-12-31T23:00:01-01:00"), 1'000'000);
  for (const char* bad :
       {"", "1970-01-01", "1970-01-01T00:00:01", "1970-01-01T00:00:01+1", "yesterday"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

}  // namespace
}  // namespace viaduct::sessions
