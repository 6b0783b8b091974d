// session/update, in every variant that there is and some that there should not be.
#include "plugins/acp/protocol.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::acp {
namespace {

using Kind = Update::Kind;

std::string params(const std::string& update) {
  return R"({"sessionId":"s","update":)" + update + "}";
}

struct Case {
  const char* name;
  const char* update;
  Kind kind;
  const char* item = "";
  const char* text = "";
  const char* json = "";
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}
class AcpUpdate : public ::testing::TestWithParam<Case> {};
TEST_P(AcpUpdate, IsUnderstood) {
  const auto update = parse_update(params(GetParam().update));
  ASSERT_TRUE(update);
  EXPECT_EQ(update->session_id, "s");
  EXPECT_EQ(static_cast<int>(update->kind), static_cast<int>(GetParam().kind));
  EXPECT_EQ(update->item, GetParam().item);
  EXPECT_EQ(update->text, GetParam().text);
  EXPECT_EQ(update->json, GetParam().json);
}
INSTANTIATE_TEST_SUITE_P(
    Texts, AcpUpdate,
    ::testing::Values(
        Case{
            "Text",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"hi"},"messageId":"m1"})",
            Kind::kText, "m1", "hi"},
        Case{
            "NullMessageId",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"hi"},"messageId":null})",
            Kind::kText, "", "hi"},
        Case{"Thought",
             R"({"sessionUpdate":"agent_thought_chunk","content":{"type":"text","text":"hm"}})",
             Kind::kThought, "", "hm"},
        Case{"UserText",
             R"({"sessionUpdate":"user_message_chunk","content":{"type":"text","text":"do"}})",
             Kind::kUserText, "", "do"},
        Case{"EmptyText",
             R"({"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":""}})",
             Kind::kIgnored},
        Case{"NullContent", R"({"sessionUpdate":"agent_message_chunk","content":null})",
             Kind::kIgnored},
        Case{"BareString", R"({"sessionUpdate":"agent_message_chunk","content":"bare"})",
             Kind::kText, "", "bare"},
        Case{"ContentWithoutType",
             R"({"sessionUpdate":"agent_message_chunk","content":{"text":"t"}})", Kind::kText, "",
             "t"},
        Case{
            "ListOfContents",
            R"({"sessionUpdate":"agent_message_chunk","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]})",
            Kind::kText, "", "ab"},
        Case{
            "Image",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":"AAAA","mimeType":"image/png"},"messageId":"m"})",
            Kind::kContent, "", "[an image]",
            R"({"data":"AAAA","mimeType":"image/png","type":"image"})"},
        Case{
            "ImageWithAddress",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":"AA","mimeType":"image/png","uri":"file:///a.png"}})",
            Kind::kContent, "", "[an image: file:///a.png]",
            R"({"data":"AA==","mimeType":"image/png","type":"image","uri":"file:///a.png"})"},
        Case{
            "ImageElsewhere",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":"","uri":"https://h/a.png"}})",
            Kind::kText, "", "[an image: https://h/a.png]"},
        Case{
            "ImageWithoutItsType",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":"_9j-\n"}})",
            Kind::kContent, "", "[an image]",
            R"({"data":"/9j+","mimeType":"image/png","type":"image"})"},
        Case{
            "JpegWithoutItsType",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":"/9j/4AAQ"}})",
            Kind::kContent, "", "[an image]",
            R"({"data":"/9j/4AAQ","mimeType":"image/jpeg","type":"image"})"},
        Case{
            "AddressInItsData",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":"data:image/gif;base64,R0lG"}})",
            Kind::kContent, "", "[an image]",
            R"({"data":"R0lG","mimeType":"image/gif","type":"image"})"},
        Case{
            "ImageInItsAddress",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","uri":"data:image/png;base64,AAAA"}})",
            Kind::kContent, "", "[an image]",
            R"({"data":"AAAA","mimeType":"image/png","type":"image"})"},
        Case{
            "Audio",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"audio","data":"AA","mimeType":"audio/wav"}})",
            Kind::kContent, "", "[a sound]",
            R"({"data":"AA==","mimeType":"audio/wav","type":"audio"})"},
        Case{
            "Link",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"resource_link","uri":"file:///d/a.pdf","name":"A"}})",
            Kind::kText, "", "[A](file:///d/a.pdf)"},
        Case{
            "LinkWithoutName",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"resource_link","uri":"file:///d/a.pdf","name":null}})",
            Kind::kText, "", "[a.pdf](file:///d/a.pdf)"},
        Case{
            "Resource",
            R"({"sessionUpdate":"user_message_chunk","content":{"type":"resource","resource":{"uri":"file:///n.txt","text":"note"}}})",
            Kind::kUserText, "", "[a file: file:///n.txt]\nnote"},
        Case{
            "ResourceOfTheAgent",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"resource","resource":{"uri":"file:///n.txt","text":"note","mimeType":"text/plain"}}})",
            Kind::kContent, "", "[a file: file:///n.txt]",
            R"({"resource":{"mimeType":"text/plain","text":"note","uri":"file:///n.txt"},"type":"resource"})"},
        Case{
            "ResourceInItsAddress",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"resource","resource":{"uri":"data:text/csv,a%2Cb"}}})",
            Kind::kContent, "", "[a file]",
            R"({"resource":{"blob":"YSxi","mimeType":"text/csv","uri":""},"type":"resource"})"},
        Case{
            "EmptyResource",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"resource","resource":{"uri":"file:///n.txt","text":""}}})",
            Kind::kText, "", "[a file: file:///n.txt]"},
        Case{
            "ThoughtOfAnImage",
            R"({"sessionUpdate":"agent_thought_chunk","content":{"type":"image","data":"AAAA","mimeType":"image/png"}})",
            Kind::kThought, "", "[an image]"},
        Case{"UnknownContent",
             R"({"sessionUpdate":"agent_message_chunk","content":{"type":"hologram"}})",
             Kind::kText, "", "[content of type hologram]"},
        Case{
            "NumberAsMessageId",
            R"({"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"x"},"messageId":4})",
            Kind::kText, "4", "x"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Tools, AcpUpdate,
    ::testing::Values(
        Case{
            "Call",
            R"({"sessionUpdate":"tool_call","toolCallId":"t","title":"Read","kind":"read","status":"pending","locations":[{"path":"/a","line":3}],"rawInput":{"p":null}})",
            Kind::kToolCall, "t", "",
            R"({"kind":"read","locations":[{"line":3,"path":"/a"}],"rawInput":{"p":null},"status":"pending","title":"Read","toolCallId":"t"})"},
        Case{
            "NullsAreUnchanged",
            R"({"sessionUpdate":"tool_call_update","toolCallId":"t","title":null,"kind":null,"status":"completed","content":null,"locations":null,"rawOutput":null})",
            Kind::kToolCall, "t", "", R"({"status":"completed","toolCallId":"t"})"},
        Case{
            "MetaIsKept",
            R"({"sessionUpdate":"tool_call_update","toolCallId":"t","_meta":{"terminal_exit":{"code":0}}})",
            Kind::kToolCall, "t", "", R"({"_meta":{"terminal_exit":{"code":0}},"toolCallId":"t"})"},
        Case{
            "BareContentBlock",
            R"({"sessionUpdate":"tool_call_update","toolCallId":"t","content":[{"type":"text","text":"out"}]})",
            Kind::kToolCall, "t", "",
            R"({"content":[{"content":{"text":"out","type":"text"},"type":"content"}],"toolCallId":"t"})"},
        Case{
            "SingleContent",
            R"({"sessionUpdate":"tool_call_update","toolCallId":"t","content":{"type":"terminal","terminalId":"x"}})",
            Kind::kToolCall, "t", "",
            R"({"content":[{"terminalId":"x","type":"terminal"}],"toolCallId":"t"})"},
        Case{
            "NewFileKeepsItsNull",
            R"({"sessionUpdate":"tool_call_update","toolCallId":"t","content":[{"type":"diff","path":"/a","oldText":null,"newText":"n"}]})",
            Kind::kToolCall, "t", "",
            R"({"content":[{"newText":"n","oldText":null,"path":"/a","type":"diff"}],"toolCallId":"t"})"},
        Case{"UnknownKind",
             R"({"sessionUpdate":"tool_call","toolCallId":"t","title":"x","kind":"dance"})",
             Kind::kToolCall, "t", "", R"({"kind":"dance","title":"x","toolCallId":"t"})"},
        Case{"CancelledStatus",
             R"({"sessionUpdate":"tool_call_update","toolCallId":"t","status":"cancelled"})",
             Kind::kToolCall, "t", "", R"({"status":"failed","toolCallId":"t"})"},
        Case{"UnknownStatus",
             R"({"sessionUpdate":"tool_call_update","toolCallId":"t","status":"musing"})",
             Kind::kToolCall, "t", "", R"({"toolCallId":"t"})"},
        Case{
            "WrongTypes",
            R"({"sessionUpdate":"tool_call","toolCallId":"t","title":5,"kind":[],"status":{},"locations":"x"})",
            Kind::kToolCall, "t", "", R"({"toolCallId":"t"})"},
        Case{"NumberAsId", R"({"sessionUpdate":"tool_call","toolCallId":0,"title":"x"})",
             Kind::kToolCall, "0", "", R"({"title":"x","toolCallId":"0"})"},
        Case{"NoId", R"({"sessionUpdate":"tool_call","title":"x"})", Kind::kUnknown, "",
             "tool_call without an id"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Others, AcpUpdate,
    ::testing::Values(
        Case{
            "Plan",
            R"({"sessionUpdate":"plan","entries":[{"content":"a","priority":"high","status":"completed"},{"content":"b"},{"x":1},"c"]})",
            Kind::kPlan, "", "",
            R"({"entries":[{"content":"a","priority":"high","status":"completed"},{"content":"b","priority":"medium","status":"pending"}]})"},
        Case{"PlanWithoutEntries", R"({"sessionUpdate":"plan","entries":null})", Kind::kPlan, "",
             "", R"({"entries":[]})"},
        Case{
            "Commands",
            R"({"sessionUpdate":"available_commands_update","availableCommands":[{"name":"web","description":"d","input":{"hint":"h"}},{"name":"x","description":null,"input":null},{"description":"nameless"}]})",
            Kind::kCommands, "", "",
            R"({"availableCommands":[{"description":"d","input":{"hint":"h"},"name":"web"},{"description":"","name":"x"}]})"},
        Case{"CurrentModeId", R"({"sessionUpdate":"current_mode_update","currentModeId":"plan"})",
             Kind::kMode, "", "plan"},
        Case{"ModeId", R"({"sessionUpdate":"current_mode_update","modeId":"plan"})", Kind::kMode,
             "", "plan"},
        Case{"ModeIdNull", R"({"sessionUpdate":"current_mode_update","currentModeId":null})",
             Kind::kIgnored},
        Case{"Title",
             R"({"sessionUpdate":"session_info_update","title":"My\n talk","updatedAt":"2026"})",
             Kind::kTitle, "", "My talk"},
        Case{"TitleCleared", R"({"sessionUpdate":"session_info_update","title":null})",
             Kind::kIgnored},
        Case{"OnlyATime", R"({"sessionUpdate":"session_info_update","updatedAt":"2026"})",
             Kind::kIgnored},
        Case{
            "Usage",
            R"({"sessionUpdate":"usage_update","used":10,"size":200,"cost":{"amount":0.5,"currency":"USD"},"x":null})",
            Kind::kUsage, "", "",
            R"({"cost":{"amount":0.5,"currency":"USD"},"size":200,"used":10})"},
        Case{
            "Notice",
            R"({"sessionUpdate":"notice","severity":"warning","title":"Slow","description":"The model is busy"})",
            Kind::kNotice, "", "Slow: The model is busy"},
        Case{"NoticeOfOneLine", R"({"sessionUpdate":"notice","severity":"odd","title":"Slow"})",
             Kind::kNotice, "", "Slow"},
        Case{"CompactionBegins",
             R"({"sessionUpdate":"compaction_update","compactionId":"c","status":"in_progress"})",
             Kind::kIgnored},
        Case{
            "Compaction",
            R"({"sessionUpdate":"compaction_update","compactionId":"c","status":"completed","summary":null})",
            Kind::kNotice, "", "The agent has summarised the older part of the conversation"},
        Case{
            "CompactionFailed",
            R"({"sessionUpdate":"compaction_update","compactionId":"c","status":"failed","error":{"message":"no"}})",
            Kind::kNotice, "",
            "The agent could not summarise the older part of the conversation: no"},
        Case{
            "CompactionSummary",
            R"({"sessionUpdate":"compaction_summary_chunk","compactionId":"c","content":{"type":"text","text":"s"}})",
            Kind::kIgnored},
        Case{"Unknown", R"({"sessionUpdate":"subagent_update","x":{"y":[1,2]}})", Kind::kUnknown,
             "", "subagent_update"}),
    [](const auto& info) { return info.param.name; });

TEST(AcpUpdate, OfOptionsHasTheWholeList) {
  const auto update = parse_update(params(
      R"({"sessionUpdate":"config_option_update","configOptions":[
          {"id":"model","name":"Model","category":"model","type":"select","currentValue":"b","options":[{"value":"b","name":"B"}]}]})"));
  ASSERT_TRUE(update);
  EXPECT_EQ(update->kind, Kind::kOptions);
  ASSERT_EQ(update->options.size(), 1U);
  EXPECT_EQ(update->options[0].current, "b");
}

