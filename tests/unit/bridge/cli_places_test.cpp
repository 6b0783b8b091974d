// Where the things of an agent program are looked for, and how its end is put in words.
#include "plugins/bridge/cli_places.hpp"

#include "plugins/bridge/cli_output.hpp"
#include "plugins/bridge/cli_verdict.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::bridge {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

class CliPlaces : public ::testing::Test {
 protected:
  CliPlaces() {
    std::string pattern = (fs::temp_directory_path() / "places-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~CliPlaces() override { fs::remove_all(folder_); }
  void write(const std::string& name, bool program = false) const {
    fs::create_directories(fs::path(folder_ + "/" + name).parent_path());
    std::ofstream(folder_ + "/" + name) << "x";
    if (program) fs::permissions(folder_ + "/" + name, fs::perms::owner_all);
  }
  std::expected<bool, std::string> has(const std::string& pattern, const std::string& id) const {
    return has_session_file({"/nowhere/{session}", pattern}, id, folder_);
  }
  std::string folder_;
};

// A variable of this process, until the end of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    ::setenv(name, value, 1);
  }
  ~Variable() {
    if (old_)
      ::setenv(name_, old_->c_str(), 1);
    else
      ::unsetenv(name_);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(CliEnvironment, HasWhatIsNamedAndNothingEmpty) {
  Preset preset;
  preset.environment = {{"A", "1"}, {"B", "2"}, {"LANG", "C"}};
  Cli cli;
  cli.env = {{"B", "3"}, {"TERM", ""}, {"KEY", "k=v"}};
  const Variable path("PATH", "host's PATH"), home("HOME", "host's HOME"), term("TERM", "host's"),
      folder("TMPDIR", ""), secret("VIADUCT_TEST_SECRET", "hidden");
  const auto environment = child_environment(preset, cli);
  EXPECT_EQ(environment,
            (Texts{"PATH=host's PATH", "HOME=host's HOME", "A=1", "LANG=C", "B=3", "KEY=k=v"}));
  EXPECT_EQ(variable(environment, "KEY"), "k=v");
  EXPECT_EQ(variable(environment, "KE"), "");
}

TEST_F(CliPlaces, ProgramIsAFileThatCanBeRun) {
  write("bin/agent", true);
  write("bin/text");
  write("other/agent", true);
  const Texts environment{"PATH=:relative:/nowhere:" + folder_ + "/bin:" + folder_ + "/other",
                          "HOME=" + folder_};
  EXPECT_EQ(find_program("agent", environment), folder_ + "/bin/agent");
  EXPECT_EQ(find_program("text", environment), "");
  EXPECT_EQ(find_program("bin", {"PATH=" + folder_}), "") << "a folder";
  EXPECT_EQ(find_program("~/other/agent", environment), folder_ + "/other/agent");
  EXPECT_EQ(find_program(folder_ + "/bin/text", environment), "");
  EXPECT_EQ(find_program("agent", {}), "");
}

TEST_F(CliPlaces, SessionFileIsFoundByItsPattern) {
  write(".agent/projects/-home-me/a1.jsonl");
  write(".agent/2026/11/rollout-x-b2.json");
  EXPECT_TRUE(*has("~/.agent/projects/*/{session}.jsonl", "a1"));
  EXPECT_FALSE(*has("~/.agent/projects/*/{session}.jsonl", "a"));
  EXPECT_FALSE(*has("~/.agent/projects/*/{session}.jsonl", "b2"));
  EXPECT_TRUE(*has("~/.agent/*/*/rollout-*-{session}.json", "b2"));
  EXPECT_FALSE(*has("~/none/*/{session}", "a1"));
  EXPECT_FALSE(*has("~/*/projects/-home-me/{session}.jsonl", "a1")) << "hidden names are named";
}

TEST_F(CliPlaces, WhatCannotBeLookedAtIsTroubleAndNoLoss) {
  fs::create_directory_symlink("loop", folder_ + "/loop");
  for (const char* pattern : {"~/loop/{session}", "~/loop/*/{session}.jsonl"}) {
    const auto found = has(pattern, "a1");
    ASSERT_FALSE(found) << pattern;
    EXPECT_NE(found.error().find("/loop"), std::string::npos) << found.error();
  }
}

class CliWords : public ::testing::Test {
 protected:
  CliWords() {
    preset_ = *parse_preset("agent",
                            R"({"program":"p","new":[],"lost":["no such session"],
            "login":{"says":["log in"],"hint":"run p login"},
            "lines":[{"error":"/error","text":"/text"},{"when":{"/end":true},"done":true}]})",
                            "");
  }
  CliVerdict judge_of(const Texts& lines, CliEnd end, bool resumed = true,
                      const Texts& secrets = {}) const {
    CliOutput output(preset_);
    std::vector<Said> said;
    for (const std::string& line : lines) output.line(line, said);
    return judge(preset_, output, end, resumed, secrets);
  }
  static CliEnd ended(int code, std::string errors = {}) {
    return {code, 0, false, {}, std::move(errors)};
  }
  Preset preset_;
};

