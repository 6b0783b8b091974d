#include "plugins/teams/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace viaduct::teams {
namespace {

const Mention kBot{"28:app", "Bot", "<at>Bot</at>"};

Activity in(ConversationKind kind) {
  Activity activity;
  activity.bot.id = "28:app";
  activity.conversation.kind = kind;
  return activity;
}
std::string said(const std::string& text, std::vector<Mention> mentions = {},
                 const std::string& html = "") {
  Message message;
  message.text = text;
  message.html = html;
  message.mentions = std::move(mentions);
  return text_of(in(ConversationKind::kChannel), message);
}

struct Case {
  const char* name;
  std::string text;
  std::vector<Mention> mentions;
  const char* expected;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}
class TeamsText : public testing::TestWithParam<Case> {};
TEST_P(TeamsText, IsWhatThePersonSaid) {
  EXPECT_EQ(said(GetParam().text, GetParam().mentions), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TeamsText,
    testing::Values(
        Case{"Plain", "hello", {}, "hello"}, Case{"First", "<at>Bot</at> hello", {kBot}, "hello"},
        Case{"FirstWithComma", "<at>Bot</at>, hello", {kBot}, "hello"},
        Case{"FirstNoBreak", "<at>Bot</at>&nbsp;hello", {kBot}, "hello"},
        Case{"FirstOnItsLine", "<at>Bot</at>\nhello\nyou", {kBot}, "hello\nyou"},
        Case{"InTheMiddle", "hey <at>Bot</at> do it", {kBot}, "hey do it"},
        Case{"BeforeAFullStop", "do it <at>Bot</at>.", {kBot}, "do it."},
        Case{"AtALineEnd", "one <at>Bot</at>\ntwo", {kBot}, "one\ntwo"},
        Case{"Last", "do it <at>Bot</at> ", {kBot}, "do it"},
        Case{"Only", "<at>Bot</at>", {kBot}, ""},
        Case{"Twice", "<at>Bot</at> do <at>Bot</at> it", {kBot, kBot}, "do it"},
        Case{"TwiceByOneEntity", "<at>Bot</at> do <at>Bot</at> it", {kBot}, "do it"},
        Case{"OfNoEntity", "<at>Bot</at> hello", {}, "Bot hello"},
        Case{"Renamed", "<at>Old</at> hello", {{"28:app", "New", "<at>Old</at>"}}, "hello"},
        Case{
            "WithId", "<at id=\"0\">Bot</at> x", {{"28:app", "Bot", "<at id=\"0\">Bot</at>"}}, "x"},
        Case{"OddName", "<at>B.o*t(</at> x", {{"28:app", "B.o*t(", "<at>B.o*t(</at>"}}, "x"},
        Case{"Others",
             "<at>Bot</at> ask <at>Ada</at>",
             {kBot, {"29:1", "Ada L.", "<at>Ada</at>"}},
             "ask Ada L."},
        Case{"SameNameOfAPerson",
             "<at>Bot</at> and <at>Bot</at>",
             {kBot, {"29:9", "Bot", "<at>Bot</at>"}},
             "and Bot"},
        Case{"NameInTheText", "<at>Bot</at> Bot is a name", {kBot}, "Bot is a name"},
        Case{"EntityThatIsNotThere", "hello", {kBot}, "hello"},
        Case{"EntityWithoutText", "hello", {{"28:app", "Bot", ""}}, "hello"},
        Case{"Entities", "a &lt;b&gt; &amp;amp; &quot;c&quot;", {}, "a <b> &amp; \"c\""},
        Case{"LineEnds", "a\r\nb\rc", {}, "a\nb\nc"},
        Case{"Control", std::string("a\x01\x02") + "b", {}, "ab"},
        Case{"Quoted", "<quoted messageId=\"17\"/> my answer", {}, "my answer"},
        Case{"QuotedOpen", "<quoted my answer", {}, "<quoted my answer"},
        Case{"NotAtTag", "a <attic> b", {}, "a <attic> b"}),
    testing::PrintToStringParamName());

TEST(TeamsText, HasItsLinesFromTheHtml) {
  EXPECT_EQ(said("onetwo", {}, "<p>one</p><p>two</p>"), "one\ntwo");
  EXPECT_EQ(said("<at>Bot</at> onetwo", {kBot}, "<p><at id=\"0\">Bot</at>&nbsp;one</p><p>two</p>"),
            "one\ntwo");
  EXPECT_EQ(said("<at>Bot</at> a", {kBot},
                 "<div><div><span itemscope itemtype=\"http://schema.skype.com/Mention\" "
                 "itemid=\"0\">Bot</span>, a<br>b</div></div>"),
            "a\nb");
}

TEST(TeamsText, OfHtmlWithOtherMentionsIsThePlainOne) {
  EXPECT_EQ(said("<at>Bot</at> one two", {kBot}, "<p><at>Bot</at> <at>Bob</at> one</p><p>two</p>"),
            "one two");
}

TEST(TeamsText, IsUnescapedOnlyWhereItWasEscaped) {
  EXPECT_EQ(said("a &lt; b", {}, "<p>a &lt; b</p>"), "a < b");
  EXPECT_EQ(said("write &lt; there", {}, "<p>write &amp;lt; there</p>"), "write &lt; there");
}

TEST(TeamsText, OfAnXmlMessageIsRead) {
  Message message;
  message.text = "<b>hello</b> <i>you</i>";
  message.is_xml = true;
  EXPECT_EQ(text_of(in(ConversationKind::kPersonal), message), "hello you");
}

struct HtmlCase {
  const char* name;
  const char* html;
  const char* expected;
  bool has_structure;
};
void PrintTo(const HtmlCase& c, std::ostream* os) {
  *os << c.name;
}
class TeamsHtml : public testing::TestWithParam<HtmlCase> {};
TEST_P(TeamsHtml, IsInWords) {
  const auto read = html_text(GetParam().html);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->text, GetParam().expected);
  EXPECT_EQ(read->has_structure, GetParam().has_structure);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TeamsHtml,
    testing::Values(
        HtmlCase{"Paragraph", "<p>hello <b>you</b></p>", "hello you", false},
        HtmlCase{"Bare", "hello", "hello", false},
        HtmlCase{"Paragraphs", "<p>a</p>\n<p>b</p>", "a\nb", true},
        HtmlCase{"EmptyLine", "<p>a</p><p>&nbsp;</p><p>b</p>", "a\n\nb", true},
        HtmlCase{"Break", "<div>a<br>b<br/><br/>c</div>", "a\nb\n\nc", true},
        HtmlCase{"Blanks", "<p>a\n   b\t c&nbsp; d</p>", "a b c d", false},
        HtmlCase{"List", "<p>x</p><ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><p>y</p>",
                 "x\n- a\n- b\n  - c\ny", true},
        HtmlCase{"Numbers", "<ol start=\"3\"><li>a</li><li><p>b</p></li></ol>", "3. a\n4. b", true},
        HtmlCase{"EmptyItem", "<ul><li></li><li>b</li></ul>", "-\n- b", true},
        HtmlCase{"Code", "<p>run <code>ls `x`</code> now</p>", "run `` ls `x` `` now", true},
        HtmlCase{"Pre",
                 "<pre class=\"language-python\"><code>def f():<br>&nbsp;  return 1</code></pre>",
                 "```python\ndef f():\n   return 1\n```", true},
        HtmlCase{"CodeBlock", "<codeblock class=\"Bash\"><code>a<br>b</code></codeblock>",
                 "```bash\na\nb\n```", true},
        HtmlCase{"PreLines", "<pre>a\n  b\n```\n</pre>", "````\na\n  b\n```\n````", true},
        HtmlCase{"Quote", "<blockquote><p>a</p><p>b</p></blockquote><p>c</p>", "> a\n> b\nc", true},
        HtmlCase{"Link", "<p>see <a href=\"https://a.test/x\">this</a></p>",
                 "see [this](https://a.test/x)", true},
        HtmlCase{"LinkOfItself", "<p><a href=\"https://a.test/\">a.test</a></p>", "a.test", false},
        HtmlCase{"LinkScript", "<p><a href=\"javascript:x\">this</a></p>", "this", false},
        HtmlCase{"Emoji", "<p>ok<img itemtype=\"http://schema.skype.com/Emoji\" alt=\"🙂\"></p>",
                 "ok🙂", true},
        HtmlCase{"EmojiTag", "<p>ok <emoji id=\"smile\" alt=\"🙂\" title=\"Smile\"></emoji></p>",
                 "ok 🙂", true},
        HtmlCase{"Picture", "<p>see <img src=\"https://x\" alt=\"image\"></p>", "see", false},
        HtmlCase{"At", "<p><at id=\"0\">Ada</at> hi</p>", "Ada hi", false},
        HtmlCase{"Table",
                 "<table><tbody><tr><td>A</td><td>B</td></tr><tr><td>1</td><td><p>2</p></td></tr></"
                 "tbody></table>",
                 "| A | B |\n| --- | --- |\n| 1 | 2 |", true},
        HtmlCase{"Script", "<p>a</p><script>b</script><style>c</style>", "a", false},
        HtmlCase{"Broken", "<p>a<b>b</i></p></div><p>c", "ab\nc", true},
        HtmlCase{"Entities", "<p>&lt;at&gt;x&lt;/at&gt; &amp;lt;</p>", "<at>x</at> &lt;", false}),
    testing::PrintToStringParamName());

TEST(TeamsHtml, TellsWhatIsQuotedAndWhatIsAttached) {
  const auto read = html_text(
      "<blockquote itemscope itemtype=\"http://schema.skype.com/Reply\" itemid=\"1699\"><strong "
      "itemprop=\"mri\" itemid=\"29:1\">Megan</strong><span itemprop=\"time\" "
      "itemid=\"1699\"></span><p itemprop=\"preview\">the first<br>words</p></blockquote><p>my "
      "answer</p><attachment id=\"f1\"></attachment>");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->text, "my answer");
  ASSERT_EQ(read->quotes.size(), 1U);
  EXPECT_EQ(read->quotes[0].message, "1699");
  EXPECT_EQ(read->quotes[0].sender, "Megan");
  EXPECT_EQ(read->quotes[0].text, "the first\nwords");
  EXPECT_EQ(read->stubs, std::vector<std::string>{"f1"});
}

