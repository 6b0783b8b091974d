// What was said becomes lines, and lines become entries.
#include "transcript_fixture.hpp"

namespace viaduct::bridge {
namespace {

// ----------------------------------------------------------------- from entries, and back

TEST(TurnRecord, IsMessagesWithToolCallsAndTheirResults) {
  TurnRecord record;
  record.user("do it", {}, {});
  record.text("Let me ");
  record.text("look.");
  record.tool_call("t1",
                   R"({"title":"read","kind":"read","status":"pending","rawInput":{"f":"x"}})");
  record.tool_call("t2", R"({"title":"list","status":"in_progress"})");
  record.tool_call("t1", R"({"status":"completed","rawOutput":"contents"})");
  record.tool_call(
      "t2",
      R"({"status":"failed","content":[{"type":"content","content":{"type":"text","text":"no"}}]})");
  record.text("Done.");
  record.tool_call("t3", R"({"title":"slow","status":"in_progress"})");
  std::vector<json> lines;
  std::string all = record.lines();
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at);
    lines.push_back(json::parse(all.substr(at, end - at)));
    at = end + 1;
  }
  ASSERT_EQ(lines.size(), 6u) << all;
  EXPECT_EQ(lines[0], (json{{"role", "user"}, {"content", "do it"}}));
  EXPECT_EQ(lines[1]["content"], "Let me look.");
  EXPECT_EQ(lines[1]["tool_calls"].size(), 2u);
  EXPECT_EQ(lines[1]["tool_calls"][0],
            (json{{"id", "t1"},
                  {"type", "function"},
                  {"function", {{"name", "read"}, {"arguments", R"({"f":"x"})"}}}}));
  EXPECT_EQ(lines[2], (json{{"role", "tool"}, {"tool_call_id", "t1"}, {"content", "contents"}}));
  EXPECT_EQ(lines[3]["content"], "[failed]\nno");
  EXPECT_EQ(lines[4]["content"], "Done.");
  EXPECT_EQ(lines[4]["tool_calls"][0]["id"], "t3");
  EXPECT_EQ(lines[5]["content"], "[failed]\nThe turn ended before this tool answered.");
}

TEST(TurnRecord, KeepsWhatWasAttachedAndWhatOthersSaid) {
  TurnRecord record;
  record.user("look", R"([{"type":"image","mimeType":"image/png","data":"QUJD"},
                          {"type":"resource","resource":{"uri":"file:///a","text":"inside"}}])",
              R"([{"author":"Bob","text":"me too"}])");
  const json message = json::parse(record.lines());
  ASSERT_EQ(message["content"].size(), 4u);
  EXPECT_EQ(message["content"][0], (json{{"type", "text"}, {"text", "look"}}));
  EXPECT_THAT(message["content"][1]["text"].get<std::string>(), HasSubstr("> Bob: me too"));
  EXPECT_EQ(message["content"][2]["image_url"]["url"], "data:image/png;base64,QUJD");
  EXPECT_THAT(message["content"][3]["text"].get<std::string>(), HasSubstr("inside"));
}

