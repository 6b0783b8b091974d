#include "plugins/teams/activity.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::teams {
namespace {

constexpr const char* kTenant = "11111111-2222-3333-4444-555555555555";

// An activity of a person, with more fields, and others in a few places.
std::string activity(
    const std::string& type, const std::string& rest,
    const std::string& conversation = R"("id":"a:1","conversationType":"personal")",
    const std::string& data = "") {
  return R"({"type":")" + type +
         R"(","id":"1700000000001","timestamp":"2026-11-21T10:00:00Z","serviceUrl":"https://smba.trafficmanager.net/amer/","channelId":"msteams","locale":"en-US",)" +
         R"("from":{"id":"29:1abc","name":"Ada","aadObjectId":"AAAAAAAA-0000-0000-0000-000000000001"},)" +
         R"("recipient":{"id":"28:app","name":"Bot"},"conversation":{)" + conversation +
         R"(,"tenantId":")" + kTenant + R"("},"channelData":{"tenant":{"id":")" + kTenant + "\"}" +
         (data.empty() ? "" : "," + data) + "}" + (rest.empty() ? "" : "," + rest) + "}";
}
Activity parsed(const std::string& json) {
  auto activity = parse_activity(json);
  EXPECT_TRUE(activity.has_value()) << (activity ? "" : activity.error()) << json;
  return activity ? *activity : Activity{};
}
template <class T>
T what(const std::string& json) {
  const Activity activity = parsed(json);
  EXPECT_TRUE(std::holds_alternative<T>(activity.what)) << json;
  return std::holds_alternative<T>(activity.what) ? std::get<T>(activity.what) : T{};
}
template <class T>
T invoked(const std::string& name, const std::string& value, const std::string& rest = "") {
  const Invoke invoke = what<Invoke>(activity(
      "invoke", R"("name":")" + name + R"(","value":)" + value + (rest.empty() ? "" : "," + rest)));
  EXPECT_EQ(invoke.name, name);
  EXPECT_TRUE(std::holds_alternative<T>(invoke.what)) << name;
  return std::holds_alternative<T>(invoke.what) ? std::get<T>(invoke.what) : T{};
}

TEST(TeamsActivity, SaysWhoAndWhere) {
  const Activity one = parsed(activity("message", R"("text":"hello")"));
  EXPECT_EQ(one.id, "1700000000001");
  EXPECT_EQ(one.service_url, "https://smba.trafficmanager.net/amer/");
  EXPECT_EQ(one.channel, "msteams");
  EXPECT_EQ(one.locale, "en-US");
  EXPECT_EQ(one.from.id, "29:1abc");
  EXPECT_EQ(one.from.name, "Ada");
  EXPECT_EQ(one.from.aad, "aaaaaaaa-0000-0000-0000-000000000001");
  EXPECT_FALSE(one.from.is_bot);
  EXPECT_EQ(one.bot.id, "28:app");
  EXPECT_TRUE(one.bot.is_bot);
  EXPECT_FALSE(one.is_targeted);
  EXPECT_EQ(one.conversation.kind, ConversationKind::kPersonal);
  EXPECT_EQ(one.conversation.tenant, kTenant);
  EXPECT_EQ(std::get<Message>(one.what).text, "hello");
  EXPECT_EQ(why_ignored(one, std::get<Message>(one.what)), Ignored::kNot);
}

TEST(TeamsActivity, OfAChannelsThreadHasItsRoot) {
  const Activity one = parsed(activity(
      "message", R"("text":"x")",
      R"("id":"19:c@thread.tacv2;messageid=1699","conversationType":"channel","isGroup":true)",
      R"("team":{"id":"19:t@thread.tacv2","aadGroupId":"BBBBBBBB-0000-0000-0000-000000000002"},"channel":{"id":"19:c@thread.tacv2"})"));
  EXPECT_EQ(one.conversation.base, "19:c@thread.tacv2");
  EXPECT_EQ(one.conversation.root, "1699");
  EXPECT_EQ(one.conversation.kind, ConversationKind::kChannel);
  EXPECT_EQ(one.team, "19:t@thread.tacv2");
  EXPECT_EQ(one.team_aad, "bbbbbbbb-0000-0000-0000-000000000002");
  EXPECT_EQ(one.channel_id, "19:c@thread.tacv2");
  const chat::Place place = place_of(one);
  EXPECT_EQ(conversation_id_of(place), "19:c@thread.tacv2;messageid=1699");
  EXPECT_EQ(base_conversation_of(place), "19:c@thread.tacv2");
}

