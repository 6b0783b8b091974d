// The configuration of the bridge, and its schema by the validator that the host uses: the two must
// agree on what is taken.
#include "plugins/bridge/config.hpp"

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
#include <vector>

namespace viaduct::bridge {
namespace {

using std::chrono::milliseconds;

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
  // Without an address it is a vendor's server, which wants a key.
  const bool has_way = rest.find("api_key") != rest.npos || rest.find("base_url") != rest.npos;
  return R"({"driver":"llm","model":"m")" + std::string(has_way ? "" : R"(,"api_key":"k")") +
         (rest.empty() ? "" : "," + rest) + "}";
}

struct Case {
  const char* name;
  const char* rest;  // of an object with driver and model
  bool fits;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}

class BridgeConfig : public ::testing::TestWithParam<Case> {};

TEST_P(BridgeConfig, IsTakenOrRefusedAlikeBySchemaAndParser) {
  const std::string json = config_with(GetParam().rest);
  EXPECT_EQ(fits_schema(json), GetParam().fits) << json;
  const auto config = parse_config(json);
  EXPECT_EQ(config.has_value(), GetParam().fits) << (config ? json : config.error());
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BridgeConfig,
    ::testing::Values(
        Case{"Least", "", true}, Case{"Unknown", R"("modell":"x")", false},
        Case{"Api", R"("api":"anthropic")", true}, Case{"ApiUnknown", R"("api":"gemini")", false},
        Case{"BaseUrl", R"("base_url":"https://example.test/v1")", true},
        Case{"BaseUrlOther", R"("base_url":"ftp://example.test")", false},
        Case{"KeyType", R"("api_key":7)", false},
        Case{"Headers", R"("headers":{"X-Title":"t"})", true},
        Case{"HeaderType", R"("headers":{"X-Title":1})", false},
        Case{"Temperature", R"("temperature":0.5)", true},
        Case{"TemperatureRange", R"("temperature":2.5)", false},
        Case{"MaxTokens", R"("max_tokens":100)", true},
        Case{"MaxTokensZero", R"("max_tokens":0)", false},
        Case{"MaxTokensFraction", R"("max_tokens":1.5)", false},
        Case{"Effort", R"("thinking":"high")", true},
        Case{"EffortUnknown", R"("thinking":"very")", false},
        Case{"Budget", R"("api":"anthropic","thinking":2048)", true},
        Case{"BudgetSmall", R"("api":"anthropic","thinking":10)", false},
        Case{"Extra", R"("extra":{"top_p":0.9})", true}, Case{"ExtraType", R"("extra":[])", false},
        Case{"ContextTokens", R"("context_tokens":4096)", true},
        Case{"CompactAfter", R"("compact_after":60)", true},
        Case{"CompactAfterOne", R"("compact_after":1)", false},
        Case{"Timeout", R"("timeout":"90s")", true},
        Case{"TimeoutUnit", R"("timeout":"90 seconds")", false},
        Case{"TimeoutType", R"("timeout":90)", false},
        Case{"Retry", R"("retry":{"attempts":2,"backoff":"1s","longest":"5s"})", true},
        Case{"RetryUnknown", R"("retry":{"tries":2})", false},
        Case{"RetryNone", R"("retry":{"attempts":0})", false},
        Case{
            "Resume",
            R"("max_age":"24h","resume":{"enabled":false,"attempts":3,"backoff":"1s","give_up_after":5})",
            true},
        Case{"ResumeUnknown", R"("resume":{"on":true})", false}),
    [](const auto& info) { return info.param.name; });

struct Bad {
  const char* name;
  const char* json;
  const char* error;
};
void PrintTo(const Bad& c, std::ostream* os) {
  *os << c.name;
}
class BridgeConfigError : public ::testing::TestWithParam<Bad> {};
TEST_P(BridgeConfigError, NamesTheFieldAndWhatIsWrong) {
  const auto config = parse_config(GetParam().json);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BridgeConfigError,
    ::testing::Values(
        Bad{"NoJson", "{", "config: is no JSON"},
        Bad{"NoObject", "[]", "config: must be an object"},
        Bad{"KeyInArguments",
            R"({"driver":"cli","preset":"claude","arguments":["--key","sk-ant-api03-0123456789abcdef0123456789"]})",
            "arguments: must have no key: everybody on this machine can read it there; use env"},
        Bad{"MethodInUrl",
            R"({"driver":"llm","api":"openai","model":"m","base_url":"http://127.0.0.1:1/v1/chat/completions/"})",
            "base_url: must end before /chat/completions, which is added to it"},
        Bad{"NoDriver", R"({"model":"m"})", "driver: must be one of llm, cli"},
        Bad{"NoPreset", R"({"driver":"cli"})",
            "preset: must be given, such as claude, or `template` instead"},
        Bad{"PresetName", R"({"driver":"cli","preset":"a b"})",
            "preset: must be the name of a preset, or a file"},
        Bad{"NoKey", R"({"driver":"llm","model":"m"})",
            "api_key: must be given for api.openai.com, such as ${env:OPENAI_API_KEY}; or "
            "`base_url` of another server, such as http://127.0.0.1:11434/v1"},
        Bad{"NoKeyOfAnthropic", R"({"driver":"llm","model":"m","api":"anthropic"})",
            "api_key: must be given for api.anthropic.com, such as ${env:ANTHROPIC_API_KEY}; or "
            "`base_url` of another server, such as http://127.0.0.1:11434/v1"},
        Bad{"NoModel", R"({"driver":"llm"})", "model: must be given"},
        Bad{"Nested", R"({"driver":"llm","model":"m","retry":{"attempts":21}})",
            "retry.attempts: must be a whole number from 1 to 20"},
        Bad{"BudgetOfOpenAi", R"({"driver":"llm","model":"m","thinking":2048})",
            "thinking: with api: openai it is low, medium or high, not a number of tokens"},
        Bad{"BudgetAboveLimit",
            R"({"driver":"llm","model":"m","api":"anthropic","thinking":2048,"max_tokens":2048})",
            "max_tokens: must be more than `thinking`, which is part of it"},
        Bad{"TemperatureWithThinking",
            R"({"driver":"llm","model":"m","api":"anthropic","thinking":"low","temperature":1})",
            "temperature: does not go with `thinking`"},
        Bad{"UserInUrl", R"({"driver":"llm","model":"m","base_url":"http://me:secret@h/v1"})",
            "base_url: must have no user name and password; use api_key or headers"},
        Bad{"NoHost", R"({"driver":"llm","model":"m","base_url":"http:///v1"})",
            "base_url: must be an address such as http://127.0.0.1:11434/v1"},
        Bad{"HeaderName", R"({"driver":"llm","model":"m","headers":{"a b":"c"}})",
            R"(headers: a name must be of letters, digits, "-" and "_")"},
        Bad{"HeaderLine", R"({"driver":"llm","model":"m","headers":{"a":"b\nc: d"}})",
            "headers.a: must be one line"},
        Bad{"KeyLine", R"({"driver":"llm","model":"m","api_key":"b\n"})",
            "api_key: must be one line"},
        Bad{"ExtraMessages", R"({"driver":"llm","model":"m","extra":{"messages":[]}})",
            "extra.messages: is not for here"}),
    [](const auto& info) { return info.param.name; });

class CliConfig : public ::testing::TestWithParam<Case> {};
TEST_P(CliConfig, IsTakenOrRefusedAlikeBySchemaAndParser) {
  const std::string json = std::string(R"({"driver":"cli",)") + GetParam().rest + "}";
  EXPECT_EQ(fits_schema(json), GetParam().fits) << json;
  const auto config = parse_config(json);
  EXPECT_EQ(config.has_value(), GetParam().fits) << (config ? json : config.error());
}
INSTANTIATE_TEST_SUITE_P(
    Cases, CliConfig,
    ::testing::Values(
        Case{"Preset", R"("preset":"claude")", true},
        Case{"Template", R"("template":{"program":"p"})", true},
        Case{"Neither", R"("model":"m")", false}, Case{"PresetType", R"("preset":7)", false},
        Case{"PresetEmpty", R"("preset":"")", false},
        Case{"KeyOfTheOther", R"("preset":"claude","base_url":"http://h")", false},
        Case{"Arguments", R"("preset":"claude","arguments":["--x"])", true},
        Case{"ArgumentsType", R"("preset":"claude","arguments":"--x")", false},
        Case{"Env", R"("preset":"claude","env":{"A":"b"})", true},
        Case{"EnvType", R"("preset":"claude","env":{"A":1})", false},
        Case{"DashModel", R"("preset":"claude","model":"-x")", false},
        Case{"DashProgram", R"("preset":"claude","program":"--x")", false},
        Case{"CompactAfter", R"("preset":"claude","compact_after":1)", true},
        Case{"CompactAfterNone", R"("preset":"claude","compact_after":0)", false},
        Case{"Home", R"("preset":"claude","home":"~/.amplifier","transcripts":false)", true},
        Case{"HomeRelative", R"("preset":"claude","home":"x")", false},
        Case{"Resume",
             R"("preset":"claude","max_age":"24h","timeout":"1m","resume":{"attempts":3})", true},
        Case{"TimeoutType", R"("preset":"claude","timeout":5)", false}),
    [](const auto& info) { return info.param.name; });

TEST(CliConfig, HidesTheValuesOfVariables) {
  const auto config = parse_config(
      R"({"driver":"cli","preset":"claude","env":{"A":"12345678","MY_KEY":"1234","B":"yes"}})");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->cli->secrets(), (std::vector<std::string>{"12345678", "1234"}));
  EXPECT_EQ(config->cli->timeout, std::chrono::minutes(15));
}

TEST(CliConfig, LimitsTheAgeOfIdsToADayUnlessItIsTold) {
  const auto max_age = [](const std::string& more) {
    return parse_config(R"({"driver":"cli","preset":"claude")" + more + "}")->max_age;
  };
  EXPECT_EQ(max_age(""), std::chrono::hours(24));
  EXPECT_EQ(max_age(R"(,"max_age":"30d")"), std::chrono::days(30));
  EXPECT_EQ(max_age(R"(,"max_age":"0s")"), milliseconds(0)) << "no limit";
  EXPECT_EQ(parse_config(kExample)->max_age, milliseconds(0)) << "a model server has no ids";
}

TEST(BridgeConfig, ExampleFitsSchemaAndParser) {
  EXPECT_TRUE(fits_schema(kExample));
  EXPECT_TRUE(parse_config(kExample));
}

TEST(BridgeConfig, HasTheValuesThatWereGiven) {
  const auto config = parse_config(config_with(
      R"("max_age":"24h","resume":{"enabled":false,"attempts":3,"backoff":"2s","give_up_after":7},
         "retry":{"attempts":2,"backoff":"10ms","longest":"1m"},"timeout":"90s","system":"Be kind")"));
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->max_age, std::chrono::hours(24));
  EXPECT_FALSE(config->resume.enabled);
  EXPECT_EQ(config->resume.attempts, 3U);
  EXPECT_EQ(config->resume.backoff, milliseconds(2000));
  EXPECT_EQ(config->resume.give_up_after, 7U);
  EXPECT_EQ(config->llm.retry.attempts, 2U);
  EXPECT_EQ(config->llm.retry.backoff, milliseconds(10));
  EXPECT_EQ(config->llm.retry.longest, milliseconds(60'000));
  EXPECT_EQ(config->llm.timeout, milliseconds(90'000));
  EXPECT_EQ(config->llm.system, "Be kind");
}

struct Url {
  const char* name;
  const char* rest;
  const char* chat;
  const char* models;
};
void PrintTo(const Url& c, std::ostream* os) {
  *os << c.name;
}
class BridgeUrl : public ::testing::TestWithParam<Url> {};
TEST_P(BridgeUrl, IsWhereSuchAServerListens) {
  const auto config = parse_config(config_with(GetParam().rest));
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->llm.chat_url(), GetParam().chat);
  EXPECT_EQ(config->llm.models_url(), GetParam().models);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BridgeUrl,
    ::testing::Values(
        Url{"OpenAi", "", "https://api.openai.com/v1/chat/completions",
            "https://api.openai.com/v1/models"},
        Url{"Anthropic", R"("api":"anthropic")", "https://api.anthropic.com/v1/messages",
            "https://api.anthropic.com/v1/models"},
        Url{"AnthropicWithVersion", R"("api":"anthropic","base_url":"http://h:1/v1/")",
            "http://h:1/v1/messages", "http://h:1/v1/models"},
        Url{"Local", R"("base_url":"http://127.0.0.1:11434/v1/")",
            "http://127.0.0.1:11434/v1/chat/completions", "http://127.0.0.1:11434/v1/models"},
        Url{"Query", R"("base_url":"https://x.openai.azure.com/openai/v1/?api-version=preview")",
            "https://x.openai.azure.com/openai/v1/chat/completions?api-version=preview",
            "https://x.openai.azure.com/openai/v1/models?api-version=preview"}),
    [](const auto& info) { return info.param.name; });

TEST(BridgeUrl, IsShownWithoutItsQueryWhichMayHoldAKey) {
  const auto config = parse_config(
      config_with(R"("base_url":"http://h:1/v1?key=long-secret&v=1&token=another-secret")"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->llm.shown_url(), "http://h:1/v1");
  EXPECT_EQ(config->llm.secrets(), (std::vector<std::string>{"another-secret", "long-secret"}));
}

TEST(BridgeUrl, LacksItsVersionWhereItHasNoPath) {
  const auto lacks = [](const std::string& rest) {
    return parse_config(config_with(rest))->llm.lacks_version();
  };
  EXPECT_TRUE(lacks(R"("base_url":"http://h:1")"));
  EXPECT_TRUE(lacks(R"("base_url":"http://h:1/?a=b/c")"));
  EXPECT_FALSE(lacks(R"("base_url":"http://h:1/v1")"));
  EXPECT_FALSE(lacks(R"("base_url":"http://h/v1beta/openai/")"));
  EXPECT_FALSE(lacks(R"("base_url":"http://h:1","api":"anthropic")")) << "it is added there";
}

std::string headers_of(const std::string& rest) {
  const auto config = parse_config(config_with(rest));
  std::string all;
  if (config)
    for (const auto& [name, value] : config->llm.request_headers()) all += name + "=" + value + ";";
  return all;
}

TEST(BridgeHeaders, CarryTheKeyAsEachServerWantsIt) {
  EXPECT_EQ(headers_of(R"("base_url":"http://h/v1")"), "");
  EXPECT_EQ(headers_of(R"("api_key":"k1")"), "Authorization=Bearer k1;");
  EXPECT_EQ(headers_of(R"("api_key":"k1","base_url":"https://x.openai.azure.com/openai/v1")"),
            "api-key=k1;");
  EXPECT_EQ(headers_of(R"("api_key":"k1","api":"anthropic")"),
            "anthropic-version=2023-06-01;x-api-key=k1;");
}

TEST(BridgeHeaders, OfTheConfigurationTakeTheirPlace) {
  EXPECT_EQ(headers_of(R"("api_key":"k1","headers":{"authorization":"Token t","X-A":"b"})"),
            "X-A=b;authorization=Token t;");
}

}  // namespace
}  // namespace viaduct::bridge
