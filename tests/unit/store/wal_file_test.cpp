#include "host/store/wal_file.hpp"

#include "fixture.hpp"
#include "host/store/database.hpp"

#include <sqlite3.h>

namespace viaduct::store {
namespace {

// What a program that knows nothing of this one finds in the files as they are on disk now.
class AsOthersSee {
 public:
  explicit AsOthersSee(const std::filesystem::path& file) {
    for (const char* end : {"", "-wal"})
      std::filesystem::copy_file(file.string() + end,
                                 copy_.path() / (std::string("copy.db") + end));
    sqlite3_open((copy_.path() / "copy.db").c_str(), &handle_);
  }
  ~AsOthersSee() { sqlite3_close(handle_); }
  AsOthersSee(const AsOthersSee&) = delete;
  AsOthersSee& operator=(const AsOthersSee&) = delete;

  std::string value(const char* sql) {
    std::string text;
    sqlite3_exec(
        handle_, sql,
        [](void* into, int, char** values, char**) {
          *static_cast<std::string*>(into) = values[0] ? values[0] : "";
          return 0;
        },
        &text, nullptr);
    return text;
  }

 private:
  TemporaryFolder copy_;
  sqlite3* handle_ = nullptr;
};

class WalFile : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_STREQ(collecting_vfs(), "viaduct");
    std::ofstream(file).close();
    auto opened = Database::open(file);
    ASSERT_TRUE(opened) << opened.error().message;
    database = std::move(*opened);
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER, b BLOB)");
  }
  void run(const char* sql) {
    const auto done = database->script(sql);
    ASSERT_TRUE(done) << sql << ": " << done.error().message;
  }

  TemporaryFolder folder;
  std::filesystem::path file = folder.path() / "t.db";
  std::unique_ptr<Database> database;
};

TEST_F(WalFile, HasEachCommitWhenItIsAnswered) {
  for (int n = 1; n <= 20; ++n) {
    run("INSERT INTO t VALUES (1, randomblob(3000))");
    ASSERT_EQ(AsOthersSee(file).value("SELECT count(*) FROM t"), std::to_string(n));
  }
}

TEST_F(WalFile, HasNothingOfATransactionThatIsOpen) {
  run("BEGIN; INSERT INTO t VALUES (1, randomblob(3000000))");
  EXPECT_EQ(AsOthersSee(file).value("SELECT count(*) FROM t"), "0");
  run("COMMIT");
  EXPECT_EQ(AsOthersSee(file).value("SELECT count(*) FROM t"), "1");
}

TEST_F(WalFile, CarriesATransactionThatDoesNotFitIntoMemory) {
  // With ten pages of cache, most is in the log, read again and written again, before the commit.
  run("PRAGMA cache_size = 10; PRAGMA cache_spill = 10; BEGIN");
  run("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000) "
      "INSERT INTO t SELECT n, randomblob(2000) FROM c");
  run("SAVEPOINT s; UPDATE t SET b = randomblob(2500); ROLLBACK TO s; RELEASE s");
  run("UPDATE t SET b = zeroblob(1500) WHERE n % 3 = 0; CREATE INDEX t_n ON t (n); COMMIT");
  AsOthersSee seen(file);
  EXPECT_EQ(seen.value("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(seen.value("SELECT count(*) || ' ' || sum(length(b)) FROM t"),
            std::to_string(2000) + " " + std::to_string(666 * 1500 + 1334 * 2000));
}

TEST_F(WalFile, IsReadByAnotherConnectionWhileItGrowsAndBeginsAnew) {
  auto reader = Database::open(file);
  ASSERT_TRUE(reader);
  for (int n = 1; n <= 200; ++n) {
    run("INSERT INTO t VALUES (1, randomblob(20000))");
    {
      Query count(**reader, "SELECT count(*) FROM t");
      ASSERT_TRUE(count.next());
      ASSERT_EQ(count.integer(0), n);
    }
    if (n % 50 == 0) {
      ASSERT_TRUE(database->checkpoint(n % 100 == 0));
    }
  }
  AsOthersSee seen(file);
  EXPECT_EQ(seen.value("SELECT count(*) FROM t"), "200");
  EXPECT_EQ(seen.value("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace viaduct::store