TEST(AcpUpdate, OfNoOptionsAtAllIsIgnored) {
  const auto update = parse_update(params(R"({"sessionUpdate":"config_option_update"})"));
  ASSERT_TRUE(update);
  EXPECT_EQ(update->kind, Kind::kIgnored);
}

TEST(AcpUpdate, TellsTheStatusOfAToolCall) {
  const auto update = parse_update(
      params(R"({"sessionUpdate":"tool_call_update","toolCallId":"t","status":"completed"})"));
  ASSERT_TRUE(update);
  EXPECT_EQ(update->status, "completed");
}

struct None {
  const char* name;
  const char* params;
};
void PrintTo(const None& c, std::ostream* os) {
  *os << c.name;
}
class NoUpdate : public ::testing::TestWithParam<None> {};
TEST_P(NoUpdate, IsMadeOfSuchParams) {
  EXPECT_FALSE(parse_update(GetParam().params));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, NoUpdate,
    ::testing::Values(None{"Nothing", ""}, None{"List", "[]"}, None{"Empty", "{}"},
                      None{"NoSession", R"({"update":{"sessionUpdate":"plan","entries":[]}})"},
                      None{"SessionIsNull",
                           R"({"sessionId":null,"update":{"sessionUpdate":"plan"}})"},
                      None{"NoBody", R"({"sessionId":"s"})"},
                      None{"BodyIsText", R"({"sessionId":"s","update":"x"})"},
                      None{"NoKind", R"({"sessionId":"s","update":{"content":{}}})"},
                      None{"KindIsNumber", R"({"sessionId":"s","update":{"sessionUpdate":3}})"}),
    [](const auto& info) { return info.param.name; });

