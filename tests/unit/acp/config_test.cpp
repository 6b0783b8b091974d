// The configuration of an ACP backend, and its schema by the validator that the host uses: the two
// must agree on what is taken.
#include "plugins/acp/config.hpp"

#include <gtest/gtest.h>
#ifdef __clang__  // RapidJSON adds to null pointers, harmlessly
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

#include <string>

namespace viaduct::acp {
namespace {

using std::chrono::milliseconds;

Presets presets() {
  Preset known;
  known.command = {"known-acp", "--acp"};
  known.install = "get known";
  known.login = "run known";
  known.auth_method = "key";
  known.environment = {{"QUIET", "1"}, {"MODE", "a"}};
  known.share = false;
  known.key_logins = {{"KNOWN_KEY", "take-key"}};
  return {{"known", known}, {"other", Preset{{"other"}, "i", "l", "", {}, std::nullopt, {}}}};
}

bool fits_schema(const std::string& json) {
  rapidjson::Document schema;
  schema.Parse(kSchema);
  EXPECT_FALSE(schema.HasParseError());
  const rapidjson::SchemaDocument compiled(schema);
  rapidjson::SchemaValidator validator(compiled);
  rapidjson::Document config;
  config.Parse(json.c_str());
  EXPECT_FALSE(config.HasParseError()) << json;
  return config.Accept(validator);
}

std::string config_with(const std::string& rest) {
  return R"({"command":["agent"])" + (rest.empty() ? "" : "," + rest) + "}";
}

struct Case {
  const char* name;
  const char* rest;  // of an object with a command
  bool fits;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}
class AcpConfig : public ::testing::TestWithParam<Case> {};
TEST_P(AcpConfig, IsTakenOrRefusedAlikeBySchemaAndParser) {
  const std::string json = config_with(GetParam().rest);
  EXPECT_EQ(fits_schema(json), GetParam().fits) << json;
  const auto config = parse_config(json, presets());
  EXPECT_EQ(config.has_value(), GetParam().fits) << (config ? json : config.error());
}
INSTANTIATE_TEST_SUITE_P(
    Cases, AcpConfig,
    ::testing::Values(
        Case{"Least", "", true}, Case{"Unknown", R"("comand":["x"])", false},
        Case{"PresetToo", R"("preset":"known")", true}, Case{"PresetType", R"("preset":3)", false},
        Case{"AgentType", R"("agent_type":"mine")", true},
        Case{"AgentTypeEmpty", R"("agent_type":"")", false},
        Case{"Env", R"("env":{"A":"b"})", true}, Case{"EnvType", R"("env":{"A":1})", false},
        Case{"EnvList", R"("env":["A=b"])", false},
        Case{"Model", R"("model":"m","mode":"plan","auth_method":"key")", true},
        Case{"ModelType", R"("model":3)", false}, Case{"Share", R"("share":false)", true},
        Case{"ShareType", R"("share":"no")", false},
        Case{"Server",
             R"("mcp_servers":[{"name":"a","command":"/bin/x","args":["-v"],"env":{"A":"b"}}])",
             true},
        Case{"ServerStdio", R"("mcp_servers":[{"name":"a","type":"stdio","command":"npx"}])", true},
        Case{
            "ServerHttp",
            R"("mcp_servers":[{"name":"a","type":"http","url":"https://h/mcp","headers":{"K":"v"}}])",
            true},
        Case{"ServerSse", R"("mcp_servers":[{"name":"a","type":"sse","url":"http://h"}])", true},
        Case{"ServerUnknown", R"("mcp_servers":[{"name":"a","command":"/x","argz":[]}])", false},
        Case{"ServerNameless", R"("mcp_servers":[{"command":"/x"}])", false},
        Case{"ServerOfNothing", R"("mcp_servers":[{"name":"a"}])", false},
        Case{"ServerType", R"("mcp_servers":[{"name":"a","type":"acp","url":"http://h"}])", false},
        Case{"ServerUrl", R"("mcp_servers":[{"name":"a","type":"http","url":"h"}])", false},
        Case{"ServersAreAnObject", R"("mcp_servers":{"a":{"command":"/x"}})", false},
        Case{"Permissions",
             R"("permissions":{"read":"allow","write":"ask","execute":"deny","default":"ask"})",
             true},
        Case{"PermissionsByKind", R"("permissions":{"fetch":"deny","switch_mode":"deny"})", true},
        Case{"PermissionsUnknownKind", R"("permissions":{"reed":"allow"})", false},
        Case{"PermissionsUnknownPolicy", R"("permissions":{"read":"yes"})", false},
        Case{"PermissionsType", R"("permissions":"allow")", false},
        Case{"PermissionTimeout", R"("permission_timeout":"10m")", true},
        Case{"Files", R"("files":"ask","terminals":"allow")", true},
        Case{"FilesType", R"("files":true)", false},
        Case{"Sizes", R"("max_file_size":"2MiB","max_output_size":"64kB","max_line":"1GiB")", true},
        Case{"SizeUnit", R"("max_line":"64 megabytes")", false},
        Case{"SizeType", R"("max_line":1000000)", false},
        Case{
            "Durations",
            R"("timeout":"1h","handshake_timeout":"5s","idle_timeout":"0s","cancel_grace":"500ms","max_age":"30d")",
            true},
        Case{"DurationUnit", R"("timeout":"1 hour")", false},
        Case{"DurationType", R"("timeout":60)", false},
        Case{
            "Resume",
            R"("resume":{"enabled":false,"attempts":3,"backoff":"1s","give_up_after":5},"fresh_on_loss":true)",
            true},
        Case{"ResumeUnknown", R"("resume":{"on":true})", false},
        Case{"ResumeAttempts", R"("resume":{"attempts":0})", false},
        Case{"ResumeType", R"("resume":true)", false},
        Case{"FreshOnLossType", R"("fresh_on_loss":1)", false}),
    [](const auto& info) { return info.param.name; });

struct Bad {
  const char* name;
  const char* json;
  const char* error;
};
void PrintTo(const Bad& c, std::ostream* os) {
  *os << c.name;
}
class AcpConfigError : public ::testing::TestWithParam<Bad> {};
TEST_P(AcpConfigError, NamesTheFieldAndWhatIsWrong) {
  const auto config = parse_config(GetParam().json, presets());
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, AcpConfigError,
    ::testing::Values(
        Bad{"NoJson", "{", "config: is no JSON"},
        Bad{"NoObject", "[]", "config: must be an object"},
        Bad{"KeyInCommand",
            R"({"command":["agent","--key=sk-ant-api03-0123456789abcdef0123456789"]})",
            "command: must have no key: everybody on this machine can read it there; use env"},
        Bad{"NoCommand", "{}",
            "command: must be given, or `preset` with the name of a known agent"},
        Bad{"CommandIsText", R"({"command":"agent --acp"})", "command: must be a list of strings"},
        Bad{"CommandIsEmpty", R"({"command":[],"preset":"known"})",
            "command: must begin with a program"},
        Bad{"ProgramIsEmpty", R"({"command":[""]})", "command: must begin with a program"},
        Bad{"CommandWithZero", R"({"command":["a\u0000b"]})",
            "command: must not contain a zero byte"},
        Bad{"PresetUnknown", R"({"preset":"clod"})", "preset: must be one of known, other"},
        Bad{"PresetEmpty", R"({"preset":""})", "preset: must not be empty"},
        Bad{"VariableName", R"({"command":["a"],"env":{"A=B":"x"}})",
            "env: a name must not be empty, nor contain \"=\""},
        Bad{"VariableType", R"({"command":["a"],"env":{"A":1}})", "env.A: must be a string"},
        Bad{"RelativeServer",
            R"({"command":["a"],"mcp_servers":[{"name":"x","command":"/x"},{"name":"y","command":"./y"}]})",
            "mcp_servers[1].command: must be absolute, or the name of a program"},
        Bad{"ServerTwice",
            R"({"command":["a"],"mcp_servers":[{"name":"x","command":"/x"},{"name":"x","command":"/y"}]})",
            "mcp_servers[1].name: \"x\" is there twice"},
        Bad{"ServerWithUrlOnly",
            R"({"command":["a"],"mcp_servers":[{"name":"x","url":"http://h"}]})",
            "mcp_servers[0].command: must be given, or `type` and `url` of a server that runs "
            "already"},
        Bad{"ServerHeaderLine",
            R"({"command":["a"],"mcp_servers":[{"name":"x","type":"http","url":"http://h","headers":{"A":"b\nc"}}]})",
            "mcp_servers[0].headers.A: must be one line"},
        Bad{"Permission", R"({"command":["a"],"permissions":{"read":"yes"}})",
            "permissions.read: must be one of allow, ask, deny"},
        Bad{"PermissionKind", R"({"command":["a"],"permissions":{"reed":"ask"}})",
            "permissions.reed: unknown key"},
        Bad{"Timeout", R"({"command":["a"],"timeout":"0s"})", "timeout: must be more than nothing"},
        Bad{"TimeoutTooLong", R"({"command":["a"],"timeout":"400d"})",
            "timeout: must be a duration of up to 7d, such as 500ms, 3s or 24h"},
        Bad{"Handshake", R"({"command":["a"],"handshake_timeout":"15s"})",
            "handshake_timeout: must be a duration of up to 14s, such as 500ms or 3s"},
        Bad{"MaxLine", R"({"command":["a"],"max_line":"1kB"})", "max_line: must be at least 64KiB"},
        Bad{"MaxLineHuge", R"({"command":["a"],"max_line":"99999999999999999999GiB"})",
            "max_line: must be a size of up to 1GiB, such as 64KiB or 1MB"},
        Bad{"Attempts", R"({"command":["a"],"resume":{"attempts":101}})",
            "resume.attempts: must be a whole number from 1 to 100"}),
    [](const auto& info) { return info.param.name; });

TEST(AcpConfig, ExampleFitsSchemaAndParser) {
  EXPECT_TRUE(fits_schema(kExample));
  EXPECT_TRUE(parse_config(kExample, {}));
}

TEST(AcpConfig, NeedsACommandOrAPreset) {
  EXPECT_FALSE(fits_schema("{}"));
  EXPECT_TRUE(fits_schema(R"({"preset":"known"})"));
}

TEST(AcpConfig, TakesEverythingFromThePresetThatItDoesNotSayItself) {
  const auto config = parse_config(R"({"preset":"known"})", presets());
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->agent_type, "known");
  EXPECT_EQ(config->command, (std::vector<std::string>{"known-acp", "--acp"}));
  EXPECT_EQ(config->install, "get known");
  EXPECT_EQ(config->login, "run known");
  EXPECT_EQ(config->auth_method, "key");
  EXPECT_FALSE(config->share);
}

TEST(AcpConfig, GoesBeforeItsPreset) {
  const auto config = parse_config(
      R"({"preset":"known","command":["/opt/known"],"share":true,"auth_method":"login","env":{"MODE":"b"}})",
      presets());
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->agent_type, "known");
  EXPECT_EQ(config->command, std::vector<std::string>{"/opt/known"});
  EXPECT_EQ(config->auth_method, "login");
  EXPECT_TRUE(config->share);
  EXPECT_EQ(config->environment,
            (std::vector<std::pair<std::string, std::string>>{{"QUIET", "1"}, {"MODE", "b"}}));
}

TEST(AcpConfig, AKeyInEnvBringsTheLoginThatTakesIt) {
  const auto method = [](const std::string& json) {
    const auto config = parse_config(json, presets());
    EXPECT_TRUE(config) << config.error();
    return config ? config->auth_method : "";
  };
  EXPECT_EQ(method(R"({"preset":"known","env":{"KNOWN_KEY":"k"}})"), "take-key");
  EXPECT_EQ(method(R"({"preset":"known","env":{"OTHER_KEY":"k"}})"), "key");
  EXPECT_EQ(method(R"({"preset":"known","env":{"KNOWN_KEY":"k"},"auth_method":"mine"})"), "mine");
  EXPECT_EQ(method(R"({"preset":"known","env":{"KNOWN_KEY":"k"},"auth_method":""})"), "");
  EXPECT_EQ(method(R"({"preset":"other","env":{"KNOWN_KEY":"k"}})"), "");
}

struct Type {
  const char* name;
  const char* command;
  const char* type;
};
void PrintTo(const Type& c, std::ostream* os) {
  *os << c.name;
}
class AgentType : public ::testing::TestWithParam<Type> {};
TEST_P(AgentType, IsWhatTheProgramIs) {
  const auto config =
      parse_config(R"({"command":)" + std::string(GetParam().command) + "}", presets());
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->agent_type, GetParam().type);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, AgentType,
    ::testing::Values(Type{"Program", R"(["gemini","--acp"])", "gemini"},
                      Type{"Path", R"(["/opt/bin/codex-acp"])", "codex-acp"},
                      Type{"Package", R"(["npx","-y","@agentclientprotocol/codex-acp@2.6.0"])",
                           "npx @agentclientprotocol/codex-acp"},
                      Type{"Script", R"(["/usr/bin/node","--no-warnings","/a/index.js","--acp"])",
                           "node /a/index.js"},
                      Type{"OnlyARunner", R"(["node"])", "node"}),
    [](const auto& info) { return info.param.name; });

TEST(AcpConfig, HasTheValuesThatWereGiven) {
  const auto config = parse_config(
      config_with(
          R"("permission_timeout":"10m","files":"allow","terminals":"ask","max_file_size":"2MB","max_output_size":"3KiB",
         "timeout":"1h","handshake_timeout":"5s","idle_timeout":"0s","cancel_grace":"2s","max_age":"24h","max_line":"1MiB",
         "fresh_on_loss":true,"resume":{"enabled":false,"attempts":3,"backoff":"2s","give_up_after":7},"model":"m","mode":"plan",
         "mcp_servers":[{"name":"a","command":"/x","args":["-v"]},{"name":"b","type":"sse","url":"http://h"}])"),
      presets());
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->permission_timeout, std::chrono::minutes(10));
  EXPECT_EQ(config->files, Policy::kAllow);
  EXPECT_EQ(config->terminals, Policy::kAsk);
  EXPECT_EQ(config->max_file, 2'000'000U);
  EXPECT_EQ(config->max_output, 3072U);
  EXPECT_EQ(config->silence, std::chrono::hours(1));
  EXPECT_EQ(config->handshake, std::chrono::seconds(5));
  EXPECT_EQ(config->idle_timeout, milliseconds(0));
  EXPECT_EQ(config->cancel_grace, std::chrono::seconds(2));
  EXPECT_EQ(config->max_age, std::chrono::hours(24));
  EXPECT_EQ(config->max_line, 1U << 20);
  EXPECT_TRUE(config->fresh_on_loss);
  EXPECT_FALSE(config->resume.enabled);
  EXPECT_EQ(config->resume.attempts, 3U);
  EXPECT_EQ(config->resume.backoff, std::chrono::seconds(2));
  EXPECT_EQ(config->resume.give_up_after, 7U);
  EXPECT_EQ(config->model, "m");
  EXPECT_EQ(config->mode, "plan");
  ASSERT_EQ(config->mcp_servers.size(), 2U);
  EXPECT_EQ(config->mcp_servers[0].arguments, std::vector<std::string>{"-v"});
  EXPECT_EQ(config->mcp_servers[1].transport, McpServer::Transport::kSse);
}

