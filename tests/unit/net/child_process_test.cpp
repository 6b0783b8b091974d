#include <viaduct/net/child_process.hpp>

#include "tests/unit/net/on_loop.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace viaduct::net {
namespace {

using namespace asio::experimental::awaitable_operators;
using ChildPointer = std::unique_ptr<ChildProcess>;

ChildOptions shell(const std::string& script) {
  return {.arguments = {"sh", "-c", script}, .environment = {"PATH=/usr/local/bin:/usr/bin:/bin"}};
}
ChildPointer started(Loop& loop, ChildOptions options) {
  auto child = ChildProcess::start(loop, std::move(options));
  if (!child) throw std::runtime_error(child.error().message);
  return std::move(*child);
}

// All lines until the end, joined by LF.
Task<std::string> output(ChildProcess& child) {
  std::string all;
  for (;;) {
    const auto line = co_await child.read_line();
    if (!line || !*line) co_return all;
    all += (*line)->text + "\n";
  }
}

// The program is gone; one that is dead but not buried counts as gone.
bool gone(pid_t pid) {
  if (::kill(pid, 0) != 0) return true;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto at = text.rfind(')');
  return at == text.npos || at + 2 >= text.size() || text[at + 2] == 'Z' || text[at + 2] == 'X';
}

TEST(ChildProcess, IsWrittenToAndReadFromByLines) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("cat; echo end; exit 3"));
    EXPECT_TRUE(co_await child->write("one\ntwo\r\n\nfour"));
    child->close_input();
    EXPECT_EQ(co_await output(*child), "one\ntwo\n\nfourend\n");
    const auto exit = co_await child->wait();
    EXPECT_EQ(exit->code, 3);
    EXPECT_EQ(exit->signal, 0);
  }(loop));
}

TEST(ChildProcess, HasNothingOfTheHost) {
  ::setenv("VIADUCT_TEST_SECRET", "secret", 1);
  const auto old = std::signal(SIGHUP, SIG_IGN);
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto options = shell(
        "env; pwd; ls /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; ps -o sid= -p $$");
    options.environment.emplace_back("A=b c");
    options.working_dir = "/usr/lib";
    auto child = started(on, options);
    const std::string all = co_await output(*child);
    EXPECT_EQ(all.find("secret"), all.npos) << all;
    EXPECT_TRUE(all.ends_with(" " + std::to_string(child->pid()) + "\n") ||
                all.ends_with("\n" + std::to_string(child->pid()) + "\n"))
        << all;
    EXPECT_NE(all.find("A=b c\n"), all.npos) << all;
    EXPECT_NE(all.find("\n/usr/lib\n"), all.npos) << all;
    // ls itself has the folder open as 3.
    EXPECT_NE(all.find("\n0\n1\n2\n3\nSig"), all.npos) << all;
    EXPECT_NE(all.find("SigBlk:\t0000000000000000"), all.npos) << all;
    // But for the C library's own two.
    const auto ignored = all.find("SigIgn:\t");
    EXPECT_EQ(std::stoull(all.substr(ignored + 8), nullptr, 16) & 0x7fffffffU, 0U) << all;
  }(loop));
  std::signal(SIGHUP, old);
}

TEST(ChildProcess, SaysWhatIsMissing) {
  Loop loop;
  const auto message = [&](ChildOptions options) {
    const auto child = ChildProcess::start(loop, std::move(options));
    EXPECT_FALSE(child);
    EXPECT_EQ(child.error().code, sdk::Code::kFailedPrecondition);
    return child ? std::string() : child.error().message;
  };
  EXPECT_NE(message({.arguments = {"no-such-program"}}).find("no-such-program"), std::string::npos);
  EXPECT_NE(message({.arguments = {"/no/such/program"}}).find("/no/such/program"),
            std::string::npos);
  ChildOptions folder = shell("true");
  folder.working_dir = "/no/such/folder";
  EXPECT_NE(message(folder).find("/no/such/folder"), std::string::npos);
  EXPECT_NE(message({.arguments = {"sh"}, .environment = {"PATH=bin::."}}).find("sh"),
            std::string::npos);
  EXPECT_EQ(ChildProcess::start(loop, {}).error().code, sdk::Code::kInvalidArgument);
}

TEST(ChildProcess, TellsTheSignalThatEndedIt) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("kill -SEGV $$"));
    EXPECT_EQ((co_await child->wait())->signal, SIGSEGV);
  }(loop));
}

TEST(ChildProcess, KeepsTheEndOfItsErrorOutput) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child =
        started(on, shell("i=0; while [ $i -lt 4000 ]; do echo line $i >&2; i=$((i+1)); done"));
    EXPECT_TRUE(co_await child->wait());
    const std::string kept = child->error_output();
    EXPECT_EQ(kept.size(), 8U << 10);
    EXPECT_TRUE(kept.ends_with("line 3999\n"));
  }(loop));
}

