#include "viaduct/sdk/backend.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

using testing::FakeHost;
using testing::HostOptions;

// The smallest loop that keeps the rules.
class SmallLoop final : public sdk::EventLoop {
 public:
  void run(sdk::Function<void()> drain) override {
    thread = std::this_thread::get_id();
    std::unique_lock lock(mutex_);
    while (!quits_) {
      something_.wait(lock, [&] { return woken_ || quits_; });
      if (quits_) break;
      woken_ = false;
      lock.unlock();
      inside = true;
      drain();
      inside = false;
      lock.lock();
    }
    ended = true;
  }
  void wake() override {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    something_.notify_one();
  }
  void quit() override {
    const std::lock_guard lock(mutex_);
    quits_ = true;
    something_.notify_one();
  }

  std::thread::id thread;
  bool inside = false;
  bool ended = false;

 private:
  std::mutex mutex_;
  std::condition_variable something_;
  bool woken_ = false, quits_ = false;
};

struct Seen {
  std::vector<std::string> calls;
  bool all_inside = true;
  bool ended_before_destruction = false;
};
Seen* seen = nullptr;

class Looping final : public sdk::Backend {
 public:
  Looping(sdk::Host, std::string_view) {}
  ~Looping() override { seen->ended_before_destruction = loop_.ended; }
  sdk::EventLoop* loop() override { return &loop_; }
  void start(sdk::Reply reply) override {
    note("start");
    reply.ok();
  }
  void prompt(const sdk::Prompt&, sdk::Turn turn) override {
    note("prompt");
    turn.text("hello");
    turn.end();
  }
  void stop(sdk::Reply reply) override {
    note("stop");
    reply.ok();
  }

 private:
  void note(const char* what) {
    seen->calls.emplace_back(what);
    seen->all_inside &= loop_.inside && loop_.thread == std::this_thread::get_id();
  }
  SmallLoop loop_;
};

constexpr viaduct_plugin kPlugin = sdk::backend_plugin<Looping>(
    sdk::Descriptor{"com.example.looping", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

TEST(SdkLoop, GetsTheCallsOfTheHostAndEndsBeforeThePlugin) {
  Seen here;
  seen = &here;
  FakeHost host;
  ASSERT_TRUE(host.load(&kPlugin));
  ASSERT_TRUE(host.run("{}"));
  ASSERT_TRUE(host.open(1));
  ASSERT_TRUE(host.prompt(1, 1, "hi"));
  EXPECT_EQ(host.text(1), "hello");
  ASSERT_TRUE(host.stop());
  host.destroy();
  EXPECT_EQ(here.calls, (std::vector<std::string>{"start", "prompt", "stop"}));
  EXPECT_TRUE(here.all_inside);
  EXPECT_TRUE(here.ended_before_destruction);
  EXPECT_TRUE(host.faults().empty());
}

}  // namespace
}  // namespace viaduct
