// Every preset that ships: it can be read, and what its program really printed (recorded/, with the
// model's server replaced by a stand-in; amplifier's is made from its documentation) becomes what
// people should see.
#include "plugins/bridge/cli_output.hpp"
#include "plugins/bridge/cli_verdict.hpp"
#include "plugins/bridge/preset.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace viaduct::bridge {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Texts = std::vector<std::string>;

Preset shipped(const std::string& name) {
  const auto file = read_preset_file(std::string(PRESETS) + "/" + name + ".yaml");
  EXPECT_TRUE(file) << file.error();
  auto preset = parse_preset(name, file.value_or("{}"), "");
  EXPECT_TRUE(preset) << preset.error();
  return preset.value_or(Preset{});
}

bool has(const Texts& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

class ShippedPreset : public ::testing::TestWithParam<std::string> {};

TEST_P(ShippedPreset, SaysHowItsProgramIsStartedAndHadAndLoggedInto) {
  const Preset preset = shipped(GetParam());
  EXPECT_EQ(preset.program, GetParam());
  EXPECT_FALSE(preset.install.empty());
  EXPECT_FALSE(preset.version.empty());
  EXPECT_FALSE(preset.login_hint.empty());
  EXPECT_FALSE(preset.keys.empty());
  EXPECT_FALSE(preset.lost.empty());
  for (const Texts& of : {preset.fresh, preset.resume}) {
    EXPECT_TRUE(has(of, "{model}"));
    EXPECT_TRUE(has(of, "{extra}"));
  }
  EXPECT_FALSE(has(preset.fresh, "{session}"));
  EXPECT_TRUE(has(preset.resume, "{session}"));
  const Texts started = arguments(preset, {"the-id", "the-model", "/work", {"--more"}});
  for (const char* one : {"the-id", "the-model", "--more"}) EXPECT_TRUE(has(started, one)) << one;
}

Texts shipped_names() {
  Texts names;
  for (const auto& entry : fs::directory_iterator(PRESETS))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, ShippedPreset, ::testing::ValuesIn(shipped_names()),
                         [](const auto& info) { return info.param; });

TEST(ShippedPresets, AreTheFiveOfTheDocumentation) {
  EXPECT_EQ(shipped_names(), (Texts{"amplifier", "claude", "codex", "gemini", "opencode"}));
}

// What a program printed, as people see it: texts and thoughts as a whole, tools with their fields.
struct Seen {
  Texts all;
  std::string session, words, stop;
  CliVerdict::Kind verdict;
  Usage usage;
};

Seen seen(const std::string& recorded, CliEnd end = {}, bool resumed = false) {
  const Preset preset = shipped(recorded.substr(0, recorded.find('.')));
  CliOutput output(preset);
  std::vector<Said> said;
  std::ifstream file(std::string(RECORDED) + "/" + recorded + ".jsonl");
  EXPECT_TRUE(file.is_open()) << recorded;
  for (std::string line; std::getline(file, line);) output.line(line, said);
  Seen seen;
  Said::Kind last = Said::Kind::kSession;
  for (const Said& one : said) {
    if (one.kind == Said::Kind::kSession) continue;
    if (one.kind == Said::Kind::kText || one.kind == Said::Kind::kThought) {
      if (one.kind != last)
        seen.all.push_back(one.kind == Said::Kind::kText ? "text: " : "thought: ");
      seen.all.back() += one.text;
    } else if (one.kind == Said::Kind::kNotice) {
      seen.all.push_back("notice: " + one.text);
    } else {
      const json call = json::parse(one.text);
      std::string words = one.kind == Said::Kind::kTool ? "tool:" : "plan:";
      for (const char* field : {"title", "kind", "status"})
        if (call.contains(field)) words += " " + call[field].get<std::string>();
      if (call.contains("rawInput")) words += " <" + call["rawInput"].dump();
      if (call.contains("content"))
        words += " >" + call["content"][0]["content"]["text"].get<std::string>();
      seen.all.push_back(words);
    }
    last = one.kind;
  }
  const CliVerdict verdict = judge(preset, output, end, resumed, {});
  seen.session = output.session();
  seen.words = verdict.words;
  seen.verdict = verdict.kind;
  seen.stop = output.stop();
  seen.usage = output.usage();
  return seen;
}

constexpr auto kAnswered = CliVerdict::Kind::kAnswered;
constexpr auto kFailed = CliVerdict::Kind::kFailed;

TEST(Claude, ThinksAnswersAndUsesATool) {
  const Seen turn = seen("claude.turn");
  EXPECT_EQ(
      turn.all,
      (Texts{
          "thought: Is it so?", "text: I look. ",
          R"(tool: Bash ls execute in_progress <{"command":"ls","description":"List the folder"})",
          "tool: completed >docs\nnote.txt", "text: I have looked."}));
  EXPECT_EQ(turn.verdict, kAnswered) << turn.words;
  EXPECT_EQ(turn.stop, "end_turn");
  EXPECT_EQ(turn.session.size(), 36U);
  EXPECT_EQ(turn.usage.input, 24);
  EXPECT_EQ(turn.usage.output, 6);
  EXPECT_GT(turn.usage.cost.value_or(0), 0);
}

TEST(Claude, ToolWithoutPermissionHasFailed) {
  const Seen turn = seen("claude.refused-tool");
  ASSERT_EQ(turn.all.size(), 5U);
  EXPECT_EQ(turn.all[3],
            "tool: failed >Claude requested permissions to write to "
            "/home/somebody/project/x.txt, but you haven't granted it yet.");
}

TEST(Claude, ServerThatFailsIsAnErrorAndNoAnswer) {
  const Seen turn = seen("claude.failed", {.code = 1, .errors = ""});
  EXPECT_EQ(turn.all,
            Texts{"notice: The model server does not answer as it should (529 overloaded): "
                  "attempt 2 of 2"});
  EXPECT_EQ(turn.verdict, kFailed);
  EXPECT_EQ(turn.words.find("claude: API Error: "), 0U) << turn.words;
}

TEST(Claude, SessionThatItDoesNotKnowIsLost) {
  EXPECT_EQ(seen("claude.lost", {.code = 1, .errors = ""}, true).verdict, CliVerdict::Kind::kLost);
}

TEST(Claude, CompactionSucceedsSilentlyOrFailsInWords) {
  const Seen good = seen("claude.compacted");
  EXPECT_EQ(good.verdict, kAnswered) << good.words;
  EXPECT_EQ(good.all, Texts{});
  const Seen bad = seen("claude.compact-failed");
  EXPECT_EQ(bad.verdict, kFailed);
  EXPECT_EQ(bad.words, "claude: Not enough messages to compact.");
}

TEST(Codex, ThinksAnswersAndUsesATool) {
  const Seen turn = seen("codex.turn");
  EXPECT_EQ(turn.all,
            (Texts{"notice: Model metadata for `stand-in` not found. Defaulting to fallback "
                   "metadata; this can degrade performance and cause issues.",
                   "thought: Is it so?", "text: I look. ",
                   R"(tool: /bin/bash -lc ls execute in_progress <"/bin/bash -lc ls")",
                   R"(tool: /bin/bash -lc ls execute completed <"/bin/bash -lc ls" >docs
note.txt
)",
                   "text: I have looked."}));
  EXPECT_EQ(turn.verdict, kAnswered) << turn.words;
  EXPECT_EQ(turn.session.size(), 36U);
}

