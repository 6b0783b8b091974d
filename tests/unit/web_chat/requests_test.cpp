// What the web chat reads and writes as JSON.
#include "host_json.hpp"
#include "requests_json.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace viaduct::web_chat {
namespace {

using namespace std::string_literals;

struct BadBody {
  const char* name;
  std::string body;
  const char* error;
};
void PrintTo(const BadBody& one, std::ostream* out) {
  *out << one.name;
}

class ChatBody : public testing::TestWithParam<BadBody> {};
TEST_P(ChatBody, IsRefusedInWords) {
  const auto message = parse_chat(GetParam().body);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, Code::kInvalidArgument);
  EXPECT_EQ(message.error().message, GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Bad, ChatBody,
    testing::Values(
        BadBody{"Empty", "", "message is required"},
        BadBody{"NoMessage", "{}", "message is required"},
        BadBody{"EmptyMessage", R"({"message":""})", "message is required"},
        BadBody{"BlankMessage", R"({"message":" \n"})", "message is required"},
        BadBody{"NullMessage", R"({"message":null})", "message is required"},
        BadBody{"Number", R"({"message":123})", "message must be text"},
        BadBody{"Array", "[1]", "the body must be a JSON object"},
        BadBody{"Text", "\"x\"", "the body must be a JSON object"},
        BadBody{"NotJson", "{\"message\"", "the body is not valid JSON in UTF-8"},
        BadBody{"TrailingJunk", "{} x", "the body is not valid JSON in UTF-8"},
        BadBody{"NotUtf8", "{\"message\":\"\xff\"}", "the body is not valid JSON in UTF-8"},
        BadBody{"LoneSurrogate", R"({"message":"\ud800"})", "the body is not valid JSON in UTF-8"},
        BadBody{"Nul", R"({"message":"a\u0000b"})", "message contains a NUL character"},
        BadBody{"RawNul", "{\"message\":\"a\0b\"}"s, "the body is not valid JSON in UTF-8"}),
    [](const auto& each) { return each.param.name; });

TEST(ChatBodyGood, KeepsTheMessageAsItIs) {
  EXPECT_EQ(parse_chat(R"({"message":"  hé\nllo 🎉 "})").value(), "  hé\nllo 🎉 ");
}

TEST(ChatBodyGood, SurvivesNestingBeyondAnyStack) {
  EXPECT_FALSE(parse_chat(std::string(500'000, '[')));
}

TEST(NewBody, HasDefaults) {
  const auto fresh = parse_new("");
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->working_dir, "~");
  EXPECT_EQ(fresh->description, "Web chat session");
  EXPECT_EQ(parse_new(R"({"working_dir":"/tmp/x"})")->working_dir, "/tmp/x");
  EXPECT_EQ(parse_new(R"({"working_dir":5})").error().message, "working_dir must be text");
  EXPECT_EQ(parse_new(R"({"working_dir":"a\u0000"})").error().message,
            "working_dir contains a NUL character");
}

TEST(WorkLogBody, FillsInTheStatusAndNamesWhatIsWrong) {
  EXPECT_EQ(parse_work_log(R"({"items":[{"task":"a"}]})").value(),
            R"([{"status":"pending","task":"a"}])");
  EXPECT_EQ(parse_work_log(R"({"items":[{"task":"a"},{"status":"x"}]})").error().message,
            "items[1].task is required");
  EXPECT_EQ(parse_work_log(R"({"items":3})").error().message, "items must be an array");
}

TEST(QueryValue, IsDecoded) {
  EXPECT_EQ(query_value("a=1&q=caf%C3%A9+au%20lait", "q").value(), "café au lait");
  EXPECT_EQ(query_value("q", "q").value(), "");
  EXPECT_EQ(query_value("qq=1", "q").value(), std::nullopt);
  EXPECT_FALSE(query_value("q=%zz", "q"));
  EXPECT_FALSE(query_value("q=%4", "q"));
  EXPECT_FALSE(query_value("q=%00", "q"));
  EXPECT_FALSE(query_value("q=%ff", "q"));
}

TEST(ClientRequest, WithoutAUsableIdIsHopeless) {
  for (const char* text : {"", "x", "[]", "3", R"({"type":"ping"})", R"({"id":0,"type":"ping"})",
                           R"({"id":-1,"type":"ping"})", R"({"id":1.5,"type":"ping"})",
                           R"({"id":"1","type":"ping"})", R"({"id":9007199254740992})"}) {
    const auto request = parse_client_request(text);
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error().id, 0U) << text;
    EXPECT_FALSE(request.error().status.message.empty()) << text;
  }
}

struct BadRequestCase {
  const char* name;
  const char* text;  // of a request with the id 7
  const char* error;
};
void PrintTo(const BadRequestCase& one, std::ostream* out) {
  *out << one.name;
}

class ClientRequestField : public testing::TestWithParam<BadRequestCase> {};
TEST_P(ClientRequestField, ThatIsWrongIsNamed) {
  const auto request = parse_client_request(GetParam().text);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().id, 7U);
  EXPECT_EQ(request.error().status.message, GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Bad, ClientRequestField,
    testing::Values(
        BadRequestCase{"NoType", R"({"id":7})", "type is required"},
        BadRequestCase{"UnknownType", R"({"id":7,"type":"dance"})",
                       "there is no request of type 'dance'"},
        BadRequestCase{"NoKey", R"({"id":7,"type":"send","text":"x"})", "key is required"},
        BadRequestCase{"NoText", R"({"id":7,"type":"send","key":"k"})", "text is required"},
        BadRequestCase{"TextNumber", R"({"id":7,"type":"send","key":"k","text":1})",
                       "text must be text"},
        BadRequestCase{"Blocks", R"({"id":7,"type":"send","key":"k","text":"x","blocks":{}})",
                       "blocks must be an array"},
        BadRequestCase{"Session", R"({"id":7,"type":"send","key":"k","text":"x","session_id":""})",
                       "session_id is required"},
        BadRequestCase{"NoEntry", R"({"id":7,"type":"answer","option_id":"x"})",
                       "entry is required"},
        BadRequestCase{"Limit", R"({"id":7,"type":"list","limit":201})",
                       "limit must be a whole number from 1 to 200"},
        BadRequestCase{"HistoryLimit", R"({"id":7,"type":"history","limit":0})",
                       "limit must be a whole number from 1 to 500"},
        BadRequestCase{"Cursor", R"({"id":7,"type":"hello","cursor":{"epoch":1}})",
                       "cursor: epoch and seq are required"},
        BadRequestCase{"CursorType", R"({"id":7,"type":"hello","cursor":3})",
                       "cursor must be an object"},
        BadRequestCase{"ResumeNothing", R"({"id":7,"type":"resume"})", "session_id is required"},
        BadRequestCase{"RenameNothing", R"({"id":7,"type":"rename"})", "title is required"}),
    [](const auto& each) { return each.param.name; });

TEST(ClientRequest, TakesEveryField) {
  const auto hello = parse_client_request(
      R"({"id":1,"type":"hello","session":"s","cursor":{"epoch":2,"seq":3},"future":[1]})");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->type, RequestType::kHello);
  EXPECT_EQ(hello->session_id, "s");
  ASSERT_TRUE(hello->cursor);
  EXPECT_EQ(hello->cursor->epoch, 2U);
  EXPECT_EQ(hello->cursor->seq, 3U);
  const auto send = parse_client_request(
      R"({"id":2,"type":"send","key":"k","session_id":null,"text":"t","blocks":[{"type":"x"}]})");
  ASSERT_TRUE(send);
  EXPECT_EQ(send->session_id, "");
  EXPECT_EQ(send->message.blocks, R"([{"type":"x"}])");
  const auto history = parse_client_request(R"({"id":3,"type":"history","before":40})");
  ASSERT_TRUE(history);
  EXPECT_EQ(history->number, 40U);
  EXPECT_EQ(history->limit, 100U);
}

TEST(MemoryPrefilter, LetsEveryGoldenIntentThrough) {
  for (const char* text :
       {"remember this: a\nb", "Remember that x", "remember: y", "REMEMBER THIS:z",
        "what do you remember about cats?", "recall x\ny", "search memory foo", "search memory for",
        "  remember this:   pad  ", "\xC2\xA0recall x"})
    EXPECT_TRUE(may_be_for_memory(text)) << text;
}

TEST(MemoryPrefilter, SparesOrdinaryMessagesTheRoundTrip) {
  for (const char* text : {"hello", "", "please remember this: q", "rem", "do you recall x"})
    EXPECT_FALSE(may_be_for_memory(text)) << text;
}

TEST(Describe, IsTheFirstLineCutAtACharacter) {
  EXPECT_EQ(describe("  hello there\nsecond"), "hello there");
  EXPECT_EQ(describe(" \n "), "Web chat session");
  std::string umlauts;
  for (int i = 0; i < 60; ++i) umlauts += "ü";
  EXPECT_EQ(describe("x" + umlauts), "x" + umlauts.substr(0, 78) + "…");
}

TEST(SaysSessionDead, OnlyWhenATurnEndedSo) {
  EXPECT_TRUE(says_session_dead(
      R"({"change":"entry","entry":{"type":"turn_end","data":{"error":{"code":"session_dead"}}}})"));
  EXPECT_FALSE(says_session_dead(
      R"({"change":"entry","entry":{"type":"turn_end","data":{"error":{"code":"unavailable"}}}})"));
  EXPECT_FALSE(says_session_dead(
      R"({"change":"entry","entry":{"type":"tool_call","data":{"rawOutput":["turn_end","session_dead"]}}})"));
}

TEST(Agent, IsFoundByTheSessionOrTheConfiguration) {
  const char* overview =
      R"({"instances":[{"name":"echo","kind":"backend","plugin":"mock"},)"
      R"({"name":"claude","kind":"backend","plugin":"acp"},{"name":"web-chat","kind":"surface","plugin":"web_chat"}],)"
      R"("configuration":[{"path":"surfaces.web-chat.backend","value":"echo"}]})";
  EXPECT_EQ(agent_json(overview, "web-chat", ""),
            R"({"backend":"echo","mock":true,"plugin":"mock"})");
  EXPECT_EQ(agent_json(overview, "web-chat", "claude"),
            R"({"backend":"claude","mock":false,"plugin":"acp"})");
  EXPECT_EQ(agent_json(overview, "web-chat", "gone"), "null");
  const char* several =
      R"({"instances":[{"name":"echo","kind":"backend","plugin":"mock"}],)"
      R"("configuration":[{"path":"surfaces.web-chat.backends[0]","value":"echo"},)"
      R"({"path":"surfaces.web-chat.backends[1]","value":"claude"}]})";
  EXPECT_EQ(agent_json(several, "web-chat", ""),
            R"({"backend":"echo","mock":true,"plugin":"mock"})");
  EXPECT_EQ(agent_json(overview, "other", ""), "null");
  EXPECT_EQ(agent_json("", "web-chat", ""), "null");
}

TEST(Backends, AreThoseOfTheSurfaceTheDefaultFirst) {
  const char* overview = R"({"configuration":[)"
                         R"({"path":"surfaces.web-chat.backends[0]","value":"claude"},)"
                         R"({"path":"surfaces.web-chat.backends[1]","value":"echo"},)"
                         R"({"path":"surfaces.web-chat.backend","value":"echo"},)"
                         R"({"path":"surfaces.web-chat.config.title","value":"x"},)"
                         R"({"path":"surfaces.web.backends[0]","value":"other"}, 7]})";
  EXPECT_EQ(backends_json(overview, "web-chat"), R"(["echo","claude"])");
  EXPECT_EQ(backends_json(overview, "web"), R"(["other"])");
  EXPECT_EQ(backends_json(overview, "nothing"), "[]");
  EXPECT_EQ(backends_json("", "web-chat"), "[]");
}

TEST(OpenPermissions, AreThoseThatNobodyAnsweredAndSayWhereToLookFurther) {
  const auto found = open_permissions(
      R"({"entries":[{"entry":4,"type":"text"},)"
      R"({"entry":5,"type":"permission","data":{"status":"selected"}},)"
      R"({"entry":6,"type":"permission","data":{"status":"pending"}}],"more":true})");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->entries, R"([{"data":{"status":"pending"},"entry":6,"type":"permission"}])");
  EXPECT_EQ(found->before, 4U);
  const auto last = open_permissions(R"({"entries":[{"entry":1,"type":"text"}],"more":false})");
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_TRUE(last->entries.empty());
  EXPECT_EQ(last->before, 0U);
  EXPECT_FALSE(open_permissions("{}"));
}

TEST(CurrentDocument, ToleratesWhatItDoesNotKnow) {
  EXPECT_EQ(parse_current(R"({"version":3,"value":{"session_id":"s"}})")->session_id, "s");
  EXPECT_EQ(parse_current(R"({"version":3,"value":{"session_id":null}})")->session_id, "");
  EXPECT_EQ(parse_current(R"({"version":3,"value":7})")->version, 3U);
  EXPECT_FALSE(parse_current(R"({"value":{}})"));
}

}  // namespace
}  // namespace viaduct::web_chat
