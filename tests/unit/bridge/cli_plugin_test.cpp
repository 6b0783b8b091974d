// The bridge's driver `cli` as a plugin, in the fake host, with an agent program of a few lines of
// shell: ids, back-pressure, and how turns and programs end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::Answer;
using testing::FakeHost;
using ::testing::HasSubstr;
using testing::OpenOptions;

// Notes how it is started and what it reads; a new id each time.
constexpr const char* kAgent = R"(#!/bin/sh
prompt=$(cat)
echo "$* <$prompt>" >> "$HOME/starts"
echo $$ >> "$HOME/pids"
echo "{\"id\":\"id-$$\"}"
case "$prompt" in
  hang) echo '{"d":"Hel"}'; sleep 1000 ;;
  stubborn) trap '' TERM; echo '{"d":"Hel"}'; sleep 1000 ;;
  much) x=$(head -c 4000 /dev/zero | tr '\0' x); i=0
    while [ $i -lt 1800 ]; do i=$((i+1)); echo "{\"d\":\"$x\"}"; echo $i > "$HOME/count"; done ;;
  lost) echo '{"id":"id-of-another"}'; echo "no such conversation" >&2; exit 1 ;;
  chatty) echo '{"d":"hi"}'; echo '{"end":true}'; while sleep 0.2; do echo '{"x":1}'; done ;;
  *) echo "{\"d\":\"you said $prompt\"}" ;;
esac
echo '{"end":true}'
)";