TEST(ChildProcess, ReportsALineThatIsTooLong) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto options =
        shell("echo 12345; head -c 5000000 /dev/zero | tr '\\0' x; echo; printf '12345\\r\\nlast'");
    options.max_line = 5;
    auto child = started(on, options);
    const auto first = co_await child->read_line();
    EXPECT_EQ((*first)->text, "12345");
    EXPECT_FALSE((*first)->too_long);
    const auto second = co_await child->read_line();
    EXPECT_TRUE((*second)->too_long);
    EXPECT_EQ((*second)->size, 5000000U);
    EXPECT_EQ((*second)->text, std::string(1024, 'x'));
    const auto third = co_await child->read_line();
    EXPECT_EQ((*third)->text, "12345");
    EXPECT_EQ(co_await output(*child), "last\n");
  }(loop));
}

TEST(ChildProcess, WaitsForAReaderThatIsSlow) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    // Says on its error output how far it got.
    auto child = started(on, shell("i=0; line=$(printf %01000d 0); while [ $i -lt 20000 ]; do "
                                   "echo $line; i=$((i+1)); [ $((i % 1000)) != 0 ] || echo $i >&2; "
                                   "done"));
    EXPECT_TRUE(co_await until([&] { return child->error_output().ends_with("1000\n"); }));
    co_await pause(milliseconds(200));
    EXPECT_EQ(child->error_output(), "1000\n");  // 1 MiB and a pipe, no more
    std::size_t lines = 0;
    for (;;) {
      const auto line = co_await child->read_line();
      if (!line || !*line) break;
      lines += (*line)->text.size() == 1000 ? 1 : 0;
    }
    EXPECT_EQ(lines, 20000U);
  }(loop));
}

TEST(ChildProcess, MakesAWriterWaitAndFailWhenNobodyReads) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("read first; echo $first; exec sleep 60"));
    EXPECT_TRUE(co_await child->write("hello\n"));
    EXPECT_EQ((*co_await child->read_line())->text, "hello");
    const auto late = co_await (child->write(std::string(1 << 20, 'x')) || pause(milliseconds(50)));
    EXPECT_EQ(late.index(), 1U);
    const auto both =
        co_await (child->write(std::string(1 << 20, 'x')) && child->stop(std::chrono::seconds(5)));
    EXPECT_EQ(std::get<0>(both).error().code, sdk::Code::kUnavailable);
    EXPECT_EQ(std::get<1>(both)->signal, SIGTERM);
    EXPECT_EQ((co_await child->write("x")).error().code, sdk::Code::kUnavailable);
  }(loop));
}

TEST(ChildProcess, KnowsWhatItNeverReadWhenItHasEnded) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("read -r line; echo \"$line\"; exec sleep 600"));
    EXPECT_TRUE(co_await child->write("one\n"));
    EXPECT_EQ((*co_await child->read_line())->text, "one");
    EXPECT_TRUE(co_await child->write("two\n"));
    EXPECT_EQ(child->input_read(), 8u) << "as long as it lives, it may read";
    child->kill(SIGKILL);
    co_await child->wait();
    EXPECT_EQ(child->input_read(), 4u);
    EXPECT_FALSE(co_await child->write("three\n"));
    EXPECT_EQ(child->input_read(), 4u);
  }(loop));
}

TEST(ChildProcess, MayHaveReadAllWhereSomebodyElseReadsItsInput) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    // setsid: in a group of its own, which nobody ends.
    auto child =
        started(on, shell("exec 3<&0; setsid sh -c 'echo ready; exec sleep 3 >&- 2>&-' <&3 & "
                          "exec sleep 600"));
    EXPECT_EQ((*co_await child->read_line())->text, "ready");
    EXPECT_TRUE(co_await child->write("one\n"));
    child->kill(SIGKILL);
    co_await child->wait();
    EXPECT_EQ(child->input_read(), 4u);
  }(loop));
}

TEST(ChildProcess, TakesManyWritesInTheirOrder) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("exec wc -c"));
    const auto all = co_await (child->write(std::string(300'000, 'a')) &&
                               child->write(std::string(300'000, 'b')) &&
                               child->write(std::string(300'000, 'c')));
    EXPECT_TRUE(std::get<0>(all) && std::get<1>(all) && std::get<2>(all));
    child->close_input();
    EXPECT_EQ(co_await output(*child), "900000\n");
  }(loop));
}

TEST(ChildProcess, IsKilledWithItsGroupWhenItDoesNotHeedTerm) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("trap '' TERM; sleep 60 & echo $!; while :; do sleep 1; done"));
    const pid_t grandchild = std::stoi((*co_await child->read_line())->text);
    const auto exit = co_await child->stop(milliseconds(100));
    EXPECT_EQ(exit->signal, SIGKILL);
    EXPECT_TRUE(co_await until([&] { return gone(grandchild); }));
  }(loop));
}

