// The log that is made of what an agent replays.
#include "plugins/acp/protocol.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::acp {
namespace {

void add(ReplayLog& log, const std::string& update) {
  const auto parsed = parse_update(R"({"sessionId":"s","update":)" + update + "}");
  ASSERT_TRUE(parsed) << update;
  log.add(*parsed);
}
std::string chunk(const std::string& kind, const std::string& text, const std::string& id = "") {
  return R"({"sessionUpdate":")" + kind + R"(","content":{"type":"text","text":")" + text + "\"}" +
         (id.empty() ? "" : R"(,"messageId":")" + id + "\"") + "}";
}
std::string entry(const std::string& type, const std::string& text,
                  const std::string& data = "{}") {
  return R"({"data":)" + data + R"(,"text":")" + text + R"(","type":")" + type + "\"}";
}

TEST(ReplayLog, JoinsPiecesAndKeepsTheOrder) {
  ReplayLog log;
  add(log, chunk("user_message_chunk", "first"));
  add(log, chunk("agent_thought_chunk", "hm"));
  add(log, chunk("agent_message_chunk", "an"));
  add(log, chunk("agent_message_chunk", "swer"));
  add(log, chunk("user_message_chunk", "second"));
  add(log, chunk("agent_message_chunk", "two"));
  EXPECT_EQ(log.json(), "[" + entry("user_message", "first") + "," + entry("thought", "hm") + "," +
                            entry("text", "answer") + "," + entry("user_message", "second") + "," +
                            entry("text", "two") + "]");
}

TEST(ReplayLog, KeepsTheMetaOfTheTextThatItBeginsWith) {
  ReplayLog log;
  for (const char* meta : {R"({"n":1})", R"({"n":2})"})
    add(log, R"({"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"x"},)"
             R"("_meta":)" +
                 std::string(meta) + "}");
  EXPECT_EQ(log.json(), "[" + entry("text", "xx", R"({"_meta":{"n":1}})") + "]");
}

TEST(ReplayLog, TellsMessagesApartByTheirIds) {
  ReplayLog log;
  add(log, chunk("user_message_chunk", "one", "a"));
  add(log, chunk("user_message_chunk", "two", "b"));
  EXPECT_EQ(log.size(), 2U);
}

TEST(ReplayLog, KeepsImagesInTheirPlaceAndThoseOfToolsOnce) {
  const std::string image = R"({"data":"AAAA","mimeType":"image/png","type":"image"})";
  ReplayLog log;
  add(log, R"({"sessionUpdate":"agent_message_chunk","content":[{"type":"text","text":"a"},)" +
               image + R"(,{"type":"text","text":"b"}]})");
  for (int i = 0; i < 2; ++i)
    add(log, R"({"sessionUpdate":"tool_call","toolCallId":"t","status":"completed","content":[)" +
                 image + "]}");
  add(log, chunk("agent_message_chunk", "c"));
  const std::string shown = entry("content", "[an image]", image);
  const std::string tool = R"({"content":[{"content":)" + image +
                           R"(,"type":"content"}],"status":"completed","toolCallId":"t"})";
  EXPECT_EQ(log.json(), "[" + entry("text", "a") + "," + shown + "," + entry("text", "b") + "," +
                            entry("tool_call", "", tool) + "," + shown + "," + entry("text", "c") +
                            "]");
}

TEST(ReplayLog, LeavesOnlyTheWordsOfOldImagesWhenItIsLong) {
  ReplayLog log(2000);
  const std::string data(600, 'A');
  for (int i = 0; i < 4; ++i)
    add(log, R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":")" + data +
                 R"(","mimeType":"image/png"}})");
  EXPECT_EQ(log.size(), 4U);
  EXPECT_LT(log.json().size(), 2000U);
  EXPECT_NE(log.json().find(entry("text", "[an image]")), std::string::npos);
  EXPECT_NE(log.json().find(data), std::string::npos);
}

TEST(ReplayLog, JoinsTheBlocksOfOneQuestionByLines) {
  ReplayLog log;
  add(log, chunk("user_message_chunk", "look at this"));
  add(log, chunk("user_message_chunk", "[a file]"));
  EXPECT_EQ(log.json(), "[" + entry("user_message", "look at this\\n[a file]") + "]");
}

TEST(ReplayLog, MergesTheUpdatesOfATool) {
  ReplayLog log;
  add(log, R"({"sessionUpdate":"tool_call","toolCallId":"t","title":"Read","status":"pending"})");
  add(log, chunk("agent_message_chunk", "meanwhile"));
  add(log,
      R"({"sessionUpdate":"tool_call_update","toolCallId":"t","status":"completed","title":null})");
  add(log, R"({"sessionUpdate":"tool_call_update","toolCallId":"u","status":"failed"})");
  EXPECT_EQ(
      log.json(),
      "[" + entry("tool_call", "", R"({"status":"completed","title":"Read","toolCallId":"t"})") +
          "," + entry("text", "meanwhile") + "," +
          entry("tool_call", "", R"({"status":"failed","toolCallId":"u"})") + "]");
}

TEST(ReplayLog, KeepsTheLastPlanOfEachTurn) {
  const auto plan = [](const std::string& content) {
    return R"({"sessionUpdate":"plan","entries":[{"content":")" + content +
           R"(","priority":"low","status":"pending"}]})";
  };
  ReplayLog log;
  add(log, plan("a"));
  add(log, plan("b"));
  add(log, chunk("user_message_chunk", "next"));
  add(log, plan("c"));
  EXPECT_EQ(log.size(), 3U);
  EXPECT_EQ(log.json().find("\"a\""), std::string::npos);
}

TEST(ReplayLog, LeavesOutWhatAgentsPutBetweenForTheirModel) {
  ReplayLog log;
  add(log, chunk("user_message_chunk", "[Request interrupted by user]", "1"));
  add(log, chunk("user_message_chunk", "<session_context>x</session_context>", "2"));
  add(log, chunk("user_message_chunk", "<session_context>x</session_context>real", "3"));
  add(log, chunk("user_message_chunk", "[Function Response: shell]", "4"));
  add(log, R"({"sessionUpdate":"usage_update","used":1,"size":2})");
  add(log, R"({"sessionUpdate":"available_commands_update","availableCommands":[]})");
  EXPECT_EQ(log.json(), "[" + entry("user_message", "real") + "]");
}

TEST(ReplayLog, LeavesOutTheOlderHalfOfWhatIsTooMuch) {
  ReplayLog log(100'000);
  const std::string answer(10'000, 'x');
  for (int i = 0; i < 30; ++i) {
    add(log, chunk("user_message_chunk", "question " + std::to_string(i)));
    add(log, chunk("agent_message_chunk", answer));
  }
  add(log, R"({"sessionUpdate":"tool_call","toolCallId":"t","title":"Read"})");
  add(log, R"({"sessionUpdate":"tool_call_update","toolCallId":"t","status":"completed"})");
  const std::string json = log.json();
  EXPECT_LT(json.size(), 110'000U);
  EXPECT_NE(json.find("question 29"), std::string::npos);
  EXPECT_EQ(json.find("question 0\""), std::string::npos);
  EXPECT_NE(json.find(R"({"status":"completed","title":"Read","toolCallId":"t"})"),
            std::string::npos);
}

}  // namespace
}  // namespace viaduct::acp
