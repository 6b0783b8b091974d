#include "viaduct/sdk/backend.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

using sdk::Code;
using sdk::Flow;
using std::chrono::milliseconds;
using testing::FakeHost;

// A backend that does what the test says. The test sees it by `present`.
class Scripted final : public sdk::Backend, public sdk::Tool {
 public:
  Scripted(sdk::Host the_host, std::string_view config_json) : host(std::move(the_host)) {
    if (config_json == R"("refuse")") throw sdk::Error(Code::kFailedPrecondition, "log in first");
    if (config_json == R"("bad")") throw std::invalid_argument("bad is no good");
    if (config_json == R"("odd")") throw 7;
    restores = config_json == R"("restores")";
    present = this;
  }
  ~Scripted() override { present = nullptr; }

  sdk::Abilities abilities() const override {
    sdk::Abilities abilities;
    if (restores) abilities.can |= VIADUCT_CAN_RESTORE;
    abilities.agent_type = restores ? "" : "scripted";
    abilities.resume = sdk::ResumePolicy{};
    abilities.resume->attempts = 2;
    return abilities;
  }
  void open(const sdk::Open& open, sdk::Reply reply) override {
    if (on_open)
      on_open(open, std::move(reply));
    else
      reply.native("n-" + std::string(open.session_id));
  }
  void prompt(const sdk::Prompt& prompt, sdk::Turn turn) override {
    on_prompt(prompt, std::move(turn));
  }
  void cancel(std::uint64_t session, std::uint64_t turn, sdk::Reply reply) override {
    cancelled = session * 100 + turn;
    reply.ok();
  }
  void writable(std::uint64_t session) override { writables.push_back(session); }
  void close(std::uint64_t session, bool ended, sdk::Reply reply) override {
    if (on_close) on_close();
    closed = session * 10 + (ended ? 1 : 0);
    reply.ok();
  }
  void stop(sdk::Reply reply) override {
    if (on_stop)
      on_stop(std::move(reply));
    else
      reply.ok();
  }
  void run(std::string_view arguments_json, sdk::Reply reply) override {
    reply.ok("{\"exit_code\":0,\"output\":" + sdk::json_string(arguments_json) + "}");
  }

  static Scripted* present;

  sdk::Host host;
  bool restores = false;
  std::function<void(const sdk::Open&, sdk::Reply)> on_open;
  std::function<void(const sdk::Prompt&, sdk::Turn)> on_prompt;
  std::function<void()> on_close;
  std::function<void(sdk::Reply)> on_stop;
  std::uint64_t cancelled = 0, closed = 0;
  std::vector<std::uint64_t> writables;
};
Scripted* Scripted::present = nullptr;

