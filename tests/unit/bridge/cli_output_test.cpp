// What the lines of an agent program become, by the rules of its preset.
#include "plugins/bridge/cli_output.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace viaduct::bridge {
namespace {

Preset preset_of(const std::string& lines) {
  auto preset = parse_preset("p", R"({"program":"p","new":["-p"],"lines":[)" + lines + "]}", "");
  EXPECT_TRUE(preset) << preset.error();
  return *std::move(preset);
}

// "text:…|tool(id):…"
std::string in_words(const std::vector<Said>& all) {
  std::string words;
  for (const Said& one : all) {
    constexpr const char* kNames[] = {"text", "thought", "tool", "plan", "notice", "session"};
    words += (words.empty() ? "" : "|") + std::string(kNames[static_cast<int>(one.kind)]);
    if (!one.id.empty()) words += "(" + one.id + ")";
    words += ":" + one.text;
  }
  return words;
}

class Output {
 public:
  explicit Output(const std::string& lines) : preset_(preset_of(lines)), of(preset_) {}
  std::string line(const std::string& text) {
    std::vector<Said> said;
    of.line(text, said);
    return in_words(said);
  }

 private:
  Preset preset_;

 public:
  CliOutput of;
};

constexpr const char* kTexts =
    R"({"when":{"/t":"d"},"text_delta":"/x"},{"when":{"/t":"w"},"text":"/x"},
       {"when":{"/t":"f"},"final_text":"/x"},{"when":{"/t":"td"},"thought_delta":"/x"},
       {"when":{"/t":"tw"},"thought":"/x"},{"when":{"/t":"tool"},"tool":{"id":"/x"}})";

TEST(CliText, WholeOneSaysOnlyWhatItsDeltasDidNot) {
  Output out(kTexts);
  EXPECT_EQ(out.line(R"({"t":"d","x":"Hel"})"), "text:Hel");
  EXPECT_EQ(out.line(R"({"t":"d","x":"lo"})"), "text:lo");
  EXPECT_EQ(out.line(R"({"t":"w","x":"Hello you"})"), "text: you");
  EXPECT_EQ(out.line(R"({"t":"d","x":"More"})"), "text:\n\nMore");
  EXPECT_EQ(out.line(R"({"t":"w","x":"More"})"), "");
  EXPECT_EQ(out.line(R"({"t":"w","x":"Third"})"), "text:\n\nThird");
}

TEST(CliText, DeltasOfSeveralTextsAreFoundAgain) {
  Output out(kTexts);
  out.line(R"({"t":"d","x":"One"})");
  out.line(R"({"t":"d","x":"Two"})");
  EXPECT_EQ(out.line(R"({"t":"w","x":"One"})"), "");
  EXPECT_EQ(out.line(R"({"t":"w","x":"Two"})"), "");
  EXPECT_EQ(out.line(R"({"t":"d","x":"\n trimmed "})"), "text:\n\n\n trimmed ");
  EXPECT_EQ(out.line(R"({"t":"w","x":"trimmed"})"), "");
}

TEST(CliText, ToolsAndThoughtsBetweenTextsNeedNoEmptyLine) {
  Output out(kTexts);
  EXPECT_EQ(out.line(R"({"t":"w","x":"One"})"), "text:One");
  EXPECT_EQ(out.line(R"({"t":"tool","x":"1"})"), R"(tool(1):{"title":"Tool","toolCallId":"1"})");
  EXPECT_EQ(out.line(R"({"t":"w","x":"Two"})"), "text:Two");
  EXPECT_EQ(out.line(R"({"t":"td","x":"Hm"})"), "thought:Hm");
  EXPECT_EQ(out.line(R"({"t":"tw","x":"Hm"})"), "");
  EXPECT_EQ(out.line(R"({"t":"w","x":"Three"})"), "text:Three");
}

TEST(CliText, FinalOneIsForATurnThatSaidNothing) {
  Output silent(kTexts);
  EXPECT_EQ(silent.line(R"({"t":"f","x":"All"})"), "text:All");
  Output talking(kTexts);
  talking.line(R"({"t":"d","x":"A"})");
  EXPECT_EQ(talking.line(R"({"t":"f","x":"All"})"), "");
}

