// The streamed answers of both APIs, event by event.
#include "plugins/bridge/answer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace viaduct::bridge {
namespace {

using ::testing::HasSubstr;

Llm server(Api api) {
  Llm llm;
  llm.api = api;
  llm.base_url = "http://127.0.0.1:1/v1";
  llm.model = "m";
  return llm;
}

// An answer and what it said: "t:" texts and "h:" thoughts.
struct Stream {
  explicit Stream(Api api) : llm(server(api)), answer(llm) {}
  Stream& event(const std::string& data) {
    std::vector<Piece> out;
    answer.event(data, out);
    take(out);
    return *this;
  }
  Stream& closed(const std::string& why = "") {
    std::vector<Piece> out;
    answer.closed(why, out);
    take(out);
    return *this;
  }
  void take(const std::vector<Piece>& out) {
    for (const Piece& piece : out)
      said += (piece.kind == Piece::Kind::kText ? "t:" : "h:") + piece.text + "|";
  }
  std::string error() const { return answer.failure() ? answer.failure()->message : ""; }

  Llm llm;
  Answer answer;
  std::string said;
};

std::string chunk(const std::string& delta, const std::string& reason = "null") {
  return R"({"object":"chat.completion.chunk","choices":[{"index":0,"delta":)" + delta +
         R"(,"finish_reason":)" + reason + "}]}";
}

TEST(OpenAiAnswer, IsTextThenReasonThenUsage) {
  Stream stream(Api::kOpenAi);
  stream.event(chunk(R"({"role":"assistant","content":""})"))
      .event(chunk(R"({"content":"Hel"})"))
      .event(chunk(R"({"content":"lo"})"))
      .event(chunk("{}", R"("stop")"))
      .event(R"({"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
               "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}})");
  EXPECT_FALSE(stream.answer.over());
  stream.event("[DONE]");
  EXPECT_TRUE(stream.answer.over());
  EXPECT_EQ(stream.error(), "");
  EXPECT_EQ(stream.said, "t:Hel|t:lo|");
  EXPECT_EQ(stream.answer.stop(), Stop::kEndTurn);
  EXPECT_EQ(
      stream.answer.usage().json(),
      R"({"cachedReadTokens":4,"inputTokens":10,"outputTokens":5,"thoughtTokens":2,"totalTokens":15})");
}

struct Reason {
  const char* name;
  Stop stop;
};
void PrintTo(const Reason& c, std::ostream* os) {
  *os << c.name;
}
class OpenAiReason : public ::testing::TestWithParam<Reason> {};
TEST_P(OpenAiReason, BecomesAcps) {
  Stream stream(Api::kOpenAi);
  stream.event(chunk(R"({"content":"x"})", "\"" + std::string(GetParam().name) + "\""))
      .event("[DONE]");
  EXPECT_EQ(stream.error(), "");
  EXPECT_EQ(stream.answer.stop(), GetParam().stop);
}
INSTANTIATE_TEST_SUITE_P(Cases, OpenAiReason,
                         ::testing::Values(Reason{"stop", Stop::kEndTurn},
                                           Reason{"length", Stop::kMaxTokens},
                                           Reason{"content_filter", Stop::kRefusal},
                                           Reason{"tool_calls", Stop::kEndTurn},
                                           Reason{"something_new", Stop::kEndTurn}),
                         [](const auto& info) { return info.param.name; });

TEST(OpenAiAnswer, ThinksUnderEitherNameAndOnlyOnce) {
  Stream stream(Api::kOpenAi);
  stream.event(chunk(R"({"reasoning_content":"a"})"))
      .event(chunk(R"({"reasoning":"b"})"))
      .event(chunk(R"({"reasoning":"c","reasoning_content":"c"})"))
      .event(chunk(R"({"content":"d"})"));
  EXPECT_EQ(stream.said, "h:a|h:b|h:c|t:d|");
}

TEST(OpenAiAnswer, TakesListsOfParts) {
  Stream stream(Api::kOpenAi);
  stream.event(chunk(
      R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"ok"},{"type":"new"}]})"));
  EXPECT_EQ(stream.said, "h:hm|t:ok|");
}

TEST(OpenAiAnswer, SaysARefusalAndStopsWithIt) {
  Stream stream(Api::kOpenAi);
  stream.event(chunk(R"({"refusal":"I will not"})"))
      .event(chunk("{}", R"("stop")"))
      .event("[DONE]");
  EXPECT_EQ(stream.said, "t:I will not|");
  EXPECT_EQ(stream.answer.stop(), Stop::kRefusal);
}

TEST(OpenAiAnswer, NamesTheToolThatWasWanted) {
  Stream stream(Api::kOpenAi);
  stream
      .event(chunk(
          R"({"tool_calls":[{"index":0,"id":"c","function":{"name":"search","arguments":""}}]})"))
      .event(
          chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})", R"("tool_calls")"))
      .event("[DONE]");
  EXPECT_EQ(stream.error(), "");
  EXPECT_EQ(stream.answer.wanted_tool(), "search");
}