TEST(TurnRecord, SaysSoWhenATurnIsTooLong) {
  TurnRecord record(10'000);
  record.user("go", {}, {});
  for (int i = 0; i < 200; ++i) record.text(std::string(100, 'x'));
  const std::string lines = record.lines();
  EXPECT_LT(lines.size(), 10'300u);
  EXPECT_GT(lines.size(), 9'800u);
  EXPECT_THAT(lines.substr(lines.size() - 100), HasSubstr("too long for a transcript"));
}

TEST(Lines, OfALogComeBackAsTheSameEntries) {
  const json entries = {
      {{"type", "user_message"}, {"text", "Grüße 🙂 \"x\"\n"}, {"data", json::object()}},
      {{"type", "text"}, {"text", "Let me look."}, {"data", json::object()}},
      {{"type", "tool_call"},
       {"text", ""},
       {"data",
        {{"toolCallId", "a"},
         {"title", "read"},
         {"status", "completed"},
         {"rawInput", {{"path", "x"}, {"n", {1, 2}}}},
         {"content", {{{"type", "content"}, {"content", {{"type", "text"}, {"text", "out"}}}}}}}}},
      {{"type", "tool_call"},
       {"text", ""},
       {"data",
        {{"toolCallId", "b"},
         {"title", "write"},
         {"status", "failed"},
         {"rawInput", json::object()},
         {"content", {{{"type", "content"}, {"content", {{"type", "text"}, {"text", "no"}}}}}}}}},
      {{"type", "text"}, {"text", "Done."}, {"data", json::object()}},
      {{"type", "user_message"},
       {"text", "and this"},
       {"data", {{"blocks", {{{"type", "image"}, {"mimeType", "image/jpeg"}, {"data", "QUJD"}}}}}}},
      {{"type", "text"}, {"text", "A picture."}, {"data", json::object()}},
  };
  const auto lines = lines_of(entries.dump());
  ASSERT_TRUE(lines);
  const json back = entries_of(said(*lines));
  EXPECT_EQ(back, entries);
  EXPECT_EQ(lines_of(back.dump()).value_or(""), *lines);
}

TEST(Lines, OfALogLeaveOutWhatIsNoMessage) {
  const json entries = {{{"type", "user_message"}, {"text", "a"}, {"data", json::object()}},
                        {{"type", "thought"}, {"text", "hm"}},
                        {{"type", "text"}, {"text", "b"}},
                        {{"type", "notice"}, {"text", "n"}},
                        {{"type", "usage"}, {"data", {{"inputTokens", 1}}}},
                        {{"type", "turn_end"}, {"data", {{"stop_reason", "end_turn"}}}},
                        {{"type", "context_restored"}, {"text", "r"}}};
  EXPECT_EQ(lines_of(entries.dump()).value_or("?"), line("user", "a") + line("assistant", "b"));
  EXPECT_EQ(lines_of("").value_or("?"), "");
  EXPECT_FALSE(lines_of("{}"));
}

// --------------------------------------------------------------------------------- reading

TEST(Reading, KeepsEverythingInOrder) {
  std::string lines;
  for (int i = 0; i < 500; ++i)
    lines += line("user", "q" + std::to_string(i)) + line("assistant", "a" + std::to_string(i));
  const TranscriptEntries all = said(lines);
  ASSERT_EQ(all.entries.size(), 1000u);
  EXPECT_EQ(in_short(all)[998], "user_message: q499");
  EXPECT_EQ(all.messages, 1000u);
  EXPECT_EQ(all.skipped + all.dropped + all.too_long, 0u);
}

TEST(Reading, SkipsLinesThatAreNoMessagesAndCountsThem) {
  const TranscriptEntries all =
      said(line("user", "one") + "\n  \t\r\n" + "{not json\n" + "\"text\"\n[1]\n42\nnull\n" +
           R"({"content":"no role"})" + "\n" + R"({"role":"","content":"x"})" + "\n" +
           R"({"role":7,"content":"x"})" + "\n" + "\xff\xfe\n" + line("assistant", "two"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: one", "text: two"));
  EXPECT_EQ(all.skipped, 9u);
  EXPECT_FALSE(all.torn);
}

TEST(Reading, SystemMessagesAreNoneAndNoFault) {
  const TranscriptEntries all =
      said(line("system", "be kind") + line("developer", "x") + line("user", "one"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: one"));
  EXPECT_EQ(all.skipped, 0u);
}

TEST(Reading, ATornLastLineIsSkippedAndToldAndAWholeOneWithoutItsEndIsNot) {
  const TranscriptEntries torn = said(line("user", "one") + R"({"role":"assistant","cont)");
  EXPECT_THAT(in_short(torn), ElementsAre("user_message: one"));
  EXPECT_EQ(torn.skipped, 1u);
  EXPECT_TRUE(torn.torn);
  const TranscriptEntries whole =
      said(line("user", "one") + R"({"role":"assistant","content":"two"})");
  EXPECT_THAT(in_short(whole), ElementsAre("user_message: one", "text: two"));
  EXPECT_EQ(whole.skipped, 0u);
}

TEST(Reading, ALineOverTheLimitIsSkippedAndToldInWhicheverPiecesItComes) {
  const std::string lines =
      line("user", "one") + line("assistant", std::string(5000, 'x')) + line("user", "two");
  for (const std::size_t step : {std::size_t{1}, std::size_t{77}, lines.size()}) {
    TranscriptReader reader({.line = 1000});
    for (std::size_t at = 0; at < lines.size(); at += step)
      reader.feed(std::string_view(lines).substr(at, step));
    const TranscriptEntries all = reader.finish();
    EXPECT_THAT(in_short(all), ElementsAre("user_message: one", "user_message: two"));
    EXPECT_EQ(all.too_long, 1u);
    EXPECT_EQ(all.skipped, 0u);
  }
}

TEST(Reading, ALineNestedWithoutEndIsSkipped) {
  const std::string deep(200'000, '[');
  const TranscriptEntries all =
      said(R"({"role":"user","content":)" + deep + "\n" + R"({"role":"user","content":)" + deep +
           std::string(200'000, ']') + "}\n" + line("user", "one"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: one"));
  EXPECT_EQ(all.skipped, 2u);
}

TEST(Reading, ALineOfMoreValuesThanAnyMessageHasIsSkipped) {
  std::string values = "[";
  for (int i = 0; i < 1'100'000; ++i) values += "[],";
  const TranscriptEntries all =
      said(R"({"role":"user","content":)" + values + "[]]}\n" + line("user", "one"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: one"));
  EXPECT_EQ(all.skipped, 1u);
}

TEST(Reading, StopsWhereThereIsMoreThanTheHostTakes) {
  TranscriptReader reader({.entries = 3});
  EXPECT_TRUE(reader.feed(line("user", "one") + line("assistant", "two") + line("user", "three")));
  EXPECT_FALSE(reader.feed(line("user", "four") + line("user", "five")));
  EXPECT_FALSE(reader.feed(line("user", "six")));
  const TranscriptEntries all = reader.finish();
  EXPECT_EQ(all.too_much, "3 entries");
  EXPECT_EQ(all.entries.size(), 3u);
  EXPECT_EQ(all.messages, 4u) << "what follows is not looked at";
}

TEST(Reading, OneLineIsNoWayAroundTheLimits) {
  std::string parts;
  for (int i = 0; i < 500; ++i) parts += R"({"type":"text","text":"0123456789"},)";
  const std::string lines = kUser + R"({"role":"assistant","content":[)" + parts + "{}]}\n";
  EXPECT_EQ(said(lines, {.entries = 100}).entries.size(), 100u);
  const TranscriptEntries few = said(lines, {.bytes = 5000});
  EXPECT_EQ(few.too_much, "0 MiB of what was said");
  EXPECT_LT(few.bytes, 5100u);
  std::string calls = kUser;
  for (int i = 0; i < 100; ++i) calls += call_line("");
  EXPECT_EQ(said(calls, {.entries = 50}).entries.size(), 50u);
  std::string results = kUser;
  for (int i = 0; i < 100; ++i) results += result_line("id" + std::to_string(i), "out");
  EXPECT_EQ(said(results, {.entries = 50}).entries.size(), 50u);
}

TEST(Reading, WhatCallsBecomeByTheirResultsCountsToo) {
  const auto bytes_of = [](const TranscriptEntries& all) {
    std::size_t bytes = 0;
    for (const std::string& entry : all.entries) bytes += entry.size();
    return bytes;
  };
  const std::string calls = kUser + call_line("a") + call_line("b") + line("assistant", "x");
  const std::string lines = calls + result_line("a", std::string(3000, 'y'));
  const TranscriptEntries all = said(lines);
  EXPECT_EQ(all.bytes, bytes_of(all));
  EXPECT_GT(all.bytes, 3000u);
  EXPECT_EQ(said(calls, {.bytes = 3000}).too_much, "");
  EXPECT_NE(said(lines, {.bytes = 3000}).too_much, "");
}

struct Orphans {
  const char* name;
  std::string lines;
  std::vector<std::string> kept;
  std::size_t dropped;
};
void PrintTo(const Orphans& one, std::ostream* out) {
  *out << one.name;
}
class ToolOrphans : public ::testing::TestWithParam<Orphans> {};
TEST_P(ToolOrphans, AreDroppedAtTheEndsOnly) {
  const TranscriptEntries all = said(GetParam().lines);
  EXPECT_EQ(in_short(all), GetParam().kept);
  EXPECT_EQ(all.dropped, GetParam().dropped);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ToolOrphans,
    ::testing::Values(
        Orphans{"LeadingResults",
                result_line("x", "1") + result_line("y", "2") + kUser,
                {"user_message: hi"},
                2},
        Orphans{"LeadingBehindASystemMessage",
                line("system", "s") + result_line("x", "1") + kUser,
                {"user_message: hi"},
                1},
        Orphans{"OnlyResults", result_line("x", "1"), {}, 1},
        Orphans{"TrailingCall", kUser + call_line("a"), {"user_message: hi"}, 1},
        Orphans{"TrailingCalls", kUser + call_line("a") + call_line("b"), {"user_message: hi"}, 2},
        Orphans{"OnlyACall", call_line("a"), {}, 1},
        Orphans{
            "BothEnds", result_line("x", "1") + kUser + call_line("a"), {"user_message: hi"}, 2},
        Orphans{"TrailingResultIsKept",
                kUser + call_line("a") + result_line("a", "out"),
                {"user_message: hi", "tool_call look completed: out"},
                0},
        Orphans{"CallBehindAnAnsweredOne",
                kUser + call_line("a") + result_line("a", "out") + call_line("b"),
                {"user_message: hi", "tool_call look completed: out"},
                1},
        Orphans{"UnansweredInTheMiddleIsKept",
                kUser + call_line("a") + line("assistant", "well"),
                {"user_message: hi", "tool_call look failed", "text: well"},
                0},
        Orphans{"ResultOfNothingInTheMiddleIsKept",
                kUser + result_line("x", "out") + line("assistant", "well"),
                {"user_message: hi", "tool_call tool completed: out", "text: well"},
                0},
        Orphans{
            "TextOfATrailingCallIsKept",
            kUser +
                R"({"role":"assistant","content":"I look","tool_calls":[{"id":"a","function":{"name":"f"}}]})" +
                "\n",
            {"user_message: hi", "text: I look"},
            1},
        Orphans{"EmptyToolCalls",
                kUser + R"({"role":"assistant","content":"x","tool_calls":[]})" + "\n",
                {"user_message: hi", "text: x"},
                0}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Reading, AnIdThatIsUsedAgainMeansTheLastCall) {
  const TranscriptEntries all =
      said(kUser + call_line("call_0", "one") + result_line("call_0", "1") +
           call_line("call_0", "two") + result_line("call_0", "2"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: hi", "tool_call one completed: 1",
                                         "tool_call two completed: 2"));
}

TEST(Reading, UnderstandsContentInPartsAndNone) {
  const TranscriptEntries all = said(
      R"({"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"input_text","text":"more"},{"type":"image","source":{"type":"base64","media_type":"image/gif","data":"R0lG"}}]})"
      "\n"
      R"({"role":"assistant","content":null})"
      "\n"
      R"({"role":"assistant"})"
      "\n"
      R"({"role":"user","content":"   "})"
      "\n"
      R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"run","input":{"c":"ls"}}]})"
      "\n"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"files"}]}]})"
      "\n");
  EXPECT_THAT(in_short(all), ElementsAre("user_message: see", "thought: hm", "text: a",
                                         "tool_call run completed: files"));
  EXPECT_EQ(all.skipped, 0u);
  const json blocks = entries_of(all)[0]["data"]["blocks"];
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0], (json{{"type", "image"}, {"mimeType", "image/png"}, {"data", "QUJD"}}));
  EXPECT_EQ(blocks[1]["text"], "more");
  EXPECT_EQ(blocks[2], (json{{"type", "image"}, {"mimeType", "image/gif"}, {"data", "R0lG"}}));
  EXPECT_EQ(entries_of(all)[3]["data"]["rawInput"], (json{{"c", "ls"}}));
}

