#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <viaduct/net/fields.hpp>

namespace viaduct::net {
namespace {

using namespace std::chrono_literals;

// What `read` has to complain about.
std::string fault(std::string_view json, const std::function<void(Fields&)>& read) {
  const auto result = read_config(json, [&read](Fields& fields) {
    read(fields);
    return 0;
  });
  return result ? "" : result.error();
}

TEST(Fields, AConfigurationIsAnObject) {
  const auto nothing = [](Fields&) {};
  EXPECT_EQ(fault("{}", nothing), "");
  EXPECT_EQ(fault("{", nothing), "config: is no JSON");
  EXPECT_EQ(fault("[]", nothing), "config: must be an object");
}

TEST(Fields, WhatNobodyAskedForIsAnErrorAndNothingElse) {
  const auto read = [](Fields& fields) { fields.text("a"); };
  EXPECT_EQ(fault(R"({"a":"x"})", read), "");
  EXPECT_EQ(fault(R"({"a":"x","b":1})", read), "b: unknown key");
}

TEST(Fields, ANullFieldIsNotGiven) {
  Fields fields(R"({"a":null,"b":""})");
  EXPECT_FALSE(fields.has("a"));
  EXPECT_TRUE(fields.has("b"));
  EXPECT_EQ(fields.text("a", "other"), "other");
  EXPECT_EQ(fields.text("b", "other"), "");
  EXPECT_NO_THROW(fields.finish());
}

TEST(Fields, TextsAreReadByTheirRules) {
  const auto text = [](Fields& fields) { fields.text("a"); };
  EXPECT_EQ(fault(R"({"a":1})", text), "a: must be a string");
  EXPECT_EQ(fault(R"({"a":"x\u0000y"})", text), "a: must not contain a zero byte");
  const auto named = [](Fields& fields) { fields.named("a"); };
  EXPECT_EQ(fault("{}", named), "");
  EXPECT_EQ(fault(R"({"a":""})", named), "a: must not be empty");
  const auto required = [](Fields& fields) { fields.required("a"); };
  EXPECT_EQ(fault("{}", required), "a: must be given");
  EXPECT_EQ(fault(R"({"a":"x"})", required), "");
}

TEST(Fields, OfSeveralTheNearestIsNamed) {
  const auto read = [](Fields& fields) { fields.one_of("api", {"openai", "anthropic"}, "openai"); };
  EXPECT_EQ(fault("{}", read), "");
  EXPECT_EQ(fault(R"({"api":"anthropc"})", read),
            "api: must be one of openai, anthropic; did you mean anthropic?");
  EXPECT_EQ(fault(R"({"api":"ollama"})", read), "api: must be one of openai, anthropic");
  EXPECT_EQ(fault(R"({"api":""})", read), "api: must be one of openai, anthropic");
}

TEST(Fields, NumbersHaveLimits) {
  const auto read = [](Fields& fields) { fields.integer("n", 2, 20); };
  EXPECT_EQ(fault(R"({"n":2})", read), "");
  EXPECT_EQ(fault(R"({"n":20})", read), "");
  for (const char* json : {R"({"n":1})", R"({"n":21})", R"({"n":2.5})", R"({"n":"3"})",
                           R"({"n":-3})", R"({"n":18446744073709551615})"})
    EXPECT_EQ(fault(json, read), "n: must be a whole number from 2 to 20") << json;
  EXPECT_EQ(Fields(R"({"n":-3})").integer("n", -5, -1), -3);
  EXPECT_EQ(fault(R"({"n":0})", [](Fields& fields) { fields.integer("n", -5, -1); }),
            "n: must be a whole number from -5 to -1");
  EXPECT_EQ(Fields("{}").count("n", 9), 0U);
  EXPECT_EQ(fault(R"({"n":0})", [](Fields& fields) { fields.count("n", 9); }),
            "n: must be a whole number from 1 to 9");
  EXPECT_EQ(Fields(R"({"t":1})").number("t", 0, 2), 1.0);
  EXPECT_EQ(fault(R"({"t":2.5})", [](Fields& fields) { fields.number("t", 0, 2); }),
            "t: must be a number from 0.0 to 2.0");
}

TEST(Fields, DurationsHaveAUnitAndALimit) {
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("3s"), 3s);
  EXPECT_EQ(parse_duration("7d"), 7 * 24h);
  for (const char* text :
       {"", "3", "s", "-3s", "3 s", "3sec", "1.5s", "366d", "99999999999999999999d"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  EXPECT_EQ(parse_duration("61m", 1h), std::nullopt);

  const auto read = [](Fields& fields) { fields.wait("timeout", 5s, 14s); };
  EXPECT_EQ(fault("{}", read), "");
  EXPECT_EQ(fault(R"({"timeout":"14s"})", read), "");
  EXPECT_EQ(fault(R"({"timeout":"15s"})", read),
            "timeout: must be a duration of up to 14s, such as 500ms or 3s");
  EXPECT_EQ(fault(R"({"timeout":"0s"})", read), "timeout: must be more than nothing");
  EXPECT_EQ(fault(R"({"t":"2y"})", [](Fields& fields) { fields.duration("t", 0s); }),
            "t: must be a duration of up to a year, such as 500ms, 3s or 24h");
}

TEST(Fields, SizesHaveAUnitAndTwoLimits) {
  EXPECT_EQ(parse_size("64KiB", 1 << 20), 65536U);
  EXPECT_EQ(parse_size("2MiB", 1 << 20), std::nullopt);
  EXPECT_EQ(parse_size("64", 1 << 20), std::nullopt);
  const auto read = [](Fields& fields) { fields.size("max", 1, 1 << 10, 1 << 20); };
  EXPECT_EQ(fault(R"({"max":"1MiB"})", read), "");
  EXPECT_EQ(fault(R"({"max":"1kB"})", read), "max: must be at least 1KiB");
  EXPECT_EQ(fault(R"({"max":"1GB"})", read),
            "max: must be a size of up to 1MiB, such as 64KiB or 1MB");
}

TEST(Fields, ListsAndMapsOfTexts) {
  Fields fields(R"({"list":["a","b"],"map":{"A":"1","B":"2"}})");
  EXPECT_THAT(fields.texts("list"), testing::ElementsAre("a", "b"));
  EXPECT_THAT(fields.map("map"),
              testing::ElementsAre(testing::Pair("A", "1"), testing::Pair("B", "2")));
  EXPECT_THAT(fields.texts("none"), testing::IsEmpty());
  const auto list = [](Fields& one) { one.texts("list"); };
  EXPECT_EQ(fault(R"({"list":"a b"})", list), "list: must be a list of strings");
  EXPECT_EQ(fault(R"({"list":["a",1]})", list), "list: must be a list of strings");
  EXPECT_EQ(fault(R"({"list":["a\u0000"]})", list), "list: must not contain a zero byte");
  const auto map = [](Fields& one) { one.map("map"); };
  EXPECT_EQ(fault(R"({"map":["A=1"]})", map), "map: must be an object");
  EXPECT_EQ(fault(R"({"map":{"A":1}})", map), "map.A: must be a string");
  EXPECT_EQ(fault(R"({"map":{"":"1"}})", map), "map: a name must not be empty, nor contain \"=\"");
}

TEST(Fields, NestedObjectsSayWhereTheyAre) {
  const auto one = [](Fields& fields) {
    if (auto inner = fields.object("resume")) {
      inner->count("attempts", 100);
      inner->finish();
    }
  };
  EXPECT_EQ(fault(R"({"resume":{"attempts":3}})", one), "");
  EXPECT_EQ(fault(R"({"resume":true})", one), "resume: must be an object");
  EXPECT_EQ(fault(R"({"resume":{"attempts":0}})", one),
            "resume.attempts: must be a whole number from 1 to 100");
  EXPECT_EQ(fault(R"({"resume":{"tries":1}})", one), "resume.tries: unknown key");
  const auto many = [](Fields& fields) {
    for (Fields& inner : fields.objects("servers")) inner.required("name");
  };
  EXPECT_EQ(fault(R"({"servers":{}})", many), "servers: must be a list");
  EXPECT_EQ(fault(R"({"servers":[{"name":"a"},{}]})", many), "servers[1].name: must be given");
  EXPECT_EQ(fault(R"({"servers":[1]})", many), "servers[0]: must be an object");
}

TEST(Fields, WhatAPluginReadsByItselfIsJson) {
  Fields fields(R"({"extra":{"a":[1]},"plan":["x",{"y":1}]})");
  EXPECT_EQ(fields.object_json("extra"), R"({"a":[1]})");
  EXPECT_EQ(fields.object_json("none"), "");
  EXPECT_THAT(fields.items_json("plan"), testing::ElementsAre(R"("x")", R"({"y":1})"));
  EXPECT_EQ(fault(R"({"extra":1})", [](Fields& one) { one.object_json("extra"); }),
            "extra: must be an object");
}

// A key may have got into any of the fields.
TEST(Fields, AnErrorNeverSaysWhatAFieldHolds) {
  constexpr const char* kSecret = R"("s3cret")";
  const std::vector<std::function<void(Fields&)>> readers{
      [](Fields& f) { f.one_of("a", {"low", "high"}, "low"); },
      [](Fields& f) { f.integer("a", 1, 2); },
      [](Fields& f) { f.number("a", 1, 2); },
      [](Fields& f) { f.flag("a", false); },
      [](Fields& f) { f.duration("a", 1s); },
      [](Fields& f) { f.size("a", 1, 1, 10); },
      [](Fields& f) { f.texts("a"); },
      [](Fields& f) { f.map("a"); },
      [](Fields& f) { f.object("a"); },
      [](Fields& f) { f.objects("a"); },
      [](Fields& f) { f.object_json("a"); },
      [](Fields&) {}};
  for (const auto& read : readers) {
    const std::string what = fault(R"({"a":)" + std::string(kSecret) + "}", read);
    EXPECT_THAT(what, testing::StartsWith("a: "));
    EXPECT_THAT(what, testing::Not(testing::HasSubstr("s3cret")));
  }
  EXPECT_THAT(fault(R"({"env":{"KEY=s3cret":"x"}})", [](Fields& f) { f.map("env"); }),
              testing::Not(testing::HasSubstr("s3cret")));
}

}  // namespace
}  // namespace viaduct::net
