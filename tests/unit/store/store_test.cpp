#include "fixture.hpp"
#include "host/store/database.hpp"
#include "host/store/sql.hpp"

#include <algorithm>
#include <set>
#include <thread>

namespace viaduct::store {
namespace {

std::vector<std::string> ids(const SessionPage& page) {
  std::vector<std::string> names;
  for (const auto& session : page.sessions) names.push_back(session.id);
  return names;
}

using Sessions = StoreTest;

TEST_F(Sessions, ComeBackWithEveryField) {
  open();
  const Session full{.id = "s1",
                     .owner = "3:web0:u5:alice",
                     .surface = "web",
                     .user_id = "alice",
                     .create_key = "key",
                     .backend = "echo",
                     .agent_type = "mock",
                     .native_id = "n2",
                     .previous_native_id = "n1",
                     .native_at = 7,
                     .native_dead = true,
                     .failures = 3,
                     .context_pending = true,
                     .working_dir = "/tmp",
                     .project_id = "p",
                     .folder_id = "1:2",
                     .title = "Ein Tür-Öffner 🚪",
                     .description = "d",
                     .options = R"({"a":1})",
                     .created_at = 1700000000000001,
                     .last_active = 1700000000000002,
                     .ended = true,
                     .last_seq = 11,
                     .last_entry = 12,
                     .last_turn = 13,
                     .host = "h",
                     .host_epoch = 14};
  ASSERT_TRUE(write({PutSession{full}}));
  reopen();
  const auto found = session("s1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->owner, full.owner);
  EXPECT_EQ(found->surface, full.surface);
  EXPECT_EQ(found->user_id, full.user_id);
  EXPECT_EQ(found->create_key, full.create_key);
  EXPECT_EQ(found->backend, full.backend);
  EXPECT_EQ(found->agent_type, full.agent_type);
  EXPECT_EQ(found->native_id, full.native_id);
  EXPECT_EQ(found->previous_native_id, full.previous_native_id);
  EXPECT_EQ(found->native_at, full.native_at);
  EXPECT_EQ(found->native_dead, full.native_dead);
  EXPECT_EQ(found->failures, full.failures);
  EXPECT_EQ(found->context_pending, full.context_pending);
  EXPECT_EQ(found->working_dir, full.working_dir);
  EXPECT_EQ(found->project_id, full.project_id);
  EXPECT_EQ(found->folder_id, full.folder_id);
  EXPECT_EQ(found->title, full.title);
  EXPECT_EQ(found->description, full.description);
  EXPECT_EQ(found->options, full.options);
  EXPECT_EQ(found->created_at, full.created_at);
  EXPECT_EQ(found->last_active, full.last_active);
  EXPECT_EQ(found->ended, full.ended);
  EXPECT_EQ(found->last_seq, full.last_seq);
  EXPECT_EQ(found->last_entry, full.last_entry);
  EXPECT_EQ(found->last_turn, full.last_turn);
  EXPECT_EQ(found->host, full.host);
  EXPECT_EQ(found->host_epoch, full.host_epoch);
}

TEST_F(Sessions, AreReplacedWhateverChanged) {
  open();
  ASSERT_TRUE(write({PutSession{a_session("s1")}}));
  Session changed = a_session("s1", "another owner", 9);
  changed.create_key = "new key";
  changed.title = "t";
  ASSERT_TRUE(write({PutSession{changed}}));
  const auto found = session("s1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->owner, "another owner");
  EXPECT_EQ(found->create_key, "new key");
  EXPECT_EQ(found->title, "t");
  EXPECT_EQ(answer<Counts>([&](auto done) { store->counts(std::move(done)); })->sessions, 1U);
}

TEST_F(Sessions, ThatAreNotThereAreNotFound) {
  open();
  EXPECT_EQ(session("s1").error().code, Errc::not_found);
}

TEST_F(Sessions, AreFoundByTheKeyOfTheirCreationForTheirOwnerOnly) {
  open();
  auto one = a_session("s1", "alice");
  one.create_key = "k";
  auto two = a_session("s2", "bob");
  two.create_key = "k";
  ASSERT_TRUE(write({PutSession{one}, PutSession{two}, PutSession{a_session("s3", "alice")}}));
  const auto by_key = [&](std::string owner, std::string key) {
    return answer<Session>([&](auto done) { store->session_by_key(owner, key, std::move(done)); });
  };
  EXPECT_EQ(by_key("bob", "k")->id, "s2");
  EXPECT_EQ(by_key("carol", "k").error().code, Errc::not_found);
  EXPECT_EQ(by_key("alice", "").error().code, Errc::not_found);
  auto again = a_session("s4", "alice");
  again.create_key = "k";
  EXPECT_EQ(write({PutSession{again}}).error().code, Errc::conflict);
}

TEST_F(Sessions, ArePagedFromTheNewestOnWithoutGapOrRepeat) {
  open();
  std::vector<Write> writes;
  for (int i = 0; i < 100; ++i) {
    // Several have the same time, and every third has ended.
    auto one = a_session(fmt::format("s{:03}", i), i % 2 ? "odd" : "even", i / 7);
    one.ended = i % 3 == 0;
    writes.push_back(PutSession{one});
  }
  ASSERT_TRUE(write(writes));
  struct {
    std::string owner;
    std::optional<bool> active;
    std::size_t expected;
  } const cases[] = {{"", {}, 100},   {"odd", {}, 50},    {"even", true, 33},
                     {"", false, 34}, {"odd", false, 17}, {"nobody", {}, 0}};
  for (const auto& expected : cases) {
    std::vector<std::pair<Micros, std::string>> seen;
    std::string before;
    do {
      const auto page = sessions(
          {.owner = expected.owner, .before = before, .limit = 9, .active = expected.active});
      ASSERT_TRUE(page);
      EXPECT_LE(page->sessions.size(), 9U);
      for (const auto& one : page->sessions) {
        if (expected.active) EXPECT_EQ(one.ended, !*expected.active);
        seen.emplace_back(one.last_active, one.id);
      }
      before = page->next;
    } while (!before.empty());
    EXPECT_EQ(seen.size(), expected.expected) << expected.owner;
    EXPECT_TRUE(std::ranges::is_sorted(seen, std::greater<>()));
    EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), seen.size());
  }
}

TEST_F(Sessions, HaveNoNextPageWhenTheLastIsFull) {
  open();
  ASSERT_TRUE(write({PutSession{a_session("a")}, PutSession{a_session("b")}}));
  const auto page = sessions({.owner = "owner", .before = {}, .limit = 2, .active = {}});
  EXPECT_EQ(ids(*page), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(page->next, "");
}

TEST_F(Sessions, RefuseACursorThatIsNone) {
  open();
  for (const auto* cursor : {"x", "12", "12x:", ":a", "99999999999999999999:a"})
    EXPECT_EQ(sessions({.owner = {}, .before = cursor, .limit = 1, .active = {}}).error().code,
              Errc::invalid_argument)
        << cursor;
}

// So the first page costs the same among any number of sessions.
TEST_F(Sessions, AreListedByAnIndexAndNeverSorted) {
  open();
  store.reset();
  for (const auto* sql : {sql::kSessionsOfOwner, sql::kSessionsOfAll, sql::kOpenTurns,
                          sql::kOpenTurnsOfSession, sql::kEntries, sql::kPieces, sql::kTurnByKey,
                          sql::kSessionByKey, sql::kAudit, sql::kScanDocuments}) {
    const auto explain = std::string("EXPLAIN QUERY PLAN ") + sql;
    auto database = Database::open(file());
    ASSERT_TRUE(database);
    Query plan(**database, explain.c_str());
    std::string steps;
    while (plan.next()) steps += plan.text(3) + "\n";
    EXPECT_TRUE(plan.status());
    EXPECT_EQ(steps.find("TEMP B-TREE"), std::string::npos) << sql << "\n" << steps;
    if (sql != sql::kOpenTurns)
      EXPECT_NE(steps.find("SEARCH"), std::string::npos) << sql << "\n" << steps;
  }
}

using Entries = StoreTest;

TEST_F(Entries, ComeOldestFirstAndInPages) {
  open();
  std::vector<Write> writes;
  for (std::uint64_t n = 1; n <= 10; ++n)
    writes.push_back(AddEntry{an_entry("s", n, std::string(100, 'x'))});
  ASSERT_TRUE(write(writes));
  const auto numbers = [&](std::uint64_t before, std::uint32_t limit, std::size_t bytes) {
    const auto page = entries("s", before, limit, bytes);
    std::string text;
    for (const auto& entry : page->entries) text += std::to_string(entry.number) + " ";
    return text + (page->more ? "more" : "all");
  };
  EXPECT_EQ(numbers(0, 3, SIZE_MAX), "8 9 10 more");
  EXPECT_EQ(numbers(8, 3, SIZE_MAX), "5 6 7 more");
  EXPECT_EQ(numbers(4, 3, SIZE_MAX), "1 2 3 all");
  EXPECT_EQ(numbers(0, 1000, 250), "9 10 more");
  EXPECT_EQ(numbers(0, 1000, 10), "10 more");
  EXPECT_EQ(numbers(2, 1000, 10), "1 all");
  EXPECT_EQ(numbers(1, 10, SIZE_MAX), "all");
}

TEST_F(Entries, ComeBackWithEveryField) {
  open();
  Entry entry = an_entry("s", 1, std::string("text with \0 in it", 17));
  entry.seq = 5;
  entry.turn = 6;
  entry.type = "tool_call";
  entry.at = 1700000000000001;
  entry.data = R"({"a":"b"})";
  ASSERT_TRUE(write({AddEntry{entry}}));
  const auto found = entries("s")->entries.at(0);
  EXPECT_EQ(found.session_id, "s");
  EXPECT_EQ(found.seq, 5U);
  EXPECT_EQ(found.turn, 6U);
  EXPECT_EQ(found.type, "tool_call");
  EXPECT_EQ(found.at, entry.at);
  EXPECT_EQ(found.text, entry.text);
  EXPECT_EQ(found.data, entry.data);
  EXPECT_TRUE(found.complete);
}

TEST_F(Entries, GrowByPiecesThatAreJoinedWhenComplete) {
  open();
  ASSERT_TRUE(write({AddEntry{an_entry("s", 1, "one ", false)}}));
  ASSERT_TRUE(write({AppendText{"s", 1, 7, 4, "two "}, AppendText{"s", 1, 8, 8, "three"}}));
  auto found = entries("s")->entries.at(0);
  EXPECT_EQ(found.text, "one two three");
  EXPECT_EQ(found.seq, 8U);
  EXPECT_FALSE(found.complete);
  reopen();
  EXPECT_EQ(entries("s")->entries.at(0).text, "one two three");

  ASSERT_TRUE(write({SetEntry{"s", 1, 9, true, R"({"x":1})"}}));
  found = entries("s")->entries.at(0);
  EXPECT_EQ(found.text, "one two three");
  EXPECT_EQ(found.seq, 9U);
  EXPECT_EQ(found.data, R"({"x":1})");
  EXPECT_TRUE(found.complete);
  store.reset();
  auto database = Database::open(file());
  Query pieces(**database, "SELECT count(*) FROM pieces");
  ASSERT_TRUE(pieces.next());
  EXPECT_EQ(pieces.integer(0), 0);
}

TEST_F(Entries, KeepTheirTextWhenTheyAreSet) {
  open();
  ASSERT_TRUE(write({AddEntry{an_entry("s", 1, "kept")}, SetEntry{"s", 1, 4, false, "{}"},
                     AppendText{"s", 1, 5, 4, "!"}, SetEntry{"s", 1, 6, false, "{}"}}));
  EXPECT_EQ(entries("s")->entries.at(0).text, "kept!");
  EXPECT_EQ(entries("s")->entries.at(0).seq, 6U);
}

TEST_F(Entries, ThatAreMissingOrCompleteCannotChange) {
  open();
  ASSERT_TRUE(write({AddEntry{an_entry("s", 1, "done")}, AddEntry{an_entry("s", 2, "x", false)},
                     AppendText{"s", 2, 3, 1, "y"}}));
  EXPECT_EQ(write({SetEntry{"s", 9, 4, true, ""}}).error().code, Errc::internal);
  EXPECT_EQ(write({AppendText{"s", 9, 4, 0, "x"}}).error().code, Errc::internal);
  EXPECT_EQ(write({AppendText{"s", 1, 4, 4, "x"}}).error().code, Errc::internal);
  EXPECT_EQ(write({AppendText{"s", 2, 4, 1, "twice"}}).error().code, Errc::internal);
  EXPECT_EQ(write({AddEntry{an_entry("s", 1, "again")}}).error().code, Errc::internal);
  EXPECT_EQ(entries("s")->entries.at(0).text, "done");
  EXPECT_EQ(entries("s")->entries.at(1).text, "xy");
}

TEST_F(Entries, CountTheirPiecesAgainstTheLimitOfBytes) {
  open();
  ASSERT_TRUE(
      write({AddEntry{an_entry("s", 1, "a", false)}, AppendText{"s", 1, 3, 1, std::string(50, 'b')},
             AddEntry{an_entry("s", 2, "c")}}));
  const auto page = entries("s", 0, 10, 20);
  EXPECT_EQ(page->entries.size(), 1U);
  EXPECT_TRUE(page->more);
}

using Turns = StoreTest;

TEST_F(Turns, AreFoundByNumberAndKeyAndReplaced) {
  open();
  auto turn = a_turn("s", 1, "key");
  turn.message_entry = 3;
  ASSERT_TRUE(write({PutTurn{turn}}));
  turn.state = TurnState::ended;
  turn.stop_reason = "error";
  turn.error = R"({"code":"internal"})";
  ASSERT_TRUE(write({PutTurn{turn}}));
  const auto found =
      answer<Turn>([&](auto done) { store->turn_by_key("s", "key", std::move(done)); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->number, 1U);
  EXPECT_EQ(found->message_entry, 3U);
  EXPECT_EQ(found->state, TurnState::ended);
  EXPECT_EQ(found->stop_reason, "error");
  EXPECT_EQ(found->error, turn.error);
  EXPECT_EQ(answer<Turn>([&](auto done) { store->turn("s", 1, std::move(done)); })->key, "key");
  EXPECT_EQ(answer<Turn>([&](auto done) { store->turn("s", 2, std::move(done)); }).error().code,
            Errc::not_found);
  EXPECT_EQ(
      answer<Turn>([&](auto done) { store->turn_by_key("s", "", std::move(done)); }).error().code,
      Errc::not_found);
}

TEST_F(Turns, ThatHaveNotEndedAreListedInOrder) {
  open();
  ASSERT_TRUE(write({PutTurn{a_turn("b", 2)}, PutTurn{a_turn("b", 1, {}, TurnState::running)},
                     PutTurn{a_turn("a", 10)}, PutTurn{a_turn("a", 9, {}, TurnState::ended)}}));
  const auto names = [](const std::vector<Turn>& turns) {
    std::string text;
    for (const auto& turn : turns) text += turn.session_id + std::to_string(turn.number) + " ";
    return text;
  };
  EXPECT_EQ(names(*open_turns()), "a10 b1 b2 ");
  EXPECT_EQ(names(*open_turns("b")), "b1 b2 ");
  ASSERT_TRUE(write({PutTurn{a_turn("b", 1, {}, TurnState::ended)}}));
  EXPECT_EQ(names(*open_turns("b")), "b2 ");
}

using Writes = StoreTest;

TEST_F(Writes, AreAllOrNothing) {
  open();
  ASSERT_TRUE(write({PutTurn{a_turn("s", 1, "k")}}));
  const auto refused = write({AddEntry{an_entry("s", 1)}, PutTurn{a_turn("s", 2, "k")}});
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_TRUE(entries("s")->entries.empty());
}

TEST_F(Writes, OfOthersAreNotUndoneByAConflict) {
  open();
  std::vector<int> order;
  std::vector<Errc> codes;
  const int count = 200;
  for (int i = 0; i < count; ++i) {
    // Every fifth repeats the key of the one before it.
    const auto key = fmt::format("k{}", i % 5 == 4 ? i - 1 : i);
    store->write({AddEntry{an_entry("s", static_cast<std::uint64_t>(i) + 1)},
                  PutTurn{a_turn("s", static_cast<std::uint64_t>(i) + 1, key)}},
                 [&, i](Result<> done) {
                   order.push_back(i);
                   EXPECT_EQ(done.has_value(), i % 5 != 4);
                   if (!done) codes.push_back(done.error().code);
                 });
  }
  EXPECT_TRUE(order.empty()) << "answered inside of the call";
  settle();
  EXPECT_EQ(order.size(), static_cast<std::size_t>(count));
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_EQ(codes, std::vector<Errc>(count / 5, Errc::conflict));
  EXPECT_EQ(entries("s")->entries.size(), static_cast<std::size_t>(count - count / 5));
}

TEST_F(Writes, ThatAreAnsweredAreSeenByTheNextRead) {
  open();
  int seen = 0;
  std::move_only_function<void(int)> next = [&](int i) {
    const auto id = fmt::format("s{}", i);
    store->write({PutSession{a_session(id)}}, [&, i, id](Result<> done) {
      ASSERT_TRUE(done);
      store->session(id, [&, i](Result<Session> found) {
        ASSERT_TRUE(found);
        ++seen;
        if (i < 200) next(i + 1);
      });
    });
  };
  next(1);
  settle();
  EXPECT_EQ(seen, 200);
}

TEST_F(Writes, ComeFromManyThreads) {
  open();
  std::atomic<int> stored = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (std::uint64_t n = 1; n <= 100; ++n)
          store->write({AddEntry{an_entry(fmt::format("s{}", t), n)}},
                       [&](Result<> done) { stored += done.has_value(); });
      });
  }
  settle();
  EXPECT_EQ(stored, 800);
  for (int t = 0; t < 8; ++t) EXPECT_EQ(entries(fmt::format("s{}", t))->entries.size(), 100U);
}

TEST_F(Writes, AreFinishedByCloseAndRefusedAfterIt) {
  open();
  int answered = 0;
  for (std::uint64_t n = 1; n <= 100; ++n)
    store->write({AddEntry{an_entry("s", n)}},
                 [&](Result<> done) { answered += done.has_value(); });
  store->close();
  settle();
  EXPECT_EQ(answered, 100);
  EXPECT_EQ(write({AddEntry{an_entry("s", 101)}}).error().code, Errc::unavailable);
  EXPECT_EQ(session("s").error().code, Errc::unavailable);
  reopen();
  EXPECT_EQ(entries("s")->entries.size(), 100U);
}

TEST_F(Writes, ManyMoreThanFitInTheLogAreCheckpointed) {
  open();
  const std::string text(1 << 20, 'x');
  for (std::uint64_t n = 1; n <= 96; ++n) ASSERT_TRUE(write({AddEntry{an_entry("s", n, text)}}));
  EXPECT_LT(std::filesystem::file_size(file().string() + "-wal"), 64U << 20);
  EXPECT_GT(std::filesystem::file_size(file()), 60U << 20);
}

using Audit = StoreTest;

TEST_F(Audit, GivesTheNewestOldestFirst) {
  open();
  for (int i = 1; i <= 5; ++i)
    ASSERT_TRUE(write({AddAudit{{.at = i,
                                 .session_id = i % 2 ? "odd" : "even",
                                 .event = "resume",
                                 .detail = std::to_string(i)}}}));
  const auto details = [&](std::string id, std::uint32_t limit) {
    const auto records = answer<std::vector<AuditRecord>>(
        [&](auto done) { store->audit(id, limit, std::move(done)); });
    std::string text;
    for (const auto& record : *records) text += record.detail + " ";
    return text;
  };
  EXPECT_EQ(details("odd", 2), "3 5 ");
  EXPECT_EQ(details("even", 10), "2 4 ");
  EXPECT_EQ(details("", 3), "3 4 5 ");
}

class Purge : public StoreTest {
 protected:
  // A session with `entries` entries, each with its turn, one still growing, and an audit record.
  void add(const std::string& id, std::uint64_t entries) {
    std::vector<Write> writes{
        PutSession{a_session(id)},
        AddAudit{{.at = 1, .session_id = id, .event = "created", .detail = "{}"}}};
    for (std::uint64_t i = 1; i <= entries; ++i) {
      writes.push_back(AddEntry{an_entry(id, i, "0123456789", i < entries)});
      writes.push_back(PutTurn{a_turn(id, i, std::to_string(i), TurnState::ended)});
    }
    writes.push_back(AppendText{id, entries, entries + 1, 10, "and more"});
    ASSERT_TRUE(write(std::move(writes)));
  }
  std::int64_t rows(const std::string& id) {
    std::int64_t count = 0;
    store.reset();
    auto database = Database::open(file());
    for (const auto* sql : {"SELECT count(*) FROM sessions WHERE id = ?",
                            "SELECT count(*) FROM entries WHERE session = ?",
                            "SELECT count(*) FROM pieces WHERE session = ?",
                            "SELECT count(*) FROM turns WHERE session = ?",
                            "SELECT count(*) FROM unfinished WHERE session = ?"}) {
      Query query(**database, sql, id);
      if (query.next()) count += query.integer(0);
    }
    database->reset();
    open();
    return count;
  }
  std::vector<AuditRecord> audit(const std::string& id) {
    return *answer<std::vector<AuditRecord>>(
        [&](auto done) { store->audit(id, 100, std::move(done)); });
  }
  static AuditRecord purged(const std::string& id) {
    return {.at = 9, .session_id = id, .event = "purged", .detail = "{}"};
  }
};

TEST_F(Purge, RemovesASessionWithAllThatBelongsToItAndNothingElse) {
  open();
  add("gone", 1000);
  add("stays", 3);
  EXPECT_EQ(
      *answer<std::uint64_t>([&](auto done) { store->session_bytes("gone", std::move(done)); }),
      10'008U);
  ASSERT_TRUE(answer([&](Done<> done) { store->purge("gone", purged("gone"), std::move(done)); }));
  EXPECT_EQ(session("gone").error().code, Errc::not_found);
  ASSERT_EQ(audit("gone").size(), 1U);
  EXPECT_EQ(audit("gone")[0].event, "purged");
  EXPECT_EQ(entries("stays")->entries.size(), 3U);
  EXPECT_EQ(audit("stays").size(), 1U);
  EXPECT_EQ(rows("gone"), 0);
  EXPECT_EQ(rows("stays"), 8);
}

TEST_F(Purge, LeavesTheSpaceForWhatComesNext) {
  open();
  const auto counts = [&] {
    return *answer<Counts>([&](auto done) { store->counts(std::move(done)); });
  };
  ASSERT_TRUE(write(
      {PutSession{a_session("long")}, AddEntry{an_entry("long", 1, std::string(1 << 20, 'x'))}}));
  const Counts before = counts();
  EXPECT_GT(before.bytes, 1U << 20);
  EXPECT_LT(before.free_bytes, 1U << 20);
  ASSERT_TRUE(answer([&](Done<> done) { store->purge("long", std::nullopt, std::move(done)); }));
  EXPECT_GT(counts().free_bytes, 1U << 20);
  ASSERT_TRUE(write(
      {PutSession{a_session("next")}, AddEntry{an_entry("next", 1, std::string(1 << 20, 'x'))}}));
  EXPECT_LT(counts().bytes, before.bytes + (1U << 19));
  EXPECT_EQ(counts().sessions, 1U);
}

TEST_F(Purge, ThatIsCutShortGoesOnAtTheNextStart) {
  open();
  add("gone", 1000);
  store->purge("gone", purged("gone"), [](Result<>) {});
  store.reset();  // the first step is done, nobody runs the loop for the others
  open();
  EXPECT_EQ(session("gone").error().code, Errc::not_found);
  settle();
  EXPECT_EQ(rows("gone"), 0);
  EXPECT_EQ(audit("gone").size(), 1U);
}

TEST_F(Purge, LetsOthersWriteInBetween) {
  open();
  add("gone", 5000);
  bool purged_all = false;
  bool written_first = false;
  store->purge("gone", std::nullopt, [&](Result<>) { purged_all = true; });
  store->write({PutSession{a_session("other")}}, [&](Result<>) { written_first = !purged_all; });
  settle();
  EXPECT_TRUE(purged_all);
  EXPECT_TRUE(written_first);
}

TEST_F(Purge, RemovesASessionThatWasBegunAndNeverFinished) {
  open();
  ASSERT_TRUE(write({BeginSession{"half"}, AddEntry{an_entry("half", 1, "a")}}));
  ASSERT_TRUE(write({BeginSession{"whole"}, AddEntry{an_entry("whole", 1, "a")}}));
  ASSERT_TRUE(write({PutSession{a_session("whole")}, FinishSession{"whole"}}));
  reopen();
  settle();
  EXPECT_TRUE(entries("half")->entries.empty());
  EXPECT_EQ(entries("whole")->entries.size(), 1U);
}

TEST_F(Sessions, AreFoundByTheBeginningOfTheirIdForTheirOwnerOnly) {
  open();
  for (const char* id : {"s_abc1", "s_abc2", "s_abd"})
    ASSERT_TRUE(write({PutSession{a_session(id, "alice")}}));
  ASSERT_TRUE(write({PutSession{a_session("s_abc3", "bob")}}));
  const auto found = [&](std::string prefix, std::uint32_t limit = 10) {
    return answer<std::vector<Session>>([&](auto done) {
             store->sessions_by_prefix("alice", prefix, limit, std::move(done));
           })
        ->size();
  };
  EXPECT_EQ(found("s_abc"), 2U);
  EXPECT_EQ(found("s_ab"), 3U);
  EXPECT_EQ(found("s_ab", 2), 2U);
  EXPECT_EQ(found("s_abc3"), 0U);
  EXPECT_EQ(found("s_%"), 0U);
  const auto of_anybody = answer<std::vector<Session>>(
      [&](auto done) { store->sessions_by_prefix("", "s_abc", 10, std::move(done)); });
  EXPECT_EQ(of_anybody->size(), 3U);
}

TEST_F(Sessions, AreKnownByTheirOwnIdTheirNativeIdsAndTheKeyOfTheirDiscovery) {
  open();
  Session session = a_session("s_1");
  session.backend = "claude";
  session.native_id = "new";
  session.previous_native_id = "old";
  session.create_key = "discovered:claude:first";
  ASSERT_TRUE(write({PutSession{session}}));
  const auto known = [&](const std::string& backend) {
    return *answer<std::map<std::string, std::string>>([&](auto done) {
      store->known_ids(backend, "discovered:claude:", {"s_1", "new", "old", "first", "other"},
                       std::move(done));
    });
  };
  EXPECT_EQ(known("claude").size(), 4U);
  EXPECT_EQ(known("claude").at("first"), "s_1");
  // A session's own id is nobody else's to find; a native id is its backend's.
  EXPECT_EQ(known("codex"), (std::map<std::string, std::string>{{"s_1", "s_1"}}));
}

TEST_F(Sessions, ThatHaveTheSameNativeIdAtTheSameBackendFindEachOther) {
  open();
  const auto put = [&](std::string id, std::string backend, std::string native_id) {
    Session session = a_session(id, "owner", 10);
    session.backend = std::move(backend);
    session.native_id = std::move(native_id);
    ASSERT_TRUE(write({PutSession{session}}));
  };
  put("s_1", "claude", "same");
  put("s_2", "claude", "same");
  put("s_3", "codex", "same");
  put("s_4", "claude", "");
  put("s_5", "claude", "");
  const auto rival = [&](std::string backend, std::string native_id, std::string id) {
    return *answer<std::string>(
        [&](Done<std::string> done) { store->rival(backend, native_id, id, std::move(done)); });
  };
  EXPECT_EQ(rival("claude", "same", "s_1"), "s_2");
  EXPECT_EQ(rival("claude", "same", "s_2"), "s_1");
  EXPECT_EQ(rival("codex", "same", "s_3"), "");
  EXPECT_EQ(rival("claude", "", "s_4"), "");
}

TEST_F(Sessions, ThatWereNotActiveSinceAreListedNewestFirst) {
  open();
  for (int i = 1; i <= 5; ++i)
    ASSERT_TRUE(write({PutSession{a_session("s" + std::to_string(i), "owner", i * 10)}}));
  const auto page =
      sessions({.owner = {}, .before = {}, .limit = 2, .active = {}, .inactive_since = 40});
  EXPECT_EQ(ids(*page), (std::vector<std::string>{"s3", "s2"}));
  EXPECT_EQ(
      ids(*sessions(
          {.owner = {}, .before = page->next, .limit = 2, .active = {}, .inactive_since = 40})),
      (std::vector<std::string>{"s1"}));
}

class Documents : public StoreTest {
 protected:
  Result<std::uint64_t> put(std::string key, std::string value, std::uint64_t version,
                            std::string space = "slack") {
    return answer<std::uint64_t>(
        [&](auto done) { store->put_document(space, key, value, version, std::move(done)); });
  }
  Result<Document> get(std::string key, std::string space = "slack") {
    return answer<Document>([&](auto done) { store->get_document(space, key, std::move(done)); });
  }
  Result<> remove(std::string key, std::uint64_t version) {
    return answer(
        [&](auto done) { store->remove_document("slack", key, version, std::move(done)); });
  }
  std::string scan(std::string from, std::string to, std::uint32_t limit) {
    const auto page = answer<DocumentPage>(
        [&](auto done) { store->scan_documents("slack", from, to, limit, std::move(done)); });
    std::string text;
    for (const auto& document : page->documents) text += document.key + " ";
    return text + (page->more ? "more" : "all");
  }
};

TEST_F(Documents, AreStoredOnlyAtTheExpectedVersion) {
  open();
  EXPECT_EQ(put("k", "1", 0), 1U);
  EXPECT_EQ(put("k", "2", 0).error().code, Errc::conflict);
  EXPECT_EQ(put("k", "2", 1), 2U);
  EXPECT_EQ(put("k", "3", 1).error().code, Errc::conflict);
  EXPECT_EQ(put("k", "3", kAnyVersion), 3U);
  EXPECT_EQ(put("new", "1", 5).error().code, Errc::conflict);
  EXPECT_EQ(get("k")->value, "3");
  EXPECT_EQ(get("k")->version, 3U);
  EXPECT_EQ(get("k", "teams").error().code, Errc::not_found);
}

TEST_F(Documents, AreRemovedOnlyAtTheExpectedVersion) {
  open();
  ASSERT_TRUE(put("k", "1", 0));
  EXPECT_EQ(remove("k", 2).error().code, Errc::conflict);
  EXPECT_TRUE(remove("k", 1));
  EXPECT_EQ(get("k").error().code, Errc::not_found);
  EXPECT_EQ(remove("k", 1).error().code, Errc::conflict);
  EXPECT_TRUE(remove("k", kAnyVersion));
}

TEST_F(Documents, AreScannedInByteOrder) {
  open();
  for (const auto* key : {"b", "a", "ä", "B", "a/1", "a/2"}) ASSERT_TRUE(put(key, "{}", 0));
  ASSERT_TRUE(put("a/3", "{}", 0, "teams"));
  EXPECT_EQ(scan("", "", 100), "B a a/1 a/2 b ä all");
  EXPECT_EQ(scan("a/", "a0", 100), "a/1 a/2 all");
  EXPECT_EQ(scan("a", "", 2), "a a/1 more");
  EXPECT_EQ(scan("a", "b", 3), "a a/1 a/2 all");
}

class Memories : public StoreTest {
 protected:
  Result<Memory> add(std::string owner, std::string content, std::string category = "general",
                     std::vector<std::string> tags = {"general"}) {
    return answer<Memory>([&](auto done) {
      store->add_memory(owner,
                        {.id = {}, .at = 5, .category = category, .content = content, .tags = tags},
                        std::move(done));
    });
  }
  std::string find(std::string owner, std::string query, std::uint32_t limit = 50) {
    const auto found = answer<std::vector<Memory>>(
        [&](auto done) { store->find_memories(owner, query, limit, std::move(done)); });
    if (!found) return found.error().message;
    std::string text;
    for (const auto& memory : *found) text += memory.id + " ";
    return text;
  }
};

TEST_F(Memories, AreNumberedForEachOwner) {
  open();
  EXPECT_EQ(add("alice", "one")->id, "mem-001");
  EXPECT_EQ(add("alice", "two")->id, "mem-002");
  EXPECT_EQ(add("bob", "one")->id, "mem-001");
  reopen();
  EXPECT_EQ(add("alice", "three")->id, "mem-003");
  EXPECT_EQ(answer<Counts>([&](auto done) { store->counts(std::move(done)); })->memories, 4U);
}

TEST_F(Memories, AreFoundByWordsAndPrefixesOfEveryField) {
  open();
  ASSERT_TRUE(
      add("alice", "Deployments happen on Friday", "workflow", {"workflow", "pull request"}));
  ASSERT_TRUE(add("alice", "the cat sat"));
  ASSERT_TRUE(add("bob", "bob's deployments"));
  EXPECT_EQ(find("alice", "deploy"), "mem-001 ");
  EXPECT_EQ(find("alice", "FRIDAY"), "mem-001 ");
  EXPECT_EQ(find("alice", "workflow"), "mem-001 ");
  EXPECT_EQ(find("alice", "request"), "mem-001 ");
  EXPECT_EQ(find("alice", "loyment"), "");
  EXPECT_EQ(find("alice", "cats?"), "");
  EXPECT_EQ(find("alice", "o1"), "");
  EXPECT_EQ(find("alice", "d"), "");
  EXPECT_EQ(find("carol", "deploy"), "");
}

TEST_F(Memories, ComeBackWithEveryField) {
  open();
  ASSERT_TRUE(add("alice", "line one\nline two", "git", {"git", "pull request"}));
  const auto found = answer<std::vector<Memory>>(
      [&](auto done) { store->find_memories("alice", "two", 1, std::move(done)); });
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->at(0).at, 5);
  EXPECT_EQ(found->at(0).category, "git");
  EXPECT_EQ(found->at(0).content, "line one\nline two");
  EXPECT_EQ(found->at(0).tags, (std::vector<std::string>{"git", "pull request"}));
}

TEST_F(Memories, ComeBestFirst) {
  open();
  ASSERT_TRUE(
      add("alice", "coffee is mentioned once in this rather long memory about other things"));
  ASSERT_TRUE(add("alice", "coffee, coffee and more coffee"));
  ASSERT_TRUE(add("alice", "tea"));
  EXPECT_EQ(find("alice", "coffee"), "mem-002 mem-001 ");
  EXPECT_EQ(find("alice", "coffee", 1), "mem-002 ");
  // All the words before any of them.
  EXPECT_EQ(find("alice", "coffee things"), "mem-001 ");
  EXPECT_EQ(find("alice", "tea biscuits"), "mem-003 ");
}

TEST_F(Memories, AreSearchedForWhateverIsTyped) {
  open();
  ASSERT_TRUE(
      add("alice", "plain (text) with \"quotes\" AND operators NEAR colons: a*b ^c -d {e}"));
  for (const auto* query :
       {"\"", "\"quotes\"", "AND", "NOT quotes", "NEAR(a b)", "content:text", "a*", "(text",
        "text)", "^c", "-d", "{e} : x", "quotes OR", "scope:o1", "'; DROP TABLE memories; --"}) {
    const auto found = answer<std::vector<Memory>>(
        [&](auto done) { store->find_memories("alice", query, 5, std::move(done)); });
    EXPECT_TRUE(found) << query << ": " << found.error().message;
  }
  EXPECT_EQ(find("alice", "(text"), "mem-001 ");
  EXPECT_EQ(find("alice", "“quotes” 🙂"), "mem-001 ");
  EXPECT_EQ(find("alice", std::string("a\0b", 3)), "mem-001 ");
  EXPECT_EQ(find("alice", "\xff\xfe \xc3"), "");
  EXPECT_EQ(find("alice", "?!"), "");
  EXPECT_EQ(find("alice", ""), "");
  std::string long_query;
  for (int i = 0; i < 100000; ++i) long_query += fmt::format("word{} ", i);
  EXPECT_EQ(find("alice", long_query), "");
}

TEST_F(Memories, HaveAWorkLogBesideThem) {
  open();
  const auto log = [&](std::string owner) {
    return answer<std::string>([&](auto done) { store->work_log(owner, std::move(done)); });
  };
  EXPECT_EQ(log("alice"), "[]");
  ASSERT_TRUE(answer([&](auto done) { store->set_work_log("alice", "[1]", std::move(done)); }));
  ASSERT_TRUE(add("alice", "x"));
  EXPECT_EQ(log("alice"), "[1]");
  EXPECT_EQ(log("bob"), "[]");
}

}  // namespace
}  // namespace viaduct::store
