// initialize, the answers that open sessions, and what can be chosen of them.
#include "plugins/acp/protocol.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::acp {
namespace {

// ---------------------------------------------------------------- initialize

TEST(Initialize, SendsVersionOneAndOffersNoFilesOrTerminalsUnlessConfigured) {
  Config config;
  const std::string off = initialize_params(config, "1.2.3");
  EXPECT_NE(off.find(R"("protocolVersion":1)"), std::string::npos);
  EXPECT_NE(off.find(R"("fs":{"readTextFile":false,"writeTextFile":false})"), std::string::npos);
  EXPECT_NE(off.find(R"("terminal":false})"), std::string::npos);
  EXPECT_NE(off.find(R"("elicitation":{"form":{},"url":{}})"), std::string::npos);
  EXPECT_NE(off.find(R"("configOptions":{"boolean":{}})"), std::string::npos);
  EXPECT_NE(off.find(R"("version":"1.2.3")"), std::string::npos);
  config.files = Policy::kAsk;
  config.terminals = Policy::kAllow;
  const std::string on = initialize_params(config, "1.2.3");
  EXPECT_NE(on.find(R"("fs":{"readTextFile":true,"writeTextFile":true})"), std::string::npos);
  EXPECT_NE(on.find(R"("terminal":true})"), std::string::npos);
}

TEST(Initialize, ReadsAllCapabilities) {
  const auto can = parse_initialize(R"({"protocolVersion":1,
      "agentInfo":{"name":"x","title":"X","version":"2.0"},
      "agentCapabilities":{"loadSession":true,
        "promptCapabilities":{"image":true,"audio":false,"embeddedContext":true},
        "mcpCapabilities":{"http":true,"sse":false},
        "sessionCapabilities":{"list":{},"resume":{},"close":{},"delete":{},"fork":{},"additionalDirectories":{}}},
      "authMethods":[{"id":"key","name":"Key"},{"id":"login","name":"Log in","type":"terminal","args":["--login"]},
                     {"name":"no id"},{"id":"odd","type":"env_var"}]})");
  ASSERT_TRUE(can) << can.error();
  EXPECT_EQ(can->agent_name, "X");
  EXPECT_EQ(can->agent_version, "2.0");
  EXPECT_TRUE(can->load && can->image && !can->audio && can->embedded_context);
  EXPECT_TRUE(can->mcp_http && !can->mcp_sse);
  EXPECT_TRUE(can->list && can->resume && can->close && can->remove && can->fork);
  ASSERT_EQ(can->auth_methods.size(), 3U);
  EXPECT_EQ(can->auth_methods[1].type, "terminal");
  EXPECT_EQ(can->auth_methods[2].type, "env_var");
}

struct Capable {
  const char* name;
  const char* result;
  bool load, resume, list;
};
void PrintTo(const Capable& c, std::ostream* os) {
  *os << c.name;
}
class InitializeCapabilities : public ::testing::TestWithParam<Capable> {};
TEST_P(InitializeCapabilities, AreThereOnlyWhereTheyAreSaid) {
  const auto can = parse_initialize(GetParam().result);
  ASSERT_TRUE(can) << can.error();
  EXPECT_EQ(can->load, GetParam().load);
  EXPECT_EQ(can->resume, GetParam().resume);
  EXPECT_EQ(can->list, GetParam().list);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, InitializeCapabilities,
    ::testing::Values(
        Capable{"VersionOnly", R"({"protocolVersion":1})", false, false, false},
        Capable{"OnlyNoLoad", R"({"protocolVersion":1,"agentCapabilities":{"loadSession":false}})",
                false, false, false},
        Capable{
            "Nulls",
            R"({"protocolVersion":1,"agentInfo":null,"authMethods":null,"agentCapabilities":{"loadSession":null,"promptCapabilities":null,"sessionCapabilities":{"resume":null,"list":null}}})",
            false, false, false},
        Capable{
            "LoadAsText",
            R"({"protocolVersion":1,"agentCapabilities":{"loadSession":"true","sessionCapabilities":{"resume":"yes"}}})",
            false, false, false},
        Capable{
            "Objects",
            R"({"protocolVersion":1,"agentCapabilities":{"loadSession":true,"sessionCapabilities":{"resume":{},"list":{"x":1}}}})",
            true, true, true},
        Capable{
            "TrueInPlaceOfObject",
            R"({"protocolVersion":1,"agentCapabilities":{"sessionCapabilities":{"resume":true,"list":false}}})",
            false, true, false}),
    [](const auto& info) { return info.param.name; });

