#include "host/store/words.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace viaduct::store {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  std::size_t position = 0;
  for (auto word = next_word(text, position); !word.empty(); word = next_word(text, position))
    found.emplace_back(word);
  return found;
}

using Words = std::vector<std::string>;

TEST(NextWord, PartsAtPunctuationAndSpaces) {
  EXPECT_EQ(words("CI/CD, don't stop_now-ok 2x"),
            (Words{"CI", "CD", "don", "t", "stop", "now", "ok", "2x"}));
  EXPECT_EQ(words(""), Words{});
  EXPECT_EQ(words(" .,\n"), Words{});
}

TEST(NextWord, PartsAtTypographicPunctuation) {
  EXPECT_EQ(words("“prefer”\xC2\xA0«git»—tools…"), (Words{"prefer", "git", "tools"}));
  EXPECT_EQ(words("猫、犬"), (Words{"猫", "犬"}));
}

TEST(NextWord, KeepsLettersOfAllLanguagesTogether) {
  EXPECT_EQ(words("Äprefer naïve"), (Words{"Äprefer", "naïve"}));
}

TEST(NextWord, TakesWhatIsNoUtf8AsLetters) {
  EXPECT_EQ(words("a\xff"
                  "b \xc3"),
            (Words{"a\xff"
                   "b",
                   "\xc3"}));
  EXPECT_EQ(words("\xe2\x80"), (Words{"\xe2\x80"}));
}

TEST(Trim, TakesAllWhiteSpaceOffBothEnds) {
  EXPECT_EQ(trim(" \t\r\n a b \xE2\x80\x83\xC2\xA0"), "a b");
  EXPECT_EQ(trim("\xE3\x80\x80"), "");
  EXPECT_EQ(trim("x\x80\x80"), "x\x80\x80");
}

}  // namespace
}  // namespace viaduct::store
