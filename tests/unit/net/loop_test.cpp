#include "tests/unit/net/on_loop.hpp"

#include <atomic>
#include <thread>
#include <viaduct/sdk/backend.hpp>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct::net {
namespace {

// Answers a prompt from a coroutine, later, on the thread on which it was called.
class Later final : public sdk::Backend {
 public:
  Later(sdk::Host, std::string_view) {}
  sdk::EventLoop* loop() override { return &loop_; }
  void prompt(const sdk::Prompt& prompt, sdk::Turn turn) override {
    loop_.spawn(answer(std::string(prompt.text), std::move(turn), std::this_thread::get_id()));
  }

 private:
  static Task<> answer(std::string text, sdk::Turn turn, std::thread::id asked) {
    co_await pause(milliseconds(1));
    turn.text(asked == std::this_thread::get_id() ? text : "another thread");
    if (text == "never") co_await pause(std::chrono::hours(1));
    turn.end();
  }
  Loop loop_;
};

constexpr viaduct_plugin kPlugin = sdk::backend_plugin<Later>(
    sdk::Descriptor{"com.example.later", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

TEST(NetLoop, RunsCoroutinesOnThePluginsThreadBetweenTheCallsOfTheHost) {
  testing::FakeHost host;
  ASSERT_TRUE(host.load(&kPlugin));
  ASSERT_TRUE(host.run("{}"));
  for (std::uint64_t session = 1; session <= 20; ++session) {
    ASSERT_TRUE(host.open(session));
    ASSERT_TRUE(host.prompt(session, 1, "hello"));
    EXPECT_EQ(host.text(session), "hello");
  }
  ASSERT_TRUE(host.stop());
  host.destroy();
  for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
}

TEST(NetLoop, CanBeDestroyedWithCoroutinesThatWait) {
  testing::FakeHost host;
  ASSERT_TRUE(host.load(&kPlugin));
  ASSERT_TRUE(host.run("{}"));
  ASSERT_TRUE(host.open(1));
  const auto call = host.start_prompt(1, 1, "never");
  ASSERT_TRUE(host.wait_until([&] { return host.text(1) == "never"; }));
  ASSERT_TRUE(host.stop());
  EXPECT_TRUE(host.wait(call).answered);
  host.destroy();
  for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
}

TEST(NetLoop, TellsWhatEscapedFromACoroutine) {
  Loop loop;
  std::string said;
  loop.spawn(
      []() -> Task<> {
        throw sdk::Error(sdk::Code::kBusy, "too much");
        co_return;
      }(),
      [&](Result<> result) {
        said = result.error().message;
        loop.quit();
      });
  loop.run({});
  EXPECT_EQ(said, "too much");
}

TEST(NetLoop, EndsAtOnceWhenItIsAskedToQuitBeforeItRuns) {
  Loop loop;
  loop.wake();
  loop.quit();
  loop.run([] { FAIL(); });
}

TEST(NetLoop, DrainsAfterEachWakeFromAnyThread) {
  Loop loop;
  std::atomic<int> drained{0};
  constexpr int kWakes = 1000;
  std::thread other([&] {
    for (int i = 0; i < kWakes; ++i) loop.wake();
  });
  loop.run([&] {
    if (++drained == kWakes) loop.quit();
  });
  other.join();
  EXPECT_EQ(drained, kWakes);
}

}  // namespace
}  // namespace viaduct::net