TEST(TeamsActivity, OfANewPostIsTheFirstOfItsThread) {
  const Activity one =
      parsed(activity("message", R"("text":"x")", R"("id":"19:c@thread.skype","isGroup":true)"));
  EXPECT_EQ(one.conversation.kind, ConversationKind::kChannel);
  EXPECT_EQ(conversation_id_of(place_of(one)), "19:c@thread.skype;messageid=1700000000001");
  EXPECT_EQ(parsed(activity("typing", "", R"("id":"19:c@thread.skype","isGroup":true)"))
                .conversation.root,
            "");
}

TEST(TeamsActivity, OfAGroupOrMeetingHasNoThread) {
  const Activity one = parsed(activity(
      "message", R"("text":"x")",
      R"("id":"19:meeting_x@thread.v2","conversationType":"groupChat","isGroup":true,"name":"Standup")",
      R"("meeting":{"id":"m1"})"));
  EXPECT_EQ(one.conversation.kind, ConversationKind::kGroup);
  EXPECT_EQ(one.conversation.name, "Standup");
  EXPECT_EQ(one.meeting, "m1");
  EXPECT_EQ(place_of(one).thread, "");
  EXPECT_EQ(
      parsed(activity("message", R"("text":"x")", R"("id":"19:g@thread.v2")")).conversation.kind,
      ConversationKind::kGroup);
}

TEST(TeamsPlace, OfAnyIdHasNoSlashAndLeadsBack) {
  for (const std::string id : {"a:1/../x", "19:%2F@thread.v2", "a b\tc", "ä/€", "%", "%%zz", "/"}) {
    Activity one;
    one.conversation.base = id;
    one.conversation.root = "1/2%3";
    one.conversation.tenant = "t/1";
    const chat::Place place = place_of(one);
    EXPECT_EQ((place.team + place.channel + place.thread).find('/'), std::string::npos) << id;
    EXPECT_EQ(base_conversation_of(place), id);
    EXPECT_EQ(conversation_id_of(place), id + ";messageid=1/2%3");
  }
  EXPECT_EQ(conversation_id_of(thread_of({"t", "a%3A1", ""}, "17/x")), "a:1;messageid=17/x");
}

TEST(TeamsActivity, KeepsItsKeyInASecondCopy) {
  const std::string first = activity("message", R"("text":"hello")");
  std::string again = first;
  again.replace(again.find("10:00:00"), 8, "10:00:15");
  EXPECT_EQ(parsed(first).key, parsed(again).key);
  std::string other = first;
  other.replace(other.find("1700000000001"), 13, "1700000000002");
  EXPECT_NE(parsed(first).key, parsed(other).key);
  EXPECT_NE(parsed(first).key,
            parsed(activity("message", R"("text":"hello")", R"("id":"a:2")")).key);
}

TEST(TeamsActivity, OfAnEditHasAnotherKeyForEachEdit) {
  const auto key = [](const std::string& type, const std::string& text) {
    return parsed(activity(type, R"("text":")" + text + "\"")).key;
  };
  EXPECT_NE(key("message", "a"), key("messageUpdate", "a"));
  EXPECT_NE(key("messageUpdate", "a"), key("messageUpdate", "b"));
  EXPECT_EQ(key("messageUpdate", "a"), key("messageUpdate", "a"));
  EXPECT_NE(key("messageDelete", ""), key("message", ""));
}

TEST(TeamsActivity, WithoutAnIdIsKnownByWhatItSays) {
  const auto key = [](const std::string& rest) {
    return parsed(
               R"({"type":"invoke","name":"x","conversation":{"id":"a:1"},"from":{"id":"29:1"})" +
               rest + "}")
        .key;
  };
  EXPECT_EQ(key(R"(,"value":{"a":1},"timestamp":"1")"), key(R"(,"value":{"a":1},"timestamp":"2")"));
  EXPECT_NE(key(R"(,"value":{"a":1})"), key(R"(,"value":{"a":2})"));
  EXPECT_FALSE(key("").empty());
}

