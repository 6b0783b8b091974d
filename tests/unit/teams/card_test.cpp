#include "plugins/teams/card.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <viaduct/chat/text.hpp>

#include "plugins/teams/words.hpp"

namespace viaduct::teams {
namespace {

using nlohmann::json;

#define ZW "\xE2\x80\x8B"

json parsed(const std::string& text) {
  const json value = json::parse(text, nullptr, false);
  EXPECT_FALSE(value.is_discarded()) << text;
  return value;
}
// The card of a body, which has no text beside it.
json card_in(const chat::Body& body) {
  const json activity = parsed(body.rich);
  EXPECT_EQ(activity["type"], "message");
  EXPECT_FALSE(activity.contains("text")) << "Teams would make two messages of it";
  EXPECT_EQ(activity["summary"], body.text);
  EXPECT_EQ(activity["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
  const json card = activity["attachments"][0]["content"];
  EXPECT_EQ(card["type"], "AdaptiveCard");
  EXPECT_EQ(card["version"], "1.5");
  return card;
}
// All texts of a card.
std::string said(const json& element) {
  std::string all;
  if (element.is_array())
    for (const json& one : element) all += said(one);
  if (!element.is_object()) return all;
  const std::string type = element.value("type", "");
  if (type == "TextBlock" || type == "TextRun") return element.value("text", "") + "\n";
  for (const char* part : {"body", "inlines", "columns", "items"})
    if (element.contains(part)) all += said(element[part]);
  return all;
}

struct Case {
  const char* name;
  const char* plain;
  const char* expected;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}
class TeamsEscaped : public testing::TestWithParam<Case> {};
TEST_P(TeamsEscaped, FormatsMentionsAndLinksNothing) {
  EXPECT_EQ(escaped(GetParam().plain), GetParam().expected);
  const std::string plain = plain_text(GetParam().expected);
  if (plain.find("\xC2\xA0") == plain.npos) EXPECT_EQ(plain, chat::trimmed(GetParam().plain));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TeamsEscaped,
    testing::Values(Case{"Plain", "hello, world.", "hello, world."},
                    Case{"Bold", "**b** _i_ ~~s~~", "\\*\\*b\\*\\* \\_i\\_ \\~\\~s\\~\\~"},
                    Case{"Code", "`x`", "\\`x\\`"}, Case{"Names", "snake_case", "snake_case"},
                    Case{"Mention", "<at>Ada</at>", "&lt;at>Ada&lt;/at>"},
                    Case{"Link", "[x](https://a.test)", "\\[x]\\(https:" ZW "//a.test)"},
                    Case{"Address", "http://a.test www.b.test",
                         "http:" ZW "//a.test www" ZW ".b.test"},
                    Case{"Call", "{{DATE(2026)}}", "{" ZW "{DATE(2026)}}"},
                    Case{"Entity", "&lt; R&D & x", "&amp;lt; R&amp;D & x"},
                    Case{"Heading", "# x", "\\# x"}, Case{"Item", "- x", "\\- x"},
                    Case{"Number", "1. x", "1\\. x"}, Case{"Quote", "> x", "&gt; x"},
                    Case{"Path", "C:\\dir", "C:\\dir"}, Case{"Blank", "  x", "  x"},
                    Case{"Indented", "    x", "\xC2\xA0\xC2\xA0\xC2\xA0\xC2\xA0x"}),
    testing::PrintToStringParamName());

TEST(TeamsWords, OfSeveralLinesStayLines) {
  EXPECT_EQ(escaped("a\n- b"), "a\n\\- b");
  EXPECT_EQ(message_text("a\nb\n\n- c\n- d"), "a  \nb  \n\n- c  \n- d");
  EXPECT_EQ(message_text("a\n```\nb\nc\n```\nd"), "a  \n```\nb\nc\n```\nd");
}

TEST(TeamsWords, HaveCodeWhereItIsMeant) {
  EXPECT_EQ(code("a`b\nc"), "`a'b c`");
  EXPECT_EQ(code(""), "` `");
  EXPECT_EQ(with_code("say `new --dir X` or *not*"), "say `new --dir X` or \\*not\\*");
  EXPECT_EQ(with_code("one ` tick"), "one \\` tick");
  EXPECT_EQ(bold("x") + italic("y") + bold(""), "**x***y*");
  EXPECT_EQ(link("https://a.test/x y", "a [b]"), "[a \\[b\\]](https://a.test/x%20y)");
  EXPECT_EQ(link("javascript:x", "a"), "a");
}

TEST(TeamsNote, IsAMessageAndWithButtonsACard) {
  const json message = parsed(note_body("**Hello**\nyou").rich);
  EXPECT_EQ(message["text"], "**Hello**  \nyou");
  EXPECT_EQ(message["textFormat"], "markdown");
  EXPECT_FALSE(message.contains("attachments"));
  const chat::Body body =
      note_body("**Hello**\nyou",
                {{"retry", "Try again", "v", chat::Button::Style::kPrimary}, {"", "x", ""}});
  EXPECT_EQ(body.text, "Hello you");
  const json card = card_in(body);
  EXPECT_EQ(said(card), "**Hello**\nyou\n");
  ASSERT_EQ(card["actions"].size(), 1U);
  const json action = card["actions"][0];
  EXPECT_EQ(action["type"], "Action.Execute");
  EXPECT_EQ(action["title"], "Try again");
  EXPECT_EQ(action["verb"], "retry");
  EXPECT_EQ(action["style"], "positive");
  EXPECT_EQ(action["fallback"]["type"], "Action.Submit");
  EXPECT_EQ(action["fallback"]["data"], action["data"]);
  EXPECT_EQ(parse_press(action["data"].dump()), (Press{"retry", "v"}));
}

TEST(TeamsButtons, OfManyAreInRowsOfSix) {
  std::vector<chat::Button> buttons;
  for (int i = 0; i < 40; ++i) buttons.push_back({"pick:new:" + std::to_string(i), "b", "v"});
  const json card = card_in(note_body("x", buttons));
  EXPECT_FALSE(card.contains("actions"));
  std::size_t count = 0;
  for (const json& one : card["body"]) {
    if (one["type"] != "ActionSet") continue;
    EXPECT_LE(one["actions"].size(), 6U);
    count += one["actions"].size();
  }
  EXPECT_EQ(count, 24U);
}

TEST(TeamsButtons, OfOthersAreNone) {
  EXPECT_EQ(parse_press(press_json({"a", "b\"c"})), (Press{"a", "b\"c"}));
  for (const char* bad : {"", "7", "[]", "{}", R"({"action":"a"})", R"({"viaduct":2,"action":"a"})",
                          R"({"viaduct":1,"action":7})", R"({"viaduct":"1","action":"a"})"})
    EXPECT_FALSE(parse_press(bad).has_value()) << bad;
}

TEST(TeamsList, HasAButtonForEachRow) {
  const json card = card_in(
      list_body("Your *sessions*", {{"**one**\nidle", {"connect", "Connect", "s1"}}, {"two", {}}},
                "2 in all"));
  EXPECT_EQ(said(card), "Your *sessions*\n**one**\nidle\ntwo\n2 in all\n");
  const json row = card["body"][1];
  EXPECT_EQ(row["columns"].size(), 2U);
  EXPECT_EQ(parse_press(row["columns"][1]["items"][0]["actions"][0]["data"].dump()),
            (Press{"connect", "s1"}));
  EXPECT_EQ(card["body"][2]["columns"].size(), 1U);
}

TEST(TeamsList, OfManyRowsSaysHowManyMore) {
  const std::vector<chat::ListItem> items(100, {"row", {"connect", "Connect", "id"}});
  const json card = card_in(list_body("T", items, ""));
  EXPECT_NE(said(card).find("… 60 more"), std::string::npos);
  EXPECT_LT(payload_size(card.dump()), kLargestPayload);
}

TEST(TeamsWork, IsPlainLinesWithAStopButton) {
  const std::string work = "▸ *run* tests\n\n✓ read <at>x</at>\n";
  const json card = card_in(work_body(work, {{"stop", "Stop", "v"}}));
  EXPECT_EQ(said(card), "▸ *run* tests\n✓ read <at>x</at>\n");
  EXPECT_EQ(card["body"][0]["type"], "RichTextBlock");
  EXPECT_EQ(card["actions"].size(), 1U);
  EXPECT_FALSE(card_in(work_body(work, {})).contains("actions"));
}

chat::Entry permission() {
  chat::Entry entry;
  entry.number = 7;
  entry.turn = 3;
  entry.type = chat::EntryType::kPermission;
  entry.title = "Run `rm -rf` **now**";
  entry.status = "pending";
  entry.choices = {{"o1", "", "allow_once"},
                   {"o2", "Always allow it", "allow_always"},
                   {"o3", "", "reject_once"}};
  return entry;
}

TEST(TeamsPermission, HasAButtonForEachChoice) {
  const json card = card_in(permission_body(permission(), "s1"));
  EXPECT_EQ(said(card), "Run `rm -rf` **now**\nThe agent asks for permission.\n");
  ASSERT_EQ(card["actions"].size(), 3U);
  EXPECT_EQ(card["actions"][0]["title"], "Allow once");
  EXPECT_EQ(card["actions"][0]["style"], "positive");
  EXPECT_EQ(card["actions"][1]["title"], "Always allow it");
  EXPECT_FALSE(card["actions"][1].contains("style"));
  EXPECT_EQ(card["actions"][2]["style"], "destructive");
  const auto press = parse_press(card["actions"][2]["data"].dump());
  ASSERT_TRUE(press.has_value());
  EXPECT_EQ(press->action, "permit:2");
  const auto value = chat::parse_permit(press->value);
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(value->session, "s1");
  EXPECT_EQ(value->entry, 7U);
  EXPECT_EQ(value->option, "o3");
}

TEST(TeamsPermission, ThatIsDecidedSaysWhoDecidedWhat) {
  chat::Entry entry = permission();
  entry.status = "selected";
  entry.chosen = "o1";
  entry.by = "Ada *L*";
  const chat::Body body = permission_body(entry, "s1");
  const json card = card_in(body);
  EXPECT_EQ(said(card), "Run `rm -rf` **now**\nAllow once, decided by Ada *L*\n");
  EXPECT_FALSE(card.contains("actions"));
  EXPECT_NE(body.text.find("Allow once, decided by"), std::string::npos);
}

TEST(TeamsPermission, ThatIsExpiredCanBeAskedAgain) {
  chat::Entry entry = permission();
  entry.status = "expired";
  entry.reason = "nobody answered";
  const json card = card_in(permission_body(entry, "s1"));
  EXPECT_EQ(said(card), "Run `rm -rf` **now**\nexpired: nobody answered\n");
  ASSERT_EQ(card["actions"].size(), 1U);
  EXPECT_EQ(card["actions"][0]["verb"], "retry");
  EXPECT_FALSE(card_in(permission_body(entry, "")).contains("actions"));
}

TEST(TeamsWelcome, OffersWhatToSay) {
  const json card = parsed(welcome_card({"Hello", "I am **here**", {"What can you do?"}}).json);
  EXPECT_EQ(said(card), "Hello\nI am **here**\n");
  const json action = card["body"].back()["actions"][0];
  EXPECT_EQ(action["data"]["msteams"]["type"], "imBack");
  EXPECT_EQ(action["data"]["msteams"]["value"], "What can you do?");
}

TEST(TeamsAnswer, HasItsLabelAndWhatElseIsAsked) {
  Answer answer;
  answer.text = "Hello [1]";
  answer.feedback = true;
  answer.citations = {{1, "Source", "words", "https://a.test"}};
  answer.alert = true;
  const json message = parsed(answer_body(answer).rich);
  EXPECT_EQ(message["text"], "Hello [1]");
  EXPECT_EQ(message["textFormat"], "markdown");
  ASSERT_EQ(message["entities"].size(), 1U);
  const json root = message["entities"][0];
  EXPECT_EQ(root["type"], "https://schema.org/Message");
  EXPECT_EQ(root["additionalType"][0], "AIGeneratedContent");
  EXPECT_EQ(root["citation"][0]["position"], 1);
  EXPECT_EQ(root["citation"][0]["appearance"]["url"], "https://a.test");
  EXPECT_EQ(message["channelData"]["feedbackLoop"]["type"], "default");
  EXPECT_EQ(message["channelData"]["notification"]["alert"], true);
  answer = {};
  answer.text = "x";
  answer.ai_label = false;
  answer.flavour = Flavour::kExtended;
  const json plain = parsed(answer_body(answer).rich);
  EXPECT_EQ(plain["textFormat"], "extendedmarkdown");
  EXPECT_FALSE(plain.contains("entities"));
  EXPECT_FALSE(plain.contains("channelData"));
}

TEST(TeamsAnswer, MentionsAPersonBySameTextInBothPlaces) {
  for (const char* name : {"Ada", "<b>*A_d`a*", ""}) {
    Answer answer;
    answer.text = "```\nx\n```";
    answer.mention = Person{"29:1", name};
    const json message = parsed(answer_body(answer).rich);
    const json entity = message["entities"][1];
    EXPECT_EQ(entity["type"], "mention");
    EXPECT_EQ(entity["mentioned"]["id"], "29:1");
    const std::string text = entity["text"];
    EXPECT_EQ(message["text"], text + "\n\n```\nx\n```");
    EXPECT_EQ(text.find_first_of("*_`&", 4), std::string::npos) << text;
  }
}

TEST(TeamsAnswer, OfTheLongestPartStaysBelowTheLimit) {
  for (const char* sign : {"\n", "\"", "\\", "*", "<", "`", "é", "😀", "a"}) {
    std::string text;
    for (int i = 0; i < 40'000; ++i) text += sign;
    for (const Flavour flavour : {Flavour::kMarkdown, Flavour::kExtended})
      for (const std::string& part : parts_of(text + "x", flavour, true)) {
        Answer answer;
        answer.text = part;
        answer.flavour = flavour;
        answer.feedback = true;
        EXPECT_LT(payload_size(answer_body(answer).rich), kLargestPayload) << sign;
      }
  }
}

TEST(TeamsFiles, AreAskedForAndShown) {
  const json consent = parsed(file_consent_body("a.txt", "the log", 12, "k1").rich);
  const json card = consent["attachments"][0];
  EXPECT_EQ(card["contentType"], "application/vnd.microsoft.teams.card.file.consent");
  EXPECT_EQ(card["name"], "a.txt");
  EXPECT_EQ(card["content"]["sizeInBytes"], 12);
  EXPECT_EQ(parse_press(card["content"]["acceptContext"].dump()), (Press{"file", "k1"}));
  const json info =
      parsed(file_info_body({"a.txt", "u1", "txt", "https://x/c"}).rich)["attachments"][0];
  EXPECT_EQ(info["contentType"], "application/vnd.microsoft.teams.card.file.info");
  EXPECT_EQ(info["contentUrl"], "https://x/c");
  EXPECT_EQ(info["content"]["uniqueId"], "u1");
}

TEST(TeamsWhisper, NamesWhoSeesIt) {
  const json message = parsed(to_person(note_body("x").rich, "29:1"));
  EXPECT_EQ(message["recipient"]["id"], "29:1");
  EXPECT_EQ(to_person("[", "29:1"), "");
}

TEST(TeamsInvokeAnswers, HaveTheirShapes) {
  const Card card = note_card("x", {});
  const json replaced = parsed(card_answer(card).body);
  EXPECT_EQ(replaced["statusCode"], 200);
  EXPECT_EQ(replaced["type"], "application/vnd.microsoft.card.adaptive");
  EXPECT_EQ(replaced["value"]["type"], "AdaptiveCard");
  const json told = parsed(message_answer("already decided").body);
  EXPECT_EQ(told["type"], "application/vnd.microsoft.activity.message");
  EXPECT_EQ(told["value"], "already decided");
  const InvokeAnswer wrong = error_answer(400, "BadRequest", "no");
  EXPECT_EQ(wrong.status, 200);
  EXPECT_EQ(parsed(wrong.body)["statusCode"], 400);
  EXPECT_EQ(parsed(wrong.body)["value"]["code"], "BadRequest");
  EXPECT_EQ(empty_answer().body, "{}");
  EXPECT_EQ(parsed(task_answer("words").body)["task"]["type"], "message");
  EXPECT_EQ(parsed(task_answer("T", card).body)["task"]["value"]["card"]["content"]["type"],
            "AdaptiveCard");
  EXPECT_EQ(parsed(config_answer("T", card).body)["config"]["type"], "continue");
  EXPECT_EQ(sign_in_failed().status, 412);
  EXPECT_EQ(not_implemented().status, 501);
  EXPECT_EQ(parsed(typing_body())["type"], "typing");
}

TEST(TeamsCards, OfAnySizeStayBelowTheLimit) {
  const std::string long_line(100'000, 'x');
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += "line\n";
  chat::Entry entry = permission();
  entry.title = long_line;
  entry.choices[1].name = long_line;
  for (const Card& card :
       {note_card(long_line, {}), work_card(lines, {}), note_card(lines, {}),
        permission_card(entry, "s"), list_card(long_line, {{long_line, {}}}, long_line)}) {
    EXPECT_LT(payload_size(card.json), kLargestPayload);
    EXPECT_LE(card.summary.size(), 310U);
  }
}

}  // namespace
}  // namespace viaduct::teams