using Kind = CliVerdict::Kind;

TEST_F(CliWords, AnAnswerStandsHoweverTheProgramEnds) {
  EXPECT_EQ(judge_of({R"({"end":true})"}, ended(0)).kind, Kind::kAnswered);
  EXPECT_EQ(judge_of({R"({"end":true})"}, ended(1, "no such session")).kind, Kind::kAnswered);
  EXPECT_EQ(judge_of({R"({"end":true})"}, {0, 15, true, {}, ""}).kind, Kind::kAnswered);
}

TEST_F(CliWords, LostIsOnlyWhatWasToBeResumedAndSaidNothing) {
  const auto lost = judge_of({}, ended(1, "Error: no such session: x"));
  EXPECT_EQ(lost.kind, Kind::kLost);
  EXPECT_EQ(lost.words, "agent no longer has this conversation");
  EXPECT_EQ(judge_of({R"({"error":"no such session"})"}, ended(0)).kind, Kind::kLost);
  EXPECT_EQ(judge_of({}, ended(1, "no such session"), false).kind, Kind::kFailed);
  EXPECT_EQ(judge_of({R"({"text":"I looked"})"}, ended(1, "no such session")).kind, Kind::kFailed);
}

TEST_F(CliWords, WhoIsNotLoggedInIsToldWhatToDo) {
  const auto verdict = judge_of({}, ended(1, "please log in"));
  EXPECT_EQ(verdict.kind, Kind::kNotLoggedIn);
  EXPECT_EQ(verdict.words, "agent is not logged in: run p login");
}

TEST_F(CliWords, FailuresSayWhatTheProgramSaidWithoutSecretsAndColours) {
  EXPECT_EQ(judge_of({}, ended(0)).words, "agent ended without an answer");
  EXPECT_EQ(judge_of({"noise"}, ended(2)).words, "agent ended with code 2: noise");
  EXPECT_EQ(judge_of({"noise"}, ended(2, "\x1b[31mred\x1b[0m\r\n\n  two\x07 \n")).words,
            "agent ended with code 2: red\n  two");
  EXPECT_EQ(judge_of({}, {0, 11, false, {}, "bye"}).words,
            "agent was ended by signal 11 (Segmentation fault): bye");
  EXPECT_EQ(judge_of({R"({"error":"key hunter22 is wrong, as ghp_0123456789 is"})"}, ended(1), true,
                     {"hunter22"})
                .words,
            "agent: key *** is wrong, as *** is");
  EXPECT_EQ(judge_of({}, ended(1, "er22 is wrong\nbye"), true, {"hunter22hunter22"}).words,
            "agent ended with code 1: er22 is wrong\nbye")
      << "too little to be told from chance";
  EXPECT_EQ(judge_of({}, ended(1, "hunter22 is wrong"), true, {"top-hunter22"}).words,
            "agent ended with code 1: *** is wrong")
      << "what was kept of it may begin in the middle of a secret";
}

TEST_F(CliWords, SilenceHasItsOwnKind) {
  const auto verdict = judge_of({}, {0, 15, true, std::chrono::minutes(15), ""});
  EXPECT_EQ(verdict.kind, Kind::kSilent);
  EXPECT_EQ(verdict.words, "agent said nothing for 15 min and was ended");
}

TEST_F(CliWords, WithoutARuleForTheEndTheExitCodeSaysIt) {
  preset_.lines.pop_back();
  EXPECT_EQ(judge_of({R"({"text":"hi"})"}, ended(0)).kind, Kind::kAnswered);
  EXPECT_EQ(judge_of({R"({"text":"hi"})"}, ended(1)).kind, Kind::kFailed);
}

}  // namespace
}  // namespace viaduct::bridge
