#include "fixture.hpp"

#include <gmock/gmock.h>

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <functional>

namespace viaduct::store {
namespace {

using testing::HasSubstr;

// A disk that has no room, and gets some.
class FailingDisk : public StoreTest {
 protected:
  // Fills the store until it refuses; everything that was answered before is readable then, and
  // when `make_room` has run it takes changes again.
  void fill_and_recover(const std::function<void()>& make_room) {
    const std::string text(100'000, 'x');
    std::uint64_t stored = 0;
    std::optional<Error> refused;
    while (!refused && stored < 1000) {
      const auto done = write({AddEntry{an_entry("s", stored + 1, text)}});
      if (done)
        ++stored;
      else
        refused = done.error();
    }
    ASSERT_TRUE(refused);
    EXPECT_GT(stored, 0U);
    EXPECT_EQ(refused->code, Errc::unavailable);
    EXPECT_THAT(refused->message, HasSubstr("the store"));
    EXPECT_FALSE(write({AddEntry{an_entry("s", stored + 1, text)}}));

    const auto page = entries("s");
    ASSERT_TRUE(page) << page.error().message;
    ASSERT_EQ(page->entries.size(), stored);
    for (const auto& entry : page->entries) EXPECT_EQ(entry.text, text);
    EXPECT_EQ(sink.lines(Level::error).size(), 1U) << "told once";

    make_room();
    const auto again = write({AddEntry{an_entry("s", stored + 1, text)}});
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_THAT(sink.lines(Level::info), testing::ElementsAre("store takes changes again"));
    reopen();
    EXPECT_EQ(entries("s")->entries.size(), stored + 1);
  }
};

TEST_F(FailingDisk, RefusesWhatIsTooMuchAndTakesWhatFits) {
  open(500);
  ASSERT_TRUE(write({PutSession{a_session("s")}}));
  const std::string text(100'000, 'x');
  std::vector<bool> answers;
  for (std::uint64_t n = 1; n <= 60; ++n)
    store->write({AddEntry{an_entry("s", n, n % 2 ? text : "small")}}, [&](Result<> done) {
      if (!done) {
        EXPECT_EQ(done.error().code, Errc::unavailable);
        EXPECT_THAT(done.error().message, HasSubstr("disk of the store is full"));
      }
      answers.push_back(done.has_value());
    });
  settle();
  ASSERT_EQ(answers.size(), 60U);
  EXPECT_TRUE(answers.front());
  EXPECT_THAT(answers, testing::Contains(false));
  // What was answered with success, and nothing else, is there.
  const auto page = entries("s");
  std::vector<bool> there(60, false);
  for (const auto& entry : page->entries) there.at(entry.number - 1) = true;
  EXPECT_EQ(there, answers);
  ASSERT_TRUE(session("s"));
  reopen();
  EXPECT_TRUE(write({AddEntry{an_entry("s", 61, text)}}));
}

TEST_F(FailingDisk, ThatCannotBeWrittenIsSurvived) {
  // The process may write no file beyond 4 MB: write() fails, as on a failing disk.
  struct sigaction ignore{}, before{};
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGXFSZ, &ignore, &before), 0);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit low = old;
  low.rlim_cur = 4'000'000;
  open();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  fill_and_recover([&] { ::setrlimit(RLIMIT_FSIZE, &old); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  ::sigaction(SIGXFSZ, &before, nullptr);
}

TEST_F(FailingDisk, ThatIsFullIsSurvived) {
  const auto disk = folder.path() / "disk";
  std::filesystem::create_directory(disk);
  // Seen by this process only, so that nothing is left behind.
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("viaduct-test", disk.c_str(), "tmpfs", 0, "size=8m") != 0)
    GTEST_SKIP() << "a small disk cannot be mounted here: not root";
  std::ofstream(disk / "ballast") << std::string(4 << 20, 'b');
  auto opened = open_sqlite(loop, {.path = disk / "viaduct.db"}, Logger(sink, "store"));
  ASSERT_TRUE(opened);
  store = std::move(*opened);

  const std::string text(50'000, 'x');
  std::uint64_t stored = 0;
  Result<> done;
  while (stored < 1000 && (done = write({AddEntry{an_entry("s", stored + 1, text)}}))) ++stored;
  ASSERT_FALSE(done);
  EXPECT_GT(stored, 0U);
  EXPECT_EQ(done.error().code, Errc::unavailable);
  EXPECT_THAT(done.error().message, HasSubstr("disk of the store is full"));
  EXPECT_EQ(entries("s")->entries.size(), stored);

  std::filesystem::remove(disk / "ballast");
  EXPECT_TRUE(write({AddEntry{an_entry("s", stored + 1, text)}}));
  EXPECT_EQ(entries("s")->entries.size(), stored + 1);
  store.reset();
  opened = open_sqlite(loop, {.path = disk / "viaduct.db"}, Logger(sink, "store"));
  ASSERT_TRUE(opened);
  store = std::move(*opened);
  EXPECT_EQ(entries("s")->entries.size(), stored + 1);
  store.reset();
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

TEST_F(FailingDisk, ThatIsFullAtTheStartIsToldInWords) {
  const auto refused = try_open(2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::failed_precondition);
  EXPECT_THAT(refused.error().message, HasSubstr(file().string()));
}

}  // namespace
}  // namespace viaduct::store