TEST(AcpUpdate, OfAToolCallHasALimitAndWhatNobodyReadsGoesFirst) {
  const std::string much(5 << 20, 'x');
  const auto call = [](const std::string& more) {
    return parse_update(
        params(R"({"sessionUpdate":"tool_call","toolCallId":"c","title":"Look",)" + more + "}"));
  };
  const auto small = call(R"("_meta":{"a":1},"rawOutput":{"b":2})");
  ASSERT_TRUE(small);
  EXPECT_NE(small->json.find("_meta"), std::string::npos);
  EXPECT_NE(small->json.find("rawOutput"), std::string::npos);

  const auto meta = call(R"("_meta":{"a":")" + much + R"("},"rawOutput":{"b":2})");
  ASSERT_TRUE(meta);
  EXPECT_LT(meta->json.size(), std::size_t{1} << 20);
  EXPECT_EQ(meta->json.find("_meta"), std::string::npos);
  EXPECT_NE(meta->json.find("rawOutput"), std::string::npos);

  const auto content =
      call(R"("content":[{"type":"content","content":{"type":"text","text":"read me"}},)"
           R"({"type":"content","content":{"type":"text","text":")" +
           much + R"("}}])");
  ASSERT_TRUE(content);
  EXPECT_LT(content->json.size(), std::size_t{1} << 20);
  EXPECT_NE(content->json.find("read me"), std::string::npos);
  EXPECT_NE(content->json.find("KiB are left out here"), std::string::npos);
}

