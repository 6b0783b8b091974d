#include "plugins/slack/markdown.hpp"

#include "plugins/slack/guard.hpp"
#include "plugins/slack/table.hpp"

#include <gtest/gtest.h>
#include <viaduct/chat/split.hpp>
#include <viaduct/chat/text.hpp>

#include <ctime>
#include <string>

namespace viaduct::slack {
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

class SlackMrkdwn : public testing::TestWithParam<Case> {};
TEST_P(SlackMrkdwn, SaysTheSame) {
  EXPECT_EQ(mrkdwn(GetParam().markdown), GetParam().expected);
}

// The cases that people know from the bridge of before. What was wrong there is right here: signs
// are escaped, emphasis is no bold, images are links, a heading of bold text is bold once.
INSTANTIATE_TEST_SUITE_P(
    Golden, SlackMrkdwn,
    testing::Values(
        Case{"Emphasis", "**bold** and *ital* and _it_", "*bold* and _ital_ and _it_"},
        Case{"Headings", "# H1\n## **H2**\ntext", "*H1*\n*H2*\ntext"},
        Case{"Lists", "- a\n* b\n  - c\n+ d\n1. e", "• a\n• b\n  • c\n• d\n1. e"},
        Case{"Link", "[t](http://x)", "<http://x|t>"},
        Case{"Image", "![alt](http://img)", "<http://img|alt>"}, Case{"Strike", "~~s~~", "~s~"},
        Case{"CodeKept", "`**no**` **yes**", "`**no**` *yes*"},
        Case{"Fence", "```python\n**x**\n```\n**y**", "```\n**x**\n```\n*y*"},
        Case{"FenceOfAList", "```js\n- a\n```", "```\n- a\n```"},
        Case{"Table", "| A | B |\n|---|---|\n| 1 | 2 |\n| 3 |  |\n\nafter",
             "```\nA | B\n--|--\n1 | 2\n3 |\n```\n\nafter"},
        Case{"TwoBold", "**a** **b**", "*a* *b*"}, Case{"BoldEmphasis", "***x***", "_*x*_"},
        Case{"Stars", "a ** b ** c", "a ** b ** c"}, Case{"Signs", "<b>&", "&lt;b&gt;&amp;"},
        Case{"StarItem", "* item *with* star", "• item _with_ star"},
        Case{"BoldOfTwoLines", "**multi\nline**", "*multi\nline*"},
        Case{"Nul", "\\0PH0\\0PH `c`", "\\0PH0\\0PH `c`"},
        Case{"OpenFence", "text\n```\n**b**", "text\n```\n**b**\n```"},
        Case{"NoHeading", "#nospace", "#nospace"},
        Case{"SevenSigns", "####### seven", "####### seven"},
        Case{"BareAddress", "http://x_y_z", "http://x_y_z"}),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Cases, SlackMrkdwn,
    testing::Values(
        Case{"Nothing", "", ""}, Case{"Plain", "hello world", "hello world"},
        Case{"Paragraphs", "one\n\ntwo", "one\n\ntwo"}, Case{"Lines", "one\ntwo", "one\ntwo"},
        Case{"Entities", "a &amp; b &lt;c&gt; &copy;", "a &amp; b &lt;c&gt; ©"},
        Case{"EscapedOnce", "&amp;lt;", "&amp;lt;"},
        Case{"CodeSigns", "`a < b && c > d`", "`a &lt; b &amp;&amp; c &gt; d`"},
        Case{"FenceSigns", "```\na < b\n```", "```\na &lt; b\n```"},
        Case{"FenceInFence", "~~~\n```\n~~~", "```\n`" ZW "``\n```"},
        Case{"BoldInWord", "un**believ**able", "un" ZW "*believ*" ZW "able"},
        Case{"SnakeCase", "a snake_case_name here", "a snake_case_name here"},
        Case{"LiteralStar", "\\*not bold\\*", "*" ZW "not bold*"},
        Case{"LiteralQuote", "\\> not a quote", ZW "&gt; not a quote"},
        Case{"NestedBold", "**a **b** c**", "*a b c*"},
        Case{"HeadingWithCode", "## The `x` and *y*", "*The `x` and _y_*"},
        Case{"Quote", "> a\n> b\n\nc", "> a\n> b\n\nc"},
        Case{"QuoteOfTwo", "> a\n>\n> b", "> a\n> \n> b"}, Case{"QuoteInQuote", "> > a", "> a"},
        Case{"Rule", "a\n\n---\n\nb", "a\n\n──────────\n\nb"},
        Case{"Tasks", "- [ ] a\n- [x] b", "☐ a\n☑ b"},
        Case{"Numbers", "3. a\n4. b\n   1) c", "3. a\n4. b\n  1) c"},
        Case{"ItemOfTwoParagraphs", "- a\n\n  b\n- c", "• a\n\n  b\n• c"},
        Case{"ItemWithCode", "- a\n  ```sh\n  ls\n  ```\n- b", "• a\n```\nls\n```\n• b"},
        Case{"EmptyItem", "-\n- b", "• \n• b"}, Case{"ItemInItem", "- - a", "• • a"},
        Case{"HardBreak", "a  \nb\\\nc", "a\nb\nc"}, Case{"HtmlBreak", "a<br>b<br/>c", "a\nb\nc"},
        Case{"Html", "<div>x</div>", "&lt;div&gt;x&lt;/div&gt;"},
        Case{"AutoLink", "see https://a.test/x?a=1&b=2 now",
             "see <https://a.test/x?a=1&amp;b=2> now"},
        Case{"BracketLink", "<https://a.test>", "<https://a.test>"},
        Case{"Mail", "<me@a.test>", "<mailto:me@a.test>"},
        Case{"LinkLabel", "[a | b & **c**](https://a.test)", "<https://a.test|a | b &amp; c>"},
        Case{"LinkOfCode", "[`f()`](https://a.test)", "<https://a.test|f()>"},
        Case{"LinkOddAddress", "[x](<https://a.test/a|b c>)", "<https://a.test/a%7Cb%20c|x>"},
        Case{"LinkRelative", "[main](src/main.cpp)", "main (src/main.cpp)"},
        Case{"LinkScript", "[x](javascript:alert(1))", "x (javascript:alert(1))"},
        Case{"LinkToChannel", "[x](!channel)", "x (!channel)"},
        Case{"LinkToUser", "[x](@U123)", "x (@U123)"},
        Case{"LinkedImage", "[![alt](https://i.test/a.png)](https://a.test)",
             "<https://a.test|alt>"},
        Case{"ImageNoAlt", "![](https://i.test/a.png)", "<https://i.test/a.png>"},
        Case{"Here", "@here and @Channel and @everyone but me@here.test",
             "@her" ZW "e and @Channe" ZW "l and @everyon" ZW "e but <mailto:me@here.test>"},
        Case{"Special", "<!channel> <!here|x> <@U123> <!subteam^S1>",
             "&lt;!channel&gt; &lt;!here|x&gt; &lt;@U123&gt; &lt;!subteam^S1&gt;"},
        Case{"TableWithLinks", "|A|B|\n|-|-|\n|[x](https://a.test)|**2**|",
             "• *A:* <https://a.test|x>  *B:* *2*"},
        Case{"TableCode", "|A|B|\n|-|-:|\n|`x\\|y`|2|", "```\nA   | B\n----|--\nx|y | 2\n```"},
        Case{"TableInItem", "- a\n\n  |A|\n  |-|\n  |1|", "• a\n\n```\nA\n-\n1\n```"}),
    testing::PrintToStringParamName());

TEST(SlackMrkdwn, OfAWideTableHasALineForEachRow) {
  const std::string wide(60, 'x');
  EXPECT_EQ(mrkdwn("|A|B|\n|-|-|\n|" + wide + "|" + wide + "|\n||y|"),
            "• *A:* " + wide + "  *B:* " + wide + "\n• *B:* y");
}

TEST(SlackMrkdwn, AlignsLettersOfEveryWidth) {
  EXPECT_EQ(chat::width_of("aé日😀"), 6U);
  EXPECT_EQ(mrkdwn("|A|B|\n|:-:|-|\n|日本|2|\n|abcdef|3|"),
            "```\n  A    | B\n-------|--\n 日本  | 2\nabcdef | 3\n```");
}

TEST(SlackMrkdwn, TakesAnyNesting) {
  const std::string deep = mrkdwn(std::string(20'000, '>') + " a");
  EXPECT_NE(deep.find('a'), std::string::npos);
  std::string list;
  for (int i = 0; i < 200; ++i) list += std::string(static_cast<std::size_t>(i) * 2, ' ') + "- a\n";
  EXPECT_LT(mrkdwn(list).size(), list.size());
}

TEST(SlackMrkdwn, IsQuickWithWhatIsMeantToBeSlow) {
  const std::clock_t begin = std::clock();
  for (const char* piece :
       {"[", "*a ", "_", "`a", "<", "![", "> - ", "|a", "http://", "a@", "&", "](", "~~"}) {
    std::string text;
    while (text.size() < 10'000) text += piece;
    EXPECT_FALSE(mrkdwn(text).empty()) << piece;
  }
  EXPECT_LT((std::clock() - begin) / CLOCKS_PER_SEC, 30);  // of the processor, however busy
}

class SlackGuard : public testing::TestWithParam<Case> {};
TEST_P(SlackGuard, KeepsModelsFromCallingPeople) {
  EXPECT_EQ(guarded(GetParam().markdown), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackGuard,
    testing::Values(
        Case{"Nothing", "", ""},
        Case{"Plain", "# a\n**b** <c> & &lt; `d`", "# a\n**b** <c> & &lt; `d`"},
        Case{"Channel", "<!channel> x", "<!" ZW "channel> x"},
        Case{"Here", "<!here|here>", "<!" ZW "here|here>"},
        Case{"Group", "<!subteam^S1>", "<!" ZW "subteam^S1>"},
        Case{"User", "ask <@U1234>", "ask <@" ZW "U1234>"},
        Case{"Words", "@here, @channel! @Everyone", "@her" ZW "e, @channe" ZW "l! @Everyon" ZW "e"},
        Case{"Mail", "me@here.test", "me@here.test"},
        Case{"Emphasis", "_@here_ __@channel__ *_@everyone_*",
             "_@her" ZW "e_ __@channe" ZW "l__ *_@everyon" ZW "e_*"},
        Case{"Handles", "@charlie @hero", "@charlie @hero"},
        Case{"Comment", "<!-- x --> <!DOCTYPE html>", "<!-- x --> <!DOCTYPE html>"},
        Case{"Span", "`<!channel>` <!channel>", "`<!channel>` <!" ZW "channel>"},
        Case{"DoubleSpan", "``a ` @here`` x", "``a ` @here`` x"},
        Case{"OpenSpan", "` <!channel>", "` <!" ZW "channel>"},
        Case{"SpanOfTwoLines", "a `\n<!channel> `", "a `\n<!" ZW "channel> `"},
        Case{"SpanAfterOpen", "a `\n` <!channel> ` x", "a `\n` <!" ZW "channel> ` x"},
        Case{"EscapedTick", "\\`<!channel>`", "\\`<!" ZW "channel>`"},
        Case{"EscapedSlash", "\\\\`a` <!here> `b`", "\\\\`a` <!" ZW "here> `b`"},
        Case{"TickInTag", "<a title=\"`\"> <!here> `", "<a title=\"`\"> <!" ZW "here> `"},
        Case{"TickInCells", "| ` | <!here> | ` |", "| ` | <!" ZW "here> | ` |"},
        Case{"Fence", "```\n<!channel> @here\n```\n<!channel>",
             "```\n<!channel> @here\n```\n<!" ZW "channel>"},
        Case{"TildeFence", "~~~md\n```\n<!here>\n~~~\n<!here>",
             "~~~md\n```\n<!here>\n~~~\n<!" ZW "here>"},
        Case{"OpenFence", "```\n<!channel>", "```\n<!channel>"},
        Case{"NoFence", "``` a ` b\n<!channel>", "``` a ` b\n<!" ZW "channel>"},
        Case{"IndentedNoFence", "     ```\n<!channel>", "     ```\n<!" ZW "channel>"},
        Case{"FenceThatItsItemEnds", "1. x\n   ```\nfoo\n```\ncode\n```\n<!here>",
             "1. x\n   ```\nfoo\n```\ncode\n```\n<!" ZW "here>"},
        Case{"FenceBehindMarker", "- ```\n  a\n  ```\n<!here>", "- ```\n  a\n  ```\n<!" ZW "here>"},
        Case{"Quoted", "> ```\n> <!here>\n\n<!here>", "> ```\n> <!" ZW "here>\n\n<!" ZW "here>"}),
    testing::PrintToStringParamName());

TEST(SlackGuard, OfAShorterTextBeginsThatOfALongerOne) {
  for (const auto& text :
       {std::string("a `<!channel>` b <@U1> @here\n```x\n@here\n```\n`` ` @here`` c"),
        std::string("- ```\n<!here>\n``a` @here `x`` \\`<!here>`\n ` \n <@W1> `"),
        std::string("   ```\n  x <!here>\n``` @channel\n| ` | @here | ` |\n")}) {
    const std::string whole = guarded(text);
    for (std::size_t size = 0; size <= text.size(); ++size) {
      const std::string part = guarded(text.substr(0, size), false);
      EXPECT_TRUE(whole.starts_with(part)) << text.substr(0, size) << "\n---\n" << part;
    }
  }
}

TEST(SlackSplit, MakesNoMessageOfBlanks) {
  const auto parts = split_markdown(std::string(400, 'x') + std::string(300, '\n'), 400, true);
  EXPECT_EQ(parts.size(), 2U);
  for (const std::string& part : parts) EXPECT_FALSE(chat::trimmed(part).empty());
}

TEST(SlackSplit, MakesEachPartHarmless) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "say <!channel> now ";
  const auto parts = split_markdown(text, 400, true);
  EXPECT_EQ(chat::joined(parts), guarded(text));
  for (const std::string& part : parts) EXPECT_EQ(part.find("<!channel>"), std::string::npos);
}

}  // namespace
}  // namespace viaduct::slack
