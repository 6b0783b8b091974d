// The mock as a plugin, in the fake host.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

using std::chrono::milliseconds;
using testing::Answer;
using testing::FakeHost;

testing::HostOptions manual_clock() {
  testing::HostOptions options;
  options.manual_clock = true;
  return options;
}
testing::OpenOptions opening(const std::string& working_dir, const std::string& native_id = "",
                             const std::string& transcript = "") {
  testing::OpenOptions options;
  options.session_id = "s_1";
  options.working_dir = working_dir;
  options.native_id = native_id;
  options.transcript = transcript;
  return options;
}

class MockPlugin : public ::testing::Test {
 protected:
  MockPlugin() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mock-plugin-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    record_ = (folder_ / "calls.jsonl").string();
  }
  ~MockPlugin() override { std::filesystem::remove_all(folder_); }

  void TearDown() override {
    if (host_.created()) {
      EXPECT_TRUE(host_.stop());
      host_.destroy();
    }
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }

  // Loads and starts it; `rest` are further members of the configuration.
  void run(const std::string& rest = "") {
    const Answer loaded = host_.load(MOCK_PLUGIN);
    ASSERT_TRUE(loaded) << loaded.message;
    const Answer running = host_.run("{\"record\":\"" + record_ + "\"" + rest + "}");
    ASSERT_TRUE(running) << running.message;
  }

  std::vector<std::string> recorded() const {
    std::ifstream in(record_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  std::string stop_reason(const Answer& answer) { return answer.json()["stop_reason"].as_string(); }

  std::filesystem::path folder_;
  std::string record_;
  FakeHost host_{manual_clock()};
};

TEST_F(MockPlugin, AnswersWordByWord) {
  run();
  const Answer opened = host_.open(1);
  ASSERT_TRUE(opened) << opened.message;
  EXPECT_TRUE(opened.json()["native_id"].as_string().starts_with("mock-"));
  const Answer ended = host_.prompt(1, 1, "hello world");
  ASSERT_TRUE(ended) << ended.message;
  EXPECT_EQ(stop_reason(ended), "end_turn");
  EXPECT_EQ(ended.json()["native_id"].as_string(), opened.json()["native_id"].as_string());
  EXPECT_EQ(host_.text(1, 1), "[Mock response to: hello world]");
  EXPECT_EQ(host_.events(1).size(), 5u);
}

TEST_F(MockPlugin, RecordsEachCallUnderTheSessionsIdOfTheHost) {
  run();
  ASSERT_TRUE(host_.open(1, opening("~/w")));
  ASSERT_TRUE(host_.prompt(1, 1, "hi"));
  ASSERT_TRUE(host_.resumed(1, opening("~/w")));
  ASSERT_TRUE(host_.cancel(1, 1));
  ASSERT_TRUE(host_.answer(1, "permission-1", "Allow"));
  ASSERT_TRUE(host_.close(1, true));
  EXPECT_EQ(
      recorded(),
      (std::vector<std::string>{
          R"({"method":"create_session","session_id":"s_1","working_dir":"~/w"})",
          R"({"method":"send_message","session_id":"s_1","message":"hi"})",
          R"({"method":"resume_session","session_id":"s_1","working_dir":"~/w","context":"live"})",
          R"({"method":"cancel_session","session_id":"s_1"})",
          R"({"method":"answer","session_id":"s_1","item":"permission-1","option_id":"Allow"})",
          R"({"method":"end_session","session_id":"s_1"})"}));
}

TEST_F(MockPlugin, RefusesABadRuleInCreateAndSaysWhich) {
  ASSERT_TRUE(host_.load(MOCK_PLUGIN));
  const Answer made = host_.create(R"({"rules":[{"match":"x","fail":"dead"}]})");
  EXPECT_EQ(made.code, VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_NE(made.message.find("rules[0].fail: must be one of"), std::string::npos);
}

TEST_F(MockPlugin, DoesNotStartWithoutItsRecord) {
  ASSERT_TRUE(host_.load(MOCK_PLUGIN));
  ASSERT_TRUE(host_.create("{\"record\":\"" + record_ + "/no/file\"}"));
  EXPECT_EQ(host_.start().code, VIADUCT_E_FAILED_PRECONDITION);
}

TEST_F(MockPlugin, AcceptsItsOwnExample) {
  ASSERT_TRUE(host_.load(MOCK_PLUGIN));
  const Answer made = host_.create_example();
  EXPECT_TRUE(made) << made.message;
  EXPECT_TRUE(host_.start());
}

TEST_F(MockPlugin, FailsWithItsPartialTextKept) {
  run(R"(,"rules":[{"match":"flaky","fail":"unavailable","reply":"half an"}])");
  ASSERT_TRUE(host_.open(1));
  EXPECT_EQ(host_.prompt(1, 1, "flaky").code, VIADUCT_E_UNAVAILABLE);
  EXPECT_EQ(host_.text(1, 1), "half an");
}

TEST_F(MockPlugin, DelaysByTheTimer) {
  run(R"(,"chunk_delay":"1s","rules":[{"match":"slow","delay":"3s","reply":"took long"}])");
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "slow");
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(host_.timers(), 1u);
  host_.advance(milliseconds(2999));
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(host_.text(1), "");
  host_.advance(milliseconds(1));
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(host_.text(1), "took ");
  host_.advance(milliseconds(1000));
  EXPECT_TRUE(host_.wait(call));
  EXPECT_EQ(host_.text(1), "took long");
}

TEST_F(MockPlugin, IsCancelledAtOnce) {
  run(R"(,"rules":[{"match":"slow","delay":"60m"}])");
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "slow");
  ASSERT_TRUE(host_.settle());
  ASSERT_TRUE(host_.cancel(1, 1));
  EXPECT_EQ(stop_reason(host_.wait(call)), "cancelled");
  EXPECT_EQ(host_.timers(), 0u);
  EXPECT_TRUE(host_.cancel(1, 1));  // idempotent
}