TEST(ChildProcess, DiesAtOnceWhenItsStopIsCancelled) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("trap '' TERM; echo ready; while :; do sleep 1; done"));
    co_await child->read_line();
    co_await (child->stop(std::chrono::minutes(1)) || pause(milliseconds(20)));
    EXPECT_EQ((co_await child->wait())->signal, SIGKILL);
  }(loop));
}

TEST(ChildProcess, TakesWhatItLeftBehindWithIt) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("sleep 60 & echo $!"));
    const pid_t grandchild = std::stoi((*co_await child->read_line())->text);
    EXPECT_TRUE((co_await child->wait())->ok());
    EXPECT_TRUE(co_await until([&] { return gone(grandchild); }));
  }(loop));
}

TEST(ChildProcess, IsNotWaitedForByAPipeThatAGrandchildHolds) {
  Loop loop;
  pid_t grandchild = -1;
  run_on(loop, [](Loop& on, pid_t& left) -> Task<> {
    // A session of its own, which writes on and on.
    auto child = started(on, shell("setsid sh -c 'echo $$; exec yes' & sleep 0.2; exit 0"));
    left = std::stoi((*co_await child->read_line())->text);
    const auto ends = co_await ([](ChildProcess& of) -> Task<> {
      while (const auto line = co_await of.read_line()) {
        if (!*line) break;
      }
      co_await of.wait();
    }(*child) || pause(std::chrono::seconds(20)));
    EXPECT_EQ(ends.index(), 0U);
  }(loop, grandchild));
  ::kill(grandchild, SIGKILL);
}

TEST(ChildProcess, DiesWithItsOwner) {
  Loop loop;
  run_on(loop, [](Loop& on) -> Task<> {
    auto child = started(on, shell("exec sleep 60"));
    const pid_t pid = child->pid();
    child.reset();
    EXPECT_TRUE(co_await until([&] { return ::kill(pid, 0) != 0; }));  // and is buried
  }(loop));
}

TEST(ChildProcess, DiesWithTheLoop) {
  pid_t pid = -1;
  {
    Loop loop;
    auto child = started(loop, shell("exec sleep 60"));
    pid = child->pid();
    run_on(loop, pause(milliseconds(1)));
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(ChildProcess, DiesWhenTheHostIsKilled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t host = ::fork();
  if (host == 0) {
    Loop loop;
    auto child = ChildProcess::start(loop, shell("exec sleep 60"));
    const pid_t pid = child ? (*child)->pid() : -1;
    [[maybe_unused]] const auto written = ::write(ends[1], &pid, sizeof pid);
    for (;;) ::pause();
  }
  ::close(ends[1]);
  pid_t pid = -1;
  ASSERT_EQ(::read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ::close(ends[0]);
  ASSERT_GT(pid, 0);
  EXPECT_FALSE(gone(pid));
  ::kill(host, SIGKILL);
  ::waitpid(host, nullptr, 0);
  Loop loop;
  run_on(loop, [](pid_t orphan) -> Task<> {
    EXPECT_TRUE(co_await until([&] { return gone(orphan); }));
  }(pid));
}

TEST(ChildProcess, LeavesNoDescriptorsOpen) {
  const auto count = [] {
    std::size_t number = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd"))
      ++number;
    return number;
  };
  const std::size_t before = count();
  {
    Loop loop;
    run_on(loop, [](Loop& on) -> Task<> {
      for (int i = 0; i < 20; ++i) {
        auto child = started(on, shell("echo hello"));
        EXPECT_EQ(co_await output(*child), "hello\n");
        co_await child->wait();
      }
    }(loop));
  }
  EXPECT_EQ(count(), before);
}

TEST(ChildProcess, WorksTwoHundredTimesOnSeveralThreads) {
  constexpr int kThreads = 4;
  constexpr int kChildren = 50;
  std::atomic<int> fine{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      Loop loop;
      run_on(loop, [](Loop& on, std::atomic<int>& good) -> Task<> {
        int left = kChildren;
        for (int i = 0; i < kChildren; ++i)
          on.spawn(
              [](Loop& here, std::atomic<int>& count) -> Task<> {
                auto child = started(here, shell("cat; echo error >&2; exit 7"));
                EXPECT_TRUE(co_await child->write(std::string(100'000, 'x') + "\n"));
                child->close_input();
                const std::string all = co_await output(*child);
                const auto exit = co_await child->wait();
                if (all.size() == 100'001 && exit && exit->code == 7 &&
                    child->error_output() == "error\n")
                  ++count;
              }(on, good),
              [&left](Result<>) { --left; });
        EXPECT_TRUE(co_await until([&] { return left == 0; }));
      }(loop, fine));
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(fine, kThreads * kChildren);
}

}  // namespace
}  // namespace viaduct::net
