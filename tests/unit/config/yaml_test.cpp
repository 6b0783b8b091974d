#include "fixture.hpp"

#include <gmock/gmock.h>

namespace viaduct::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using Yaml = ConfigFixture;

struct BadYaml {
  const char* name;
  const char* text;
  const char* error;  // how the first one begins
};
void PrintTo(const BadYaml& c, std::ostream* out) {
  *out << c.name;
}

class BadYamlTest : public ConfigFixture, public testing::WithParamInterface<BadYaml> {};

TEST_P(BadYamlTest, IsRefusedAtItsPlace) {
  EXPECT_THAT(errors(GetParam().text), StartsWith(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, BadYamlTest,
    testing::Values(
        BadYaml{"EmptyFile", "", "1:1: the file is empty"},
        BadYaml{"OnlyAComment", "# nothing\n", "1:1: the file is empty"},
        BadYaml{"OnlyNull", "~\n", "1:1: the file is empty"},
        BadYaml{"NotAMap", "- a\n", "1:1: expected a map"},
        BadYaml{"JustText", "hello\n", "1:1: expected a map"},
        BadYaml{"RepeatedKey", "log: {}\nserver: {}\nlog: {}\n",
                "3:1: key \"log\" is repeated; it is in line 1 already"},
        BadYaml{"RepeatedKeyDeepInside", "log: { level: info, level: warn }\n",
                "1:21: key \"level\" is repeated"},
        BadYaml{"RepeatedKeyInOtherQuotes", "log: {}\n\"log\": {}\n",
                "2:1: key \"log\" is repeated"},
        BadYaml{"QuoteNeverClosed", "log: { level: info }\nstore: { path: \"x\n",
                "2:16: this quotation mark is never closed"},
        BadYaml{"SingleQuoteNeverClosed", "store:\n  path: 'x\n",
                "2:9: this quotation mark is never closed"},
        BadYaml{"TwoDocuments", "log: {}\n---\nlog: {}\n", "2:1: this does not belong"},
        BadYaml{"JunkAfterAList", "- a\nlog: {}\n", "1:1: expected a map"},
        BadYaml{"JunkAfterAFlowList", "plugins: { path: [a] junk }\n",
                "1:22: expected \",\" or a closing"},
        BadYaml{"TextAfterAQuote", "store:\n  path: \"x\" y\n", "2:13: unexpected text"},
        BadYaml{"Tab", "log:\n\tlevel: info\n", "2:"},
        BadYaml{"BadIndentation", "log:\n    level: info\n  format: text\n", "3:3: "},
        BadYaml{"ColonInText", "store:\n  path: a: b\n", "2:10: unexpected \":\""},
        BadYaml{"ReferenceInBraces", "log: { level: ${env:X} }\n", "1:16: inside of { } and [ ]"},
        BadYaml{"AliasOfItself", "log: &a { level: *a }\n", "1:18: this alias stands inside"},
        BadYaml{"UnknownAlias", "log: *a\n", "1:6: the referenced anchor is not defined"},
        BadYaml{"MergeKey", "<<: 1\n", "1:1: merge keys"},
        BadYaml{"Tag", "log: !x {}\n", "1:6: tags"},
        BadYaml{"ListAsKey", "? [a]\n: b\n", "1:3: expected a name as a key, not a list"},
        BadYaml{"ControlCharacter", "log: \x01\n", "1:6: a byte that is not UTF-8 text"},
        BadYaml{"NotUtf8", "log: {}\nstore: { path: ü\xff }\n", "2:17: a byte that is not UTF-8"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Yaml, ColumnsCountCharacters) {
  EXPECT_THAT(errors("log: { \"ü\": 1, level: x }\n"),
              HasSubstr("1:23: log.level cannot be \"x\""));
}

TEST_F(Yaml, AByteOrderMarkIsNoFault) {
  EXPECT_EQ(errors("\xEF\xBB\xBFlog: { level: warn }\n"), "");
}

TEST_F(Yaml, WindowsLineEndsAreNoFault) {
  EXPECT_EQ(errors("log:\r\n  level: warn\r\nstore:\r\n  driver: sqlite\r\n"), "");
}

TEST_F(Yaml, AnchorsAndAliasesAreCopies) {
  const Config config = good(
      "backends:\n  a: { plugin: mock, config: &c { words: 3 } }\n  b: { plugin: mock, config: *c "
      "}\n");
  ASSERT_EQ(config.backends.size(), 2u);
  EXPECT_EQ(config.backends[1].config, R"({"words":3})");
}

TEST_F(Yaml, AliasesThatMultiplyAreStopped) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int n = 0; n < 10; ++n) text += (n > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    text += "]\n";
  }
  EXPECT_THAT(errors(text), HasSubstr("too many values"));
}

TEST_F(Yaml, NestingWithoutEndIsStopped) {
  EXPECT_NE(errors(std::string(100'000, '[')), "");
  EXPECT_NE(errors(std::string(100'000, '{')), "");
}

TEST_F(Yaml, AFileThatIsTooLargeIsRefused) {
  EXPECT_EQ(errors(std::string((1 << 20) + 1, '#')), "0:0: the file is larger than 1 MiB\n");
}

TEST_F(Yaml, AQuotationMarkThatClosesTooLateIsPointedAt) {
  EXPECT_THAT(errors("store:\n  path: \"x\nlog:\n  level: \"info\"\n"),
              HasSubstr("is the quotation mark of line 2 closed"));
}

}  // namespace
}  // namespace viaduct::config