constexpr viaduct_plugin kPlugin = sdk::backend_plugin<Scripted>(
    sdk::Descriptor{"com.example.scripted", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

class SdkBackend : public ::testing::Test {
 protected:
  void run() {
    ASSERT_TRUE(host_.load(&kPlugin));
    const auto running = host_.run("{}");
    ASSERT_TRUE(running) << running.message;
    ASSERT_TRUE(host_.open(1));
  }
  Scripted& plugin() { return *Scripted::present; }
  void TearDown() override {
    held_.clear();
    turns_.clear();
    if (host_.created()) {
      EXPECT_TRUE(host_.stop());
      host_.destroy();
    }
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  // prompt keeps the turn for the test.
  void keep_turns() {
    plugin().on_prompt = [this](const sdk::Prompt&, sdk::Turn turn) {
      turns_.push_back(std::move(turn));
    };
  }

  FakeHost host_;
  std::vector<sdk::Reply> held_;
  std::deque<sdk::Turn> turns_;
};

TEST_F(SdkBackend, SaysWhetherTheAgentHasHadWhatWasSaidBefore) {
  run();
  plugin().on_prompt = [](const sdk::Prompt& prompt, sdk::Turn turn) {
    turn.text(std::string(prompt.restored) + "|" + std::string(prompt.text));
    turn.end(sdk::StopReason::kEndTurn, "n-1", {}, {}, prompt.text != "/model fast");
  };
  const auto command = host_.prompt_restored(1, 1, "before", "/model fast");
  EXPECT_EQ(command.result, R"({"stop_reason":"end_turn","native_id":"n-1","restored":false})");
  EXPECT_EQ(host_.text(1, 1), "before|/model fast");
  EXPECT_FALSE(host_.prompt_restored(1, 2, "before", "hello").json().contains("restored"));
}

TEST_F(SdkBackend, SaysWhyItsConstructorThrew) {
  ASSERT_TRUE(host_.load(&kPlugin));
  const auto refused = host_.create(R"("refuse")");
  EXPECT_EQ(refused.code, VIADUCT_E_FAILED_PRECONDITION);
  EXPECT_EQ(refused.message, "log in first");
  EXPECT_EQ(host_.create(R"("bad")").code, VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(host_.create(R"("odd")").code, VIADUCT_E_INTERNAL);
}

TEST_F(SdkBackend, NeedsAnAgentTypeToRestore) {
  ASSERT_TRUE(host_.load(&kPlugin));
  const auto made = host_.create(R"("restores")");
  EXPECT_EQ(made.code, VIADUCT_E_INTERNAL);
  EXPECT_EQ(Scripted::present, nullptr);
}

TEST_F(SdkBackend, TellsItsAbilities) {
  run();
  const viaduct_backend* table = host_.backend();
  EXPECT_EQ(table->can, static_cast<std::uint64_t>(VIADUCT_CAN_STREAM));
  EXPECT_EQ(std::string(table->agent_type.data, table->agent_type.size), "scripted");
  ASSERT_NE(table->policy, nullptr);
  EXPECT_EQ(table->policy->attempts, 2u);
  EXPECT_EQ(table->policy->disabled, 0u);
  EXPECT_EQ(host_.interface("viaduct.surface/1"), nullptr);
  EXPECT_NE(host_.interface(VIADUCT_TOOL), nullptr);
}

TEST_F(SdkBackend, AnswersUnsupportedWhatItDoesNotOverride) {
  run();
  EXPECT_EQ(host_.compact(1).code, VIADUCT_E_UNSUPPORTED);
  EXPECT_EQ(host_.restore(2, {}).code, VIADUCT_E_UNSUPPORTED);
  EXPECT_EQ(host_.reload("{}").code, VIADUCT_E_UNSUPPORTED);
  EXPECT_TRUE(host_.health());
  EXPECT_EQ(host_.resumed(1).result, "{}");
  EXPECT_EQ(host_.read("left").code, VIADUCT_E_UNSUPPORTED);
  EXPECT_TRUE(host_.purge({}).ok());
}

TEST_F(SdkBackend, ReportsTheNativeId) {
  run();
  testing::OpenOptions options;
  options.session_id = "s\"1";
  EXPECT_EQ(host_.open(2, options).result, R"({"native_id":"n-s\"1"})");
}

TEST_F(SdkBackend, AReplyThatIsDroppedSaysSo) {
  run();
  plugin().on_open = [](const sdk::Open&, sdk::Reply) {};
  const auto answer = host_.open(2);
  EXPECT_EQ(answer.code, VIADUCT_E_INTERNAL);
  EXPECT_NE(answer.message.find("dropped"), std::string::npos);
}

TEST_F(SdkBackend, WhatACallThrowsIsItsAnswer) {
  run();
  plugin().on_open = [](const sdk::Open&, sdk::Reply) {
    throw sdk::Error(Code::kUnavailable, "no network");
  };
  EXPECT_EQ(host_.open(2).code, VIADUCT_E_UNAVAILABLE);
  plugin().on_open = [](const sdk::Open&, sdk::Reply) { throw std::runtime_error("oops"); };
  const auto answer = host_.open(3);
  EXPECT_EQ(answer.code, VIADUCT_E_INTERNAL);
  EXPECT_EQ(answer.message, "oops");
}

TEST_F(SdkBackend, AReplyThatAnExceptionInsideThePluginDestroyedIsAnswered) {
  run();
  plugin().on_open = [](const sdk::Open&, sdk::Reply reply) {
    try {
      const sdk::Reply gone = std::move(reply);
      throw std::runtime_error("caught below");
    } catch (const std::exception&) {
    }
  };
  EXPECT_EQ(host_.open(2).code, VIADUCT_E_INTERNAL);
}

TEST_F(SdkBackend, TheFirstAnswerCountsAlsoIfTheCallThrowsAfterIt) {
  run();
  plugin().on_open = [](const sdk::Open&, sdk::Reply reply) {
    reply.ok();
    reply.fail(Code::kBusy, "second");
    throw std::runtime_error("third");
  };
  EXPECT_TRUE(host_.open(2));
}

TEST_F(SdkBackend, AReplyFromAnotherThreadIsFine) {
  run();
  std::thread other;
  plugin().on_open = [&](const sdk::Open&, sdk::Reply reply) {
    other = std::thread([later = std::move(reply)]() mutable { later.native("x"); });
  };
  EXPECT_EQ(host_.open(2).result, R"({"native_id":"x"})");
  ASSERT_TRUE(host_.settle());  // until the thread is in `other`
  other.join();
}

TEST_F(SdkBackend, WhatIsOpenWhenItStopsIsAnsweredFirst) {
  run();
  keep_turns();
  plugin().on_open = [&](const sdk::Open&, sdk::Reply reply) { held_.push_back(std::move(reply)); };
  const auto open = host_.start_open(2);
  const auto prompt = host_.start_prompt(1, 1, "hi");
  ASSERT_TRUE(host_.settle());
  ASSERT_TRUE(host_.stop());
  EXPECT_EQ(host_.wait(open).code, VIADUCT_E_UNAVAILABLE);
  EXPECT_EQ(host_.wait(prompt).code, VIADUCT_E_UNAVAILABLE);
  held_[0].ok();  // too late, and not heard
  EXPECT_EQ(turns_[0].text("late"), Flow::kGone);
}

TEST_F(SdkBackend, StoppingTwiceIsAnsweredAtOnce) {
  run();
  EXPECT_TRUE(host_.stop());
  EXPECT_TRUE(host_.stop());
}

TEST_F(SdkBackend, ACallAfterStopIsAnswered) {
  run();
  ASSERT_TRUE(host_.stop());
  const auto late = host_.open(9);
  EXPECT_TRUE(late.answered);
  EXPECT_EQ(late.code, VIADUCT_E_UNAVAILABLE);
}

TEST_F(SdkBackend, NothingIsHeardAfterStopFromAThreadThatGoesOn) {
  run();
  keep_turns();
  const auto prompt = host_.start_prompt(1, 1, "hi");
  ASSERT_TRUE(host_.settle());
  std::atomic<bool> done = false;
  std::atomic<int> rounds = 0;
  std::thread other([&, host = plugin().host] {
    const sdk::Log log(host);
    while (!done) {
      turns_[0].text("x");
      log.debug("still here");
      host.post([] {});
      ++rounds;
    }
  });
  while (rounds < 100) std::this_thread::yield();
  ASSERT_TRUE(host_.stop());
  const auto heard = host_.host_calls();
  const int then = rounds;
  while (rounds < then + 100) std::this_thread::yield();
  EXPECT_EQ(host_.host_calls(), heard);
  done = true;
  other.join();
  EXPECT_EQ(host_.wait(prompt).code, VIADUCT_E_UNAVAILABLE);
}

TEST_F(SdkBackend, ATurnStreamsAndEnds) {
  run();
  plugin().on_prompt = [](const sdk::Prompt& prompt, sdk::Turn turn) {
    turn.thought("hm");
    turn.text(prompt.text);
    turn.tool_call("t1", R"({"toolCallId":"t1","title":"look"})");
    turn.permission("p1", "May \"I\"?", {{"y", "Yes", "allow_once"}, {"n", "No", "reject_once"}});
    turn.end(sdk::StopReason::kMaxTokens, "n-2", R"({"inputTokens":1})");
  };
  const auto ended = host_.prompt(1, 1, "hi");
  EXPECT_EQ(ended.result,
            R"({"stop_reason":"max_tokens","native_id":"n-2","usage":{"inputTokens":1}})");
  const auto events = host_.events(1);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].text, "hm");
  EXPECT_EQ(events[2].item, "t1");
  EXPECT_EQ(
      events[3].json,
      R"({"title":"May \"I\"?","options":[{"optionId":"y","name":"Yes","kind":"allow_once"},{"optionId":"n","name":"No","kind":"reject_once"}]})");
}

