// Lines of JSON-RPC as real peers write them, and as they should not.
#include "plugins/acp/rpc.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::acp {
namespace {

using Kind = Incoming::Kind;

struct Line {
  const char* name;
  const char* line;
  Kind kind;
  const char* id;
  const char* method;
  const char* payload;
};
void PrintTo(const Line& c, std::ostream* os) {
  *os << c.name;
}

class RpcLine : public ::testing::TestWithParam<Line> {};
TEST_P(RpcLine, IsReadForWhatItIs) {
  const auto line = parse_line(GetParam().line);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->kind, GetParam().kind);
  EXPECT_EQ(line->id, GetParam().id);
  EXPECT_EQ(line->method, GetParam().method);
  EXPECT_EQ(line->payload, GetParam().payload);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RpcLine,
    ::testing::Values(
        Line{"Request", R"({"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1}})", Kind::kRequest,
             "7", "m", R"({"a":1})"},
        Line{"IdZero", R"({"jsonrpc":"2.0","id":0,"method":"m","params":{}})", Kind::kRequest, "0",
             "m", "{}"},
        Line{"IdUuid", R"({"id":"e62f-11","method":"m","params":{}})", Kind::kRequest,
             R"("e62f-11")", "m", "{}"},
        Line{"IdEmptyString", R"({"id":"","method":"m"})", Kind::kRequest, R"("")", "m", "{}"},
        Line{"IdNull", R"({"id":null,"method":"m"})", Kind::kRequest, "null", "m", "{}"},
        Line{"IdNegative", R"({"id":-1,"method":"m"})", Kind::kRequest, "-1", "m", "{}"},
        Line{"IdLargest", R"({"id":18446744073709551615,"method":"m"})", Kind::kRequest,
             "18446744073709551615", "m", "{}"},
        Line{"IdMissing", R"({"method":"m","params":{"x":[]}})", Kind::kNotification, "", "m",
             R"({"x":[]})"},
        Line{"ParamsNull", R"({"method":"m","params":null})", Kind::kNotification, "", "m", "{}"},
        Line{"ParamsList", R"({"method":"m","params":[1]})", Kind::kNotification, "", "m", "[1]"},
        Line{"NoVersion", R"({"id":1,"result":{}})", Kind::kResult, "1", "", "{}"},
        Line{"ResultNull", R"({"id":1,"result":null})", Kind::kResult, "1", "", "null"},
        Line{"ResultScalar", R"({"id":1,"result":3})", Kind::kResult, "1", "", "3"},
        Line{"ResultWithErrorNull", R"({"id":1,"result":{"a":1},"error":null})", Kind::kResult, "1",
             "", R"({"a":1})"},
        Line{"ErrorNullOnly", R"({"id":1,"error":null})", Kind::kResult, "1", "", "null"},
        Line{"Error", R"({"id":1,"error":{"code":-32603,"message":"x"}})", Kind::kError, "1", "",
             ""},
        Line{"ErrorWithoutId", R"({"error":{"code":-32700,"message":"x"}})", Kind::kError, "", "",
             ""},
        Line{"ErrorIdNull", R"({"id":null,"error":{"code":-32700}})", Kind::kError, "null", "", ""},
        Line{"WhiteSpaceAround", "  {\"id\":1,\"result\":{}} \r", Kind::kResult, "1", "", "{}"},
        Line{"UnknownMembers", R"({"id":1,"result":{},"extra":{"a":[1]}})", Kind::kResult, "1", "",
             "{}"},
        Line{"Utf8",
             "{\"method\":\"m\",\"params\":{\"t\":\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80\"}}",
             Kind::kNotification, "", "m", "{\"t\":\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80\"}"},
        Line{"BrokenUtf8", "{\"method\":\"m\",\"params\":{\"t\":\"a\xFF\xC3(\"}}",
             Kind::kNotification, "", "m", "{\"t\":\"a\xEF\xBF\xBD\xEF\xBF\xBD(\"}"},
        Line{"OverlongUtf8", "{\"method\":\"m\",\"params\":{\"t\":\"\xC0\xAF\"}}",
             Kind::kNotification, "", "m", "{\"t\":\"\xEF\xBF\xBD\xEF\xBF\xBD\"}"},
        Line{"SurrogatePair", R"({"method":"m","params":{"t":"\ud83d\ude00"}})",
             Kind::kNotification, "", "m", "{\"t\":\"\xF0\x9F\x98\x80\"}"},
        Line{"HalfASurrogatePair", R"({"method":"m","params":{"t":"a\ud83d"}})",
             Kind::kNotification, "", "m", "{\"t\":\"a\xEF\xBF\xBD\"}"},
        Line{"OtherHalfOfASurrogatePair", R"({"method":"m","params":{"t":"\ude00 \ud83d\ude00"}})",
             Kind::kNotification, "", "m", "{\"t\":\"\xEF\xBF\xBD \xF0\x9F\x98\x80\"}"},
        Line{"RawControlCharacter", "{\"method\":\"m\",\"params\":{\"t\":\"a\tb\x1b\"}}",
             Kind::kNotification, "", "m", R"({"t":"a\tb\u001b"})"},
        Line{"HugeNumber", R"({"method":"m","params":{"n":1e999,"m":-1e999,"t":"1e999"}})",
             Kind::kNotification, "", "m", R"({"m":null,"n":null,"t":"1e999"})"},
        Line{"NotANumber", R"({"id":2,"result":{"cost":NaN,"least":-Infinity}})", Kind::kResult,
             "2", "", R"({"cost":null,"least":null})"},
        Line{"SameKeyTwice", R"({"id":1,"id":2,"result":{}})", Kind::kResult, "2", "", "{}"}),
    [](const auto& info) { return info.param.name; });