TEST(Codex, ServerThatFailsIsOneErrorThoughItTriedSeveralTimes) {
  const Seen turn = seen("codex.failed", {.code = 1, .errors = ""});
  EXPECT_EQ(turn.verdict, kFailed);
  EXPECT_EQ(turn.words,
            "codex: We’re currently experiencing high demand, which may cause temporary errors.");
}

TEST(Codex, SessionThatItDoesNotKnowIsLost) {
  const Preset preset = shipped("codex");
  const CliEnd end{.code = 1,
                   .errors =
                       "Error: thread/resume: thread/resume failed: no rollout found for "
                       "thread id 11111111-2222-3333-4444-555555555555 (code -32600)\n"};
  EXPECT_EQ(judge(preset, CliOutput(preset), end, true, {}).kind, CliVerdict::Kind::kLost);
}

TEST(Gemini, AnswersAndUsesATool) {
  const Seen turn = seen("gemini.turn");
  EXPECT_EQ(
      turn.all,
      (Texts{
          "text: I look. ",
          R"(tool: list_directory /home/somebody/project read in_progress <{"dir_path":"/home/somebody/project"})",
          "tool: completed", "text: I have looked."}));
  EXPECT_EQ(turn.verdict, kAnswered) << turn.words;
  EXPECT_EQ(turn.usage.input, 24);
  EXPECT_EQ(turn.usage.output, 6);
}