TEST(OpenAiAnswer, MayEndByClosingOnceThereIsAReason) {
  Stream stream(Api::kOpenAi);
  stream.event(chunk(R"({"content":"x"})", R"("stop")")).closed();
  EXPECT_TRUE(stream.answer.over());
  EXPECT_EQ(stream.error(), "");
}

TEST(OpenAiAnswer, CutShortIsAFailureThatSaysSo) {
  Stream middle(Api::kOpenAi);
  middle.event(chunk(R"({"content":"x"})")).closed();
  EXPECT_THAT(middle.error(), HasSubstr("broke off in the middle of its answer"));
  EXPECT_TRUE(middle.answer.said());
  Stream nothing(Api::kOpenAi);
  nothing.event(chunk(R"({"role":"assistant"})")).closed("connection reset");
  EXPECT_THAT(nothing.error(),
              HasSubstr("closed the connection without an answer (connection reset)"));
  EXPECT_FALSE(nothing.answer.said());
  EXPECT_TRUE(nothing.answer.failure()->transient);
  Stream at_the_end(Api::kOpenAi);
  at_the_end.event(chunk(R"({"content":"x"})", R"("stop")")).closed("connection reset");
  EXPECT_NE(at_the_end.error(), "") << "a cut is not an end";
}

TEST(OpenAiAnswer, DoneWithoutAnythingIsAFailure) {
  Stream stream(Api::kOpenAi);
  stream.event("[DONE]");
  EXPECT_THAT(stream.error(), HasSubstr("ended its answer before it began"));
}

TEST(OpenAiAnswer, MalformedEventIsAFailureInWords) {
  for (const char* data :
       {R"({"choices":[{"delta":{"content":"x")", "[1]", "\"text\"", "nonsense"}) {
    Stream stream(Api::kOpenAi);
    stream.event(chunk(R"({"content":"a"})")).event(data);
    EXPECT_THAT(stream.error(), HasSubstr("sent something that is no event: ")) << data;
    EXPECT_EQ(stream.said, "t:a|");
  }
}

TEST(OpenAiAnswer, AnEventNestedWithoutEndIsMalformed) {
  std::string deep = R"([{"type":"thinking","thinking":)";
  std::string data = R"({"choices":[{"delta":{"content":)";
  for (int i = 0; i < 100'000; ++i) data += deep;
  data += "\"x\"";
  for (int i = 0; i < 100'000; ++i) data += "}]";
  Stream stream(Api::kOpenAi);
  stream.event(data + "}}]}");
  EXPECT_THAT(stream.error(), HasSubstr("sent something that is no event: "));
}

TEST(OpenAiAnswer, ToleratesWhatItDoesNotKnow) {
  Stream stream(Api::kOpenAi);
  stream.event(R"({"object":"new.thing"})")
      .event(R"({"choices":null})")
      .event(R"({"choices":[7]})")
      .event(R"({"choices":[{"delta":null}]})")
      .event("  ")
      .event(chunk(R"({"content":null,"audio":{}})"))
      .event(R"({"choices":[],"error":null,"usage":{"prompt_tokens":-1,"completion_tokens":"x"}})")
      .event(chunk(R"({"content":"ok"})", R"("stop")"))
      .event("[DONE]");
  EXPECT_EQ(stream.error(), "");
  EXPECT_EQ(stream.said, "t:ok|");
  EXPECT_EQ(stream.answer.usage().json(), "");
}

TEST(OpenAiAnswer, ErrorInTheStreamIsTheServersWords) {
  Stream stream(Api::kOpenAi);
  stream.event(R"({"error":{"message":"CUDA out of memory","type":"server_error"}})");
  EXPECT_THAT(stream.error(), HasSubstr("failed (CUDA out of memory)"));
  stream.event(chunk(R"({"content":"late"})"));
  EXPECT_EQ(stream.said, "") << "nothing happens once it is over";
}

std::string thinking(std::initializer_list<const char*> pieces) {
  Stream stream(Api::kOpenAi);
  for (const char* piece : pieces)
    stream.event(chunk("{\"content\":\"" + std::string(piece) + "\"}"));
  stream.event(chunk("{}", R"("stop")")).event("[DONE]");
  return stream.said;
}

TEST(ThinkTags, AreThoughtsHoweverTheyAreCut) {
  EXPECT_EQ(thinking({"<think>hm</think>\\n\\nYes"}), "h:hm|t:Yes|");
  EXPECT_EQ(thinking({"\\n<th", "ink>h", "m</thi", "nk>", "Yes"}), "h:h|h:m|t:Yes|");
  EXPECT_EQ(thinking({"<think>a <", "b</think>"}), "h:a |h:<b|");
  EXPECT_EQ(thinking({"<think>never ends</th"}), "h:never ends|h:</th|");
}

TEST(ThinkTags, ElsewhereAreText) {
  EXPECT_EQ(thinking({"a <think>b</think>"}), "t:a <think>b</think>|");
  EXPECT_EQ(thinking({"<thin", "g>"}), "t:<thing>|");
  EXPECT_EQ(thinking({"<thi"}), "t:<thi|");
  EXPECT_EQ(thinking({"  ", "x"}), "t:  x|");
}

TEST(AnthropicAnswer, IsThoughtThenTextThenUsage) {
  Stream stream(Api::kAnthropic);
  stream
      .event(
          R"({"type":"message_start","message":{"id":"msg","usage":{"input_tokens":10,"cache_read_input_tokens":3,"cache_creation_input_tokens":2,"output_tokens":1}}})")
      .event(
          R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}})")
      .event(R"({"type":"ping"})")
      .event(
          R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}})")
      .event(
          R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQ"}})")
      .event(R"({"type":"content_block_stop","index":0})")
      .event(
          R"({"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}})")
      .event(
          R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"<think>"}})")
      .event(R"({"type":"content_block_stop","index":1})")
      .event(R"({"type":"new_event","x":1})")
      .event(
          R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}})");
  EXPECT_FALSE(stream.answer.over());
  stream.event(R"({"type":"message_stop"})");
  EXPECT_TRUE(stream.answer.over());
  EXPECT_EQ(stream.error(), "");
  EXPECT_EQ(stream.said, "h:hm|t:<think>|");
  EXPECT_EQ(
      stream.answer.usage().json(),
      R"({"cachedReadTokens":3,"cachedWriteTokens":2,"inputTokens":15,"outputTokens":7,"totalTokens":22})");
}