struct Noise {
  const char* name;
  const char* line;
};
void PrintTo(const Noise& c, std::ostream* os) {
  *os << c.name;
}
class RpcNoise : public ::testing::TestWithParam<Noise> {};
TEST_P(RpcNoise, IsSkipped) {
  EXPECT_FALSE(parse_line(GetParam().line));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RpcNoise,
    ::testing::Values(Noise{"Nothing", ""}, Noise{"WhiteSpace", " \t\r"},
                      Noise{"Words", "Loaded 3 extensions"}, Noise{"Number", "42"},
                      Noise{"String", R"("hello")"}, Noise{"Null", "null"},
                      Noise{"Batch", R"([{"id":1,"result":{}}])"}, Noise{"EmptyObject", "{}"},
                      Noise{"OnlyAnId", R"({"id":1})"},
                      Noise{"LogObject", R"({"level":"info","msg":"started"})"},
                      Noise{"MethodIsNoString", R"({"id":1,"method":5})"},
                      Noise{"CutOff", R"({"id":1,"result":{"a":)"},
                      Noise{"TwoObjects", R"({"id":1,"result":{}}{"id":2,"result":{}})"},
                      Noise{"PrefixedObject", R"(debug: {"id":1,"result":{}})"},
                      Noise{"UnfinishedEscape", R"({"id":1,"result":"\u12)"}),
    [](const auto& info) { return info.param.name; });

TEST(RpcLine, NestedTooDeeplyIsNoiseAndHarmless) {
  const auto nested = [](std::size_t depth) {
    return R"({"method":"m","params":{"x":)" + std::string(depth, '[') + std::string(depth, ']') +
           "}}";
  };
  EXPECT_TRUE(parse_line(nested(100)));
  EXPECT_FALSE(parse_line(nested(1'000'000)));
  std::string objects = R"({"method":"m","params":)";
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  EXPECT_FALSE(parse_line(objects));
}

TEST(RpcLine, BracketsInStringsAreNotNested) {
  const std::string line = R"({"method":"m","params":{"t":"\")" + std::string(5000, '[') + R"("}})";
  EXPECT_TRUE(parse_line(line));
}

TEST(RpcLine, MayBeAsLargeAsAPicture) {
  const std::string data(2 << 20, 'A');
  const auto line = parse_line(R"({"method":"m","params":{"data":")" + data + R"("}})");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->payload.size(), data.size() + std::string(R"({"data":""})").size());
}

// ---------------------------------------------------------------- errors