TEST(CliText, TooLongToCompareIsNotSaidTwice) {
  Output out(kTexts);
  const std::string mebibyte(1 << 20, 'x');
  std::string all;
  for (int i = 0; i < 9; ++i) {
    out.line(R"({"t":"d","x":")" + mebibyte + "\"}");
    all += mebibyte;
  }
  EXPECT_EQ(out.line(R"({"t":"w","x":")" + all + "\"}"), "");
  EXPECT_EQ(out.line(R"({"t":"w","x":"next"})"), "text:\n\nnext");
}

struct WhenCase {
  const char* name;
  const char* when;
  const char* line;
  bool holds;
};
void PrintTo(const WhenCase& c, std::ostream* os) {
  *os << c.name;
}
class CliWhen : public ::testing::TestWithParam<WhenCase> {};
TEST_P(CliWhen, HoldsOrNot) {
  Output out(std::string(R"({"when":)") + GetParam().when + R"(,"text":"yes"})");
  EXPECT_EQ(out.line(GetParam().line), GetParam().holds ? "text:yes" : "");
}
INSTANTIATE_TEST_SUITE_P(
    Cases, CliWhen,
    ::testing::Values(WhenCase{"Text", R"({"/a":"x"})", R"({"a":"x"})", true},
                      WhenCase{"OtherText", R"({"/a":"x"})", R"({"a":"y"})", false},
                      WhenCase{"Missing", R"({"/a":"x"})", R"({"b":"x"})", false},
                      WhenCase{"Both", R"({"/a":"x","/b":"y"})", R"({"a":"x","b":"z"})", false},
                      WhenCase{"True", R"({"/a":true})", R"({"a":true})", true},
                      WhenCase{"Number", R"({"/a":5})", R"({"a":5})", true},
                      WhenCase{"OneOf", R"({"/a":["x","y"]})", R"({"a":"y"})", true},
                      WhenCase{"Any", R"({"/a":"*"})", R"({"a":{"b":1}})", true},
                      WhenCase{"AnyButNull", R"({"/a":"*"})", R"({"a":null})", false},
                      WhenCase{"Null", R"({"/a":null})", R"({"a":null})", true},
                      WhenCase{"NullIsMissing", R"({"/a":null})", R"({"b":1})", true},
                      WhenCase{"NullIsNot", R"({"/a":null})", R"({"a":0})", false},
                      WhenCase{"InAnArray", R"({"/a/1/b":"x"})", R"({"a":[0,{"b":"x"}]})", true},
                      WhenCase{"BeyondAnArray", R"({"/a/2":"*"})", R"({"a":[0,1]})", false},
                      WhenCase{"Escaped", R"({"/a~1b~0":"x"})", R"({"a/b~":"x"})", true},
                      WhenCase{"NoText", R"({"/a":"{}"})", R"({"a":{}})", false}),
    [](const auto& info) { return info.param.name; });

TEST(CliLines, ThatAreNoJsonAreSkippedAndTheLastKept) {
  Output out(R"({"text":"/x"})");
  for (const char* line :
       {"one", "", "  ", "two \x1b[31mred", "{\"x\":", "7", "\"x\"", "six", "seven"})
    EXPECT_EQ(out.line(line), "");
  EXPECT_EQ(out.of.skipped(), 7u);
  EXPECT_EQ(out.of.noise({}), "{\"x\":\n7\n\"x\"\nsix\nseven");
  EXPECT_EQ(out.line(R"( {"x":"yes"} )"), "text:yes");
}

TEST(CliLines, OfNoiseShowNoSecretAlsoWhereTheyAreCut) {
  Output out(R"({"text":"/x"})");
  out.line(std::string(290, 'a') + " token=sesame-opens-2718 " + std::string(100, 'b'));
  EXPECT_EQ(out.of.noise({"sesame-opens-2718"}).find("sesa"), std::string::npos);
}

TEST(CliLines, OfOneIndentedObjectAreTakenTogether) {
  Output out(kTexts);
  EXPECT_EQ(out.line("Resuming"), "");
  for (const char* line : {"{", "  \"t\": \"w\",", "  \"more\": {", "  },", "  \"x\": \"all\""})
    EXPECT_EQ(out.line(line), "") << line;
  EXPECT_EQ(out.line("}"), "text:all");
  EXPECT_EQ(out.of.skipped(), 1U);
  EXPECT_EQ(out.line("{"), "");  // what is not indented behind it is a line again
  EXPECT_EQ(out.line(R"({"t":"w","x":"other"})"), "text:\n\nother");
  EXPECT_EQ(out.of.skipped(), 2U);
}

