#include "plugins/teams/markdown.hpp"

#include <gtest/gtest.h>

#include <string>
#include <viaduct/chat/split.hpp>
#include <viaduct/chat/text.hpp>

namespace viaduct::teams {
namespace {

#define ZW "\xE2\x80\x8B"

struct Case {
  const char* name;
  const char* markdown;
  const char* expected;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}

class TeamsMarkdown : public testing::TestWithParam<Case> {};
TEST_P(TeamsMarkdown, SaysTheSame) {
  EXPECT_EQ(teams_markdown(GetParam().markdown), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Blocks, TeamsMarkdown,
    testing::Values(
        Case{"Nothing", "", ""}, Case{"Plain", "hello world", "hello world"},
        Case{"Paragraphs", "one\n\n\ntwo", "one\n\ntwo"}, Case{"Lines", "one\ntwo", "one  \ntwo"},
        Case{"HardBreak", "a  \nb\\\nc", "a  \nb  \nc"},
        Case{"Footnotes", "a [^1], `[^2]` and [^x].\n\n[^1]: See https://a.test",
             "a [1], `[^2]` and [^x].\n\n\\[1]: See https://a.test"},
        Case{"NumberedReference", "as [1] says\n\n[1]: https://a.test",
             "as [1] says\n\n\\[1]: https://a.test"},
        Case{"HtmlBreak", "a<br>b<br/>c", "a  \nb  \nc"},
        Case{"Headings", "# H1\n## **H2**\ntext", "**H1**\n\n**H2**\n\ntext"},
        Case{"HeadingWithCode", "## The `x` and *y* #", "**The `x` and *y***"},
        Case{"Underlined", "Title\n===\ntext", "Title\n\ntext"},
        Case{"List", "- a\n* b\n+ c", "- a  \n- b  \n- c"},
        Case{"ListBehindText", "text:\n- a\n- b\n\nend", "text:\n\n- a  \n- b\n\nend"},
        Case{"NestedList", "- a\n  - b\n    - c\n- d", "- a  \n    - b  \n        - c  \n- d"},
        Case{"Numbers", "3. a\n4. b\n   1) c", "3. a  \n4. b  \n    1) c"},
        Case{"NumbersAllOne", "1. a\n1. b\n\n1. c", "1. a  \n2. b\n\n3. c"},
        Case{"NumbersWithCodeBetween", "1. a\n\n```\nx\n```\n\n2. b",
             "1. a\n\n```\nx\n```\n\n2. b"},
        Case{"NumbersInsideNumbers", "1. a\n   1. b\n   1. c\n1. d",
             "1. a  \n    1. b  \n    2. c  \n2. d"},
        Case{"Tasks", "- [ ] a\n- [x] b", "- ☐ a  \n- ☑ b"},
        Case{"LooseItems", "- a\n\n- b", "- a\n\n- b"},
        Case{"ItemOfTwoParagraphs", "- a\n\n  b\n- c", "- a\n\n    b  \n- c"},
        Case{"ItemWithCode", "- a\n  ```sh\n  ls\n  ```\n- b", "- a\n\n```sh\nls\n```  \n- b"},
        Case{"ItemBeginsWithCode", "1. ```\n   ls\n   ```", "1.\n\n```\nls\n```"},
        Case{"EmptyItem", "-\n- b", "-   \n- b"}, Case{"ItemInItem", "- - a", "- - a"},
        Case{"Quote", "> a\n> b\n\nc", "> a  \n> b\n\nc"},
        Case{"QuoteOfTwo", "> a\n>\n> b", "> a\n> \n> b"},
        Case{"QuoteInItem", "- a\n  > b", "- a  \n    > b"},
        Case{"ListInQuote", "> - a\n> - b", "> - a  \n> - b"},
        Case{"CodeInQuote", "> a\n> ```\n> b\n> ```", "> a\n\n```\nb\n```"},
        Case{"Fence", "```python\n**x**\n\n- a\n```\n**y**",
             "```python\n**x**\n\n- a\n```\n\n**y**"},
        Case{"FenceBehindText", "a:\n```\nx\n```\nb", "a:\n\n```\nx\n```\n\nb"},
        Case{"FenceOpen", "text\n```\n**b**", "text\n\n```\n**b**\n```"},
        Case{"FenceLong", "````\n```\n````", "````\n```\n````"},
        Case{"FenceTildes", "~~~ruby\n```\nx\n~~~", "````ruby\n```\nx\n````"},
        Case{"FenceInfo", "```js {1,2} <at>\nx\n```", "```js\nx\n```"},
        Case{"FenceOddInfo", "```<at>\nx\n```", "```\nx\n```"},
        Case{"FenceEmpty", "```\n```", "```\n```"},
        Case{"FenceIndented", "  ```\n  x\n   y\n  ```", "```\nx\n y\n```"},
        Case{"IndentedCode", "a\n\n    x\n    y\n\nb", "a\n\n```\nx\ny\n```\n\nb"},
        Case{"Rule", "a\n\n---\n\nb", "a\n\n──────────\n\nb"},
        Case{"Html", "<div>x</div>", "&lt;div>x&lt;/div>"},
        Case{"Table", "| A | B |\n|---|--:|\n| 1 | 2 |\n| 3 |  |\n\nafter",
             "```\nA | B\n--|--\n1 | 2\n3 |\n```\n\nafter"},
        Case{"TableWithLinks", "|A|B|\n|-|-|\n|[x](https://a.test)|**2**|",
             "- **A:** [x](https://a.test); **B:** **2**"},
        Case{"TableInItem", "- a\n\n  |A|\n  |-|\n  |1|", "- a\n\n```\nA\n-\n1\n```"},
        Case{"NoTable", "a b\n|-|-|\nc", "a b  \n|-|-|  \nc"},
        Case{"Definition", "see [x]\n\n[x]: https://a.test", "see [x]\n\n\\[x]: https://a.test"},
        Case{"Footnote", "a[^1]\n\n[^1]: Note.", "a[1]\n\n\\[1]: Note."}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Inlines, TeamsMarkdown,
    testing::Values(
        Case{"Emphasis", "**bold** and *ital* and _it_ and __b__",
             "**bold** and *ital* and *it* and **b**"},
        Case{"BoldEmphasis", "***x***", "***x***"}, Case{"Strike", "~~s~~ ~5", "~~s~~ ~5"},
        Case{"BoldInWord", "un**believ**able", "un**believ**able"},
        Case{"NestedBold", "**a **b** c**", "**a b c**"},
        Case{"BoldOfTwoLines", "**multi\nline**", "**multi  \nline**"},
        Case{"CodeKept", "`**no**` **yes**", "`**no**` **yes**"},
        Case{"CodeSigns", "`` a`b `` and ` `` `", "``a`b`` and ``` `` ```"},
        Case{"SnakeCase", "a snake_case_name here", "a snake_case_name here"},
        Case{"Path", "C:\\Users\\ada", "C:\\Users\\ada"},
        Case{"LiteralStar", "\\*not bold\\* 2 * 3", "\\*not bold\\* 2 * 3"},
        Case{"LiteralUnder", "\\_x\\_ and __", "\\_x\\_ and \\_\\_"},
        Case{"LiteralTick", "\\`x\\`", "\\`x\\`"}, Case{"LiteralHash", "\\# x", "\\# x"},
        Case{"LiteralItem", "\\- x\n\\+ y", "\\- x  \n\\+ y"},
        Case{"LiteralNumber", "1986\\. A year", "1986\\. A year"},
        Case{"LiteralQuote", "\\> x > y", "&gt; x > y"},
        Case{"LiteralLink", "\\[x\\](https://a.test)", "[x]\\(https://a.test)"},
        Case{"Brackets", "see [1] and a[i]", "see [1] and a[i]"},
        Case{"Entities", "a &amp; b &lt;c&gt; &copy; &amp;copy;", "a & b &lt;c> © &amp;copy;"},
        Case{"Mention", "<at>Ada</at> and `<at>Ada</at>`", "&lt;at>Ada&lt;/at> and `<at>Ada</at>`"},
        Case{"Link", "[t](http://x.test)", "[t](http://x.test)"},
        Case{"LinkTitle", "[t](http://x.test \"title\")", "[t](http://x.test)"},
        Case{"LinkLabel", "[a \\[b\\] **c** _d_](https://a.test)",
             "[a \\[b\\] c d](https://a.test)"},
        Case{"LinkParens", "[x](<https://a.test/a(b) c>)", "[x](https://a.test/a%28b%29%20c)"},
        Case{"LinkRelative", "[main](src/main.cpp)", "main (src/main.cpp)"},
        Case{"LinkScript", "[x](javascript:alert(1))", "x (javascript:alert(1))"},
        Case{"LinkHiddenScript", "[x](java&#115;cript&colon;alert(1))", "x (javascript:alert(1))"},
        Case{"LinkData", "[x](data:text/html,x)", "x (data:text/html,x)"},
        Case{"Image", "![alt](https://i.test/a.png)", "[alt](https://i.test/a.png)"},
        Case{"ImageNoAlt", "![](https://i.test/a.png)",
             "[https://i.test/a.png](https://i.test/a.png)"},
        Case{"LinkedImage", "[![alt](https://i.test/a.png)](https://a.test)",
             "[alt](https://a.test)"},
        Case{"AutoLink", "see https://a.test/x now", "see https://a.test/x now"},
        Case{"AutoLinkSigns", "see https://a.test/a_b?c=1&d=2",
             "see [https://a.test/a_b?c=1&amp;d=2](https://a.test/a_b?c=1&d=2)"},
        Case{"Mail", "<me@a.test>", "[me@a.test](mailto:me@a.test)"},
        Case{"Control",
             "a\x01"
             "b\x7F",
             "ab"},
        Case{"LineEnds", "a\r\nb\rc", "a  \nb  \nc"}),
    testing::PrintToStringParamName());

TEST(TeamsMarkdown, OfAWideTableHasALineForEachRow) {
  const std::string wide(60, 'x');
  EXPECT_EQ(teams_markdown("|A|B|\n|-|-|\n|" + wide + "|" + wide + "|\n||y|"),
            "- **A:** " + wide + "; **B:** " + wide + "  \n- **B:** y");
}

TEST(TeamsMarkdown, IsTextWhateverTheBytesAre) {
  EXPECT_EQ(teams_markdown("a\xFF\xC3"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(teams_markdown("a\xC3", false), "");
  EXPECT_EQ(teams_markdown(std::string("a\0b", 3)), "ab");
}

// Everything that models write, in one text.
const std::string kAnswer =
    "# Title with `code`\n\nSome *words* and **bold words** and `code span` with [a "
    "link](https://a.test/x_y) and https://b.test/c_d, snake_case and 2 * 3.\nA second line — "
    "“quoted” "
    "**“x”** end.\n\n"
    "- item **one**: text\n- [ ] task\n- [x] done [l](http://c.test)\n  - nested `x`\n  - more\n\n "
    "   "
    "paragraph\n- ```sh\n  ls -la\n  ```\n1. first\n2. second\n   ```py\n   def f():\n       "
    "return 1\n "
    "  ```\n3. third\n\n"
    "> quote\n> more\nlazy\n\n```cpp\nint main() {\n  return `0`;\n\n}\n```\nafter\n\n"
    "| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | *4* |\n\nTitle\n=====\n\nno table | here\n--|--\n\n"
    "~~~\n```\n~~~~\n***both*** ~~gone~~ a ~ b <at>x</at> &amp; &lt; AT&T\\\nhard  \nbreak\n\n"
    "这是一个**测试**文本，没有空格。第二句话😀。\n\n[x]: https://d.test\n[^1]: "
    "note\n![i](http://e.test/i.png)\n\n---\n\n"
    "* * *\n\nlast _word_ `open\n";

void expect_growth(const std::string& text, Flavour flavour, std::size_t longest) {
  std::vector<std::string> shown;
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const bool ended = size == text.size();
    const std::string part = text.substr(0, size);
    const auto now = parts_of(part, flavour, ended, longest);
    ASSERT_GE(now.size(), shown.size()) << part;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      ASSERT_TRUE(now[i].starts_with(shown[i])) << "behind: " << part << "\n--- was\n"
                                                << shown[i] << "\n--- is\n"
                                                << now[i];
      ASSERT_TRUE(i + 1 == shown.size() || now[i] == shown[i]);
    }
    shown = now;
  }
}

TEST(TeamsStream, OnlyGrows) {
  expect_growth(kAnswer, Flavour::kMarkdown, kLongestPart);
  expect_growth(kAnswer, Flavour::kExtended, kLongestPart);
  expect_growth(kAnswer, Flavour::kMarkdown, 400);
  expect_growth(kAnswer, Flavour::kExtended, 400);
}

TEST(TeamsStream, OnlyGrowsWhereMarksCloseLate) {
  for (const std::string text : {"a *b **c* d** e\n\nx",
                                 "a `b\nc` d",
                                 "a [b](c\nd) e",
                                 "a\n===\nb\n---\nc",
                                 "a | b\n- | -\nc",
                                 "a\n:--\nb",
                                 "1. a\n1) b\n10. c\n-\n- d",
                                 "- a\n===\n- b\n  ---",
                                 "x\n    ```\n    y\n```\nz\n```",
                                 "- a\n\n      code\n\n b\nc",
                                 "<div>\n**a**\n\n</div>\n- b",
                                 "a\n<!--\n- b\n\n-->\nc",
                                 "a_b_c _d_e f_ __g__h i",
                                 "a * b* *c * d",
                                 "~~a~~b ~~c~~ d~e ~",
                                 "www.a_b.test/x_y_ z me@a_b.test",
                                 "**a `b** c` d",
                                 "[a `b](http://c.test) d` e",
                                 "\\*a\\* \\",
                                 "a\\\n\\",
                                 "[ ] x\n- [ ] [y](z)",
                                 "- [x](y)\n- [x]: y\n[z\nw]: https://a.test",
                                 "> ```\n> a\nb\n```\nc\n```",
                                 "`a` `` b ` c `` d`` e",
                                 "\"**a**\" (*b*) '_c_' d",
                                 "a &copy; &am p; &#1234; b",
                                 "# a\n#b\n#\n####### c",
                                 "\t- a\n\tb\n- \tc\n-\td",
                                 "2. a\n\n2. b\n5. c\n\ntext\n3. d",
                                 "**a\n\nb**",
                                 "a  \n  b\n   c"}) {
    expect_growth(text, Flavour::kMarkdown, 400);
    expect_growth(text, Flavour::kExtended, 400);
  }
}

TEST(TeamsStream, ShowsWordsBeforeTheirParagraphEnds) {
  EXPECT_EQ(teams_markdown("Some **bold** words an", false), "Some **bold** words");
  EXPECT_EQ(teams_markdown("- an item of a li", false), "- an item of a");
  EXPECT_EQ(teams_markdown("a:\n\n```py\nx = 1\ny", false), "a:\n\n```py\nx = 1\ny");
  EXPECT_EQ(teams_markdown("这是一个测试", false), "这是一个测");
}

TEST(TeamsStream, OfAVeryLongLineOnlyGrows) {
  std::string text;
  for (int i = 0; text.size() < 40'000; ++i) text += "word **b" + std::to_string(i) + "** `c` ";
  std::string shown;
  for (std::size_t size = 0; size < text.size(); size += 997) {
    const std::string now = teams_markdown(std::string_view(text).substr(0, size), false);
    ASSERT_TRUE(now.starts_with(shown)) << size;
    shown = now;
  }
  EXPECT_TRUE(teams_markdown(text).starts_with(shown));
}

TEST(TeamsParts, OfAMegabyteAreTheSameTextTogether) {
  std::string text;
  while (text.size() < (1 << 20)) text += kAnswer + "\n";
  for (const Flavour flavour : {Flavour::kMarkdown, Flavour::kExtended}) {
    const auto parts = parts_of(text, flavour, true);
    EXPECT_GT(parts.size(), 50U);
    for (const std::string& part : parts) EXPECT_LE(chat::characters(part), kLongestPart);
    const std::string whole =
        flavour == Flavour::kMarkdown ? teams_markdown(text) : extended_markdown(text);
    EXPECT_EQ(chat::joined(parts), whole);
  }
}

TEST(TeamsParts, OfEmojiHaveWholeOnes) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "😀";
  const auto parts = parts_of(text, Flavour::kMarkdown, true, 1001);
  EXPECT_GT(parts.size(), 5U);
  for (const std::string& part : parts) {
    EXPECT_LE(chat::characters(part), 1001U);
    EXPECT_EQ(chat::valid_utf8(part), part);
  }
  EXPECT_EQ(chat::joined(parts), text);
}

TEST(TeamsParts, OfCodeEachHaveTheirFences) {
  std::string text = "```py\n";
  for (int i = 0; i < 300; ++i) text += "x = " + std::to_string(i) + "\n";
  const auto parts = parts_of(text + "```", Flavour::kMarkdown, true, 600);
  EXPECT_GT(parts.size(), 3U);
  for (const std::string& part : parts) {
    EXPECT_TRUE(part.starts_with("```py\n")) << part;
    EXPECT_TRUE(part.ends_with("\n```")) << part;
  }
}

TEST(TeamsExtended, IsTheSameTextButForWhatItMustNotDo) {
  const std::string table = "# T\n\n| A |\n|---|\n| <br> |\n\n- [ ] x\n\n[1] `<at>x</at>` a < b";
  EXPECT_EQ(extended_markdown(table), table);
  EXPECT_EQ(extended_markdown("<at>Ada</at>"), "<" ZW "at>Ada</at>");
  EXPECT_EQ(extended_markdown("<AT id=\"0\">"), "<" ZW "AT id=\"0\">");
  EXPECT_EQ(extended_markdown("<quoted messageId=\"1\"/>"), "<" ZW "quoted messageId=\"1\"/>");
  EXPECT_EQ(extended_markdown("![x](https://a.test/i.png)"), "!" ZW "[x](https://a.test/i.png)");
  EXPECT_EQ(extended_markdown("<img src=\"https://a.test\">"),
            "<" ZW "img src=\"https://a.test\">");
  EXPECT_EQ(extended_markdown("[x](javascript:y)"), "[x](javascript" ZW ":y)");
  EXPECT_EQ(extended_markdown("[x](<javascript:y>)"), "[x](<javascript" ZW ":y>)");
  EXPECT_EQ(extended_markdown("[x]: data:y"), "[x]: data" ZW ":y");
  EXPECT_EQ(extended_markdown("[x](javascript&colon;y)"), "[x](javascript&colon" ZW ";y)");
  EXPECT_EQ(extended_markdown("[x](&#106;avascript:y)"), "[x](&" ZW "#106;avascript:y)");
  EXPECT_EQ(extended_markdown("[x](https://a.test:80/?a=1&b=2) note: x"),
            "[x](https://a.test:80/?a=1&b=2) note: x");
  EXPECT_EQ(extended_markdown("[x](mailto:a@b.test)"), "[x](mailto:a@b.test)");
}

}  // namespace
}  // namespace viaduct::teams