struct Words {
  const char* name;
  const char* error;  // the member "error" of a line
  std::int64_t code;
  const char* words;
};
void PrintTo(const Words& c, std::ostream* os) {
  *os << c.name;
}
class RpcErrorWords : public ::testing::TestWithParam<Words> {};
TEST_P(RpcErrorWords, AreForAPersonAndNeverRawJson) {
  const auto line = parse_line(R"({"id":1,"error":)" + std::string(GetParam().error) + "}");
  ASSERT_TRUE(line);
  ASSERT_EQ(line->kind, Kind::kError);
  EXPECT_EQ(line->error.code, GetParam().code);
  EXPECT_EQ(line->error.words(), GetParam().words);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RpcErrorWords,
    ::testing::Values(
        Words{"Plain", R"({"code":-32000,"message":"Authentication required"})", -32000,
              "Authentication required"},
        Words{"DataString", R"({"code":-32603,"message":"Internal error","data":"no room"})",
              -32603, "Internal error: no room"},
        Words{"DataDetails",
              R"({"code":-32603,"message":"Internal error","data":{"details":"No session"}})",
              -32603, "Internal error: No session"},
        Words{"DataMessage", R"({"code":1,"message":"Failed","data":{"message":"why","code":7}})",
              1, "Failed: why"},
        Words{"DataNestedError", R"({"code":1,"message":"M","data":{"error":{"message":"deep"}}})",
              1, "M: deep"},
        Words{"DataList", R"({"code":1,"message":"M","data":[{"x":1},{"message":"second"}]})", 1,
              "M: second"},
        Words{"DataNumber", R"({"code":1,"message":"M","data":17})", 1, "M"},
        Words{"DataNull", R"({"code":1,"message":"M","data":null})", 1, "M"},
        Words{"DataRepeats", R"({"code":1,"message":"No session x","data":"No session"})", 1,
              "No session x"},
        Words{"DataSaysMore", R"({"code":1,"message":"boom","data":{"details":"it went boom"}})", 1,
              "it went boom"},
        Words{"DataIsJsonInAString", R"({"code":1,"message":"M","data":"{\"message\":\"in\"}"})", 1,
              "M: in"},
        Words{"MessageIsJson",
              R"({"code":401,"message":"{\"error\":{\"code\":401,\"message\":\"Bad key\"}}"})", 401,
              "Bad key"},
        Words{"MessageIsAListAsJson",
              R"({"code":401,"message":"[{\"error\":{\"message\":\"Bad key\"}}]"})", 401,
              "Bad key"},
        Words{"MessageOnlyLooksLikeJson", R"({"code":1,"message":"[abc] failed"})", 1,
              "[abc] failed"},
        Words{"JsonWithoutWords", R"({"code":5,"message":"{\"a\":1}"})", 5, "error 5"},
        Words{"OnlyCode", R"({"code":-32700})", -32700, "error -32700"},
        Words{"Empty", "{}", -32603, "error -32603"},
        Words{"String", R"("went wrong")", -32603, "went wrong"},
        Words{"CodeString", R"({"code":"429","message":"Slow down"})", 429, "Slow down"},
        Words{"CodeWord", R"({"code":"ENOENT","message":"M"})", -32603, "M"},
        Words{"CodeHuge", R"({"code":18446744073709551615,"message":"M"})", -32603, "M"},
        Words{"CodeFraction", R"({"code":1.5,"message":"M"})", -32603, "M"},
        Words{"SeveralLines", R"({"code":1,"message":"a\n  b\tc"})", 1, "a b c"}),
    [](const auto& info) { return info.param.name; });

TEST(RpcErrorWords, AreBoundedInLengthAndDepth) {
  RpcError error{1, std::string(100'000, 'x'), {}};
  EXPECT_LT(error.words().size(), 1000U);
  error.message = "M";
  error.data = std::string(1'000'000, '[');
  EXPECT_EQ(error.words(), "M");
}

// ---------------------------------------------------------------- what we write

TEST(RpcWriting, GivesOneLineEach) {
  EXPECT_EQ(
      request_line(3, "session/new", R"({"cwd":"/a"})"),
      "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"session/new\",\"params\":{\"cwd\":\"/a\"}}\n");
  EXPECT_EQ(notification_line("session/cancel", ""),
            "{\"jsonrpc\":\"2.0\",\"method\":\"session/cancel\",\"params\":{}}\n");
  EXPECT_EQ(result_line("\"a-1\"", "{\n}"),
            "{\"jsonrpc\":\"2.0\",\"id\":\"a-1\",\"result\":{ }}\n");
  EXPECT_EQ(result_line("0", ""), "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":null}\n");
  EXPECT_EQ(error_line("null", kMethodNotFound, "a\n\"b\""),
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32601,\"message\":"
            "\"a\\n\\\"b\\\"\"}}\n");
}

TEST(RpcWriting, SurvivesTextThatIsNotUtf8) {
  EXPECT_TRUE(parse_line(error_line("1", kInternalError, "a\xFF")));
}

struct OwnId {
  const char* name;
  const char* id;
  std::optional<std::uint64_t> number;
};
void PrintTo(const OwnId& c, std::ostream* os) {
  *os << c.name;
}
class RpcOwnId : public ::testing::TestWithParam<OwnId> {};
TEST_P(RpcOwnId, IsFoundInWhatThePeerMadeOfIt) {
  EXPECT_EQ(own_id(GetParam().id), GetParam().number);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RpcOwnId,
    ::testing::Values(OwnId{"Number", "12", 12}, OwnId{"Zero", "0", 0},
                      OwnId{"String", R"("12")", 12}, OwnId{"Null", "null", std::nullopt},
                      OwnId{"Missing", "", std::nullopt}, OwnId{"Uuid", R"("e6")", std::nullopt},
                      OwnId{"Negative", "-1", std::nullopt}, OwnId{"Fraction", "1.0", std::nullopt},
                      OwnId{"EmptyString", R"("")", std::nullopt},
                      OwnId{"TooLarge", "18446744073709551616", std::nullopt}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace viaduct::acp