TEST(TeamsMessage, HasItsMentionsQuotesAndFiles) {
  const Message message =
      what<Message>(activity("message",
                             R"("text":"<at>Bot</at> look","textFormat":"plain","attachments":[
        {"contentType":"text/html","content":"<p>look</p>"},
        {"contentType":"application/vnd.microsoft.teams.file.download.info","name":"report.CSV","content":{"downloadUrl":"https://x.sharepoint.com/d","uniqueId":"u1","fileType":"CSV"}},
        {"contentType":"image/png","contentUrl":"https://smba.trafficmanager.net/amer/v3/attachments/1/views/original"},
        {"contentType":"application/vnd.microsoft.card.adaptive","content":{"type":"AdaptiveCard"}},
        {"contentType":"reference","contentUrl":"https://x.sharepoint.com/f","name":"f.docx"}],
      "entities":[{"type":"mention","mentioned":{"id":"28:app","name":"Bot"},"text":"<at>Bot</at>"},
        {"type":"quotedReply","quotedReply":{"messageId":"16","senderName":"Bob","preview":"before"}},
        {"type":"quotedReply","quotedReply":{"messageId":"17","senderName":"Bob","preview":"gone","isReplyDeleted":true}},
        {"type":"clientInfo","locale":"en-US"}])"));
  EXPECT_EQ(message.html, "<p>look</p>");
  ASSERT_EQ(message.mentions.size(), 1U);
  EXPECT_EQ(message.mentions[0].id, "28:app");
  EXPECT_EQ(message.mentions[0].text, "<at>Bot</at>");
  ASSERT_EQ(message.quotes.size(), 1U);
  EXPECT_EQ(message.quotes[0].sender, "Bob");
  EXPECT_EQ(message.quotes[0].text, "before");
  ASSERT_EQ(message.files.size(), 4U);
  EXPECT_EQ(message.files[0].kind, File::Kind::kDownload);
  EXPECT_EQ(message.files[0].name, "report.CSV");
  EXPECT_EQ(message.files[0].type, "text/csv");
  EXPECT_EQ(message.files[0].url, "https://x.sharepoint.com/d");
  EXPECT_EQ(message.files[0].id, "u1");
  EXPECT_EQ(message.files[1].kind, File::Kind::kImage);
  EXPECT_EQ(message.files[2].kind, File::Kind::kCard);
  EXPECT_EQ(message.files[2].content, R"({"type":"AdaptiveCard"})");
  EXPECT_EQ(message.files[3].kind, File::Kind::kStub);
}

TEST(TeamsMessage, OfAButtonHasItsValue) {
  const Activity one = parsed(activity("message", R"("value":{"viaduct":1},"replyToId":"15")"));
  EXPECT_EQ(std::get<Message>(one.what).value, R"({"viaduct":1})");
  EXPECT_EQ(one.reply_to, "15");
  EXPECT_EQ(why_ignored(one, std::get<Message>(one.what)), Ignored::kNot);
}

TEST(TeamsMessage, IsIgnoredWhereItMakesALoop) {
  const auto why = [](Activity one) { return why_ignored(one, std::get<Message>(one.what)); };
  Activity one = parsed(activity("message", R"("text":"x")"));
  one.from.id = one.bot.id;
  EXPECT_EQ(why(one), Ignored::kOwn);
  Activity bot = parsed(activity("message", R"("text":"x")"));
  bot.from.is_bot = true;
  EXPECT_EQ(why(bot), Ignored::kOtherBot);
  Activity nobody = parsed(activity("message", R"("text":"x")"));
  nobody.from = {};
  EXPECT_EQ(why(nobody), Ignored::kNobody);
  Activity nowhere = parsed(activity("message", R"("text":"x")"));
  nowhere.conversation = {};
  EXPECT_EQ(why(nowhere), Ignored::kNoPlace);
  EXPECT_EQ(why(parsed(activity("message", R"("text":" \n")"))), Ignored::kEmpty);
}