TEST(AcpUpdate, OfATextKeepsItsMeta) {
  const auto text = [](const std::string& more) {
    return parse_update(
        params(R"({"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"hi"})" +
               more + "}"));
  };
  EXPECT_EQ(text(R"(,"_meta":{"a":[1]})")->meta, R"({"a":[1]})");
  for (const char* none : {"", R"(,"_meta":null)", R"(,"_meta":{})", R"(,"_meta":"text")"})
    EXPECT_EQ(text(none)->meta, "") << none;
}

TEST(AcpUpdate, NestedTooDeeplyIsNone) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_FALSE(parse_update(
      params(R"({"sessionUpdate":"tool_call","toolCallId":"t","rawInput":)" + deep + "}")));
  EXPECT_EQ(tool_call(deep), "{}");
}

TEST(AcpContent, InAListIsToldInItsOrder) {
  const auto update = parse_update(params(
      R"({"sessionUpdate":"agent_message_chunk","messageId":"m","content":[{"type":"text","text":"a"},{"type":"text","text":"b"},
          {"type":"image","data":"AAAA","mimeType":"image/png"},{"type":"text","text":"c"}]})"));
  ASSERT_TRUE(update);
  EXPECT_EQ(update->text, "ab");
  ASSERT_EQ(update->also.size(), 2U);
  EXPECT_EQ(update->also[0].kind, Kind::kContent);
  EXPECT_EQ(update->also[1].text, "c");
  EXPECT_EQ(update->also[1].item, "m");
  EXPECT_EQ(update->also[1].session_id, "s");
}