TEST(TeamsHtml, OfAnyDepthAndSizeIsReadOrRefused) {
  std::string deep;
  for (int i = 0; i < 20'000; ++i) deep += "<div><ul><li>";
  (void)html_text(deep + "x");
  EXPECT_FALSE(html_text(std::string(600 << 10, 'x')).has_value());
  EXPECT_FALSE(html_text("").has_value());
  std::string entities = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]><p>&a;&a;</p>";
  const auto read = html_text(entities);
  if (read) EXPECT_EQ(read->text.find("aaaaaaaaaa"), std::string::npos);
}

TEST(TeamsQuotes, AreWhatTeamsSaysOrWhatTheHtmlHas) {
  Message message;
  message.quotes = {{"16", "Bob", "one\r\ntwo"}, {"17", "Bob", " "}};
  const auto said = quotes_of(message);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].text, "one\ntwo");
  Message from_html;
  from_html.html =
      "<blockquote itemtype=\"http://schema.skype.com/Reply\"><strong>Bob</strong><p "
      "itemprop=\"copy\">one</p></blockquote><p>x</p>";
  ASSERT_EQ(quotes_of(from_html).size(), 1U);
  EXPECT_EQ(quotes_of(from_html)[0].sender, "Bob");
  EXPECT_EQ(quotes_of(from_html)[0].text, "one");
  EXPECT_TRUE(quotes_of({}).empty());
}

