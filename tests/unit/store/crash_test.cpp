#include "fixture.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <random>

namespace viaduct::store {
namespace {

// What the writer said was acknowledged.
struct Acknowledged {
  std::map<std::string, std::uint64_t> entries;
  std::map<std::string, std::uint64_t> bytes;
};

class Crash : public StoreTest {
 protected:
  // Lets a writer run until it has acknowledged `lines` changes, kills it, and takes note of all
  // that it said.
  void write_and_kill(int lines) {
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    std::string program = STORE_WRITER;
    std::string path = file();
    char* arguments[] = {program.data(), path.data(), nullptr};
    pid_t pid = 0;
    const int spawned = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    ASSERT_EQ(spawned, 0);

    FILE* stream = ::fdopen(pipe[0], "r");
    char kind = 0;
    char name[16] = {};
    unsigned long long number = 0;
    int read = 0;
    while (std::fscanf(stream, "%c %15s %llu\n", &kind, name, &number) == 3) {
      auto& newest = (kind == 'e' ? acknowledged.entries : acknowledged.bytes)[name];
      newest = std::max<std::uint64_t>(newest, number);
      if (++read == lines) ::kill(pid, SIGKILL);
    }
    std::fclose(stream);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "status " << status;
  }

  void expect_everything_acknowledged() {
    for (const auto& [id, entry] : acknowledged.entries) {
      const auto found = session(id);
      ASSERT_TRUE(found);
      EXPECT_GE(found->last_entry, entry);
      const auto page = entries(id, 0, UINT32_MAX);
      ASSERT_TRUE(page);
      // All of a write, or nothing: the session's record agrees with its log, which has no hole.
      ASSERT_EQ(page->entries.size(), found->last_entry);
      for (std::size_t i = 0; i < page->entries.size(); ++i) {
        ASSERT_EQ(page->entries[i].number, i + 1);
        if (i > 0) {
          ASSERT_EQ(page->entries[i].text, fmt::format("message {}", i + 1));
        }
      }
      const auto& grown = page->entries[0].text;
      EXPECT_GE(grown.size(), acknowledged.bytes[id]);
      for (std::size_t i = 0; i < grown.size(); ++i)
        ASSERT_EQ(grown[i], static_cast<char>('a' + i % 26)) << i;
      EXPECT_EQ(open_turns(id)->size(), found->last_turn);
      EXPECT_GE(page->entries[0].seq + 1, found->last_seq);
    }
  }

  Acknowledged acknowledged;
};

TEST_F(Crash, AtAnyMomentLosesNothingThatWasAcknowledged) {
  std::mt19937 random(std::random_device{}());
  std::uint64_t epoch = 0;
  for (std::uint64_t round = 1; round <= 12; ++round) {
    const int lines = std::uniform_int_distribution(1, 400)(random);
    SCOPED_TRACE(fmt::format("round {}, killed after {}", round, lines));
    write_and_kill(lines);
    if (HasFatalFailure()) return;
    open();
    EXPECT_GT(store->epoch(), epoch);
    epoch = store->epoch();
    expect_everything_acknowledged();
    if (HasFatalFailure()) return;
    store.reset();
  }
  EXPECT_EQ(acknowledged.entries.size(), 8U);
  EXPECT_TRUE(sink.lines(Level::error).empty());
}

}  // namespace
}  // namespace viaduct::store