TEST(CliLines, NestedTooDeeplyAreSkipped) {
  Output out(R"({"tool":{"id":"/i","input":"/x"}})");
  const std::string deep =
      R"({"i":"1","x":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_EQ(out.line(deep), "");
  EXPECT_EQ(out.of.skipped(), 1u);
  EXPECT_NE(out.line(R"({"i":"1","x":")" + std::string(1000, '[') + "\"}"), "") << "in a text";
}

TEST(CliLines, CutInTheMiddleOfACharacterAreMended) {
  Output out(R"({"text_delta":"/x"})");
  EXPECT_EQ(out.line(R"({"x":"a\ud83d"})"), "text:a\xEF\xBF\xBD");
  EXPECT_EQ(out.line(R"({"x":"\ude00 \ud83d\ude00"})"), "text:\xEF\xBF\xBD \xF0\x9F\x98\x80");
  EXPECT_EQ(out.line("{\"x\":\"b\xC3\"}"), "text:b\xEF\xBF\xBD");
  EXPECT_EQ(out.line(R"({"x":"\\ud83d"})"), "text:\\ud83d");
  EXPECT_EQ(out.of.skipped(), 0u);
}

TEST(CliTools, AreAcpToolCallsMergedById) {
  Output out(
      R"({"when":{"/t":"use"},"each":"/c","lines":[{"tool":{"id":"/id","title":"{/name}: {/in/cmd}",
            "kind":{"at":"/name","map":{"Bash":"execute"},"otherwise":"weird"},
            "input":"/in","status":"in_progress"}}]},
         {"when":{"/t":"result"},"tool":{"id":"/id","output":"/out",
            "status":{"at":"/bad","map":{"true":"failed"},"otherwise":"completed"}}})");
  EXPECT_EQ(
      out.line(
          R"({"t":"use","c":[{"id":"1","name":"Bash","in":{"cmd":"ls\n-l"}},{"id":"2","name":"X"}]})"),
      R"(tool(1):{"kind":"execute","rawInput":{"cmd":"ls\n-l"},"status":"in_progress","title":"Bash: ls -l","toolCallId":"1"})"
      R"(|tool(2):{"kind":"other","status":"in_progress","title":"X:","toolCallId":"2"})");
  EXPECT_EQ(
      out.line(
          R"({"t":"result","id":"1","out":[{"type":"text","text":"a"},{"type":"text","text":"b"}]})"),
      R"(tool(1):{"content":[{"content":{"text":"a\nb","type":"text"},"type":"content"}],"status":"completed","toolCallId":"1"})");
  EXPECT_EQ(out.line(R"({"t":"result","id":"2","bad":true})"),
            R"(tool(2):{"status":"failed","toolCallId":"2"})");
  EXPECT_EQ(out.line(R"({"t":"result"})"), "") << "without an id";
}

TEST(CliTools, OutputThatIsTooLongSaysHowMuchIsLeftOut) {
  Output out(R"({"tool":{"id":"/i","output":"/o"}})");
  const std::string said = out.line(R"({"i":"1","o":")" + std::string(300'000, 'x') + "\"}");
  EXPECT_LT(said.size(), CliOutput::kMostOfATool + 1000);
  EXPECT_NE(said.find("… (37856 bytes more)"), std::string::npos);
}

TEST(CliPlan, HasEntriesAsAcp) {
  Output out(R"({"plan":{"each":"/todo","content":"/text",
                  "status":{"at":"/completed","map":{"true":"completed"}}}})");
  EXPECT_EQ(out.line(R"({"todo":[{"text":"a","completed":true},{"text":"b","completed":false}]})"),
            R"(plan:{"entries":[{"content":"a","priority":"medium","status":"completed"},)"
            R"({"content":"b","priority":"medium","status":"pending"}]})");
  EXPECT_EQ(out.line(R"({"other":1})"), "");
}