class CliPlugin : public ::testing::Test {
 protected:
  CliPlugin() {
    std::string form = (fs::temp_directory_path() / "viaduct-cli-XXXXXX").string();
    home_ = ::mkdtemp(form.data());
    std::ofstream(home_ + "/agent.sh") << kAgent;
    fs::permissions(home_ + "/agent.sh", fs::perms::owner_all);
    const Answer loaded = host_.load(BRIDGE_PLUGIN);
    EXPECT_TRUE(loaded) << loaded.message;
    run();
  }
  void run(const std::string& more_of_the_preset = "") {
    const Answer running = host_.run(
        R"({"driver":"cli","transcripts":false,"home":")" + home_ + R"(","env":{"HOME":")" + home_ +
        R"("},"template":{"program":")" + home_ +
        R"(/agent.sh","new":["-n"],"resume":["-r","{session}"],"compact":"/compact","lines":[)"
        R"({"session":"/id","text_delta":"/d"},{"when":{"/end":true},"done":true}])" +
        more_of_the_preset + "}}");
    EXPECT_TRUE(running) << running.message;
  }
  ~CliPlugin() override {
    std::error_code ignored;
    fs::remove_all(home_, ignored);
  }
  void TearDown() override {
    EXPECT_TRUE(host_.stop());
    host_.destroy();
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  std::string file(const std::string& name) const {
    std::ifstream in(home_ + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // The number of the start's process, once it has said "Hel".
  pid_t hanging(std::uint64_t session) {
    EXPECT_TRUE(host_.wait_until([&] { return host_.text(session, 0).ends_with("Hel"); }));
    const std::string pids = file("pids");
    return static_cast<pid_t>(std::stol(pids.substr(pids.find_last_of('\n', pids.size() - 2) + 1)));
  }
  bool gone(pid_t pid) {
    return host_.wait_until([pid] { return ::kill(pid, 0) != 0; });
  }
  static std::string native(const Answer& answer) {
    const std::size_t at = answer.result.find("id-");
    return at == std::string::npos ? ""
                                   : answer.result.substr(at, answer.result.find('"', at) - at);
  }
  static OpenOptions with_id(std::string id) {
    OpenOptions options;
    options.native_id = std::move(id);
    return options;
  }

  std::string home_;
  FakeHost host_;
};

TEST_F(CliPlugin, TellsTheIdAtOnceAndAtTheEndAndGoesOnWithIt) {
  ASSERT_TRUE(host_.open(1));
  const Answer first = host_.prompt(1, 1, "one");
  ASSERT_TRUE(first) << first.message;
  const std::string id = native(first);
  const auto events = host_.events(1);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.front().kind, static_cast<std::uint32_t>(VIADUCT_EVENT_NATIVE_ID));
  EXPECT_EQ(events.front().text, id);
  EXPECT_EQ(host_.text(1, 1), "you said one");
  const Answer second = host_.prompt(1, 2, "two");
  ASSERT_TRUE(second);
  EXPECT_NE(native(second), id);
  EXPECT_EQ(file("starts"), "-n <one>\n-r " + id + " <two>\n");
}

TEST_F(CliPlugin, CompactsWhenAskedAndAnswersWithTheNewId) {
  ASSERT_TRUE(host_.open(1));
  EXPECT_EQ(host_.compact(1).code, VIADUCT_E_INVALID_ARGUMENT) << "nothing was said";
  const std::string id = native(host_.prompt(1, 1, "one"));
  const Answer compacted = host_.compact(1);
  ASSERT_TRUE(compacted) << compacted.message;
  EXPECT_NE(native(compacted), id);
  ASSERT_TRUE(host_.prompt(1, 2, "two"));
  EXPECT_EQ(file("starts"),
            "-n <one>\n-r " + id + " </compact>\n-r " + native(compacted) + " <two>\n");
  EXPECT_EQ(host_.text(1), "you said oneyou said two") << "what compacting says is for nobody";
}

TEST_F(CliPlugin, OnlyTheIdThatWasAskedForIsLostWhateverTheProgramTellsWithIt) {
  ASSERT_TRUE(host_.stop());
  host_.destroy();
  run(R"(,"lost":["no such conversation"])");
  ASSERT_TRUE(host_.restore(1, with_id("id-7")));
  EXPECT_EQ(host_.prompt(1, 1, "lost").code, VIADUCT_E_NOT_FOUND);
  std::string last;
  for (const auto& event : host_.events(1))
    if (event.kind == VIADUCT_EVENT_NATIVE_ID) last = event.text;
  EXPECT_EQ(last, "id-7") << "the host goes on with none that is no conversation";
  EXPECT_EQ(host_.restore(2, with_id("id-7")).code, VIADUCT_E_NOT_FOUND);
  EXPECT_TRUE(host_.restore(3, with_id("id-of-another")));
}

TEST_F(CliPlugin, GivesTheProgramWhatWasSaidBeforeInFrontOfTheMessage) {
  ASSERT_TRUE(host_.open(1));
  ASSERT_TRUE(host_.prompt_restored(1, 1, "before\n", "hello"));
  ASSERT_TRUE(host_.prompt(1, 2, "more"));
  EXPECT_THAT(file("starts"), HasSubstr("-n <before\nhello>\n"));
  EXPECT_THAT(file("starts"), HasSubstr(" <more>\n"));
}

TEST_F(CliPlugin, RestoresAnIdButNoneThatCouldBeAnOption) {
  const Answer restored = host_.restore(1, with_id("id-7"));
  ASSERT_TRUE(restored) << restored.message;
  ASSERT_TRUE(host_.prompt(1, 1, "hello"));
  EXPECT_EQ(file("starts"), "-r id-7 <hello>\n");
  for (const char* id : {"--help", "-x", "a b", "a\nb", "../x", ""})
    EXPECT_EQ(host_.restore(2, with_id(id)).code, VIADUCT_E_NOT_FOUND) << id;
  EXPECT_EQ(host_.inject(3, {}).code, VIADUCT_E_UNSUPPORTED);
  EXPECT_EQ(host_.prompt(9, 1, "hello").code, VIADUCT_E_NOT_FOUND);
}

TEST_F(CliPlugin, OpensNothingWhereTheFolderIsNot) {
  OpenOptions options;
  options.working_dir = home_ + "/none";
  const Answer answer = host_.open(1, options);
  EXPECT_EQ(answer.code, VIADUCT_E_FAILED_PRECONDITION);
  EXPECT_THAT(answer.message, HasSubstr("/none is not there"));
}

TEST_F(CliPlugin, StopsReadingWhileTheHostHasNoRoom) {
  ASSERT_TRUE(host_.open(1));
  host_.pause(1, 1);
  const auto call = host_.start_prompt(1, 1, "much");
  ASSERT_TRUE(host_.wait_until([&] { return host_.refused(1) > 0; }));
  // The program comes to a halt: what is on the way fits the buffers between the two.
  std::string before = "-";
  auto since = steady_clock::now();
  ASSERT_TRUE(host_.wait_until([&] {
    if (const std::string count = file("count"); count != before) {
      before = count;
      since = steady_clock::now();
    }
    return steady_clock::now() - since > milliseconds(300);
  }));
  EXPECT_LT(std::stoi("0" + before), 1800 * 3 / 4);
  host_.proceed(1);
  const Answer answer = host_.wait(call, milliseconds(60'000));
  ASSERT_TRUE(answer) << answer.message;
  EXPECT_EQ(host_.text(1, 1).size(), 1800u * 4000);
}

TEST_F(CliPlugin, AProgramThatIsDoneHasAMomentToEndWhateverElseItPrints) {
  ASSERT_TRUE(host_.open(1));
  const Answer answer = host_.prompt(1, 1, "chatty", milliseconds(60'000));
  ASSERT_TRUE(answer) << answer.message;
  EXPECT_EQ(host_.text(1, 1), "hi");
}

TEST_F(CliPlugin, CancelAlsoEndsATurnThatWaitsForTheHost) {
  ASSERT_TRUE(host_.open(1));
  host_.pause(1, 1);
  const auto call = host_.start_prompt(1, 1, "much");
  ASSERT_TRUE(host_.wait_until([&] { return host_.refused(1) > 0; }));
  ASSERT_TRUE(host_.cancel(1, 1));
  host_.proceed(1);
  EXPECT_THAT(host_.wait(call).result, HasSubstr(R"("stop_reason":"cancelled")"));
}

TEST_F(CliPlugin, CancelEndsTheProgramAndTheSessionGoesOn) {
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "hang");
  const pid_t pid = hanging(1);
  ASSERT_TRUE(host_.cancel(1, 1));
  const Answer answer = host_.wait(call);
  EXPECT_THAT(answer.result, HasSubstr(R"("stop_reason":"cancelled")"));
  EXPECT_NE(::kill(pid, 0), 0) << "the turn ends when the program is gone";
  ASSERT_TRUE(host_.prompt(1, 2, "two"));
  EXPECT_THAT(file("starts"), HasSubstr("-r " + native(answer) + " <two>"));
  EXPECT_TRUE(host_.cancel(1, 2)) << "again, when it is over";
}

TEST_F(CliPlugin, CloseAndStopEndWhatIsUnderWay) {
  for (const std::uint64_t session : {1, 2}) ASSERT_TRUE(host_.open(session));
  const auto closed = host_.start_prompt(1, 1, "hang");
  const pid_t first = hanging(1);
  const auto stopped = host_.start_prompt(2, 1, "hang");
  const pid_t second = hanging(2);
  ASSERT_TRUE(host_.close(1));
  EXPECT_TRUE(host_.wait(closed).answered);
  EXPECT_TRUE(gone(first));
  ASSERT_TRUE(host_.stop());
  EXPECT_EQ(host_.wait(stopped).code, VIADUCT_E_UNAVAILABLE);
  EXPECT_NE(::kill(second, 0), 0) << "stop waits for the programs";
}

TEST_F(CliPlugin, TwoProgramsNeverWorkOnOneConversation) {
  ASSERT_TRUE(host_.open(1));
  const auto closed = host_.start_prompt(1, 1, "stubborn");
  const pid_t pid = hanging(1);
  const std::string id = "id-" + std::to_string(pid);
  ASSERT_TRUE(host_.close(1));
  host_.wait(closed);
  ASSERT_TRUE(host_.restore(2, with_id(id)));
  const Answer answer = host_.prompt(2, 1, "go on", milliseconds(30'000));
  ASSERT_TRUE(answer) << answer.message;
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_EQ(file("starts"), "-n <stubborn>\n-r " + id + " <go on>\n");
}

TEST_F(CliPlugin, StopEndsATurnThatWaitsForAnotherProgramAndCannotBeginAnyMore) {
  ASSERT_TRUE(host_.open(1));
  const auto closed = host_.start_prompt(1, 1, "stubborn");
  const std::string id = "id-" + std::to_string(hanging(1));
  ASSERT_TRUE(host_.close(1));
  host_.wait(closed);
  ASSERT_TRUE(host_.restore(2, with_id(id)));
  const auto waiting = host_.start_prompt(2, 1, "go on");
  ASSERT_TRUE(host_.close(9)) << "behind the prompt";
  fs::remove(home_ + "/agent.sh");
  const std::clock_t before = std::clock();
  EXPECT_TRUE(host_.stop());
  EXPECT_LT(std::clock() - before, 1 * CLOCKS_PER_SEC) << "it waits, and does not spin";
  EXPECT_EQ(host_.wait(waiting).code, VIADUCT_E_UNAVAILABLE);
}

TEST_F(CliPlugin, PurgeLeavesAProgramTheFoldersThatAreItsOwn) {
  ASSERT_TRUE(host_.stop());
  host_.destroy();
  run(R"(,"shares_folders":true)");
  const fs::path own = home_ + "/projects/-tmp/sessions/own-1";
  fs::create_directories(own);
  std::ofstream(own / "transcript.jsonl") << R"({"role":"user","content":"hello"})" << "\n";
  OpenOptions options = with_id("own-1");
  options.session_id = "s_1";
  EXPECT_THAT(host_.read("own-1").result, HasSubstr(R"("native_id":"own-1")"));
  ASSERT_TRUE(host_.purge(options));
  EXPECT_TRUE(fs::exists(own / "transcript.jsonl")) << "it may be older than this host's session";
}

TEST_F(CliPlugin, SecondTurnOfASessionIsRefusedAndTheFirstGoesOn) {
  ASSERT_TRUE(host_.open(1));
  const auto call = host_.start_prompt(1, 1, "hang");
  hanging(1);
  EXPECT_EQ(host_.prompt(1, 2, "two").code, VIADUCT_E_BUSY);
  EXPECT_EQ(host_.compact(1).code, VIADUCT_E_BUSY);
  ASSERT_TRUE(host_.cancel(1, 1));
  EXPECT_TRUE(host_.wait(call));
}

}  // namespace
}  // namespace viaduct
