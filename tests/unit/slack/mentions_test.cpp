#include "plugins/slack/mentions.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace viaduct::slack {
namespace {

struct Case {
  const char* name;
  const char* text;
  const char* expected;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}

class SlackReadable : public testing::TestWithParam<Case> {};
TEST_P(SlackReadable, IsWhatPeopleMeant) {
  const Names names{{"U1", "Ada"}, {"C1", "general"}, {"S1", "builders"}, {"U7", "two\nlines"}};
  EXPECT_EQ(readable(GetParam().text, names), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackReadable,
    testing::Values(
        Case{"Plain", "hello", "hello"}, Case{"Empty", "", ""},
        Case{"Entities", "a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"},
        Case{"EntitiesOnce", "&amp;lt;b&amp;gt; &amp;amp;", "&lt;b&gt; &amp;"},
        Case{"OtherEntities", "&quot; &nbsp; &", "&quot; &nbsp; &"},
        Case{"User", "hi <@U1>!", "hi @Ada!"}, Case{"UserUnknown", "<@U2>", "@U2"},
        Case{"UserWithLabel", "<@U2|bob>", "@bob"}, Case{"NameOverLabel", "<@U1|old>", "@Ada"},
        Case{"NameOfTwoLines", "<@U7>", "@two lines"}, Case{"Channel", "<#C1>", "#general"},
        Case{"ChannelWithLabel", "<#C2|random>", "#random"}, Case{"ChannelUnknown", "<#C2>", "#C2"},
        Case{"ChannelEmptyLabel", "<#C2|>", "#C2"},
        Case{"Here", "<!here> and <!channel|channel> and <!everyone>",
             "@here and @channel and @everyone"},
        Case{"Group", "<!subteam^S1>", "@builders"},
        Case{"GroupWithLabel", "<!subteam^S2|@ops>", "@ops"},
        Case{"Date", "<!date^1392734382^Posted {date}|Feb 18, 2014>", "Feb 18, 2014"},
        Case{"Link", "<https://example.test/a?b=1&amp;c=2>", "https://example.test/a?b=1&c=2"},
        Case{"LinkWithLabel", "see <https://example.test/x|the page>",
             "see [the page](https://example.test/x)"},
        Case{"LinkThatSlackMade", "<http://example.test|example.test>", "example.test"},
        Case{"LinkThatIsItsLabel", "<https://example.test/|https://example.test/>",
             "https://example.test/"},
        Case{"Mail", "<mailto:a@example.test|a@example.test>", "a@example.test"},
        Case{"MailAlone", "<mailto:a@example.test>", "a@example.test"},
        Case{"NoToken", "a < b", "a < b"}, Case{"EmptyToken", "<> <|> x", "<>  x"},
        Case{"NeverClosed", "<@U1", "<@U1"}, Case{"TwoOpen", "<<@U1>>", "<@Ada>"},
        Case{"EscapedToken", "&lt;@U1&gt;", "<@U1>"},
        Case{"Code", "`a &lt; b` ```&amp;x```", "`a < b` ```&x```"},
        Case{"Emoji", "\xF0\x9F\x98\x80 <@U1>", "\xF0\x9F\x98\x80 @Ada"}),
    testing::PrintToStringParamName());

TEST(SlackMentions, AreEscapedAndUnescapedWithoutLoss) {
  for (const char* text : {"<@U1> & &amp; <!channel>", "&lt;", "a<b>c", "", "&&&"})
    EXPECT_EQ(unescaped(escaped(text)), text);
  EXPECT_EQ(escaped("<!here> & co"), "&lt;!here&gt; &amp; co");
}

TEST(SlackMentions, AreListedOnceAndOnlyWithoutTheirNames) {
  const Mentioned all =
      mentioned("<@U1> <@U2|bob> <@U1> <#C1> <#C2|x> <!subteam^S1> <!here> <https://a.test>");
  EXPECT_EQ(all.users, std::vector<std::string>{"U1"});
  EXPECT_EQ(all.channels, std::vector<std::string>{"C1"});
  EXPECT_EQ(all.groups, std::vector<std::string>{"S1"});
}

class SlackOwnMention : public testing::TestWithParam<Case> {};
TEST_P(SlackOwnMention, IsTakenFromTheBeginningOnly) {
  EXPECT_EQ(without_own_mention(GetParam().text, "U_BOT"), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackOwnMention,
    testing::Values(
        Case{"Usual", "<@U_BOT> list", "list"}, Case{"WithLabel", "<@U_BOT|amp> list", "list"},
        Case{"Alone", "<@U_BOT>", ""}, Case{"Blanks", "  ", ""},
        Case{"WithoutBlank", "<@U_BOT>list", "list"}, Case{"Twice", "<@U_BOT> <@U_BOT> hi", "hi"},
        Case{"TwiceWithColons", "<@U_BOT>: <@U_BOT>: hi", "hi"},
        Case{"Comma", "<@U_BOT>, please", "please"}, Case{"Colon", "<@U_BOT>: list", "list"},
        Case{"InTheMiddle", "hello <@U_BOT> list", "hello <@U_BOT> list"},
        Case{"Other", "<@U_OTHER> list", "<@U_OTHER> list"},
        Case{"LikeIt", "<@U_BOTTLE> list", "<@U_BOTTLE> list"},
        Case{"NeverClosed", "<@U_BOT", "<@U_BOT"}, Case{"CommaOfItsOwn", ", list", ", list"}),
    testing::PrintToStringParamName());

TEST(SlackMentions, AreFoundAnywhereInAText) {
  EXPECT_TRUE(mentions("a <@U1> b", "U1"));
  EXPECT_TRUE(mentions("<@U1|ada>", "U1"));
  EXPECT_FALSE(mentions("&lt;@U1&gt;", "U1"));
  EXPECT_FALSE(mentions("<@U12>", "U1"));
  EXPECT_FALSE(mentions("<@U1>", ""));
}

struct Addressed {
  const char* name;
  const char* text;
  bool others;
};
void PrintTo(const Addressed& c, std::ostream* os) {
  *os << c.name;
}
class SlackAddressed : public testing::TestWithParam<Addressed> {};
TEST_P(SlackAddressed, IsSeenByHowItBegins) {
  EXPECT_EQ(is_for_others(GetParam().text, "U_BOT"), GetParam().others);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackAddressed,
    testing::Values(
        Addressed{"Nobody", "fix it", false}, Addressed{"Person", "<@U1> can you look?", true},
        Addressed{"PersonWithLabel", "<@U1|ada> look", true},
        Addressed{"TwoPeople", "<@U1>, <@U2> &amp; <@U3> look", true},
        Addressed{"Bot", "<@U_BOT> look", false},
        Addressed{"BotAmongThem", "<@U1> <@U_BOT> look", false},
        Addressed{"BotLater", "<@U1> ask <@U_BOT>", true},
        Addressed{"PersonLater", "ask <@U1>", false},
        Addressed{"Group", "<!subteam^S1|@ops> look", true},
        Addressed{"Here", "<!here> look", true}, Addressed{"Channel", "<#C1> is the place", false},
        Addressed{"Link", "<https://a.test> is it", false}, Addressed{"Empty", "", false},
        Addressed{"Escaped", "&lt;@U1&gt; hi", false}, Addressed{"Blank", "  <@U1>", true}),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace viaduct::slack