struct Refused {
  const char* name;
  const char* result;
  const char* error;
};
void PrintTo(const Refused& c, std::ostream* os) {
  *os << c.name;
}
class InitializeVersion : public ::testing::TestWithParam<Refused> {};
TEST_P(InitializeVersion, OtherThanOneIsRefusedInWords) {
  const auto can = parse_initialize(GetParam().result);
  ASSERT_FALSE(can);
  EXPECT_EQ(can.error(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, InitializeVersion,
    ::testing::Values(
        Refused{"Two", R"({"protocolVersion":2})",
                "The agent speaks version 2 of the protocol, and Viaduct speaks version 1"},
        Refused{"Zero", R"({"protocolVersion":0})",
                "The agent speaks version 0 of the protocol, and Viaduct speaks version 1"},
        Refused{"Huge", R"({"protocolVersion":18446744073709551615})",
                "The agent speaks version 18446744073709551615 of the protocol, and Viaduct speaks "
                "version 1"},
        Refused{"Missing", R"({"agentCapabilities":{}})",
                "The agent does not say which version of the protocol it speaks"},
        Refused{"Text", R"({"protocolVersion":"1"})",
                "The agent does not say which version of the protocol it speaks"},
        Refused{"Null", "null", "The agent does not say which version of the protocol it speaks"},
        Refused{"NoJson", "", "The agent does not say which version of the protocol it speaks"}),
    [](const auto& info) { return info.param.name; });

// ---------------------------------------------------------------- params

Config with_servers() {
  Config config;
  config.mcp_servers.push_back(
      {McpServer::Transport::kStdio, "files", "/bin/mcp", {"-v"}, {{"A", "b"}}, "", {}});
  config.mcp_servers.push_back({McpServer::Transport::kStdio, "bare", "/bin/x", {}, {}, "", {}});
  config.mcp_servers.push_back(
      {McpServer::Transport::kHttp, "web", "", {}, {}, "http://h/mcp", {{"K", "v"}}});
  config.mcp_servers.push_back({McpServer::Transport::kSse, "old", "", {}, {}, "http://h/s", {}});
  return config;
}

TEST(SessionParams, AlwaysHaveAListOfServers) {
  EXPECT_EQ(session_params("", "/w", Config{}, AgentCapabilities{}, nullptr),
            R"({"cwd":"/w","mcpServers":[]})");
  EXPECT_EQ(session_params("s", "/w", Config{}, AgentCapabilities{}, nullptr),
            R"({"cwd":"/w","mcpServers":[],"sessionId":"s"})");
}

TEST(SessionParams, LeaveOutServersThatTheAgentCannotReachAndNameThem) {
  std::vector<std::string> left_out;
  EXPECT_EQ(
      session_params("", "/w", with_servers(), AgentCapabilities{}, &left_out),
      R"({"cwd":"/w","mcpServers":[{"args":["-v"],"command":"/bin/mcp","env":[{"name":"A","value":"b"}],"name":"files"},)"
      R"({"args":[],"command":"/bin/x","env":[],"name":"bare"}]})");
  EXPECT_EQ(left_out, (std::vector<std::string>{"web", "old"}));
}

TEST(SessionParams, GiveHttpServersTheirTypeAndHeaders) {
  AgentCapabilities can;
  can.mcp_http = true;
  std::vector<std::string> left_out;
  const std::string params = session_params("", "/w", with_servers(), can, &left_out);
  EXPECT_NE(
      params.find(
          R"({"headers":[{"name":"K","value":"v"}],"name":"web","type":"http","url":"http://h/mcp"})"),
      std::string::npos);
  EXPECT_EQ(left_out, std::vector<std::string>{"old"});
}

TEST(SessionParams, OfTheSmallRequests) {
  EXPECT_EQ(id_params("s\""), R"({"sessionId":"s\""})");
  EXPECT_EQ(list_params("", ""), "{}");
  EXPECT_EQ(list_params("/w", "c"), R"({"cursor":"c","cwd":"/w"})");
  EXPECT_EQ(authenticate_params("api-key"), R"({"methodId":"api-key"})");
}

// ---------------------------------------------------------------- answers

struct Answer {
  const char* name;
  const char* result;
  const char* id;
  bool has_options;
  const char* options;  // as options_json gives them
};
void PrintTo(const Answer& c, std::ostream* os) {
  *os << c.name;
}
class AcpSession : public ::testing::TestWithParam<Answer> {};
TEST_P(AcpSession, IsReadFromAnAnswer) {
  const auto answer = parse_session(GetParam().result);
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(answer->session_id, GetParam().id);
  EXPECT_EQ(answer->has_options, GetParam().has_options);
  EXPECT_EQ(options_json(answer->options),
            std::string(R"({"options":[)") + GetParam().options + "]}");
}
INSTANTIATE_TEST_SUITE_P(
    Cases, AcpSession,
    ::testing::Values(
        Answer{"Null", "null", "", false, ""}, Answer{"Empty", "{}", "", false, ""},
        Answer{"Id", R"({"sessionId":"ses_1"})", "ses_1", false, ""},
        Answer{"Nulls", R"({"sessionId":"s","modes":null,"configOptions":null,"models":null})", "s",
               false, ""},
        Answer{"NoOptions", R"({"sessionId":"s","configOptions":[]})", "s", true, ""},
        Answer{
            "Select",
            R"({"configOptions":[{"id":"m","name":"M","category":"model","type":"select","currentValue":"b","options":[{"value":"a","name":"A"},{"value":"b","name":null,"description":"d"}]}]})",
            "", true,
            R"({"category":"model","currentValue":"b","id":"m","name":"M","options":[{"name":"A","value":"a"},{"description":"d","name":"b","value":"b"}],"type":"select"})"},
        Answer{
            "Groups",
            R"({"configOptions":[{"id":"m","name":"M","type":"select","currentValue":"a","options":[{"group":"g","name":"G","options":[{"value":"a","name":"A"}]},{"group":"h","name":"H","options":[{"value":"b","name":"B"}]}]}]})",
            "", true,
            R"({"currentValue":"a","id":"m","name":"M","options":[{"name":"A","value":"a"},{"name":"B","value":"b"}],"type":"select"})"},
        Answer{
            "Boolean",
            R"({"configOptions":[{"id":"fast","name":"Fast","type":"boolean","currentValue":true}]})",
            "", true, R"({"currentValue":true,"id":"fast","name":"Fast","type":"boolean"})"},
        Answer{
            "UnknownTypeIsLeftOut",
            R"({"configOptions":[{"id":"x","name":"X","type":"slider","currentValue":3},{"name":"no id","type":"boolean"},7]})",
            "", true, ""},
        Answer{
            "NoType",
            R"({"configOptions":[{"id":"x","currentValue":null,"category":null,"options":[{"value":"a"}]}]})",
            "", true,
            R"({"currentValue":"","id":"x","name":"x","options":[{"name":"a","value":"a"}],"type":"select"})"},
        Answer{
            "LegacyModes",
            R"({"modes":{"currentModeId":"ask","availableModes":[{"id":"ask","name":"Ask"},{"id":"code","name":"Code","description":"d"}]}})",
            "", true,
            R"({"category":"mode","currentValue":"ask","id":"mode","name":"Mode","options":[{"name":"Ask","value":"ask"},{"description":"d","name":"Code","value":"code"}],"type":"select"})"},
        Answer{
            "LegacyModels",
            R"({"models":{"currentModelId":"g","availableModels":[{"modelId":"g","name":"G"}]}})",
            "", true,
            R"({"category":"model","currentValue":"g","id":"model","name":"Model","options":[{"name":"G","value":"g"}],"type":"select"})"},
        Answer{
            "OptionsGoBeforeLegacyOfTheirCategory",
            R"({"models":{"currentModelId":"g","availableModels":[{"modelId":"g","name":"G"}]},"modes":{"currentModeId":"a","availableModes":[{"id":"a","name":"A"}]},"configOptions":[{"id":"llm","name":"L","category":"model","type":"select","currentValue":"h","options":[{"value":"h","name":"H"}]}]})",
            "", true,
            R"({"category":"model","currentValue":"h","id":"llm","name":"L","options":[{"name":"H","value":"h"}],"type":"select"},)"
            R"({"category":"mode","currentValue":"a","id":"mode","name":"Mode","options":[{"name":"A","value":"a"}],"type":"select"})"},
        Answer{"EmptyLegacy", R"({"modes":{"currentModeId":"a","availableModes":[]}})", "", true,
               ""},
        Answer{"IdIsNull", R"({"sessionId":null})", "", false, ""}),
    [](const auto& info) { return info.param.name; });

TEST(AcpSession, IsNotReadFromSomethingElse) {
  for (const char* bad : {"", "[]", "3", R"("s")", "{"}) EXPECT_FALSE(parse_session(bad)) << bad;
}

TEST(AcpSessionList, SkipsWhatHasNoIdAndKeepsTheCursor) {
  const SessionList list = parse_list(
      R"({"sessions":[{"sessionId":"a","cwd":"/w","title":null,"updatedAt":"2026"},{"cwd":"/x"},4],"nextCursor":"n"})");
  ASSERT_EQ(list.sessions.size(), 1U);
  EXPECT_EQ(list.sessions[0].id, "a");
  EXPECT_EQ(list.sessions[0].cwd, "/w");
  EXPECT_EQ(list.sessions[0].title, "");
  EXPECT_EQ(list.sessions[0].updated_at, "2026");
  EXPECT_EQ(list.next, "n");
  EXPECT_TRUE(parse_list("null").sessions.empty());
  EXPECT_TRUE(parse_list(R"({"sessions":null,"nextCursor":null})").next.empty());
}

// ---------------------------------------------------------------- choosing

std::vector<Option> some_options() {
  return parse_session(R"({
      "configOptions":[
        {"id":"llm","name":"Model to use","category":"model","type":"select","currentValue":"claude-opus-5","options":[
          {"value":"claude-opus-5","name":"Opus 5"},{"value":"claude-sonnet-5","name":"Sonnet 5"},{"value":"gpt-6","name":"GPT 6"},{"value":"gpt-6-mini","name":"GPT 6 mini"}]},
        {"id":"fast","name":"Fast mode","type":"boolean","currentValue":false},
        {"id":"thinking","name":"Effort","category":"thought_level","type":"select","currentValue":"a","options":[]}],
      "modes":{"currentModeId":"ask","availableModes":[{"id":"ask","name":"Ask first"},{"id":"code","name":"Code"}]}})")
      ->options;
}

struct Choosing {
  const char* name;
  const char* option;
  const char* value;
  const char* id;      // what is chosen, or
  const char* chosen;  // the error
};
void PrintTo(const Choosing& c, std::ostream* os) {
  *os << c.name;
}
class Choose : public ::testing::TestWithParam<Choosing> {};
TEST_P(Choose, TakesWhatAPersonMeans) {
  const std::vector<Option> options = some_options();
  const auto chosen = choose(options, GetParam().option, GetParam().value);
  if (GetParam().id == nullptr) {
    ASSERT_FALSE(chosen);
    EXPECT_EQ(chosen.error(), GetParam().chosen);
    return;
  }
  ASSERT_TRUE(chosen) << chosen.error();
  EXPECT_EQ(chosen->option->id, GetParam().id);
  EXPECT_EQ(chosen->value, GetParam().chosen);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Choose,
    ::testing::Values(
        Choosing{"ByIdAndValue", "llm", "gpt-6", "llm", "gpt-6"},
        Choosing{"ByCategory", "model", "gpt-6", "llm", "gpt-6"},
        Choosing{"ByNameWithoutCase", "MODEL TO USE", "sonnet 5", "llm", "claude-sonnet-5"},
        Choosing{"ByPart", "model", "opus", "llm", "claude-opus-5"},
        Choosing{"ByPartOfTheOption", "eff", "x", nullptr,
                 "thinking: the agent says no values to choose from"},
        Choosing{"ExactBeforePart", "model", "GPT-6", "llm", "gpt-6"},
        Choosing{"Legacy", "mode", "code", "mode", "code"},
        Choosing{"Boolean", "fast", "on", "fast", "true"},
        Choosing{"BooleanNo", "fast", "No", "fast", "false"},
        Choosing{"Several", "model", "claude", nullptr,
                 "llm: \"claude\" can be claude-opus-5, claude-sonnet-5"},
        Choosing{"None", "model", "llama", nullptr,
                 "llm: \"llama\" is none of claude-opus-5, claude-sonnet-5, gpt-6, gpt-6-mini"},
        Choosing{"NoValue", "model", "", nullptr,
                 "llm: one of claude-opus-5, claude-sonnet-5, gpt-6, gpt-6-mini"},
        Choosing{"NoOption", "", "x", nullptr,
                 "\"\" is none of this agent's options, which are llm, fast, thinking, mode"},
        Choosing{"UnknownOption", "colour", "red", nullptr,
                 "\"colour\" is none of this agent's options, which are llm, fast, thinking, mode"},
        Choosing{"SeveralOptions", "f", "x", nullptr,
                 "\"f\" can be several of this agent's options, which are llm, fast, thinking, "
                 "mode"}),
    [](const auto& info) { return info.param.name; });

TEST(Choose, SaysThatThereIsNothing) {
  EXPECT_EQ(choose({}, "model", "x").error(), "this agent has nothing to choose");
}

TEST(SetOption, AsksInTheWayTheOptionCameFrom) {
  const std::vector<Option> options = some_options();
  const SetOption model = set_option_request("s", options[0], "gpt-6");
  EXPECT_EQ(model.method, "session/set_config_option");
  EXPECT_EQ(model.params, R"({"configId":"llm","sessionId":"s","value":"gpt-6"})");
  const SetOption fast = set_option_request("s", options[1], "true");
  EXPECT_EQ(fast.params, R"({"configId":"fast","sessionId":"s","type":"boolean","value":true})");
  const SetOption mode = set_option_request("s", options[3], "code");
  EXPECT_EQ(mode.method, "session/set_mode");
  EXPECT_EQ(mode.params, R"({"modeId":"code","sessionId":"s"})");
  Option legacy = options[3];
  legacy.how = Option::How::kModel;
  EXPECT_EQ(set_option_request("s", legacy, "m").method, "session/set_model");
  EXPECT_EQ(set_option_request("s", legacy, "m").params, R"({"modelId":"m","sessionId":"s"})");
}

TEST(ReplacedOptions, KeepLegacyModesThatTheNewOnesSayNothingOf) {
  const auto now = parse_session(
      R"({"configOptions":[{"id":"fast","name":"F","type":"boolean","currentValue":true}]})");
  const std::vector<Option> all = replaced(some_options(), now->options);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].id, "fast");
  EXPECT_EQ(all[0].current, "true");
  EXPECT_EQ(all[1].id, "mode");
}

}  // namespace
}  // namespace viaduct::acp
