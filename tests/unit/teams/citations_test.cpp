#include "plugins/teams/citations.hpp"

#include "plugins/teams/part.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace viaduct::teams {
namespace {

std::string told(std::string_view markdown) {
  std::string all;
  for (const Citation& one : citations_of(markdown))
    all += std::to_string(one.position) + " " + one.name + " | " + one.abstract + " | " + one.url +
           "\n";
  return all;
}

TEST(TeamsCitations, AreFootnotesWithAnAddress) {
  EXPECT_EQ(told("One [^1], two [^3], none [^2].\n\n"
                 "[^3]: See [The *third*](https://three.test/a) of May\n"
                 "[^1]: The first: https://one.test\n"
                 "[^2]: only words\n"),
            "1 The first | The first: https://one.test | https://one.test\n"
            "3 The third | See The third of May | https://three.test/a\n");
}

TEST(TeamsCitations, AreNumberedReferences) {
  EXPECT_EQ(told("As [1] and [the other][2] say.\n\n[1]: https://one.test/a \"The first\"\n"
                 "[2]: <https://two.test>\n[word]: https://three.test\n"),
            "1 The first | https://one.test/a | https://one.test/a\n"
            "2 two.test | https://two.test | https://two.test\n");
}

TEST(TeamsCitations, MayStandRightBelowOtherLines) {
  EXPECT_EQ(told("As [1] says [^2].\nSources:\n[1]: https://one.test\n[^2]: https://two.test\n"
                 "[3]: https://three.test"),
            "1 one.test | https://one.test | https://one.test\n"
            "2 two.test | https://two.test | https://two.test\n"
            "3 three.test | https://three.test | https://three.test\n");
}

TEST(TeamsCitations, AreNoneInCodeAndLeadOnlyToTheWeb) {
  EXPECT_EQ(told("```\n[1]: https://one.test\n[^2]: https://two.test\n```\n"), "");
  EXPECT_EQ(told("[1] [^2]\n\n[1]: javascript:alert(1)\n[^2]: [x](file:///etc/passwd)\n"), "");
  EXPECT_EQ(told("plain words [1]"), "");
  EXPECT_EQ(told(""), "");
}

TEST(TeamsCitations, StandWhereTheirNumberIsShown) {
  std::vector<Citation> all;
  for (std::uint32_t i = 1; i <= 30; ++i) all.push_back({i, "n", "a", "https://x.test"});
  EXPECT_EQ(cited_in("a [2] b [12]", all).size(), 2U);
  EXPECT_TRUE(cited_in("\\[2]: https://x.test, [3](https://y.test), 4]", all).empty());
  std::string many;
  for (int i = 1; i <= 30; ++i) many += "[" + std::to_string(i) + "] ";
  EXPECT_EQ(cited_in(many, all).size(), 20U);
}

TEST(TeamsCitations, OfStrangeTextsTakeNoTime) {
  const auto begun = std::chrono::steady_clock::now();
  for (const std::string& piece :
       {std::string("[^1]: "), std::string("[1]:"), std::string("[^1"), std::string("> [^1]:\n")}) {
    std::string text;
    while (text.size() < 1'000'000) text += piece;
    citations_of(text);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
}

TEST(TeamsPart, BringsWhatIsBesideItsText) {
  EXPECT_EQ(part_json({"text", false, {}}), "text");
  const Part part = parse_part(part_json({"text", true, {{1, "n\"", "a", "https://x.test"}}}));
  EXPECT_EQ(part.text, "text");
  EXPECT_TRUE(part.is_last);
  ASSERT_EQ(part.citations.size(), 1U);
  EXPECT_EQ(part.citations[0].name, "n\"");
  EXPECT_EQ(parse_part("text").text, "text");
}

}  // namespace
}  // namespace viaduct::teams
