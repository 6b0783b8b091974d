#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <viaduct/net/child_process.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::net {
namespace {

TEST(Text, APrefixNeverCutsACharacterInTwo) {
  EXPECT_EQ(prefix("abc", 5), "abc");
  EXPECT_EQ(prefix("aüb", 2), "a");
  EXPECT_EQ(prefix("aüb", 3), "aü");
  EXPECT_EQ(prefix("aé", 2), "a");
  EXPECT_EQ(prefix("ü", 1), "");
}

TEST(Text, OneLineHasNoControlCharactersAndSaysThatItWasCut) {
  EXPECT_EQ(one_line("  a\n\t b\x1b[31m ", 100), "a b [31m");
  EXPECT_EQ(one_line("abcdef", 3), "abc…");
  EXPECT_EQ(one_line("", 3), "");
}

TEST(Text, JsonThatIsNestedWithoutEndOrHasMoreValuesThanAMessageIsTooComplex) {
  const auto times = [](std::string_view piece, std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) all += piece;
    return all;
  };
  EXPECT_FALSE(too_complex(times("[", 200) + times("]", 200)));
  EXPECT_TRUE(too_complex(times("[", 201) + times("]", 201)));
  EXPECT_TRUE(too_complex(times(R"({"a":)", 201)));
  EXPECT_FALSE(too_complex(times("[],", 100'000)));
  EXPECT_TRUE(too_complex("[" + times("[],", 600'000) + "[]]")) << "each is a value";
  EXPECT_TRUE(too_complex("[" + times("1,", 1'100'000) + "1]"));
  EXPECT_TRUE(too_complex(R"({"a":1,"b":2})", 2));
  EXPECT_FALSE(too_complex(R"({"a":1,"b":2})", 3));
}

TEST(Text, WhatIsInStringsMakesNoJsonTooComplex) {
  const std::string brackets(3'000'000, '[');
  EXPECT_FALSE(too_complex(R"({"text":"\" ,)" + brackets + R"(\\"})"));
  EXPECT_TRUE(too_complex(R"({"text":"\\"})" + brackets));
  for (const char* torn : {"", "\"", R"({"a":"b\)", "]]]", "[\"\\"})
    EXPECT_FALSE(too_complex(torn));
}

TEST(Text, LastLinesBeginWithAWholeLine) {
  EXPECT_EQ(last_lines("first\nsecond\nthird\n\n", 100), "first second third");
  EXPECT_EQ(last_lines("first\nsecond\nthird\n", 14), "second third");
  EXPECT_EQ(last_lines("first\nsecond\nthird\n", 11), "third");
  EXPECT_EQ(last_lines("one long line without an end", 8), "t an end");
  EXPECT_EQ(last_lines("üüüü", 3), "ü");
  EXPECT_EQ(last_lines("\n \n", 3), "");
}

TEST(Text, SecretsAndKeysAreNotShown) {
  EXPECT_EQ(redacted("key=hunter22 again hunter22", {"hunter22"}), "key=*** again ***");
  EXPECT_EQ(redacted("a short one: abc", {"abc"}), "a short one: abc");
  EXPECT_EQ(redacted("Bad key sk-ant-0123456789!", {}), "Bad key ***!");
  EXPECT_EQ(redacted("task-force-delta", {}), "task-force-delta");
  EXPECT_EQ(redacted("AIzaSyA123456 xoxb-1234-5678 ghp_abcdef", {}), "*** *** ***");
  EXPECT_EQ(redacted("abcd abcd abcd", {"abcd"}), "*** *** ***");
  EXPECT_EQ(redacted("****", {"****"}), "***");
}

TEST(Text, WhatIsLeftOfASecretWhereATextWasCutIsNotShown) {
  const std::vector<std::string> secrets{"correct-horse-battery"};
  EXPECT_EQ(redacted("horse-battery was refused", secrets), "*** was refused");
  EXPECT_EQ(redacted("refused: correct-hor", secrets), "refused: ***");
  EXPECT_EQ(redacted("battery low, it is correct", secrets), "battery low, it is correct")
      << "too little to be told from chance";
}

TEST(CleanEnvironment, HasWhatIsNamedAndNothingElseOfTheHost) {
  ::setenv("VIADUCT_TEST_SECRET", "hidden", 1);
  const auto environment = clean_environment({{"API_KEY", "k"}, {"EMPTY", ""}, {"HOME", "/h"}});
  const auto has = [&](const std::string& one) {
    return std::count(environment.begin(), environment.end(), one);
  };
  EXPECT_EQ(has("API_KEY=k"), 1);
  EXPECT_EQ(has("HOME=/h"), 1);
  EXPECT_EQ(std::count_if(environment.begin(), environment.end(),
                          [](const std::string& one) {
                            return one.starts_with("EMPTY") || one.starts_with("VIADUCT_") ||
                                   (one.starts_with("HOME=") && one != "HOME=/h");
                          }),
            0);
  EXPECT_EQ(std::count_if(environment.begin(), environment.end(),
                          [](const std::string& one) { return one.starts_with("PATH="); }),
            1);
}

}  // namespace
}  // namespace viaduct::net
