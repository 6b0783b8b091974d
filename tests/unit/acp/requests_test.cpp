// What agents request: permissions, elicitation, files, terminals.
#include "plugins/acp/protocol.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::acp {
namespace {

// ---------------------------------------------------------------- permission

std::string permission(const std::string& call, const std::string& options) {
  return R"({"sessionId":"s","toolCall":)" + call + R"(,"options":)" + options + "}";
}
constexpr const char* kUsual =
    R"([{"optionId":"proceed_always","name":"Always","kind":"allow_always"},
        {"optionId":"proceed_once","name":"Once","kind":"allow_once"},
        {"optionId":"never","name":"Never","kind":"reject_always"},
        {"optionId":"cancel","name":"No","kind":"reject_once"}])";

TEST(Permission, IsChosenByKindAndNotByIdOrPlace) {
  const auto request =
      parse_permission(permission(R"({"toolCallId":"t","title":"Edit a","kind":"edit"})", kUsual));
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(request->session_id, "s");
  EXPECT_EQ(request->title, "Edit a");
  EXPECT_EQ(request->kind, "edit");
  EXPECT_EQ(request->tool_id, "t");
  ASSERT_NE(request->allowing(), nullptr);
  EXPECT_EQ(request->allowing()->id, "proceed_once");
  ASSERT_NE(request->rejecting(), nullptr);
  EXPECT_EQ(request->rejecting()->id, "cancel");
}

TEST(Permission, WithoutKindsIsLeftToAPerson) {
  const auto request = parse_permission(permission(
      "null",
      R"([{"optionId":"allow","name":"Allow"},{"optionId":"r","name":null,"kind":"odd"}])"));
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(request->allowing(), nullptr);
  EXPECT_EQ(request->rejecting(), nullptr);
  EXPECT_EQ(request->tool_call, "{}");
  EXPECT_EQ(request->title, "The agent asks for permission");
  EXPECT_EQ(request->options[1].name, "r");
}

TEST(Permission, TakesWhatIsLeftOfTheKinds) {
  const auto request = parse_permission(permission(
      "{}", R"([{"optionId":"a","kind":"allow_always"},{"optionId":"b","kind":"allow_always"},
               {"optionId":"n","kind":"reject_always"}])"));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->allowing()->id, "a");
  EXPECT_EQ(request->rejecting()->id, "n");
}

struct Title {
  const char* name;
  const char* call;
  const char* title;
};
void PrintTo(const Title& c, std::ostream* os) {
  *os << c.name;
}
class PermissionTitle : public ::testing::TestWithParam<Title> {};
TEST_P(PermissionTitle, SaysWhatTheAgentWantsToDo) {
  const auto request = parse_permission(permission(GetParam().call, kUsual));
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(request->title, GetParam().title);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, PermissionTitle,
    ::testing::Values(
        Title{"Its", R"({"title":"Run `ls`","rawInput":{"command":"rm"}})", "Run `ls`"},
        Title{"Command", R"({"title":null,"rawInput":{"command":"rm -r\n x"}})", "rm -r x"},
        Title{"CommandList", R"({"rawInput":{"command":["bash","-c",3,"ls"]}})", "bash -c ls"},
        Title{"Name", R"({"name":"write_file"})", "write_file"},
        Title{"Kind", R"({"kind":"execute","title":null})", "Tool: execute"},
        Title{"Nothing", "{}", "The agent asks for permission"}),
    [](const auto& info) { return info.param.name; });