TEST(AcpContent, ThatIsTooLargeIsSaidInWords) {
  const std::string huge(kMostOfAContent, 'A');
  const auto update = parse_update(
      params(R"({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":")" + huge +
             R"(","mimeType":"image/png"}})"));
  ASSERT_TRUE(update);
  EXPECT_EQ(update->kind, Kind::kText);
  EXPECT_EQ(update->text, "[an image] (it is larger than 8 MiB)");
}

std::string tool_with(const std::string& status, const std::string& data) {
  const std::string content =
      data.empty()
          ? ""
          : R"(,"content":[{"type":"content","content":{"type":"image","data":")" + data +
                R"(","mimeType":"image/png"}},{"type":"content","content":{"type":"text","text":"x"}}])";
  return params(R"({"sessionUpdate":"tool_call_update","toolCallId":"t")" +
                (status.empty() ? "" : R"(,"status":")" + status + "\"") + content + "}");
}

TEST(ToolImages, AreShownWhenTheCallHasCompleted) {
  ToolImages images;
  const auto due = [&](const std::string& status, const std::string& data) {
    auto update = parse_update(tool_with(status, data));
    return images.due(*update);
  };
  EXPECT_TRUE(due("in_progress", "AAAA").empty());
  const auto shown = due("completed", "");
  ASSERT_EQ(shown.size(), 1U);
  EXPECT_EQ(shown[0].text, "[an image]");
  EXPECT_EQ(shown[0].json, R"({"data":"AAAA","mimeType":"image/png","type":"image"})");
  EXPECT_TRUE(due("", "").empty());
  // The same block has the same id, so that nobody shows it again.
  const auto again = due("", "AAAA");
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].item, shown[0].item);
  EXPECT_NE(due("", "AAAB").at(0).item, shown[0].item);
}

TEST(ToolImages, OfAFailedCallAreNotShown) {
  ToolImages images;
  auto update = parse_update(tool_with("in_progress", "AAAA"));
  EXPECT_TRUE(images.due(*update).empty());
  update = parse_update(tool_with("failed", ""));
  EXPECT_TRUE(images.due(*update).empty());
}

TEST(ToolImages, StayInTheCall) {
  const auto update = parse_update(tool_with("completed", "AAAA"));
  EXPECT_NE(update->json.find(R"("data":"AAAA")"), std::string::npos);
}

}  // namespace
}  // namespace viaduct::acp
