#include <viaduct/chat/split.hpp>

#include <viaduct/chat/fence.hpp>
#include <viaduct/chat/text.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace viaduct::chat {
namespace {

std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

std::string bodies(const std::vector<Piece>& pieces) {
  std::string all;
  for (const Piece& piece : pieces) all += piece.body;
  return all;
}

std::vector<std::string> texts(const std::vector<Piece>& pieces) {
  std::vector<std::string> all;
  for (const Piece& piece : pieces) all.push_back(piece.text());
  return all;
}

// As a surface does it while the text comes.
std::vector<std::string> parts_of(std::string_view text, std::size_t longest, bool ended) {
  return texts(
      split(valid_utf8(ended ? text : whole_characters(text)), longest, Count::kBytes, ended));
}

// Fences that are open at the end of a text.
bool has_open_fence(std::string_view text) {
  std::optional<Fence> open;
  for (std::size_t i = 0; i < text.size();) {
    const Line line = line_at(text, i);
    if (open && closes(*open, line.text))
      open.reset();
    else if (!open)
      open = opened_by(line.text);
    i += line.size;
  }
  return open.has_value();
}

// An answer as models write them.
std::string answer(std::size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i) {
    text += "## Part " + std::to_string(i) +
            "\n\nSome words about **it** – größer, 日本語 😀 – and [a "
            "link](https://example.test/page?n=" +
            std::to_string(i) + ").\n\n- one `code span`\n- two\n  - nested &amp; more\n\n";
    text += "```cpp\nint f" + std::to_string(i) + "() {\n\n  return " + std::to_string(i) +
            ";  // <not a tag>\n}\n```\n\n";
    text += "| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n";
    if (i % 5 == 0)
      text += repeated("A long paragraph without any line end goes on and on. ", 40) + "\n\n";
    if (i % 7 == 3) text += "~~~text\n" + repeated("line of a long listing\n", 300) + "~~~\n";
  }
  return text;
}

TEST(Split, LeavesAShortTextAlone) {
  for (const char* text : {"", "a", "a\n\nb", "```\nopen"})
    EXPECT_EQ(texts(split(text, 9000, Count::kBytes, true)), std::vector<std::string>{text});
}

TEST(Split, CutsBetweenParagraphsFirst) {
  const std::string a = repeated("a ", 180) + "\n\n";
  const std::string b = repeated("b ", 20) + "\nc\n";
  const auto pieces = split(a + b + repeated("d ", 200), 500, Count::kBytes, true);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].body, a);
}

TEST(Split, CutsBetweenLinesBeforeWords) {
  const std::string a = repeated("a ", 180) + "\n";
  const auto pieces = split(a + repeated("d ", 200), 500, Count::kBytes, true);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].body, a);
}

TEST(Split, CutsBehindABlankBeforeAWord) {
  for (const Piece& piece : split(repeated("words ", 300), 500, Count::kBytes, true))
    EXPECT_TRUE(piece.body.ends_with(' ')) << piece.body;
}

TEST(Split, ClosesAndOpensACodeBlockWithItsLanguage) {
  const std::string text = "```python\n" + repeated("print(1)\n", 100) + "```\nafter";
  const auto pieces = split(text, 500, Count::kBytes, true);
  ASSERT_GT(pieces.size(), 1U);
  EXPECT_TRUE(pieces[0].text().ends_with("print(1)\n```"));
  EXPECT_EQ(pieces[1].head, "```python\n");
  EXPECT_TRUE(pieces[1].body.starts_with("print(1)\n"));
  EXPECT_EQ(pieces.back().tail, "");
  EXPECT_EQ(bodies(pieces), text);
  EXPECT_EQ(joined(texts(pieces)), text);
}

TEST(Split, ClosesALongLineOfCodeSoThatItCanBeToldFromALinesEnd) {
  const std::string text = "~~~\n" + repeated("x", 2000) + "\n~~~\n";
  const auto pieces = split(text, 500, Count::kBytes, true);
  ASSERT_GT(pieces.size(), 1U);
  EXPECT_TRUE(pieces[0].text().ends_with("x\n~~~~"));
  EXPECT_EQ(joined(texts(pieces)), text);
}

TEST(Split, KeepsTheFenceThatATextInItLooksLike) {
  const std::string text = "````md\n" + repeated("```py\nprint(1)\n```\n", 60) + "````\nafter\n";
  const auto pieces = split(text, 500, Count::kBytes, true);
  for (const Piece& piece : pieces) EXPECT_FALSE(has_open_fence(piece.text())) << piece.text();
  EXPECT_EQ(joined(texts(pieces)), text);
}

