#include "plugins/mock/player.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace viaduct::mock {
namespace {

std::shared_ptr<const Config> config(const char* json) {
  auto parsed = parse_config(json);
  EXPECT_TRUE(parsed) << parsed.error();
  return std::make_shared<const Config>(*std::move(parsed));
}

// Plays to the end, with this answer to a permission request; one line for each action.
std::vector<std::string> play(Player player, const std::string& option = "") {
  std::vector<std::string> lines;
  for (;;) {
    const Action action = player.next();
    switch (action.kind) {
      case Action::kText: lines.push_back("text " + action.text); break;
      case Action::kContent: lines.push_back("content " + action.text + " " + action.words); break;
      case Action::kThought: lines.push_back("thought " + action.text); break;
      case Action::kTool: lines.push_back("tool " + action.id + " " + action.text); break;
      case Action::kPlan: lines.push_back("plan " + action.text); break;
      case Action::kUsage: lines.push_back("usage " + action.text); break;
      case Action::kWait: lines.push_back("wait " + std::to_string(action.wait.count())); break;
      case Action::kPermission:
        lines.push_back("permission " + action.id + " " + action.text);
        player.answered(option);
        break;
      case Action::kEnd: lines.push_back("end"); return lines;
      case Action::kFail: lines.push_back("fail " + std::to_string(action.code)); return lines;
    }
  }
}

using Lines = std::vector<std::string>;

TEST(Player, AnswersWordByWord) {
  EXPECT_EQ(
      play(Player(config("{}"), "good  day", "", 1)),
      (Lines{"text [Mock ", "text response ", "text to: ", "text good  ", "text day]", "end"}));
}

TEST(Player, RepeatsTheWholeMessageHoweverLong) {
  const std::string message(1 << 20, 'a');
  std::string said;
  for (const auto& line : play(Player(config("{}"), message, "", 1)))
    if (line.starts_with("text ")) said += line.substr(5);
  EXPECT_EQ(said, "[Mock response to: " + message + "]");
}

TEST(Player, WaitsBetweenWordsAndBeforeTheAnswer) {
  const auto rules = config(
      R"({"chunk_delay":"20ms","rules":[{"match":"^slow (\\d+)$","delay":"3s","reply":"took $1"}]})");
  EXPECT_EQ(play(Player(rules, "slow 7", "", 1)),
            (Lines{"wait 3000", "text took ", "wait 20", "text 7", "end"}));
}

TEST(Player, FailsAsTheRuleSays) {
  const auto rules = config(
      R"({"rules":[{"match":"^die$","fail":"session_dead"},{"match":"^part$","fail":"unavailable","reply":"half an"}]})");
  EXPECT_EQ(play(Player(rules, "die", "", 1)), (Lines{"fail 6"}));
  EXPECT_EQ(play(Player(rules, "part", "", 1)), (Lines{"text half ", "text an", "fail 7"}));
  EXPECT_EQ(play(Player(rules, "dies", "", 1)).back(), "end");
}

constexpr const char kDeploy[] = R"json({"rules": [{
  "match": "^deploy (.*)", "plan": ["build", {"content": "ship", "priority": "high"}], "thought": "Ship $1?",
  "tool": {"title": "deploy", "kind": "execute"}, "permission": {"title": "Go $1?", "options": ["Allow", "Deny"]},
  "reply": "$permission", "usage": {"inputTokens": 3}}]})json";

TEST(Player, ShowsPlanThoughtToolPermissionAndUsage) {
  EXPECT_EQ(
      play(Player(config(kDeploy), "deploy it", "", 4), "Allow"),
      (Lines{
          R"(plan {"entries":[{"content":"build","priority":"medium","status":"pending"},{"content":"ship","priority":"high","status":"pending"}]})",
          "thought Ship it?",
          R"(tool tool-4 {"kind":"execute","status":"pending","title":"deploy","toolCallId":"tool-4"})",
          R"(permission permission-4 {"options":[{"kind":"allow_once","name":"Allow","optionId":"Allow"},{"kind":"reject_once","name":"Deny","optionId":"Deny"}],"title":"Go it?","toolCall":{"kind":"execute","status":"pending","title":"deploy","toolCallId":"tool-4"}})",
          R"(tool tool-4 {"kind":"execute","status":"completed","title":"deploy","toolCallId":"tool-4"})",
          "text Allow", R"(usage {"inputTokens":3})", "end"}));
}

TEST(Player, LetsTheToolFailWhenItIsRefusedOrNobodyAnswers) {
  const auto refused = play(Player(config(kDeploy), "deploy it", "", 4), "Deny");
  EXPECT_NE(refused[4].find(R"("status":"failed")"), std::string::npos);
  EXPECT_EQ(refused[5], "text Deny");
  const auto silent = play(Player(config(kDeploy), "deploy it", "", 4), "");
  EXPECT_NE(silent[4].find(R"("status":"failed")"), std::string::npos);
  EXPECT_EQ(silent[5] + silent[6], "text no text answer");
}

TEST(Player, ShowsImagesAndFilesBetweenTexts) {
  const auto rules = config(R"json({"rules":[{"match":"^draw (.*)","reply":"Here:","content":[
      {"type":"image","mimeType":"image/png","data":"AAAA","words":"[a chart]"}, "$1 was drawn",
      {"type":"resource","resource":{"uri":"file:///a.txt","text":"a"}}]},
      {"match":"^silent$","content":[{"type":"audio","mimeType":"audio/wav","data":"AAAA"}]}]})json");
  EXPECT_EQ(
      play(Player(rules, "draw it", "", 1)),
      (Lines{
          "text Here:",
          R"(content {"data":"AAAA","mimeType":"image/png","type":"image"} [a chart])",
          "text it was drawn",
          R"(content {"resource":{"text":"a","uri":"file:///a.txt"},"type":"resource"} [a file])",
          "end"}));
  EXPECT_EQ(
      play(Player(rules, "silent", "", 1)),
      (Lines{R"(content {"data":"AAAA","mimeType":"audio/wav","type":"audio"} [a sound])", "end"}));
  EXPECT_FALSE(parse_config(R"({"rules":[{"match":"a","content":[7]}]})"));
}

TEST(Player, RecallsWhatWasSaidBefore) {
  const auto rules = config(R"({"rules":[{"match":"^what did I say","recall":true}]})");
  EXPECT_EQ(play(Player(rules, "what did I say", "hi", 2)),
            (Lines{"text You ", "text said: ", "text hi", "end"}));
  EXPECT_EQ(play(Player(rules, "what did I say", "", 1)).front(), "text You ");
  EXPECT_EQ(play(Player(rules, "what did I say", "", 1))[2], "text not ");
}

TEST(FillIn, KnowsGroupsPermissionAndDollars) {
  EXPECT_EQ(fill_in("$0 $1 $2 $9", {"ab", "a", "b"}, ""), "ab a b ");
  EXPECT_EQ(fill_in("$permission costs $$5, $x $", {}, "Allow"), "Allow costs $5, $x $");
}

// `.` matches a byte, and a byte of a longer character is no UTF-8.
TEST(FillIn, NeverMakesInvalidUtf8) {
  const auto rules = config(R"json({"rules":[{"match":"^(.)","reply":"<$1>"}]})json");
  EXPECT_EQ(play(Player(rules, "\xC3\xA9", "", 1)).front(), "text <\xEF\xBF\xBD>");
}

}  // namespace
}  // namespace viaduct::mock
