#include "plugins/mock/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace viaduct::mock {
namespace {

using std::chrono::milliseconds;

struct BadCase {
  const char* name;
  const char* json;
  const char* error;
};
void PrintTo(const BadCase& c, std::ostream* os) {
  *os << c.name;
}

class ParseConfig : public testing::TestWithParam<BadCase> {};

TEST_P(ParseConfig, SaysWhatIsWrongAndWhere) {
  const auto config = parse_config(GetParam().json);
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error(), testing::StartsWith(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ParseConfig,
    testing::Values(
        BadCase{"NoJson", "{", "config: is no JSON"},
        BadCase{"NoObject", "[]", "config: must be an object"},
        BadCase{"UnknownKey", R"({"rulez":[]})", "rulez: unknown key"},
        BadCase{"RulesNoList", R"({"rules":{}})", "rules: must be a list"},
        BadCase{"RuleNoObject", R"({"rules":["x"]})", "rules[0]: must be an object"},
        BadCase{"NoMatch", R"({"rules":[{"reply":"x"}]})", "rules[0].match: must be given"},
        BadCase{"BadRegex", R"({"rules":[{"match":"("}]})",
                "rules[0].match: \"(\" is no regular expression"},
        BadCase{"BadFail", R"({"rules":[{"match":"a"},{"match":"x","fail":"dead"}]})",
                "rules[1].fail: must be one of invalid_argument, not_found"},
        BadCase{"FailOk", R"({"rules":[{"match":"x","fail":"ok"}]})",
                "rules[0].fail: must be one of "},
        BadCase{"UnknownRuleKey", R"({"rules":[{"match":"x","replay":"y"}]})",
                "rules[0].replay: unknown key"},
        BadCase{"BadDelay", R"({"rules":[{"match":"x","delay":"3 s"}]})",
                "rules[0].delay: must be a duration of up to 1h"},
        BadCase{"NegativeDelay", R"({"chunk_delay":"-1s"})", "chunk_delay: must be a duration"},
        BadCase{"NumberDelay", R"({"chunk_delay":20})", "chunk_delay: must be a string"},
        BadCase{"HugeDelay", R"({"chunk_delay":"61m"})",
                "chunk_delay: must be a duration of up to 1h"},
        BadCase{"OverflowingDelay", R"({"chunk_delay":"99999999999999999999ms"})", "chunk_delay: "},
        BadCase{"ReplyAndRecall", R"({"rules":[{"match":"x","reply":"y","recall":true}]})",
                "rules[0].recall: does not go with `reply`"},
        BadCase{"PlanEntry", R"({"rules":[{"match":"x","plan":[3]}]})", "rules[0].plan: "},
        BadCase{"NoTitle", R"({"rules":[{"match":"x","permission":{}}]})",
                "rules[0].permission.title: must be given"},
        BadCase{"NoOptions", R"({"rules":[{"match":"x","permission":{"title":"t","options":[]}}]})",
                "rules[0].permission.options: must not be empty"},
        BadCase{"BadOption",
                R"({"rules":[{"match":"x","permission":{"title":"t","options":[{"id":"a"}]}}]})",
                "rules[0].permission.options[0].name: must be given"},
        BadCase{"BadOn", R"({"rules":[{"match":"x","on":"end","fail":"busy"}]})",
                "rules[0].on: must be one of message, create, resume"},
        BadCase{"OnCreateWithoutFail", R"({"rules":[{"match":"x","on":"create"}]})",
                "rules[0].fail: must be given"}),
    [](const auto& info) { return info.param.name; });

TEST(ParseDurations, KnowMillisecondsSecondsAndMinutes) {
  EXPECT_EQ(parse_config(R"({"chunk_delay":"20ms"})")->chunk_delay, milliseconds(20));
  EXPECT_EQ(parse_config(R"({"chunk_delay":"3s"})")->chunk_delay, milliseconds(3000));
  EXPECT_EQ(parse_config(R"({"chunk_delay":"60m"})")->chunk_delay, milliseconds(3'600'000));
}

TEST(ParsePermission, MakesOptionsOfNamesAndRefusalsOfTheirWords) {
  const auto config = parse_config(
      R"({"rules":[{"match":"x","permission":{"title":"t","timeout":"2s","options":["Allow","Deny it",{"name":"Ever","optionId":"e","kind":"allow_always"}]}}]})");
  ASSERT_TRUE(config) << config.error();
  const Permission& permission = *config->rules[0].permission;
  ASSERT_EQ(permission.options.size(), 3u);
  EXPECT_EQ(permission.options[0].id, "Allow");
  EXPECT_EQ(permission.options[0].kind, "allow_once");
  EXPECT_EQ(permission.options[1].kind, "reject_once");
  EXPECT_EQ(permission.options[2].id, "e");
  EXPECT_EQ(permission.options[2].kind, "allow_always");
  EXPECT_EQ(
      permission_json(permission, "", ""),
      R"({"options":[{"kind":"allow_once","name":"Allow","optionId":"Allow"},)"
      R"({"kind":"reject_once","name":"Deny it","optionId":"Deny it"},)"
      R"({"kind":"allow_always","name":"Ever","optionId":"e"}],"timeout_ms":2000,"title":"t"})");
}

TEST(FirstMatch, TakesTheFirstRuleAndItsGroups) {
  const auto config =
      parse_config(R"({"rules":[{"match":"^a(.)(x)?"},{"match":"^ab"},{"match":"c"}]})");
  const Match match = first_match(*config, On::kMessage, "abc");
  EXPECT_EQ(match.rule, &config->rules[0]);
  EXPECT_EQ(match.groups, (Groups{"ab", "b", ""}));
  EXPECT_EQ(first_match(*config, On::kMessage, "xc").rule, &config->rules[2]);
  EXPECT_EQ(first_match(*config, On::kMessage, "z").rule, nullptr);
}

TEST(FirstMatch, KeepsRulesOfOtherOccasionsApart) {
  const auto config = parse_config(
      R"({"rules":[{"match":".","on":"create","fail":"busy"},{"match":".","on":"resume","fail":"timeout"}]})");
  EXPECT_EQ(first_match(*config, On::kMessage, "x").rule, nullptr);
  EXPECT_EQ(first_match(*config, On::kCreate, "x").rule->fail->name, "busy");
  EXPECT_EQ(first_match(*config, On::kResume, "x").rule->fail->name, "timeout");
}

// A message as long as the service lets through must not overflow the stack.
TEST(FirstMatch, LooksAtTheFirst4KiBOfAHugeMessage) {
  const auto config = parse_config(R"({"rules":[{"match":"^(a|b)*(.*)$"},{"match":"needle"}]})");
  std::string message(1 << 20, 'a');
  EXPECT_EQ(first_match(*config, On::kMessage, message).groups[0].size(), kMatched);
  const auto needle = parse_config(R"({"rules":[{"match":"needle"}]})");
  EXPECT_EQ(first_match(*needle, On::kMessage, std::string(kMatched, 'x') + "needle").rule,
            nullptr);
}

TEST(FirstMatch, DoesNotCutACharacterInTwo) {
  const auto config = parse_config(R"({"rules":[{"match":"^[^]*$"}]})");
  const std::string message = std::string(kMatched - 1, 'x') + "\xC3\xA9";  // é across the limit
  EXPECT_EQ(first_match(*config, On::kMessage, message).groups[0].size(), kMatched - 1);
}

TEST(LastUserMessage, IsTheNewestOfTheTranscript) {
  EXPECT_EQ(
      last_user_message(
          R"([{"type":"user_message","text":"one"},{"type":"user_message","text":"two"},{"type":"text","text":"three"}])"),
      "two");
  EXPECT_EQ(last_user_message(R"([{"type":"text","text":"three"}])"), "");
  EXPECT_EQ(last_user_message("not json"), "");
  EXPECT_EQ(last_user_message(R"([3,{"type":7},{"type":"user_message","text":null}])"), "");
}

}  // namespace
}  // namespace viaduct::mock