TEST_F(SdkBackend, ShowsImagesAndFilesWithWordsForThem) {
  run();
  const std::string image = R"({"type":"image","mimeType":"image/png","data":"AAAA"})";
  plugin().on_prompt = [&](const sdk::Prompt&, sdk::Turn turn) {
    turn.content(image, "[a chart]", "c1");
    turn.end();
  };
  ASSERT_TRUE(host_.prompt(1, 1, "hi").ok());
  const auto events = host_.events(1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, static_cast<std::uint32_t>(VIADUCT_EVENT_CONTENT));
  EXPECT_EQ(events[0].text, "[a chart]");
  EXPECT_EQ(events[0].item, "c1");
  EXPECT_EQ(events[0].json, image);
}

TEST_F(SdkBackend, ATurnThatIsDroppedFails) {
  run();
  plugin().on_prompt = [](const sdk::Prompt&, sdk::Turn turn) { turn.text("half"); };
  EXPECT_EQ(host_.prompt(1, 1, "hi").code, VIADUCT_E_INTERNAL);
  EXPECT_EQ(host_.text(1), "half");
}

TEST_F(SdkBackend, SpeaksBetweenTurns) {
  run();
  const sdk::Sink sink(plugin().host, 1);
  EXPECT_EQ(sink.title("A title"), Flow::kOk);
  EXPECT_EQ(host_.events(1).at(0).kind, static_cast<std::uint32_t>(VIADUCT_EVENT_TITLE));
  EXPECT_EQ(sdk::Sink(plugin().host, 99).title("nobody"), Flow::kGone);
}