TEST(Reading, UnderstandsToolCallsOfTheEcosystemAndTakesEachOnce) {
  const TranscriptEntries all = said(
      kUser +
      R"({"role":"assistant","content":[{"type":"text","text":"a"},{"type":"tool_call","id":"t","name":"bash","input":{"c":1}}],"tool_calls":[{"id":"t","tool":"bash","arguments":{"c":1}}]})"
      "\n" +
      R"({"role":"tool","name":"bash","tool_call_id":"t","content":"ok"})" + "\n");
  EXPECT_THAT(in_short(all),
              ElementsAre("user_message: hi", "text: a", "tool_call bash completed: ok"));
}

TEST(Reading, TakesTimesThatItUnderstands) {
  const json entries = entries_of(
      said(R"({"role":"user","content":"a","timestamp":"2026-01-31T12:00:00.123456+00:00"})"
           "\n"
           R"({"role":"user","content":"b","metadata":{"timestamp":"2026-01-31T12:00:01Z"}})"
           "\n"
           R"({"role":"user","content":"c","timestamp":"yesterday"})"
           "\n"
           R"({"role":"user","content":"d","timestamp":1769860800})"));
  EXPECT_EQ(entries[0]["at"], "2026-01-31T12:00:00.123456Z");
  EXPECT_EQ(entries[1]["at"], "2026-01-31T12:00:01Z");
  EXPECT_FALSE(entries[2].contains("at"));
  EXPECT_FALSE(entries[3].contains("at"));
}

}  // namespace
}  // namespace viaduct::bridge