struct BadRequest {
  const char* name;
  const char* params;
  const char* error;
};
void PrintTo(const BadRequest& c, std::ostream* os) {
  *os << c.name;
}
class BadPermission : public ::testing::TestWithParam<BadRequest> {};
TEST_P(BadPermission, IsRefusedInWords) {
  const auto request = parse_permission(GetParam().params);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BadPermission,
    ::testing::Values(BadRequest{"List", "[]", "params: must be an object"},
                      BadRequest{"NoSession", R"({"options":[{"optionId":"a"}]})",
                                 "sessionId: must be a string that is not empty"},
                      BadRequest{"NoOptions", R"({"sessionId":"s","toolCall":{}})",
                                 "options: there must be one with an optionId"},
                      BadRequest{"OptionsWithoutIds",
                                 R"({"sessionId":"s","options":[{"name":"x"},7,null]})",
                                 "options: there must be one with an optionId"}),
    [](const auto& info) { return info.param.name; });

TEST(Permission, GoesToTheHostAsItTakesIt) {
  const auto request = parse_permission(permission(
      R"({"toolCallId":"t","title":"T","kind":null,"content":[{"type":"text","text":"c"}]})",
      R"([{"optionId":"a","name":"A","kind":"allow_once"}])"));
  ASSERT_TRUE(request);
  const std::string rest =
      R"("title":"T","toolCall":{"content":[{"content":{"text":"c","type":"text"},"type":"content"}],"title":"T","toolCallId":"t"}})";
  const std::string options = R"({"options":[{"kind":"allow_once","name":"A","optionId":"a"}],)";
  EXPECT_EQ(permission_json(*request, 0), options + rest);
  EXPECT_EQ(permission_json(*request, 1500), options + R"("timeout_ms":1500,)" + rest);
}

TEST(Permission, KeepsItsMeta) {
  const auto request =
      parse_permission(R"({"sessionId":"s","toolCall":{"toolCallId":"c"},"_meta":{"a":1},)"
                       R"("options":[{"optionId":"o","name":"O","kind":"allow_once"}]})");
  EXPECT_NE(permission_json(*request, 0).find(R"("_meta":{"a":1})"), std::string::npos);
}

TEST(Permission, IsAnsweredWithAnOptionOrCancelled) {
  EXPECT_EQ(permission_result("a"), R"({"outcome":{"optionId":"a","outcome":"selected"}})");
  EXPECT_EQ(permission_result(""), R"({"outcome":{"outcome":"cancelled"}})");
}

// ---------------------------------------------------------------- elicitation

std::string form(const std::string& properties, const std::string& required = "[]") {
  return R"({"sessionId":"s","mode":"form","message":"Which?","requestedSchema":{"type":"object","properties":)" +
         properties + R"(,"required":)" + required + "}}";
}

std::string asked(const Elicitation& elicitation) {
  std::string all;
  for (const Question& question : elicitation.questions) {
    all += question.field + "(" + question.title + ")";
    for (const Choice& choice : question.choices) all += " " + choice.value + "=" + choice.name;
    all += ";";
  }
  return all;
}