TEST(AcpConfig, HasDefaultsThatAskAndKeepToTheLimits) {
  const auto config = parse_config(config_with(""), presets());
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->files, Policy::kDeny);
  EXPECT_EQ(config->terminals, Policy::kDeny);
  EXPECT_EQ(config->policy("read"), Policy::kAsk);
  EXPECT_LT(3 * config->handshake, std::chrono::seconds(45));
  EXPECT_EQ(config->silence, std::chrono::minutes(15));
  EXPECT_EQ(config->max_line, 64U << 20);
  EXPECT_FALSE(config->fresh_on_loss);
  EXPECT_TRUE(config->share);
}

struct Rule {
  const char* name;
  const char* permissions;
  const char* kind;
  Policy policy;
};
void PrintTo(const Rule& c, std::ostream* os) {
  *os << c.name;
}
class PermissionRule : public ::testing::TestWithParam<Rule> {};
TEST_P(PermissionRule, IsFoundByKindThenGroupThenDefault) {
  const auto config = parse_config(
      config_with(R"("permissions":)" + std::string(GetParam().permissions)), presets());
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->policy(GetParam().kind), GetParam().policy);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, PermissionRule,
    ::testing::Values(
        Rule{"Read", R"({"read":"allow"})", "read", Policy::kAllow},
        Rule{"Search", R"({"read":"allow"})", "search", Policy::kAllow},
        Rule{"Fetch", R"({"read":"allow"})", "fetch", Policy::kAllow},
        Rule{"Think", R"({"read":"allow"})", "think", Policy::kAllow},
        Rule{"Edit", R"({"read":"allow","write":"deny"})", "edit", Policy::kDeny},
        Rule{"Delete", R"({"write":"deny"})", "delete", Policy::kDeny},
        Rule{"Move", R"({"write":"deny"})", "move", Policy::kDeny},
        Rule{"Execute", R"({"execute":"allow"})", "execute", Policy::kAllow},
        Rule{"KindBeforeGroup", R"({"read":"allow","fetch":"ask"})", "fetch", Policy::kAsk},
        Rule{"SwitchMode", R"({"read":"allow","write":"allow","execute":"allow"})", "switch_mode",
             Policy::kAsk},
        Rule{"Other", R"({"read":"allow","write":"allow","execute":"allow"})", "other",
             Policy::kAsk},
        Rule{"Unknown", R"({"read":"allow"})", "dance", Policy::kAsk},
        Rule{"NoKind", R"({"read":"allow"})", "", Policy::kAsk},
        Rule{"Default", R"({"default":"deny"})", "dance", Policy::kDeny},
        Rule{"DefaultForAGroup", R"({"default":"deny","execute":"ask"})", "edit", Policy::kDeny},
        // What an agent calls its tool must not reach the names of groups and rules.
        Rule{"KindThatIsTheDefault", R"({"default":"ask"})", "default", Policy::kAsk}),
    [](const auto& info) { return info.param.name; });

TEST(AcpConfig, KeepsItsSecretsTogetherLongerOnesFirst) {
  const auto config = parse_config(config_with(R"("env":{"KEY":"sk-12345678","SHORT":"1"},
         "mcp_servers":[{"name":"a","type":"http","url":"http://h","headers":{"Authorization":"Bearer tok-1234567"}},
                        {"name":"b","command":"/x","env":{"T":"sk-12345678"}}])"),
                                   presets());
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->secrets(),
            (std::vector<std::string>{"Bearer tok-1234567", "sk-12345678", "tok-1234567"}));
}

TEST(AcpConfig, CountsWhatIsInTheQueryOfAnAddressAmongItsSecrets) {
  const auto config = parse_config(
      config_with(
          R"("mcp_servers":[{"name":"a","type":"http","url":"http://h/p?v=1&key=abcdefgh12"}])"),
      presets());
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->secrets(), (std::vector<std::string>{"v=1&key=abcdefgh12", "abcdefgh12"}));
}

}  // namespace
}  // namespace viaduct::acp