TEST(CliUsage, IsReplacedOrAddedUp) {
  Output out(
      R"({"when":{"/t":"r"},"usage":{"input":{"sum":["/in","/cached"]},"cached":"/cached","output":"/out","cost":"/usd"}},
         {"when":{"/t":"s"},"usage":{"input":"/in","cost":"/usd","add":true}})");
  out.line(R"({"t":"r","in":1,"cached":2,"out":3,"usd":0.5})");
  out.line(R"({"t":"r","in":10,"cached":20,"out":-3})");
  EXPECT_EQ(*out.of.usage().input, 30u);
  EXPECT_EQ(*out.of.usage().cached_read, 20u);
  EXPECT_EQ(*out.of.usage().output, 3u) << "nothing negative";
  out.line(R"({"t":"r","in":1e300,"cached":99999999999999999999999,"out":4.7,"usd":1e300})");
  EXPECT_EQ(*out.of.usage().input, 30u) << "no number of tokens";
  EXPECT_EQ(*out.of.usage().cached_read, 20u);
  EXPECT_EQ(*out.of.usage().output, 4u);
  EXPECT_DOUBLE_EQ(*out.of.usage().cost, 0.5);
  out.line(R"({"t":"s","in":5,"usd":0.25})");
  EXPECT_EQ(*out.of.usage().input, 35u);
  EXPECT_DOUBLE_EQ(*out.of.usage().cost, 0.75);
}

TEST(CliUsage, OfAWholeSessionSaysSo) {
  Output out(R"({"usage":{"total":true,"input":"/i","output":"/o"}})");
  EXPECT_FALSE(out.of.usage_is_total());
  out.line(R"({"i":36,"o":9})");
  EXPECT_TRUE(out.of.usage_is_total());
  Usage before;
  before.input = 24;
  before.output = 10;
  const Usage used = out.of.usage().since(before);
  EXPECT_EQ(used.input, 12U);
  EXPECT_FALSE(used.output) << "less than before: it counts from another beginning";
}

TEST(CliEnd, HasItsWordsReasonAndId) {
  Output out(
      R"({"when":{"/bad":true},"error":["/errors","/result"]},
         {"session":"/id","stop":{"at":"/sub","map":{"limit":"max_turn_requests"}}},
         {"when":{"/t":"end"},"done":true})");
  EXPECT_EQ(out.line(R"({"id":"A"})"), "session:A");
  EXPECT_EQ(out.line(R"({"id":"A","sub":"limit"})"), "") << "the same id again";
  EXPECT_EQ(out.of.stop(), "max_turn_requests");
  EXPECT_FALSE(out.of.done());
  EXPECT_EQ(out.line(R"({"t":"end","bad":true,"errors":["one","two"],"id":"B"})"), "");
  EXPECT_TRUE(out.of.done());
  EXPECT_EQ(out.of.error().value_or(""), "one\ntwo");
  EXPECT_EQ(out.of.session(), "A") << "an id in the same breath as the error is none";
  EXPECT_FALSE(out.of.said());
}

TEST(CliEnd, ErrorThatIsEmptyIsNone) {
  Output out(R"({"error":["/e","/f"],"text":"/x"})");
  out.line(R"({"e":"","f":null,"x":"fine"})");
  EXPECT_FALSE(out.of.error());
  out.line(R"({"e":{"code":5}})");
  EXPECT_EQ(out.of.error().value_or(""), R"({"code":5})");
}

TEST(CliNotice, IsOneLine) {
  Output out(R"({"when":{"/n":"*"},"notice":"{/n} of {/m}"})");
  EXPECT_EQ(out.line(R"({"n":"first\nsecond","m":7})"), "notice:first second of 7");
}

TEST(NativeId, ThatCouldBeAnOptionAPatternOrAPathIsNotSafe) {
  for (const char* id : {"A", "01234567-89ab-cdef-0123-456789abcdef", "ses_4f!x", "ä"})
    EXPECT_TRUE(is_safe_id(id)) << id;
  for (const std::string& id :
       {std::string(), std::string("-x"), std::string("--help"), std::string("a b"),
        std::string("a\nb"), std::string("a\0b", 3), std::string("../x"), std::string("a/b"),
        std::string("*"), std::string("\x1b[0m"), std::string(600, 'x')})
    EXPECT_FALSE(is_safe_id(id)) << id;
}

}  // namespace
}  // namespace viaduct::bridge