struct Whole {
  const char* name;
  const char* atom;
};
void PrintTo(const Whole& c, std::ostream* os) {
  *os << c.name;
}
class SplitAtom : public testing::TestWithParam<Whole> {};
TEST_P(SplitAtom, StaysWholeWhereverTheCutFalls) {
  const std::string atom = GetParam().atom;
  for (std::size_t before = 300; before < 520; ++before) {
    const std::string text = std::string(before, 'x') + atom + std::string(300, 'y');
    const auto pieces = split(text, 500, Count::kBytes, true);
    EXPECT_EQ(bodies(pieces), text);
    bool is_whole = false;
    for (const Piece& piece : pieces)
      is_whole = is_whole || piece.body.find(atom) != std::string::npos;
    ASSERT_TRUE(is_whole) << before;
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, SplitAtom,
                         testing::Values(Whole{"Link", "[a label](https://example.test/a_b)"},
                                         Whole{"LinkWithBrackets", "[a [b] c](https://a.test/x)"},
                                         Whole{"Image",
                                               "[![alt](https://i.test/a)](https://a.test)"},
                                         Whole{"Address", "https://example.test/some/long/path"},
                                         Whole{"Mrkdwn", "<https://example.test/a|a label here>"},
                                         Whole{"Mention", "<@U0123456>"}, Whole{"Entity", "&amp;"},
                                         Whole{"Span", "`a span of code`"},
                                         Whole{"DoubleSpan", "``a ` tick``"}, Whole{"Emoji", "😀"}),
                         testing::PrintToStringParamName());

TEST(Split, CountsWhatItIsAskedToCount) {
  const std::string text = repeated("日", 3000) + repeated("😀", 1000);
  for (const Piece& piece : split(text, 1000, Count::kBytes, true))
    EXPECT_LE(piece.text().size(), 1000U);
  const auto pieces = split(text, 1000, Count::kCharacters, true);
  for (const Piece& piece : pieces) {
    EXPECT_LE(characters(piece.text()), 1000U);
    EXPECT_EQ(valid_utf8(piece.text()), piece.text());
  }
  EXPECT_LT(pieces.size(), 7U);
}

TEST(Split, LosesNothingOfALongAnswer) {
  const std::string text = answer(60'000);
  const std::vector<std::string> parts = parts_of(text, 9000, true);
  EXPECT_GE(parts.size(), 7U);
  EXPECT_LE(parts.size(), 12U);
  for (const std::string& part : parts) {
    EXPECT_LE(part.size(), 9000U);
    EXPECT_FALSE(has_open_fence(part)) << part;
  }
  EXPECT_EQ(joined(parts), text);
}

// ---------------------------------------------------------------- sections

TEST(Sections, AreCutBetweenBlocksOnlyOutsideOfCode) {
  const std::string text = "One.\n\n```\na\n\nb\n```\n\nTwo.\n\n  and more\n\nThree.";
  EXPECT_EQ(cut_behind(text, 0, false), text.find("```"));
  EXPECT_EQ(cut_behind(text, 8, false), text.find("Two"));
  EXPECT_EQ(cut_behind(text, text.find("Two"), false), text.find("Two")) << "at the place itself";
  EXPECT_EQ(cut_behind(text, text.find("wo."), false), text.find("Three"));
  EXPECT_EQ(cut_behind(text, text.find("hree"), false), std::nullopt);
  EXPECT_EQ(cut_behind("One.\n\n", 0, false), std::nullopt) << "nothing is known behind it";
}

TEST(Sections, AreCutBehindLinesAndWordsWhereThereIsNoTime) {
  EXPECT_EQ(cut_behind("one\ntwo three", 1, true), 4U);
  EXPECT_EQ(cut_behind("one two three", 1, true), 8U) << "the last one";
  EXPECT_EQ(cut_behind("see [a b](https://a.test/x y) then", 5, true), 30U) << "not in a link";
  EXPECT_EQ(cut_behind("onetwothree", 1, true), std::nullopt);
  EXPECT_EQ(cut_behind("| a |\n| - |\n| b |\n\nafter", 1, true), 18U) << "not in a table";
  EXPECT_EQ(cut_behind("```\none two", 4, true), 4U) << "a line's beginning";
  EXPECT_EQ(cut_behind("```\none two", 5, true), std::nullopt) << "not in a line of code";
}

TEST(Sections, TogetherAreTheText) {
  const std::string text = answer(20'000);
  for (std::size_t from = 0; from < text.size(); from += 37)
    for (const bool hurried : {false, true}) {
      const auto first = cut_behind(text, from, hurried);
      if (!first) continue;
      const auto second = cut_behind(text, *first + 500, hurried);
      const auto cut = sections(text, second ? std::vector<std::uint64_t>{*first, *second}
                                             : std::vector<std::uint64_t>{*first});
      ASSERT_EQ(cut.size(), second ? 3U : 2U);
      EXPECT_EQ(bodies(cut), text);
      for (std::size_t i = 0; i + 1 < cut.size(); ++i)
        EXPECT_FALSE(has_open_fence(cut[i].text())) << cut[i].text();
      EXPECT_EQ(joined(texts(cut)), text);
    }
}

TEST(Sections, OfATextThatIsShorterThanTheCutAreOne) {
  EXPECT_EQ(sections("short", {10}).size(), 1U);
  EXPECT_EQ(sections("short", {5}).size(), 1U);
  EXPECT_EQ(sections("", {0}).size(), 1U);
  EXPECT_EQ(bodies(sections("short", {2, 10})), "short");
}

TEST(Split, LosesNothingOfALongAnswerInCharacters) {
  const std::string text = answer(30'000);
  const std::vector<std::string> parts = texts(split(text, 3000, Count::kCharacters, true));
  for (const std::string& part : parts) EXPECT_LE(characters(part), 3000U);
  EXPECT_EQ(joined(parts), text);
}

// What is shown while more comes only grows, and parts that are done stay.
void expect_steady(const std::string& text, std::size_t longest, std::size_t step) {
  std::vector<std::string> shown;
  for (std::size_t size = 0;; size = std::min(size + step, text.size())) {
    const bool ended = size == text.size();
    const std::vector<std::string> now = parts_of(text.substr(0, size), longest, ended);
    ASSERT_GE(now.size(), shown.size());
    for (std::size_t i = 0; i < shown.size(); ++i) {
      ASSERT_TRUE(now[i].starts_with(shown[i])) << "part " << i << " of " << size << " bytes";
      if (i + 1 < shown.size()) ASSERT_EQ(now[i], shown[i]);
    }
    shown = now;
    if (ended) break;
  }
  EXPECT_EQ(joined(shown), valid_utf8(text));
}

TEST(Split, NeverTakesBackWhatHasBeenShown) {
  expect_steady(answer(5'000), 1500, 41);
  expect_steady(answer(20'000), 9000, 1511);
  for (const std::string& text :
       {"```py\n" + repeated("0123456789\n", 100) + "```\n\nend", repeated("no line end ", 90),
        repeated("x", 1000), repeated("日本語😀", 80),
        repeated("\xF0\x9F\x98 \x80\x80\xFF\xF2", 60),
        repeated("a `<!channel>` @here <@U1> [x](https://a.test) &amp; ", 20),
        repeated("a\n\n  b\n\n\n", 90), repeated("| a | b |\n", 90)})
    expect_steady(text, 400, 1);
}

TEST(Split, ShowsASmallAnswerAtOnce) {
  EXPECT_EQ(parts_of("Hel", 9000, false), std::vector<std::string>{"Hel"});
  EXPECT_EQ(parts_of("Hello\n\nwor", 9000, false), std::vector<std::string>{"Hello\n\nwor"});
}

TEST(Split, TakesAnyText) {
  for (const std::string& text :
       {repeated("`", 5000), repeated("~", 5000), repeated(" ", 5000), repeated("\n", 5000),
        repeated("[", 5000), repeated("<", 5000), repeated("](", 2500), repeated("```\n", 1500),
        repeated("\xF0", 5000), repeated("\x80", 5000), std::string(5000, '\0'),
        "```" + repeated("info", 2000) + "\ncode", repeated("                ```\n", 300),
        repeated("\t", 5000) + "a", repeated("```\r\nx\r\n", 900)}) {
    const auto pieces = split(text, 500, Count::kBytes, true);
    EXPECT_EQ(bodies(pieces), text);
    for (const Piece& piece : pieces) EXPECT_LE(piece.text().size(), 500U);
    parts_of(text, 500, false);
  }
}

}  // namespace
}  // namespace viaduct::chat