TEST(TeamsActivity, TellsEditsDeletionsAndReactions) {
  const auto edited = what<MessageEdited>(activity(
      "messageUpdate", R"("text":"new")", R"("id":"a:1")", R"("eventType":"editMessage")"));
  EXPECT_EQ(edited.message.text, "new");
  EXPECT_FALSE(edited.is_restored);
  EXPECT_TRUE(what<MessageEdited>(activity("messageUpdate", R"("text":"new")", R"("id":"a:1")",
                                           R"("eventType":"undeleteMessage")"))
                  .is_restored);
  what<MessageDeleted>(activity("messageDelete", ""));
  const auto reactions = what<Reactions>(activity(
      "messageReaction",
      R"("replyToId":"15","reactionsAdded":[{"type":"like"},{"type":7}],"reactionsRemoved":[{"type":"heart"}])"));
  EXPECT_EQ(reactions.message, "15");
  EXPECT_EQ(reactions.added, std::vector<std::string>{"like"});
  EXPECT_EQ(reactions.removed, std::vector<std::string>{"heart"});
}

TEST(TeamsActivity, TellsWhatBecameOfTheConversation) {
  const auto update = what<ConversationUpdate>(activity(
      "conversationUpdate",
      R"("membersAdded":[{"id":"28:app"},{"id":"29:2","aadObjectId":"X"}],"membersRemoved":[{"id":"29:3"}])",
      R"("id":"19:c@thread.tacv2")",
      R"("eventType":"teamMemberAdded","team":{"id":"19:t","name":"Team"},"channel":{"name":"General"})"));
  EXPECT_EQ(update.event, "teamMemberAdded");
  EXPECT_TRUE(update.adds_bot);
  EXPECT_FALSE(update.removes_bot);
  EXPECT_EQ(update.added.size(), 2U);
  EXPECT_EQ(update.team_name, "Team");
  EXPECT_EQ(update.channel_name, "General");
  const auto added =
      what<InstallationUpdate>(activity("installationUpdate", R"("action":"add")", R"("id":"a:1")",
                                        R"("settings":{"selectedChannel":{"id":"19:s"}})"));
  EXPECT_TRUE(added.is_added);
  EXPECT_FALSE(added.is_upgrade);
  EXPECT_EQ(added.selected_channel, "19:s");
  EXPECT_TRUE(what<InstallationUpdate>(activity("installationUpdate", R"("action":"add-upgrade")"))
                  .is_upgrade);
  EXPECT_FALSE(
      what<InstallationUpdate>(activity("installationUpdate", R"("action":"remove")")).is_added);
}

TEST(TeamsActivity, TellsTheRestByItsType) {
  EXPECT_EQ(what<Event>(activity("event", R"("name":"e","value":{"a":1})")).value, R"({"a":1})");
  EXPECT_EQ(what<EndOfConversation>(activity("endOfConversation", R"("code":"c")")).code, "c");
  what<Typing>(activity("typing", ""));
  what<OtherActivity>(activity("somethingNew", ""));
}

TEST(TeamsInvoke, OfACardHasVerbAndData) {
  const auto card = invoked<CardAction>(
      "adaptiveCard/action",
      R"({"action":{"type":"Action.Execute","verb":"permit","data":{"viaduct":1}},"trigger":"manual"})");
  EXPECT_EQ(card.verb, "permit");
  EXPECT_EQ(card.data, R"({"viaduct":1})");
  EXPECT_FALSE(card.is_automatic);
  EXPECT_TRUE(
      invoked<CardAction>("adaptiveCard/action", R"({"trigger":"automatic"})").is_automatic);
}

TEST(TeamsInvoke, OfFeedbackHasItsWords) {
  const auto feedback = invoked<Feedback>(
      "message/submitAction",
      R"({"actionName":"feedback","actionValue":{"reaction":"dislike","feedback":"{\"feedbackText\":\"too long\"}"}})",
      R"("replyToId":"15")");
  EXPECT_EQ(feedback.reaction, "dislike");
  EXPECT_EQ(feedback.text, "too long");
  EXPECT_EQ(feedback.message, "15");
  EXPECT_EQ(invoked<Feedback>("message/submitAction",
                              R"({"actionName":"feedback","actionValue":{"reaction":"like"}})")
                .text,
            "");
  invoked<OtherInvoke>("message/submitAction", R"({"actionName":"other"})");
  invoked<FeedbackForm>("message/fetchTask", "{}");
}