TEST_F(MockPlugin, SessionsDoNotWaitForEachOther) {
  run(R"(,"rules":[{"match":"slow","delay":"60m"}])");
  ASSERT_TRUE(host_.open(1));
  ASSERT_TRUE(host_.open(2));
  const auto slow = host_.start_prompt(1, 1, "slow");
  EXPECT_TRUE(host_.prompt(2, 1, "quick"));
  EXPECT_TRUE(host_.cancel(1, 1));
  EXPECT_TRUE(host_.wait(slow));
}

TEST_F(MockPlugin, WaitsForTheAnswerToAPermissionRequest) {
  run(R"(,"rules":[{"match":"deploy","tool":{"title":"deploy"},"permission":{"title":"Go?","options":["Allow","Deny"]},"reply":"$permission"}])");
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "deploy");
  ASSERT_TRUE(host_.wait_event(
      1, [](const testing::Event& e) { return e.kind == VIADUCT_EVENT_PERMISSION; }));
  ASSERT_TRUE(host_.answer(1, "another", "Allow"));
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(host_.text(1), "");
  ASSERT_TRUE(host_.answer(1, "permission-1", "Deny"));
  EXPECT_EQ(stop_reason(host_.wait(call)), "end_turn");
  EXPECT_EQ(host_.text(1), "Deny");
  ASSERT_TRUE(host_.answer(1, "permission-1", "Allow"));  // too late: nothing happens
  EXPECT_EQ(host_.text(1), "Deny");
}

TEST_F(MockPlugin, ARequestForPermissionCanBeCancelled) {
  run(R"(,"rules":[{"match":"deploy","permission":{"title":"Go?"}}])");
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "deploy");
  ASSERT_TRUE(host_.settle());
  ASSERT_TRUE(host_.cancel(1, 1));
  EXPECT_EQ(stop_reason(host_.wait(call)), "cancelled");
}

TEST_F(MockPlugin, CancelOfAnotherTurnDoesNothing) {
  run(R"(,"rules":[{"match":"slow","delay":"1s"}])");
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 2, "slow");
  ASSERT_TRUE(host_.cancel(1, 1));
  host_.advance(milliseconds(1000));
  EXPECT_EQ(stop_reason(host_.wait(call)), "end_turn");
}

TEST_F(MockPlugin, AfterTheEndAPromptIsSessionDead) {
  run();
  ASSERT_TRUE(host_.open(1));
  ASSERT_TRUE(host_.close(1, true));
  EXPECT_TRUE(host_.close(1, true));
  EXPECT_EQ(host_.prompt(1, 1, "hi").code, VIADUCT_E_SESSION_DEAD);
  EXPECT_EQ(host_.prompt(2, 1, "hi").code, VIADUCT_E_NOT_FOUND);
}

TEST_F(MockPlugin, ClosingEndsTheOpenTurn) {
  run(R"(,"rules":[{"match":"slow","delay":"1s"}])");
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "slow");
  ASSERT_TRUE(host_.close(1, false));
  EXPECT_EQ(stop_reason(host_.wait(call)), "cancelled");
  EXPECT_EQ(host_.timers(), 0u);
}