struct Form {
  const char* name;
  const char* properties;
  const char* required;
  const char* questions;
  const char* refusal;
};
void PrintTo(const Form& c, std::ostream* os) {
  *os << c.name;
}
class ElicitationForm : public ::testing::TestWithParam<Form> {};
TEST_P(ElicitationForm, BecomesQuestionsWithButtons) {
  const auto elicitation = parse_elicitation(form(GetParam().properties, GetParam().required));
  ASSERT_TRUE(elicitation) << elicitation.error();
  EXPECT_EQ(elicitation->session_id, "s");
  EXPECT_EQ(elicitation->message, "Which?");
  EXPECT_EQ(elicitation->url, "");
  EXPECT_EQ(elicitation->refusal, GetParam().refusal);
  if (elicitation->refusal.empty()) {
    EXPECT_EQ(asked(*elicitation), GetParam().questions);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ElicitationForm,
    ::testing::Values(
        Form{"Enum", R"({"c":{"type":"string","title":"Colour","enum":["red","blue"]}})",
             R"(["c"])", "c(Colour) red=red blue=blue;", ""},
        Form{"EnumNames", R"({"c":{"type":"string","enum":["r","b"],"enumNames":["Red"]}})",
             R"(["c"])", "c(c) r=Red b=b;", ""},
        Form{
            "OneOf",
            R"({"c":{"type":"string","oneOf":[{"const":"r","title":"Red"},{"const":"b"},{"x":1}]}})",
            R"(["c"])", "c(c) r=Red b=b;", ""},
        Form{"Boolean", R"({"ok":{"type":"boolean","description":"Really?"}})", R"(["ok"])",
             "ok(Really?) true=Yes false=No;", ""},
        Form{"List", R"({"l":{"type":"array","items":{"type":"string","enum":["a","b"]}}})",
             R"(["l"])", "l(l) a=a b=b;", ""},
        Form{"ListOfAnyOf",
             R"({"l":{"type":"array","minItems":1,"items":{"anyOf":[{"const":"a","title":"A"}]}}})",
             R"(["l"])", "l(l) a=A;", ""},
        Form{"Numbers", R"({"n":{"type":"integer","enum":[1,2]}})", R"(["n"])", "n(n) 1=1 2=2;",
             ""},
        Form{"FreeTextThatMayBeLeftOut", R"({"t":{"type":"string"}})", "[]", "", ""},
        Form{"FreeTextWithADefault", R"({"t":{"type":"string","default":"d"}})", R"(["t"])", "",
             ""},
        Form{"FreeText", R"({"t":{"type":"string","title":"Your name"}})", R"(["t"])", "",
             "it asks for \"Your name\", which buttons cannot answer"},
        Form{"Number", R"({"n":{"type":"integer"}})", R"(["n"])", "",
             "it asks for \"n\", which buttons cannot answer"},
        Form{"SeveralOfAList",
             R"({"l":{"type":"array","minItems":2,"items":{"enum":["a","b","c"]}}})", R"(["l"])",
             "", "it asks for \"l\", which buttons cannot answer"},
        Form{"NoFields", "{}", "[]", "", ""}, Form{"FieldIsNoObject", R"({"a":5})", "[]", "", ""},
        Form{"PropertiesAreNull", "null", "null", "", ""}),
    [](const auto& info) { return info.param.name; });

TEST(Elicitation, OfAnAddressShowsAllOfIt) {
  const auto elicitation = parse_elicitation(
      R"({"requestId":4,"mode":"url","message":"Log in","elicitationId":"e","url":"https://h/a?b=c"})");
  ASSERT_TRUE(elicitation) << elicitation.error();
  EXPECT_EQ(elicitation->session_id, "");
  EXPECT_EQ(elicitation->url, "https://h/a?b=c");
  EXPECT_EQ(elicitation->refusal, "");
}

TEST(Elicitation, OfSomethingOtherThanAWebAddressIsRefused) {
  const auto elicitation = parse_elicitation(
      R"({"sessionId":"s","mode":"url","message":"m","url":"file:///etc/passwd"})");
  ASSERT_TRUE(elicitation);
  EXPECT_EQ(elicitation->refusal, "it asks to open something that is no web address");
}

TEST(Elicitation, OfAnUnknownModeIsAnError) {
  EXPECT_FALSE(parse_elicitation(R"({"sessionId":"s","mode":"dance","message":"m"})"));
  EXPECT_FALSE(parse_elicitation(R"({"sessionId":"s","mode":"url","message":"m"})"));
  EXPECT_FALSE(parse_elicitation("null"));
}

TEST(Elicitation, OfTooManyQuestionsIsRefused) {
  std::string fields;
  for (int i = 0; i < 40; ++i)
    fields += (fields.empty() ? "" : ",") + ("\"f" + std::to_string(i)) + R"(":{"type":"boolean"})";
  const auto elicitation = parse_elicitation(form("{" + fields + "}"));
  ASSERT_TRUE(elicitation);
  EXPECT_EQ(elicitation->refusal, "it asks 40 questions at once");
}

TEST(Elicitation, IsAnsweredWithTheTypesOfItsSchema) {
  const std::string params = form(
      R"({"c":{"type":"string","enum":["1","2"]},"n":{"type":"integer","enum":[1,2]},"ok":{"type":"boolean"},
          "l":{"type":"array","items":{"enum":["a"]}},"d":{"type":"string","default":"usual"},"o":{"type":"string","default":"x"}})",
      R"(["c","d"])");
  EXPECT_EQ(
      elicitation_result("accept", params, {{"c", "1"}, {"n", "2"}, {"ok", "false"}, {"l", "a"}}),
      R"({"action":"accept","content":{"c":"1","d":"usual","l":["a"],"n":2,"ok":false}})");
  EXPECT_EQ(elicitation_result("decline", params, {}), R"({"action":"decline"})");
  EXPECT_EQ(elicitation_result("cancel", "{", {}), R"({"action":"cancel"})");
  EXPECT_EQ(elicitation_result("accept", R"({"mode":"url","url":"https://h"})", {}),
            R"({"action":"accept"})");
}

// ---------------------------------------------------------------- files

struct Lines {
  const char* name;
  const char* rest;
  std::int64_t line, limit;
};
void PrintTo(const Lines& c, std::ostream* os) {
  *os << c.name;
}
class ReadLines : public ::testing::TestWithParam<Lines> {};
TEST_P(ReadLines, AreReadAsTheyAreWritten) {
  const auto file =
      parse_read_file(R"({"sessionId":"s","path":"/a")" + std::string(GetParam().rest) + "}");
  ASSERT_TRUE(file) << file.error();
  EXPECT_EQ(file->path, "/a");
  EXPECT_EQ(file->line, GetParam().line);
  EXPECT_EQ(file->limit, GetParam().limit);
}
INSTANTIATE_TEST_SUITE_P(Cases, ReadLines,
                         ::testing::Values(Lines{"All", "", 0, -1},
                                           Lines{"Nulls", R"(,"line":null,"limit":null)", 0, -1},
                                           Lines{"Some", R"(,"line":5,"limit":10)", 5, 10},
                                           Lines{"Fractions", R"(,"line":5.0,"limit":2.5)", 5, 2},
                                           Lines{"Negative", R"(,"line":-3,"limit":-1)", 0, 0},
                                           Lines{"None", R"(,"limit":0)", 0, 0},
                                           Lines{"Huge",
                                                 R"(,"line":18446744073709551615,"limit":1e300)",
                                                 INT64_MAX, INT64_MAX},
                                           Lines{"Text", R"(,"line":"5","limit":true)", 0, -1}),
                         [](const auto& info) { return info.param.name; });

TEST(Files, NeedAPath) {
  for (const char* bad : {"", "[]", "{}", R"({"path":""})", R"({"path":null})", R"({"path":3})",
                          R"({"path":"a\u0000b"})"}) {
    EXPECT_FALSE(parse_read_file(bad)) << bad;
    EXPECT_FALSE(parse_write_file(bad)) << bad;
  }
  EXPECT_EQ(parse_read_file("{}").error(), "path: must be a string that is not empty");
}

TEST(Files, AreWrittenWithTheirContentEvenIfItIsEmpty) {
  const auto file = parse_write_file(R"({"sessionId":"s","path":"/a","content":""})");
  ASSERT_TRUE(file) << file.error();
  EXPECT_EQ(file->content, "");
  EXPECT_EQ(parse_write_file(R"({"path":"/a"})").error(), "content: must be a string");
  EXPECT_EQ(parse_write_file(R"({"path":"/a","content":null})").error(),
            "content: must be a string");
}

TEST(Files, AnswerWithTextThatIsUtf8) {
  EXPECT_EQ(read_file_result("a\n\xFF"), "{\"content\":\"a\\n\xEF\xBF\xBD\"}");
}

// ---------------------------------------------------------------- terminals

TEST(Terminals, TakeAProgramWithArgumentsOrALineForTheShell) {
  const auto program = parse_create_terminal(
      R"({"sessionId":"s","command":"ls","args":["-l"],"env":[{"name":"A","value":"b"}],"cwd":"/w","outputByteLimit":100})");
  ASSERT_TRUE(program) << program.error();
  EXPECT_TRUE(program->has_arguments);
  EXPECT_EQ(program->arguments, std::vector<std::string>{"-l"});
  EXPECT_EQ(program->environment, std::vector<std::string>{"A=b"});
  EXPECT_EQ(program->cwd, "/w");
  EXPECT_EQ(program->output_limit, 100);
  for (const char* rest :
       {"", R"(,"args":null,"env":null,"cwd":null,"outputByteLimit":null)", R"(,"args":[])"}) {
    const auto line = parse_create_terminal(R"({"sessionId":"s","command":"npm test && ls")" +
                                            std::string(rest) + "}");
    ASSERT_TRUE(line) << line.error();
    EXPECT_FALSE(line->has_arguments);
    EXPECT_EQ(line->output_limit, 0);
  }
}

struct BadTerminal {
  const char* name;
  const char* params;
  const char* error;
};
void PrintTo(const BadTerminal& c, std::ostream* os) {
  *os << c.name;
}
class Terminal : public ::testing::TestWithParam<BadTerminal> {};
TEST_P(Terminal, IsRefusedInWords) {
  const auto create = parse_create_terminal(GetParam().params);
  ASSERT_FALSE(create);
  EXPECT_EQ(create.error(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Terminal,
    ::testing::Values(
        BadTerminal{"NoCommand", "{}", "command: must be a string that is not empty"},
        BadTerminal{"Arguments", R"({"command":"a","args":[1]})", "args: must be strings"},
        BadTerminal{"Variable", R"({"command":"a","env":[{"name":"A=B","value":""}]})",
                    "env: must be objects with name and value"},
        BadTerminal{"VariableWithoutName", R"({"command":"a","env":[{"value":"x"}]})",
                    "env: must be objects with name and value"},
        BadTerminal{"ZeroByte", R"({"command":"a","args":["x\u0000y"]})",
                    "params: must not contain a zero byte"},
        BadTerminal{"ZeroByteInCommand", R"({"command":"a\u0000b"})",
                    "command: must not contain a zero byte"}),
    [](const auto& info) { return info.param.name; });

TEST(Terminals, AnswerAsTheProtocolSays) {
  EXPECT_EQ(terminal_created_result("t"), R"({"terminalId":"t"})");
  EXPECT_EQ(terminal_output_result("o", true, std::nullopt), R"({"output":"o","truncated":true})");
  EXPECT_EQ(terminal_output_result("o", false, TerminalExit{3, ""}),
            R"({"exitStatus":{"exitCode":3,"signal":null},"output":"o","truncated":false})");
  EXPECT_EQ(terminal_exit_result(TerminalExit{std::nullopt, "SIGKILL"}),
            R"({"exitCode":null,"signal":"SIGKILL"})");
  const auto call = parse_terminal_call(R"({"sessionId":"s","terminalId":"t"})");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->terminal_id, "t");
  EXPECT_FALSE(parse_terminal_call(R"({"sessionId":"s"})"));
}

// ---------------------------------------------------------------- others

TEST(CancelRequest, NamesTheRequestWithTheTypeOfItsId) {
  EXPECT_EQ(request_of(R"({"requestId":0})"), "0");
  EXPECT_EQ(request_of(R"({"requestId":"0"})"), R"("0")");
  EXPECT_EQ(request_of(R"({"requestId":null})"), "");
  EXPECT_EQ(request_of("[]"), "");
}

TEST(SessionOf, IsTheIdOrNothing) {
  EXPECT_EQ(session_of(R"({"sessionId":"s"})"), "s");
  EXPECT_EQ(session_of(R"({"sessionId":5})"), "");
  EXPECT_EQ(session_of(""), "");
}

}  // namespace
}  // namespace viaduct::acp