TEST(TeamsFilesOfAMessage, AreAlsoThoseThatAreOnlyNamed) {
  Message message;
  message.files.emplace_back().id = "f1";
  message.html = "<p>x</p><attachment id=\"f1\"></attachment><attachment id=\"f2\"></attachment>";
  const auto files = files_of(message);
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].kind, File::Kind::kOther);
  EXPECT_EQ(files[1].kind, File::Kind::kStub);
  EXPECT_EQ(files[1].id, "f2");
}

TEST(TeamsAddressed, InAPersonalChatAlwaysElsewhereByTheMention) {
  Message none;
  Message to_bot;
  to_bot.mentions = {{"29:1", "Ada", "<at>Ada</at>"}, kBot};
  Message to_ada;
  to_ada.mentions = {{"29:1", "Bot", "<at>Bot</at>"}};
  EXPECT_TRUE(is_addressed(in(ConversationKind::kPersonal), none));
  EXPECT_FALSE(is_addressed(in(ConversationKind::kGroup), none));
  EXPECT_FALSE(is_addressed(in(ConversationKind::kChannel), to_ada));
  EXPECT_TRUE(is_addressed(in(ConversationKind::kChannel), to_bot));
  EXPECT_TRUE(is_for_others(in(ConversationKind::kChannel), to_ada));
  EXPECT_FALSE(is_for_others(in(ConversationKind::kChannel), none));
  Activity command = in(ConversationKind::kChannel);
  command.is_targeted = true;
  EXPECT_TRUE(is_addressed(command, none));
  Activity no_bot = in(ConversationKind::kChannel);
  no_bot.bot.id.clear();
  Message to_nobody;
  to_nobody.mentions = {{"", "Bot", "<at>Bot</at>"}};
  EXPECT_FALSE(is_addressed(no_bot, to_nobody));
}

}  // namespace
}  // namespace viaduct::teams
