#include "fixture.hpp"
#include "host/store/database.hpp"
#include "host/store/migrations.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <sstream>

namespace viaduct::store {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

mode_t mode_of(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) throw std::runtime_error(path.string() + " is missing");
  return status.st_mode & 0777;
}

std::string content_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void put_content(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

class Opening : public StoreTest {
 protected:
  std::vector<fs::path> aside() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      const auto name = entry.path().filename().string();
      if (name.starts_with("viaduct.db.corrupt-") && !name.ends_with("-wal") &&
          !name.ends_with("-shm"))
        found.push_back(entry.path());
    }
    return found;
  }
  std::int64_t pragma(const fs::path& path, const char* sql) {
    auto database = Database::open(path);
    Query query(**database, sql);
    return query.next() ? query.integer(0) : -1;
  }
};

TEST_F(Opening, CountsTheEpochUpAtEveryStart) {
  open();
  const auto first = store->epoch();
  reopen();
  const auto second = store->epoch();
  EXPECT_GT(second, first);
  reopen();
  EXPECT_GT(store->epoch(), second);
  EXPECT_LT(store->epoch(), 1ULL << 53);  // pages keep it in a JavaScript number
}

TEST_F(Opening, CountsTheEpochUpAlthoughTheClockWentBack) {
  open();
  store.reset();
  {
    auto database = Database::open(file());
    ASSERT_TRUE((*database)->script("UPDATE host SET epoch = 9000000000000000"));
  }
  open();
  EXPECT_EQ(store->epoch(), 9000000000000001U);
}

// A viewer's cursor of the life that was lost must not fit into another one.
TEST_F(Opening, UsesNoEpochAgainWhenAnOlderCopyIsPutBack) {
  open();
  store.reset();
  const auto copy = content_of(file());
  open();
  const auto lost = store->epoch();
  store.reset();
  put_content(file(), copy);
  open();
  EXPECT_NE(store->epoch(), lost);
}

TEST_F(Opening, MakesAFolderAndFilesThatOthersCannotRead) {
  const auto home = folder.path() / "deep" / "home";
  const auto old = ::umask(0);
  auto opened = open_sqlite(loop, {.path = home / "viaduct.db"}, Logger(sink, "store"));
  ::umask(old);
  ASSERT_TRUE(opened);
  store = std::move(*opened);
  ASSERT_TRUE(write({PutSession{a_session("s")}}));
  EXPECT_EQ(mode_of(folder.path() / "deep"), 0700U);
  EXPECT_EQ(mode_of(home), 0700U);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(home)) {
    names.insert(entry.path().filename());
    EXPECT_EQ(mode_of(entry.path()), 0600U) << entry.path();
  }
  EXPECT_EQ(names, (std::set<std::string>{"viaduct.db", "viaduct.db-wal", "viaduct.db-shm",
                                          "viaduct.db.lock"}));
}

TEST_F(Opening, ClosesAFileThatOthersCouldRead) {
  open();
  store.reset();
  fs::permissions(file(), fs::perms(0644));
  open();
  EXPECT_EQ(mode_of(file()), 0600U);
}

TEST_F(Opening, RefusesASecondHostAndNamesTheFirst) {
  open();
  RecordingSink other_sink;
  const auto second = open_sqlite(loop, {.path = file()}, Logger(other_sink, "store"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::failed_precondition);
  EXPECT_THAT(second.error().message,
              HasSubstr(fmt::format("in use by another viaduct (process {})", ::getpid())));
  store.reset();
  EXPECT_TRUE(try_open());
}

TEST_F(Opening, RefusesASecondHostThatComesByASymbolicLink) {
  open();
  const auto link = folder.path() / "elsewhere" / "viaduct.db";
  fs::create_directory(link.parent_path());
  fs::create_symlink(file(), link);
  const auto second = open_sqlite(loop, {.path = link}, Logger(sink, "store"));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("in use by another viaduct"));
}

TEST_F(Opening, WritesNothingThroughALinkInPlaceOfItsLockFile) {
  const auto precious = folder.path() / "precious";
  put_content(precious, "precious");
  fs::create_symlink(precious, file().string() + ".lock");
  EXPECT_FALSE(try_open());
  EXPECT_EQ(content_of(precious), "precious");
}

