#include "host/memory/memory.hpp"

#include "host/loop.hpp"
#include "host/store/sqlite.hpp"
#include "host/telemetry/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>

namespace viaduct::memory {
namespace {

using Json = nlohmann::json;

class NullSink final : public LogSink {
 public:
  void write(Level, std::string_view, std::string_view) override {}
  bool enabled(Level) const override { return false; }
};

class MemoryServiceTest : public testing::Test {
 protected:
  MemoryServiceTest() {
    std::string name = (std::filesystem::temp_directory_path() / "viaduct-memory-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder = name;
    auto opened = store::open_sqlite(loop, {.path = folder / "viaduct.db"}, Logger(sink, "store"));
    if (!opened) throw std::runtime_error(opened.error().message);
    store = std::move(*opened);
    service.emplace(*store);
  }
  ~MemoryServiceTest() override {
    store.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  template <class Ask>
  Result<Json> answer(Ask ask) {
    std::optional<Result<std::string>> result;
    ask([&](Result<std::string> given) { result = std::move(given); });
    loop.context().restart();
    loop.run();
    if (!result) throw std::logic_error("not answered");
    if (!*result) return std::unexpected(result->error());
    return Json::parse(**result);
  }
  Result<Json> say(const Principal& who, std::string text) {
    return answer([&](auto done) { service->message(who, text, std::move(done)); });
  }
  Result<Json> recall(const Principal& who, std::string query) {
    return answer([&](auto done) { service->recall(who, query, std::move(done)); });
  }
  Result<Json> remember(const Principal& who, std::string text) {
    return answer([&](auto done) { service->remember(who, text, std::move(done)); });
  }
  Result<Json> work_log(const Principal& who, std::string items) {
    return answer([&](auto done) { service->work_log(who, items, std::move(done)); });
  }
  Result<Json> work_status(const Principal& who) {
    return answer([&](auto done) { service->work_status(who, std::move(done)); });
  }

  std::filesystem::path folder;
  NullSink sink;
  Loop loop;
  std::unique_ptr<store::Store> store;
  std::optional<MemoryService> service;
  Principal alice{"web", "", "alice", "Alice", "", false};
  Principal bob{"web", "", "bob", "Bob", "", false};
};

constexpr char kRfc3339[] = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}Z";

TEST_F(MemoryServiceTest, RemembersWhatAMessageSays) {
  const auto reply = say(alice, "Remember this: I prefer git over os paths");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->at("response"),
            "Remembered! Stored as mem-001 (category: preference, tags: preference, os, git)");
  EXPECT_EQ(reply->at("memory_action"), "remember");
  const auto& entry = reply->at("memory_result");
  EXPECT_EQ(entry.at("id"), "mem-001");
  EXPECT_EQ(entry.at("category"), "preference");
  EXPECT_EQ(entry.at("content"), "I prefer git over os paths");
  EXPECT_EQ(entry.at("tags"), (Json{"preference", "os", "git"}));
  EXPECT_THAT(entry.at("timestamp").get<std::string>(), testing::MatchesRegex(kRfc3339));
}

TEST_F(MemoryServiceTest, RecallsWhatAMessageAsksFor) {
  ASSERT_TRUE(say(alice, "remember that I prefer tabs"));
  ASSERT_TRUE(say(alice, "remember: tabs are four wide, not eight, in every one of the files"));
  const auto reply = say(alice, "what do you remember about my tabs?");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->at("response"),
            "Found 2 memory(ies):\n\n- [mem-001] (preference) I prefer tabs\n"
            "- [mem-002] (general) tabs are four wide, not eight, in every one of the files");
  EXPECT_EQ(reply->at("memory_action"), "recall");
  EXPECT_EQ(reply->at("memory_result").at("count"), 2);
  EXPECT_EQ(reply->at("memory_result").at("matches").at(0).at("id"), "mem-001");
}

TEST_F(MemoryServiceTest, SaysWhenThereIsNothingToRecall) {
  ASSERT_TRUE(say(alice, "remember that the cat sat"));
  const auto reply = say(alice, "search memory for the q?");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->at("response"), "No memories found matching 'the q?'.");
  EXPECT_EQ(reply->at("memory_result"), (Json{{"matches", Json::array()}, {"count", 0}}));
}