TEST_F(MockPlugin, RestoresByNativeIdWhatItWasTold) {
  run(R"(,"rules":[{"match":"what did I say","recall":true}])");
  const auto native_id = host_.open(1).json()["native_id"].as_string();
  ASSERT_TRUE(host_.prompt(1, 1, "the code is 42"));
  ASSERT_TRUE(host_.close(1, true));
  const Answer restored = host_.restore(2, opening("~", native_id));
  ASSERT_TRUE(restored) << restored.message;
  EXPECT_EQ(restored.json()["native_id"].as_string(), native_id);
  ASSERT_TRUE(host_.prompt(2, 2, "what did I say?"));
  EXPECT_EQ(host_.text(2), "You said: the code is 42");
}

TEST_F(MockPlugin, AfterARestartOnlyTheTranscriptHelps) {
  run(R"(,"rules":[{"match":"what did I say","recall":true}])");
  const auto native_id = host_.open(1).json()["native_id"].as_string();
  ASSERT_TRUE(host_.stop());
  host_.destroy();
  ASSERT_TRUE(host_.run(R"({"rules":[{"match":"what did I say","recall":true}]})"));
  EXPECT_EQ(host_.restore(2, opening("~", native_id)).code, VIADUCT_E_NOT_FOUND);
  const Answer injected = host_.inject(
      3,
      opening(
          "~", "",
          R"([{"entry":1,"type":"user_message","text":"the code is 42"},{"entry":2,"type":"text","text":"fine"}])"));
  ASSERT_TRUE(injected) << injected.message;
  EXPECT_NE(injected.json()["native_id"].as_string(), native_id);
  ASSERT_TRUE(host_.prompt(3, 2, "what did I say?"));
  EXPECT_EQ(host_.text(3), "You said: the code is 42");
}

TEST_F(MockPlugin, RulesCanRefuseCreateAndResumeByTheFolder) {
  run(R"(,"rules":[{"match":"^/gone","on":"create","fail":"failed_precondition"},{"match":"^/flaky","on":"resume","fail":"unavailable","delay":"1s"}])");
  EXPECT_EQ(host_.open(1, opening("/gone/away")).code, VIADUCT_E_FAILED_PRECONDITION);
  EXPECT_EQ(host_.prompt(1, 1, "hi").code, VIADUCT_E_NOT_FOUND);
  const auto native_id = host_.open(2, opening("/flaky")).json()["native_id"].as_string();
  ASSERT_TRUE(host_.close(2, false));
  // Unavailable after its delay, and the native id is still good after that.
  for (std::uint64_t session = 3; session < 5; ++session) {
    const Answer late = host_.restore(session, opening("/flaky", native_id), milliseconds(50));
    EXPECT_FALSE(late.answered);
    host_.advance(milliseconds(1000));
    ASSERT_TRUE(host_.settle());
  }
  EXPECT_TRUE(host_.restore(5, opening("/fine", native_id)));
}

TEST_F(MockPlugin, HoldsBackWhileTheHostIsBusy) {
  run();
  ASSERT_TRUE(host_.open(1));
  host_.pause(1, 2);
  const auto call = host_.start_prompt(1, 1, "a b c d e f");
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(host_.text(1), "[Mock response ");
  EXPECT_EQ(host_.refused(1), 1u);
  host_.proceed(1);
  EXPECT_TRUE(host_.wait(call));
  EXPECT_EQ(host_.text(1), "[Mock response to: a b c d e f]");
}

TEST_F(MockPlugin, TakesNewRulesWithoutLosingSessions) {
  run();
  ASSERT_TRUE(host_.open(1));
  EXPECT_EQ(host_.reload(R"({"rules":[{"match":"("}]})").code, VIADUCT_E_INVALID_ARGUMENT);
  ASSERT_TRUE(host_.reload(R"({"rules":[{"match":"x","reply":"y"}]})"));
  ASSERT_TRUE(host_.prompt(1, 1, "x"));
  EXPECT_EQ(host_.text(1), "y");
}

TEST_F(MockPlugin, StopAnswersTheTurnsThatRun) {
  run(R"(,"rules":[{"match":"slow","delay":"1s"}])");
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "slow");
  ASSERT_TRUE(host_.stop());
  EXPECT_EQ(host_.wait(call).code, VIADUCT_E_UNAVAILABLE);
}

TEST_F(MockPlugin, CopesWithMessagesOfOneMegabyte) {
  run(R"(,"rules":[{"match":"^(a|b)*$","reply":"letters"}])");
  ASSERT_TRUE(host_.open(1));
  ASSERT_TRUE(host_.prompt(1, 1, std::string(1 << 20, 'a')));
  EXPECT_EQ(host_.text(1), "letters");
}

}  // namespace
}  // namespace viaduct
