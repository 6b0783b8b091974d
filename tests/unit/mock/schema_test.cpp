// The schema of the mock's configuration, by the validator that the host uses: it refuses early
// what the mock itself would refuse, and nothing that the mock takes.
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
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

struct Case {
  const char* name;
  const char* json;
  bool fits;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}

class MockSchema : public ::testing::TestWithParam<Case> {};

TEST_P(MockSchema, AgreesWithTheMock) {
  testing::FakeHost host;
  ASSERT_TRUE(host.load(MOCK_PLUGIN));
  rapidjson::Document schema;
  schema.Parse(host.plugin()->config_schema);
  ASSERT_FALSE(schema.HasParseError());
  const rapidjson::SchemaDocument compiled(schema);
  rapidjson::SchemaValidator validator(compiled);
  rapidjson::Document config;
  config.Parse(GetParam().json);
  ASSERT_FALSE(config.HasParseError());
  EXPECT_EQ(config.Accept(validator), GetParam().fits);
  EXPECT_EQ(host.create(GetParam().json).ok(), GetParam().fits);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, MockSchema,
    ::testing::Values(
        Case{"Empty", "{}", true}, Case{"Unknown", R"({"rule":[]})", false},
        Case{"Duration", R"({"chunk_delay":"20ms"})", true},
        Case{"DurationUnit", R"({"chunk_delay":"20h"})", false},
        Case{"DurationType", R"({"chunk_delay":20})", false},
        Case{"RecordType", R"({"record":1})", false},
        Case{"Fail", R"({"rules":[{"match":"x","fail":"session_dead"}]})", true},
        Case{"FailUnknown", R"({"rules":[{"match":"x","fail":"dead"}]})", false},
        Case{"MatchMissing", R"({"rules":[{"reply":"x"}]})", false},
        Case{"MatchEmpty", R"({"rules":[{"match":""}]})", false},
        Case{"On", R"({"rules":[{"match":"x","on":"resume","fail":"timeout","delay":"1s"}]})",
             true},
        Case{"OnUnknown", R"({"rules":[{"match":"x","on":"end","fail":"timeout"}]})", false},
        Case{"RuleUnknown", R"({"rules":[{"match":"x","replay":""}]})", false},
        Case{"Plan",
             R"({"rules":[{"match":"x","plan":["a",{"content":"b","status":"completed"}]}]})",
             true},
        Case{"PlanNumber", R"({"rules":[{"match":"x","plan":[1]}]})", false},
        Case{"PlanNoContent", R"({"rules":[{"match":"x","plan":[{"status":"pending"}]}]})", false},
        Case{
            "Permission",
            R"({"rules":[{"match":"x","permission":{"title":"t","timeout":"1s","options":["a",{"name":"b","optionId":"c","kind":"reject_once"}]}}]})",
            true},
        Case{"PermissionNoTitle", R"({"rules":[{"match":"x","permission":{}}]})", false},
        Case{"PermissionNoOptions",
             R"({"rules":[{"match":"x","permission":{"title":"t","options":[]}}]})", false},
        Case{
            "OptionUnknown",
            R"({"rules":[{"match":"x","permission":{"title":"t","options":[{"name":"a","id":"b"}]}}]})",
            false},
        Case{"Tool",
             R"({"rules":[{"match":"x","tool":{"title":"t","kind":"read","rawInput":{}}}]})", true},
        Case{"ToolType", R"({"rules":[{"match":"x","tool":"t"}]})", false},
        Case{"Recall", R"({"rules":[{"match":"x","recall":true}]})", true},
        Case{"RecallType", R"({"rules":[{"match":"x","recall":"yes"}]})", false},
        Case{"Usage", R"({"rules":[{"match":"x","usage":{"inputTokens":1}}]})", true}),
    [](const auto& info) { return info.param.name; });

TEST(MockSchemaExample, FitsItself) {
  testing::FakeHost host;
  ASSERT_TRUE(host.load(MOCK_PLUGIN));
  rapidjson::Document schema, example;
  schema.Parse(host.plugin()->config_schema);
  example.Parse(host.plugin()->config_example);
  ASSERT_FALSE(example.HasParseError());
  const rapidjson::SchemaDocument compiled(schema);
  rapidjson::SchemaValidator validator(compiled);
  EXPECT_TRUE(example.Accept(validator));
}

}  // namespace
}  // namespace viaduct