TEST(Gemini, ToolThatItMayNotUseHasFailed) {
  const Seen turn = seen("gemini.refused-tool");
  ASSERT_GE(turn.all.size(), 3U);
  EXPECT_EQ(turn.all[2].find("tool: failed >"), 0U) << turn.all[2];
}

TEST(Gemini, ServerThatFailsIsAnError) {
  const Seen turn =
      seen("gemini.failed", {.code = 144, .errors = "Error when talking to Gemini API"});
  EXPECT_EQ(turn.verdict, kFailed);
  EXPECT_EQ(turn.words.find("gemini: [API Error: "), 0U) << turn.words;
}

TEST(Gemini, SessionThatItDoesNotKnowIsLostAndAMissingLoginToldApart) {
  const Preset preset = shipped("gemini");
  for (const char* words : {"Error resuming session: Invalid session identifier \"x\".",
                            "Error resuming session: No previous sessions found for this project."})
    EXPECT_EQ(judge(preset, CliOutput(preset), {.code = 42, .errors = words}, true, {}).kind,
              CliVerdict::Kind::kLost);
  for (const char* words : {"Please set an Auth method in your settings.json or specify one",
                            "When using Gemini API, you must specify the GEMINI_API_KEY variable."})
    EXPECT_EQ(judge(preset, CliOutput(preset), {.code = 41, .errors = words}, true, {}).kind,
              CliVerdict::Kind::kNotLoggedIn);
}

TEST(Opencode, ThinksAnswersAndUsesATool) {
  const Seen turn = seen("opencode.turn");
  EXPECT_EQ(
      turn.all,
      (Texts{
          "thought: Is it so?", "text: I look. ",
          R"(tool: bash ls execute completed <{"command":"ls","description":"List the folder"} >docs
note.txt
)",
          "text: I have looked."}));
  EXPECT_EQ(turn.verdict, kAnswered) << turn.words;
  EXPECT_EQ(turn.stop, "end_turn");
  EXPECT_EQ(turn.session.find("ses_"), 0U);
  EXPECT_EQ(turn.usage.input, 24);
  EXPECT_EQ(turn.usage.output, 6);
}

TEST(Opencode, ToolThatItMayNotUseHasFailed) {
  const Seen turn = seen("opencode.refused-tool");
  ASSERT_EQ(turn.all.size(), 3U);
  EXPECT_EQ(turn.all[2], R"(tool: read read failed <{"filePath":"/etc/hostname"} )"
                         ">The user rejected permission to use this specific tool call.");
  EXPECT_EQ(turn.verdict, kAnswered) << turn.words;
}

TEST(Opencode, ServerThatFailsIsAnErrorAndALostSessionIsLost) {
  const Seen turn = seen("opencode.failed", {.code = 1, .errors = ""});
  EXPECT_EQ(turn.verdict, kFailed);
  EXPECT_EQ(turn.words, "opencode: the stand-in is told to fail");
  const Preset preset = shipped("opencode");
  const CliEnd end{.code = 1, .errors = "\x1b[91m\x1b[1mError: \x1b[0mSession not found\n"};
  EXPECT_EQ(judge(preset, CliOutput(preset), end, true, {}).kind, CliVerdict::Kind::kLost);
}

TEST(Amplifier, AnswersWithOneObjectOfSeveralLines) {
  const Seen turn = seen("amplifier.turn");
  EXPECT_EQ(
      turn.all,
      (Texts{
          R"(tool: glob **/*.md search completed <{"pattern":"**/*.md"} >{"count":1,"matches":["README.md"]})",
          R"(tool: bash ls execute failed <{"command":"ls"} >denied)", "text: I have looked."}));
  EXPECT_EQ(turn.verdict, kAnswered) << turn.words;
  EXPECT_EQ(turn.session, "0c8b9f62-3b0e-4d4e-9c55-6f2a1d7f0a11");
}

TEST(Amplifier, FailsInItsOwnWordsAndALostSessionIsLost) {
  const Seen turn = seen("amplifier.failed", {.code = 1, .errors = ""});
  EXPECT_EQ(turn.words, "amplifier: rate limited");
  const Preset preset = shipped("amplifier");
  CliOutput output(preset);
  std::vector<Said> said;
  output.line("Error: No session found matching '0c8b9f62'", said);
  EXPECT_EQ(judge(preset, output, {.code = 1, .errors = ""}, true, {}).kind,
            CliVerdict::Kind::kLost);
}

}  // namespace
}  // namespace viaduct::bridge