TEST_F(Opening, NeedsAFolderThatCanBeMade) {
  put_content(folder.path() / "plain", "");
  const auto refused =
      open_sqlite(loop, {.path = folder.path() / "plain" / "viaduct.db"}, Logger(sink, "store"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::failed_precondition);
  EXPECT_THAT(refused.error().message, HasSubstr("plain"));
}

TEST_F(Opening, SetsAFileAsideThatIsNoDatabase) {
  const std::string junk(5000, 'j');
  put_content(file(), junk);
  open();
  ASSERT_EQ(aside().size(), 1U);
  EXPECT_EQ(content_of(aside()[0]), junk);
  ASSERT_EQ(sink.lines(Level::error).size(), 1U);
  EXPECT_THAT(sink.lines(Level::error)[0], HasSubstr(aside()[0].filename().string()));
  EXPECT_TRUE(write({PutSession{a_session("s")}}));
}

TEST_F(Opening, SetsATruncatedDatabaseAsideWithItsLog) {
  open();
  ASSERT_TRUE(write({PutSession{a_session("s")}}));
  store.reset();
  const auto whole = content_of(file());
  fs::resize_file(file(), whole.size() / 2);
  put_content(file().string() + "-wal", "the log");
  open();
  ASSERT_EQ(aside().size(), 1U);
  EXPECT_EQ(content_of(aside()[0]), whole.substr(0, whole.size() / 2));
  EXPECT_TRUE(fs::exists(aside()[0].string() + "-wal"));
  EXPECT_EQ(session("s").error().code, Errc::not_found);
  EXPECT_EQ(sink.lines(Level::error).size(), 1U);
}

TEST_F(Opening, SetsADatabaseAsideOfWhichPagesAreOverwritten) {
  open();
  for (std::uint64_t n = 1; n <= 50; ++n)
    ASSERT_TRUE(write({AddEntry{an_entry("s", n, std::string(900, 'x'))}}));
  store.reset();
  auto bytes = content_of(file());
  const auto damaged_from = bytes.size() / 2 / 4096 * 4096;
  bytes.replace(damaged_from, 8192, std::string(8192, '\xA5'));
  put_content(file(), bytes);
  open();
  ASSERT_EQ(aside().size(), 1U);
  EXPECT_EQ(content_of(aside()[0]), bytes);
  EXPECT_TRUE(entries("s")->entries.empty());
}

TEST_F(Opening, KeepsEveryDamagedFile) {
  for (int i = 1; i <= 3; ++i) {
    put_content(file(), "junk " + std::to_string(i));
    open();
    store.reset();
    fs::remove(file());
  }
  std::set<std::string> contents;
  for (const auto& path : aside()) contents.insert(content_of(path));
  EXPECT_EQ(contents, (std::set<std::string>{"junk 1", "junk 2", "junk 3"}));
}

TEST_F(Opening, LeavesTheDatabaseOfAnotherProgramAlone) {
  put_content(file(), "");
  {
    auto database = Database::open(file());
    ASSERT_TRUE((*database)->script("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)"));
  }
  const auto content = content_of(file());
  const auto refused = try_open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::failed_precondition);
  EXPECT_THAT(refused.error().message, HasSubstr(file().string() + ": "));
  EXPECT_THAT(refused.error().message, HasSubstr("another program"));
  EXPECT_EQ(content_of(file()), content);
  EXPECT_TRUE(aside().empty());
  EXPECT_EQ(pragma(file(), "SELECT count(*) FROM theirs"), 1);
}

TEST_F(Opening, RefusesADatabaseOfANewerVersion) {
  open();
  ASSERT_TRUE(write({PutSession{a_session("s")}}));
  store.reset();
  const auto known = pragma(file(), "PRAGMA user_version");
  {
    auto database = Database::open(file());
    ASSERT_TRUE((*database)->script("PRAGMA user_version = 99"));
  }
  const auto refused = try_open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::failed_precondition);
  EXPECT_THAT(refused.error().message, HasSubstr("newer Viaduct (version 99"));
  EXPECT_TRUE(aside().empty());
  {
    auto database = Database::open(file());
    ASSERT_TRUE((*database)->script(fmt::format("PRAGMA user_version = {}", known).c_str()));
  }
  open();
  EXPECT_TRUE(session("s"));
}

class Migrating : public Opening {
 protected:
  // A log like the store's.
  Result<> migrate_to(std::span<const char* const> steps) {
    if (!fs::exists(file())) put_content(file(), "");
    auto database = Database::open(file());
    if (!database) return std::unexpected(database.error());
    return migrate(**database, file(), steps, Logger(sink, "store"));
  }
  fs::path backup(int version) const {
    return file().string() + ".backup-v" + std::to_string(version);
  }
  static constexpr const char* kSteps[] = {
      "CREATE TABLE t (a); INSERT INTO t VALUES (1)",
      "ALTER TABLE t ADD COLUMN b; UPDATE t SET b = 2",
      "INSERT INTO t VALUES (3, 4)",
  };
  static constexpr const char* kBadSteps[] = {kSteps[0], "UPDATE t SET a = 5; UPDATE nothing"};
};

TEST_F(Migrating, NeedsNoBackupOfANewFile) {
  ASSERT_TRUE(migrate_to(kSteps));
  EXPECT_EQ(pragma(file(), "PRAGMA user_version"), 3);
  EXPECT_EQ(pragma(file(), "SELECT count(*) FROM t"), 2);
  for (const int version : {0, 1, 2}) EXPECT_FALSE(fs::exists(backup(version)));
}

TEST_F(Migrating, CopiesTheFileBeforeEachStep) {
  ASSERT_TRUE(migrate_to(std::span(kSteps).first(1)));
  ASSERT_TRUE(migrate_to(kSteps));
  EXPECT_EQ(pragma(file(), "SELECT sum(b) FROM t"), 6);
  EXPECT_EQ(mode_of(backup(1)), 0600U);
  EXPECT_EQ(pragma(backup(1), "PRAGMA user_version"), 1);
  EXPECT_EQ(pragma(backup(1), "SELECT count(*) FROM t"), 1);
  EXPECT_EQ(pragma(backup(2), "PRAGMA user_version"), 2);
  EXPECT_EQ(pragma(backup(2), "SELECT b FROM t"), 2);
  ASSERT_TRUE(migrate_to(kSteps));
  EXPECT_EQ(sink.lines(Level::info).size(), 2U);
}

TEST_F(Migrating, LeavesTheOldVersionWhenAStepFails) {
  ASSERT_TRUE(migrate_to(std::span(kSteps).first(1)));
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto failed = migrate_to(kBadSteps);
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("version 2"));
    EXPECT_EQ(pragma(file(), "PRAGMA user_version"), 1);
    EXPECT_EQ(pragma(file(), "SELECT a FROM t"), 1);
  }
}

TEST_F(Migrating, StopsWhenTheBackupCannotBeMade) {
  ASSERT_TRUE(migrate_to(std::span(kSteps).first(1)));
  fs::create_directory(backup(1));
  ASSERT_FALSE(migrate_to(kSteps));
  EXPECT_EQ(pragma(file(), "PRAGMA user_version"), 1);
}

}  // namespace
}  // namespace viaduct::store