TEST_F(MemoryServiceTest, LeavesOrdinaryMessagesToTheBackend) {
  EXPECT_EQ(*say(alice, "please remember this: q"), Json::object());
}

TEST_F(MemoryServiceTest, KeepsPeopleApart) {
  ASSERT_TRUE(say(alice, "remember that the door code is 1234"));
  EXPECT_EQ(recall(bob, "door")->at("count"), 0);
  auto other_tenant = alice;
  other_tenant.tenant = "t";
  EXPECT_EQ(recall(other_tenant, "door")->at("count"), 0);
  EXPECT_EQ(say(bob, "remember that x")->at("memory_result").at("id"), "mem-001");
}

TEST_F(MemoryServiceTest, BelongsToTheUserInEveryPlace) {
  auto in_a_thread = alice;
  in_a_thread.place = "C1:17.5";
  in_a_thread.display_name = "Somebody else";
  ASSERT_TRUE(say(in_a_thread, "remember that the door code is 1234"));
  EXPECT_EQ(recall(alice, "door")->at("count"), 1);
}

TEST_F(MemoryServiceTest, StoresTextsOfAnyKind) {
  const std::string text = "ünïcode 🚪 \"quotes\" \\ tabs\t\nlines <b>";
  EXPECT_EQ(remember(alice, " " + text + "\n")->at("content"), text);
  EXPECT_EQ(recall(alice, "unicode")->at("matches").at(0).at("content"), text);
  EXPECT_TRUE(say(alice, "remember: not \xff utf-8"));
  EXPECT_TRUE(say(alice, "recall \xff utf-8"));
}

TEST_F(MemoryServiceTest, RefusesEmptyTexts) {
  EXPECT_EQ(remember(alice, " \n").error().code, Errc::invalid_argument);
  EXPECT_EQ(remember(alice, "").error().message, "text is required");
  EXPECT_EQ(recall(alice, " ").error().message, "q query parameter is required");
}

TEST_F(MemoryServiceTest, KeepsAWorkLogThatIsReplacedWhole) {
  EXPECT_EQ(*work_status(alice), (Json{{"items", Json::array()}}));
  const auto stored = work_log(
      alice, R"([{"task":"a"},{"task":"b","status":"done","updated":"yesterday","extra":1}])");
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->at("items").at(0).at("status"), "pending");
  EXPECT_THAT(stored->at("items").at(0).at("updated").get<std::string>(),
              testing::MatchesRegex(kRfc3339));
  EXPECT_EQ(stored->at("items").at(1),
            (Json{{"task", "b"}, {"status", "done"}, {"updated", "yesterday"}}));
  EXPECT_EQ(*work_status(alice), *stored);
  EXPECT_EQ(work_status(bob)->at("items").size(), 0U);
  ASSERT_TRUE(work_log(alice, "[]"));
  EXPECT_EQ(work_status(alice)->at("items").size(), 0U);
}

struct BadItems {
  const char* name;
  const char* items;
  const char* error;
};
void PrintTo(const BadItems& c, std::ostream* os) {
  *os << c.name;
}
class BadWorkLog : public MemoryServiceTest, public testing::WithParamInterface<BadItems> {};
TEST_P(BadWorkLog, IsRefusedWithItsFault) {
  ASSERT_TRUE(work_log(alice, R"([{"task":"kept"}])"));
  const auto refused = work_log(alice, GetParam().items);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_EQ(refused.error().message, GetParam().error);
  EXPECT_EQ(work_status(alice)->at("items").at(0).at("task"), "kept");
}
INSTANTIATE_TEST_SUITE_P(
    Items, BadWorkLog,
    testing::Values(BadItems{"NoJson", "[", "items: a list of tasks is required"},
                    BadItems{"NoList", "{}", "items: a list of tasks is required"},
                    BadItems{"NoObject", "[1]", "items[0]: an object with a task is required"},
                    BadItems{"NoTask", R"([{"task":"a"},{"status":"x"}])",
                             "items[1].task: a text is required"},
                    BadItems{"EmptyTask", R"([{"task":""}])", "items[0].task: a text is required"},
                    BadItems{"StatusIsANumber", R"([{"task":"a","status":1}])",
                             "items[0].status: a text is required"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace viaduct::memory