TEST_F(SdkBackend, KeepsWhatTheHostIsTooBusyFor) {
  run();
  keep_turns();
  host_.pause(1, 1);
  const auto call = host_.start_prompt(1, 1, "hi");
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(turns_[0].text("a"), Flow::kOk);
  EXPECT_EQ(turns_[0].text("b"), Flow::kBusy);
  EXPECT_EQ(turns_[0].text("c"), Flow::kBusy);
  turns_[0].end();
  EXPECT_FALSE(host_.wait(call, milliseconds(20)).answered);  // the end does not overtake
  EXPECT_EQ(host_.text(1), "a");
  EXPECT_EQ(host_.refused(1), 1u);  // it does not ask again by itself
  host_.proceed(1);
  EXPECT_TRUE(host_.wait(call));
  EXPECT_EQ(host_.text(1), "abc");
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(plugin().writables, std::vector<std::uint64_t>{1});
}

TEST_F(SdkBackend, WhatATurnThrowsComesAfterWhatItSaid) {
  run();
  plugin().on_prompt = [](const sdk::Prompt&, sdk::Turn turn) {
    turn.text("a");
    turn.text("b");
    throw sdk::Error(Code::kUnavailable, "gone");
  };
  host_.pause(1, 1);
  const auto call = host_.start_prompt(1, 1, "hi");
  ASSERT_TRUE(host_.settle());
  host_.proceed(1);
  EXPECT_EQ(host_.wait(call).code, VIADUCT_E_UNAVAILABLE);
  EXPECT_EQ(host_.text(1), "ab");
}

TEST_F(SdkBackend, ATurnThatSaysTooMuchAtOnceFailsAndSaysSo) {
  run();
  plugin().on_prompt = [](const sdk::Prompt&, sdk::Turn turn) {
    const std::string piece(1 << 20, 'x');
    for (int i = 0; i < 20; ++i) turn.text(piece);
    turn.end();
  };
  host_.pause(1, 0);
  const auto call = host_.start_prompt(1, 1, "hi");
  ASSERT_TRUE(host_.settle());
  host_.proceed(1);
  EXPECT_EQ(host_.wait(call).code, VIADUCT_E_BUSY);
  EXPECT_GT(host_.text(1).size(), std::size_t{6} << 20);
  // The next turn is not touched by it.
  plugin().on_prompt = [](const sdk::Prompt&, sdk::Turn turn) { turn.end(); };
  EXPECT_TRUE(host_.prompt(1, 2, "again"));
}

TEST_F(SdkBackend, ClosingASessionEndsTheTurnThatStillWaits) {
  run();
  keep_turns();
  host_.pause(1, 0);
  const auto call = host_.start_prompt(1, 1, "hi");
  ASSERT_TRUE(host_.settle());
  turns_[0].text("a");
  turns_[0].end();
  ASSERT_TRUE(host_.close(1, true));
  EXPECT_EQ(host_.wait(call).code, VIADUCT_E_CANCELLED);
  EXPECT_EQ(plugin().closed, 11u);
}

TEST_F(SdkBackend, ATurnEndedWithinCloseIsAnsweredThere) {
  run();
  keep_turns();
  host_.pause(1, 0);
  const auto call = host_.start_prompt(1, 1, "hi");
  ASSERT_TRUE(host_.settle());
  turns_[0].text("waits");
  plugin().on_close = [this] { turns_[0].end(sdk::StopReason::kCancelled); };
  ASSERT_TRUE(host_.close(1, false));
  EXPECT_TRUE(host_.wait(call, milliseconds(0)).answered);
}

TEST_F(SdkBackend, ATurnOfASessionThatWasNeverOpenedIsItsOwnAffair) {
  run();
  plugin().on_prompt = [](const sdk::Prompt&, sdk::Turn turn) {
    EXPECT_EQ(turn.text("x"), Flow::kGone);
    turn.fail(Code::kNotFound, "holds no such session");
  };
  EXPECT_EQ(host_.prompt(77, 1, "hi").code, VIADUCT_E_NOT_FOUND);
}

TEST_F(SdkBackend, CancelReachesThePlugin) {
  run();
  EXPECT_TRUE(host_.cancel(1, 3));
  EXPECT_EQ(plugin().cancelled, 103u);
}

}  // namespace
}  // namespace viaduct
