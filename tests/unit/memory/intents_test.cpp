#include "host/memory/memory.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace viaduct::memory {
namespace {

struct IntentCase {
  const char* name;
  const char* message;
  const char* intent;  // "remember x", "recall x" or "none"
};
void PrintTo(const IntentCase& c, std::ostream* os) {
  *os << c.name;
}

std::string told(const std::optional<Intent>& intent) {
  if (!intent) return "none";
  return (intent->action == Action::remember ? "remember " : "recall ") + intent->text;
}

class IntentOf : public testing::TestWithParam<IntentCase> {};
TEST_P(IntentOf, IsTheGoldenOne) {
  EXPECT_EQ(told(intent(GetParam().message)), GetParam().intent);
}
INSTANTIATE_TEST_SUITE_P(
    Message, IntentOf,
    testing::Values(
        IntentCase{"SeveralLines", "remember this: a\nb", "remember a\nb"},
        IntentCase{"RememberThat", "Remember that x", "remember x"},
        IntentCase{"RememberColon", "remember: y", "remember y"},
        IntentCase{"RememberAlone", "remember y", "none"},
        IntentCase{"RememberThisWithoutColon", "remember this y", "none"},
        IntentCase{"RememberThatNothing", "remember that", "none"},
        IntentCase{"UpperCase", "REMEMBER THIS:z", "remember z"},
        IntentCase{"NotAtTheStart", "please remember this: q", "none"},
        IntentCase{"WhatDoYouRemember", "what do you remember about cats?", "recall cats?"},
        IntentCase{"WhatDoYouRememberNothing", "what do you remember", "none"},
        IntentCase{"RecallTheFirstLine", "recall x\ny", "recall x"},
        IntentCase{"RecallNothing", "recall", "none"},
        IntentCase{"SearchMemory", "search memory foo", "recall foo"},
        IntentCase{"SearchMemoryFor", "search memory for foo", "recall foo"},
        IntentCase{"SearchMemoryForFor", "search memory for", "recall for"},
        IntentCase{"Padding", "  remember this:   pad  ", "remember pad"},
        IntentCase{"RememberThatColon", "remember that: x", "none"},
        IntentCase{"AnotherWord", "recalled stuff", "none"},
        IntentCase{"EmptyLinesBefore", "remember this:\n\n x", "remember x"},
        IntentCase{"SpacesBetween", "what \t do\nyou  remember about\n\n x \r\ny", "recall x"},
        IntentCase{"SearchMemoryForWord", "search memory forty", "recall forty"},
        IntentCase{"RememberThisColonNothing", "remember this: \n ", "none"},
        IntentCase{"UnicodeSpaces", "\xE3\x80\x80recall\xC2\xA0x", "recall x"},
        IntentCase{"Nothing", "", "none"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(IntentOfALongMessage, IsFoundWithoutHarm) {
  const std::string long_text(1 << 20, 'x');
  const std::string long_spaces(1 << 20, ' ');
  EXPECT_EQ(intent("remember this: " + long_text)->text, long_text);
  EXPECT_FALSE(intent(long_text));
  EXPECT_FALSE(intent("recall" + long_spaces));
  EXPECT_EQ(intent("recall" + long_spaces + "x")->text, "x");
  EXPECT_EQ(intent("search memory for" + long_spaces + "x\n" + long_text)->text, "x");
  EXPECT_EQ(categorize(long_text + long_spaces + "git").category, "git");
  std::string many_words;
  while (many_words.size() < 1 << 20) many_words += "pull request ";
  EXPECT_EQ(categorize(many_words).category, "git");
}

struct CategoryCase {
  const char* name;
  const char* text;
  const char* tags;  // the category first
};
void PrintTo(const CategoryCase& c, std::ostream* os) {
  *os << c.name;
}

class CategoriesOf : public testing::TestWithParam<CategoryCase> {};
TEST_P(CategoriesOf, AreFoundByWholeWords) {
  const auto [category, tags] = categorize(GetParam().text);
  std::string told;
  for (const auto& tag : tags) told += (told.empty() ? "" : ", ") + tag;
  EXPECT_EQ(told, GetParam().tags);
  EXPECT_EQ(category, tags.at(0));
}
INSTANTIATE_TEST_SUITE_P(
    Text, CategoriesOf,
    testing::Values(
        CategoryCase{"NoPartsOfWords", "I prefer tabs over spaces in most projects", "preference"},
        CategoryCase{"None", "hello", "general"},
        CategoryCase{"ThoseIsNoOs", "Those were the days", "general"},
        CategoryCase{"TwoOfOne", "Use docker for the environment", "environment"},
        CategoryCase{"Git", "git commit often", "git"},
        CategoryCase{"DecisionIsNoCi", "decision about circuits", "general"},
        CategoryCase{"AnotherTagOfAnother", "the design pattern of the module",
                     "architecture, pattern"},
        CategoryCase{"TieGoesToTheEarlier", "pattern", "architecture, pattern"},
        CategoryCase{"PluralIsAnotherWord", "compare tools", "research"},
        CategoryCase{"MostWordsWin", "I like pattern design", "architecture, like, pattern"},
        CategoryCase{"Always", "always use pytest", "preference"},
        CategoryCase{"OtherScripts", "\u00c4\u00d6 prefer", "preference"},
        CategoryCase{"TwoWords", "Open a Pull\nRequest early", "git"},
        CategoryCase{"TwoWordsApart", "pull the request", "general"},
        CategoryCase{"Punctuation", "CI/CD: (deploy)!", "workflow"},
        CategoryCase{"CountsEachWordOnce", "git git git design module", "architecture, git"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace viaduct::memory
