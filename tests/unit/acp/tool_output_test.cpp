#include "plugins/acp/tool_output.hpp"
#include "plugins/acp/protocol.hpp"

#include <gtest/gtest.h>
#include <string>

namespace viaduct::acp {
namespace {

std::string none(const std::string&) {
  return "";
}
Update call(const std::string& members, const std::string& status = "") {
  Update update;
  update.kind = Update::Kind::kToolCall;
  update.item = "c";
  update.status = status;
  update.json = "{" + members + "}";
  return update;
}
const std::string kNamesATerminal =
    R"("content":[{"terminalId":"t","type":"terminal"},{"path":"/a","type":"diff"}])";

TEST(AcpToolOutput, LeavesAloneWhatNamesNoTerminal) {
  ToolOutput output;
  for (const std::string members : {R"("title":"x")", R"("content":[{"type":"diff"}])"})
    for (const std::string status : {"", "completed"})
      EXPECT_EQ(output.shown(call(members, status), none), "{" + members + "}");
}

TEST(AcpToolOutput, StandsInTheCallWhenThatHasEnded) {
  ToolOutput output;
  EXPECT_EQ(output.shown(call(kNamesATerminal, "in_progress"), none),
            R"({"content":[{"path":"/a","type":"diff"}]})");
  for (const std::string piece : {"one ", "two"}) {
    const std::string members =
        R"("_meta":{"terminal_output_delta":{"data":")" + piece + R"(","terminal_id":"t"}})";
    EXPECT_EQ(output.shown(call(members), none), "{" + members + "}");
  }
  EXPECT_EQ(
      output.shown(call(R"("status":"completed")", "completed"), none),
      R"({"content":[{"content":{"text":"one two","type":"text"},"type":"content"},{"path":"/a","type":"diff"}],"status":"completed"})");
  EXPECT_EQ(output.shown(call(R"("title":"x")", "completed"), none), R"({"title":"x"})");
}

TEST(AcpToolOutput, OfOurTerminalsIsWhatTheyHaveOrHadWhenTheyWereReleased) {
  const auto ours = [](const std::string& terminal) {
    return terminal == "t" ? std::string("now") : std::string();
  };
  const std::string shown =
      R"({"content":[{"content":{"text":"now","type":"text"},"type":"content"},{"path":"/a","type":"diff"}]})";
  EXPECT_EQ(ToolOutput().shown(call(kNamesATerminal, "failed"), ours), shown);
  ToolOutput released;
  released.add("t", "now");
  EXPECT_EQ(released.shown(call(kNamesATerminal, "failed"), none), shown);
}

TEST(AcpToolOutput, KeepsTheEndOfMuch) {
  ToolOutput output;
  for (int i = 0; i < 40'000; ++i) output.add("t", "ä");
  output.add("t", "end");
  const std::string shown = output.shown(call(kNamesATerminal, "completed"), none);
  EXPECT_LT(shown.size(), std::size_t{66} << 10);
  EXPECT_NE(shown.find("ääend\""), std::string::npos);
}

TEST(AcpToolOutput, KeepsOnlySoManyCallsAndTerminals) {
  ToolOutput output;
  const std::string long_text(2 << 10, 'x');
  for (int i = 0; i < 1000; ++i) {
    output.add("t" + std::to_string(i), long_text);
    Update update = call(kNamesATerminal);
    update.item = std::to_string(i);
    EXPECT_FALSE(output.shown(update, none).empty());
  }
  Update last = call("", "completed");
  last.item = "999";
  EXPECT_NE(output.shown(last, none).find("\"content\""), std::string::npos);
  last.item = "0";
  EXPECT_EQ(output.shown(last, none), last.json) << "long forgotten";
}

TEST(AcpToolOutput, SurvivesOddShapes) {
  for (const std::string members :
       {R"("content":[null,1,"terminal",{"type":"terminal"},{"type":"terminal","terminalId":3}])",
        R"("_meta":{"terminal_output_delta":{"data":5,"terminal_id":[]}})",
        R"("_meta":{"terminal_output":"x"})", R"("_meta":"terminal")"}) {
    ToolOutput output;
    EXPECT_FALSE(output.shown(call(members), none).empty());
    EXPECT_FALSE(output.shown(call(members, "completed"), none).empty());
  }
}

}  // namespace
}  // namespace viaduct::acp