class AnthropicReason : public ::testing::TestWithParam<Reason> {};
TEST_P(AnthropicReason, BecomesAcps) {
  Stream stream(Api::kAnthropic);
  stream
      .event(R"({"type":"message_delta","delta":{"stop_reason":")" + std::string(GetParam().name) +
             "\"}}")
      .event(R"({"type":"message_stop"})");
  EXPECT_EQ(stream.error(), "");
  EXPECT_EQ(stream.answer.stop(), GetParam().stop);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, AnthropicReason,
    ::testing::Values(Reason{"end_turn", Stop::kEndTurn}, Reason{"stop_sequence", Stop::kEndTurn},
                      Reason{"max_tokens", Stop::kMaxTokens},
                      Reason{"model_context_window_exceeded", Stop::kMaxTokens},
                      Reason{"refusal", Stop::kRefusal}, Reason{"tool_use", Stop::kEndTurn},
                      Reason{"pause_turn", Stop::kEndTurn}),
    [](const auto& info) { return info.param.name; });

TEST(AnthropicAnswer, WithoutItsLastEventIsCutShort) {
  Stream stream(Api::kAnthropic);
  stream
      .event(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}})")
      .event(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"}})")
      .closed();
  EXPECT_THAT(stream.error(), HasSubstr("broke off in the middle of its answer"));
}

TEST(AnthropicAnswer, ErrorInTheStreamIsTheServersWords) {
  Stream stream(Api::kAnthropic);
  stream.event(R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})");
  EXPECT_THAT(stream.error(), HasSubstr("is overloaded (Overloaded)"));
  EXPECT_TRUE(stream.answer.failure()->transient);
}

TEST(AnthropicAnswer, NamesTheToolThatWasWanted) {
  Stream stream(Api::kAnthropic);
  stream.event(
      R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"search","input":{}}})");
  EXPECT_EQ(stream.answer.wanted_tool(), "search");
}

TEST(WholeAnswer, IsTakenWhereAServerDoesNotStream) {
  Stream openai(Api::kOpenAi);
  std::vector<Piece> out;
  openai.answer.whole(
      R"({"choices":[{"message":{"role":"assistant","content":"hello"},"finish_reason":"length"}],"usage":{"prompt_tokens":1}})",
      "application/json", out);
  openai.take(out);
  EXPECT_EQ(openai.said, "t:hello|");
  EXPECT_EQ(openai.answer.stop(), Stop::kMaxTokens);
  Stream anthropic(Api::kAnthropic);
  out.clear();
  anthropic.answer.whole(
      R"({"type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}})",
      "application/json", out);
  anthropic.take(out);
  EXPECT_EQ(anthropic.said, "t:hi|");
}

TEST(WholeAnswer, ThatIsNoneSaysWhatToLookAt) {
  Stream stream(Api::kOpenAi);
  std::vector<Piece> out;
  stream.answer.whole("<html>Welcome</html>", "text/html", out);
  EXPECT_THAT(stream.error(),
              HasSubstr("look at api and base_url of this backend (it sent text/html)"));
  EXPECT_EQ(stream.answer.failure()->code, Code::kFailedPrecondition);
  Stream error(Api::kOpenAi);
  error.answer.whole(R"({"error":{"message":"no slot"}})", "application/json", out);
  EXPECT_THAT(error.error(), HasSubstr("no slot"));
}

TEST(Answer, WithoutAnEndIsCutOff) {
  Stream stream(Api::kAnthropic);
  const std::string event =
      R"({"type":"content_block_delta","delta":{"type":"text_delta","text":")" +
      std::string(1 << 20, 'x') + "\"}}";
  for (int i = 0; i < 12 && !stream.answer.over(); ++i) stream.event(event);
  EXPECT_THAT(stream.error(), HasSubstr("sends an answer without an end"));
  EXPECT_FALSE(stream.answer.failure()->transient);
}

}  // namespace
}  // namespace viaduct::bridge