TEST(TeamsInvoke, OfAFileHasWhereItGoes) {
  const auto consent = invoked<FileConsent>(
      "fileConsent/invoke",
      R"({"type":"fileUpload","action":"accept","context":{"k":1},"uploadInfo":{"uploadUrl":"https://x/up","contentUrl":"https://x/c","name":"a.txt","uniqueId":"u","fileType":"txt"}})");
  EXPECT_TRUE(consent.is_accepted);
  EXPECT_EQ(consent.context, R"({"k":1})");
  EXPECT_EQ(consent.upload_url, "https://x/up");
  EXPECT_EQ(consent.content_url, "https://x/c");
  EXPECT_EQ(consent.name, "a.txt");
  EXPECT_EQ(consent.id, "u");
  EXPECT_EQ(consent.extension, "txt");
  EXPECT_FALSE(invoked<FileConsent>("fileConsent/invoke", R"({"action":"decline"})").is_accepted);
}

TEST(TeamsInvoke, TellsAllOthersByTheirNames) {
  EXPECT_EQ(invoked<SuggestedAction>("suggestedActions/submit", R"({"a":1})").value, R"({"a":1})");
  EXPECT_TRUE(invoked<TaskModule>("task/submit", R"({"data":{"a":1}})").is_submit);
  EXPECT_FALSE(invoked<TaskModule>("task/fetch", "{}").is_submit);
  EXPECT_TRUE(invoked<BotConfig>("config/submit", R"({"data":{"a":1}})").is_submit);
  EXPECT_EQ(invoked<SignIn>("signin/verifyState", R"({"state":"123"})").state, "123");
  EXPECT_EQ(invoked<SignIn>("signin/tokenExchange", R"({"id":"i","token":"t"})").kind,
            SignIn::Kind::kTokenExchange);
  EXPECT_EQ(invoked<SignIn>("signin/failure", R"({"code":"c"})").code, "c");
  for (const char* other : {"composeExtension/query", "signin/other", "", "tab/fetch"})
    invoked<OtherInvoke>(other, "null");
}

TEST(TeamsActivity, OfAnotherFormIsRefusedWithWords) {
  for (const std::string& bad :
       {std::string("hush"), std::string("[]"), std::string("null"), std::string("{}"),
        std::string(R"({"type":7})"), std::string(R"({"type":""})"),
        R"({"type":"message","id":")" + std::string(400, 'x') + "\"}",
        R"({"type":"message","conversation":{"id":")" + std::string(400, 'x') + "\"}}",
        R"({"type":"message","conversation":{"id":")" + std::string(290, '/') + "\"}}",
        R"({"type":"message","text":")" + std::string(kLongestActivity, 'x') + "\"}",
        std::string(5000, '[')}) {
    const auto activity = parse_activity(bad);
    EXPECT_FALSE(activity.has_value()) << bad.substr(0, 100);
    if (!activity) EXPECT_EQ(activity.error().find("hush"), std::string::npos);
  }
}

TEST(TeamsActivity, WithFieldsOfOtherTypesHasThemEmpty) {
  const Activity one = parsed(
      R"({"type":"message","id":7,"from":"me","recipient":[],"conversation":{"id":{},"tenantId":7},"channelData":"x","text":["a"],"entities":{"a":1},"attachments":[7,{"contentType":[]}],"value":null})");
  EXPECT_EQ(one.id, "");
  EXPECT_EQ(one.from.id, "");
  EXPECT_EQ(one.conversation.id, "");
  const Message& message = std::get<Message>(one.what);
  EXPECT_EQ(message.text, "");
  EXPECT_EQ(message.value, "");
  EXPECT_FALSE(one.key.empty());
}

TEST(TeamsActivity, HoldsOnlySoManyOfEverything) {
  std::string mentions;
  std::string files;
  for (int i = 0; i < 3000; ++i) {
    mentions += (mentions.empty() ? "" : ",") + std::string(R"({"type":"mention","text":"x"})");
    files += (files.empty() ? "" : ",") + std::string(R"({"contentType":"image/png"})");
  }
  const Message message = what<Message>(
      activity("message", R"("entities":[)" + mentions + R"(],"attachments":[)" + files + "]"));
  EXPECT_EQ(message.mentions.size(), 100U);
  EXPECT_EQ(message.files.size(), 50U);
}

}  // namespace
}  // namespace viaduct::teams
