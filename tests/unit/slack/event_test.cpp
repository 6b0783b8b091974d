#include "plugins/slack/event.hpp"

#include "plugins/slack/form.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::slack {
namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kForm = "application/x-www-form-urlencoded";

Request read_json(const std::string& body) {
  auto request = parse_http(kJson, body);
  EXPECT_TRUE(request.has_value()) << body << (request ? "" : request.error());
  return request ? *std::move(request) : Request{};
}

std::string envelope(const std::string& event, const std::string& rest = "") {
  return R"({"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev1",)"
         R"("event_time":1729000000,"authorizations":[{"team_id":"T1","user_id":"U_BOT"}])" +
         rest + R"(,"event":)" + event + "}";
}

Event read_event(const std::string& event, const std::string& rest = "") {
  return std::get<Event>(read_json(envelope(event, rest)).what);
}
template <class Kind>
Kind read_as(const std::string& event) {
  return std::get<Kind>(read_event(event).what);
}

constexpr const char* kMention =
    R"({"type":"app_mention","user":"U1","text":"<@U_BOT> hi &amp; bye","ts":"1729000000.000100",)"
    R"("channel":"C1","event_ts":"1729000000.000100","team":"T1","client_msg_id":"m-1"})";

TEST(SlackEvent, OfAMentionIsAMessageWithItsPlace) {
  const Event event = read_event(kMention);
  EXPECT_EQ(event.workspace, (Workspace{"A1", "T1", "", false}));
  EXPECT_EQ(event.event_id, "Ev1");
  EXPECT_EQ(event.time, 1729000000);
  const auto& message = std::get<Message>(event.what);
  EXPECT_TRUE(message.is_mention);
  EXPECT_EQ(message.user, "U1");
  EXPECT_EQ(message.channel, "C1");
  EXPECT_EQ(message.text, "<@U_BOT> hi &amp; bye");
  EXPECT_EQ(message.ts, "1729000000.000100");
  EXPECT_EQ(message.thread(), message.ts);
  EXPECT_FALSE(message.is_direct());
}

TEST(SlackEvent, OfAReplyIsAnsweredInItsThread) {
  const auto message = read_as<Message>(
      R"({"type":"message","channel_type":"channel","user":"U1","text":"more","channel":"C1",)"
      R"("ts":"1729000009.000200","thread_ts":"1729000000.000100"})");
  EXPECT_FALSE(message.is_mention);
  EXPECT_EQ(message.thread(), "1729000000.000100");
}

TEST(SlackEvent, OfADirectMessageSaysSo) {
  EXPECT_TRUE(
      read_as<Message>(R"({"type":"message","channel_type":"im","channel":"D1"})").is_direct());
  EXPECT_TRUE(read_as<Message>(R"({"type":"app_mention","channel":"D1"})").is_direct());
  EXPECT_FALSE(read_as<Message>(R"({"type":"message","channel":"G1"})").is_direct());
}

TEST(SlackEvent, HasFilesAndWhatWasForwardedButNoUnfurledPages) {
  const auto message = read_as<Message>(
      R"({"type":"message","subtype":"file_share","user":"U1","channel":"C1","ts":"1.000001",
          "files":[{"id":"F1","name":"a.png","mimetype":"image/png","size":12,
                    "url_private_download":"https://files.slack.com/d","url_private":"https://x"},
                   {"id":"F2","title":"t","url_private":"https://files.slack.com/p"},
                   {"id":"F3","file_access":"check_file_info"},{"name":"no id"},7,null],
          "attachments":[{"is_share":true,"author_name":"Ada","text":"what she said",
                          "files":[{"id":"F4","name":"hers.txt"}]},{"from_url":"https://a.test","text":"a page"},
                         {"is_msg_unfurl":true,"text":"what he said"},"x"]})");
  ASSERT_EQ(message.files.size(), 4U);
  EXPECT_EQ(message.files[0].url, "https://files.slack.com/d");
  EXPECT_EQ(message.files[0].size, 12U);
  EXPECT_EQ(message.files[1].name, "t");
  EXPECT_EQ(message.files[1].url, "https://files.slack.com/p");
  EXPECT_TRUE(message.files[2].needs_info);
  EXPECT_EQ(message.files[3].name, "hers.txt");
  EXPECT_EQ(message.quoted, (std::vector<std::string>{"Ada: what she said", "what he said"}));
}

TEST(SlackEvent, IsOfTheInstallationThatItWasDeliveredFor) {
  const auto of = [](const std::string& rest) {
    return std::get<Event>(read_json(R"({"type":"event_callback","api_app_id":"A1",)" + rest +
                                     R"(,"event":{"type":"x","team":"T9"}})")
                               .what)
        .workspace;
  };
  EXPECT_EQ(of(R"("team_id":"T2","authorizations":[{"team_id":"T1","enterprise_id":"E1"}])"),
            (Workspace{"A1", "T1", "E1", false}));
  EXPECT_EQ(of(R"("team_id":"T2","context_team_id":"T1","authorizations":[])"),
            (Workspace{"A1", "T1", "", false}));
  EXPECT_EQ(of(R"("team_id":"T2")"), (Workspace{"A1", "T2", "", false}));
  EXPECT_EQ(of(R"("team_id":"T2","authorizations":[{"team_id":null,"enterprise_id":"E1",)"
               R"("is_enterprise_install":true}])"),
            (Workspace{"A1", "T2", "E1", true}));
}

TEST(SlackEvent, HasAKeyOfAppTeamAndId) {
  EXPECT_EQ(read_json(envelope(kMention)).key, "event/A1/T1/Ev1");
  EXPECT_EQ(read_json(envelope(kMention)).key,
            parse_envelope("events_api", envelope(kMention))->key);
  // Of two apps that are mentioned in one message, both have the same id.
  EXPECT_NE(
      read_json(R"({"type":"event_callback","team_id":"T1","api_app_id":"A2","event_id":"Ev1"})")
          .key,
      read_json(envelope(kMention)).key);
}

TEST(SlackEvent, WithoutAnIdHasAKeyOfItsText) {
  const std::string body = R"({"type":"event_callback","team_id":"T1","event":{"type":"message"}})";
  EXPECT_EQ(read_json(body).key, read_json(body).key);
  EXPECT_TRUE(read_json(body).key.starts_with("body/"));
  EXPECT_NE(read_json(body).key, read_json(body + " ").key);
}

TEST(SlackEvent, OfOneHumanMessageHasOneKeyHoweverItCame) {
  const Event mention = read_event(kMention);
  const Event message = read_event(
      R"({"type":"message","channel":"C1","ts":"1729000000.000100","user":"U1","text":"x"})");
  const auto key = [](const Event& event) {
    const auto& one = std::get<Message>(event.what);
    return message_key(event.workspace, one.channel, one.ts);
  };
  EXPECT_EQ(key(mention), key(message));
  EXPECT_EQ(key(mention), "message/T1/C1/1729000000.000100");
  EXPECT_EQ(message_key({"A1", "", "E1", true}, "C1", "1.000001"), "message/E1/C1/1.000001");
}

TEST(SlackEvent, OfAChangeSaysWhatIsChanged) {
  const auto changed = read_as<MessageChanged>(
      R"({"type":"message","subtype":"message_changed","hidden":true,"channel":"C1","ts":"9.000001",
          "message":{"type":"message","user":"U1","text":"new","ts":"1.000001","edited":{"user":"U1"}},
          "previous_message":{"text":"old"}})");
  EXPECT_EQ(changed.channel, "C1");
  EXPECT_EQ(changed.message.ts, "1.000001");
  EXPECT_EQ(changed.message.channel, "C1");
  EXPECT_EQ(changed.message.text, "new");
  EXPECT_TRUE(changed.message.is_edited);
  const auto deleted = read_as<MessageDeleted>(
      R"({"type":"message","subtype":"message_deleted","channel":"C1","deleted_ts":"1.000001"})");
  EXPECT_EQ(deleted.ts, "1.000001");
}

TEST(SlackEvent, OfEveryOtherKindIsRead) {
  const auto home = read_as<HomeOpened>(
      R"({"type":"app_home_opened","user":"U1","channel":"D1","tab":"messages"})");
  EXPECT_TRUE(home.messages);
  EXPECT_EQ(home.channel, "D1");
  EXPECT_FALSE(read_as<HomeOpened>(R"({"type":"app_home_opened","tab":"home"})").messages);
  const auto thread = read_as<AssistantThread>(
      R"({"type":"assistant_thread_started","assistant_thread":{"user_id":"U1","channel_id":"D1",
          "thread_ts":"1.000001","context":{"channel_id":"C1"}}})");
  EXPECT_TRUE(thread.has_started);
  EXPECT_EQ(thread.context_channel, "C1");
  EXPECT_EQ(thread.thread_ts, "1.000001");
  EXPECT_FALSE(
      read_as<AssistantThread>(R"({"type":"assistant_thread_context_changed"})").has_started);
  const auto looks = read_as<ContextChanged>(
      R"({"type":"app_context_changed","user":"U1","channel":"D1","context":{"entities":[
          {"type":"slack#/types/canvas_id","value":"F1"},
          {"type":"slack#/types/message_context","value":{"channel_id":"C1","message_ts":"1.000001"}},
          {"type":"slack#/types/channel_id","value":"C2","team_id":"T1"}]}})");
  EXPECT_EQ(looks.user, "U1");
  EXPECT_EQ(looks.channel, "C1");
  EXPECT_EQ(read_as<ContextChanged>(
                R"({"type":"app_context_changed","user":"U1","channel":"D1","context":{}})")
                .channel,
            "");
  EXPECT_EQ(
      read_as<SessionStopped>(
          R"({"type":"agent_session_stopped","user":"U1","channel":"C1","thread_ts":"1.000001"})")
          .thread_ts,
      "1.000001");
  const auto reaction = read_as<ReactionAdded>(
      R"({"type":"reaction_added","user":"U1","reaction":"x","item":{"channel":"C1","ts":"1.000001"}})");
  EXPECT_EQ(reaction.ts, "1.000001");
  EXPECT_EQ(read_as<MemberJoined>(R"({"type":"member_joined_channel","user":"U1"})").user, "U1");
  read_as<Uninstalled>(R"({"type":"app_uninstalled"})");
  const auto revoked = read_as<TokensRevoked>(
      R"({"type":"tokens_revoked","tokens":{"oauth":["U1",3],"bot":["U2"]}})");
  EXPECT_EQ(revoked.users, std::vector<std::string>{"U1"});
  EXPECT_EQ(revoked.bots, std::vector<std::string>{"U2"});
  EXPECT_EQ(read_as<OtherEvent>(R"({"type":"team_join"})").type, "team_join");
}

TEST(SlackRequest, OfVerificationHasItsChallenge) {
  const Request request = read_json(R"({"token":"t","challenge":"c","type":"url_verification"})");
  EXPECT_EQ(std::get<UrlVerification>(request.what).challenge, "c");
}

TEST(SlackRequest, OfARateLimitHasNoEventAndIsRead) {
  const Request request = read_json(
      R"({"type":"app_rate_limited","token":"t","team_id":"T1","minute_rate_limited":1518467820,"api_app_id":"A1"})");
  EXPECT_EQ(std::get<RateLimited>(request.what).team, "T1");
  EXPECT_EQ(std::get<RateLimited>(request.what).minute, 1518467820);
}

TEST(SlackRequest, OfAnUnknownTypeIsToBeAcknowledged) {
  EXPECT_EQ(std::get<OtherRequest>(read_json(R"({"type":"new_thing"})").what).type, "new_thing");
  EXPECT_EQ(std::get<OtherRequest>(read_json("{}").what).type, "");
  EXPECT_EQ(std::get<OtherRequest>(parse_envelope("new_type", "{}")->what).type, "new_type");
}

struct AnyJson {
  const char* name;
  std::string body;
};
void PrintTo(const AnyJson& c, std::ostream* os) {
  *os << c.name;
}
class SlackOddEvent : public testing::TestWithParam<AnyJson> {};
TEST_P(SlackOddEvent, IsReadWithoutWhatItLacks) {
  const auto request = parse_http(kJson, GetParam().body);
  ASSERT_TRUE(request.has_value());
  EXPECT_FALSE(request->key.empty());
  if (const auto* event = std::get_if<Event>(&request->what))
    if (const auto* message = std::get_if<Message>(&event->what))
      EXPECT_NE(why_ignored(*message, {"U_BOT", "B_BOT", "A1"}), Ignored::kNot);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackOddEvent,
    testing::Values(
        AnyJson{"NoEvent", R"({"type":"event_callback"})"}, AnyJson{"NullEvent", envelope("null")},
        AnyJson{"ListEvent", envelope("[1]")}, AnyJson{"TextEvent", envelope("\"x\"")},
        AnyJson{
            "NumberTs",
            envelope(
                R"({"type":"message","channel":"C1","user":"U1","text":"x","ts":1729000000.0001})")},
        AnyJson{"OddTs",
                envelope(R"({"type":"message","channel":"C1","user":"U1","text":"x","ts":"0"})")},
        AnyJson{
            "OddThread",
            envelope(
                R"({"type":"message","channel":"C1","user":"U1","text":"x","ts":"1.000001","thread_ts":"x"})")},
        AnyJson{
            "NumberText",
            envelope(R"({"type":"message","channel":"C1","user":"U1","text":5,"ts":"1.000001"})")},
        AnyJson{
            "ObjectUser",
            envelope(R"({"type":"message","channel":"C1","user":{},"text":"x","ts":"1.000001"})")},
        AnyJson{"TypeNumber", envelope(R"({"type":7})")},
        AnyJson{"Files", envelope(R"({"type":"message","files":{"a":1},"attachments":5})")},
        AnyJson{"Authorizations",
                R"({"type":"event_callback","authorizations":{"a":1},"team_id":[]})"},
        AnyJson{"AuthorizationsOdd", R"({"type":"event_callback","authorizations":[null]})"},
        AnyJson{"TimeNegative", R"({"type":"event_callback","event_time":-1})"},
        AnyJson{"TimeHuge", R"({"type":"event_callback","event_time":18446744073709551615})"},
        AnyJson{"TimeFloat", R"({"type":"event_callback","event_time":1e300})"}),
    testing::PrintToStringParamName());

TEST(SlackRequest, ThatIsNoObjectIsRefused) {
  for (const std::string& body :
       {std::string(), std::string("x"), std::string("[]"), std::string("null"), std::string("{"),
        std::string("\"a\""), std::string(100'000, '['),
        R"({"a":)" + std::string(5000, '[') + std::string(5000, ']') + "}"})
    EXPECT_FALSE(parse_http(kJson, body).has_value()) << body.substr(0, 50);
  EXPECT_FALSE(parse_http("text/plain", "{}").has_value());
  EXPECT_FALSE(parse_http("", "{}").has_value());
}

TEST(SlackRequest, MayCarryParametersInItsType) {
  EXPECT_TRUE(parse_http("Application/JSON; charset=utf-8", "{}").has_value());
  EXPECT_TRUE(
      parse_http("application/x-www-form-urlencoded;charset=UTF-8", "command=%2Famp").has_value());
}

TEST(SlackRequest, WithHalfASurrogatePairLosesOnlyThat) {
  const auto message = read_as<Message>(
      R"({"type":"message","text":"cut \ud83d","user":"U1","channel":"C\ud83d\ude00","ts":"1.000001"})");
  EXPECT_EQ(message.text, "cut \xEF\xBF\xBD");
  EXPECT_EQ(message.channel, "C\xF0\x9F\x98\x80");
}

TEST(SlackCommandForm, IsDecodedExactly) {
  const auto request = parse_http(
      kForm,
      "token=t&team_id=T1&team_domain=d&enterprise_id=E1&channel_id=C1&channel_name=directmessage"
      "&user_id=U1&user_name=ada&command=%2Famp&text=new+%2B1+a%26b%3Dc+%C3%A4%F0%9F%98%80+%25+100%"
      "&api_app_id=A1&is_enterprise_install=false&response_url=https%3A%2F%2Fhooks.slack.com%2Fx"
      "&trigger_id=1.2.3");
  ASSERT_TRUE(request.has_value());
  const auto& command = std::get<SlashCommand>(request->what);
  EXPECT_EQ(command.workspace, (Workspace{"A1", "T1", "E1", false}));
  EXPECT_EQ(command.command, "/amp");
  EXPECT_EQ(command.text, "new +1 a&b=c \xC3\xA4\xF0\x9F\x98\x80 % 100%");
  EXPECT_EQ(command.user, "U1");
  EXPECT_EQ(command.user_name, "ada");
  EXPECT_EQ(command.channel, "C1");
  EXPECT_EQ(command.channel_name, "directmessage");
  EXPECT_EQ(command.response_url, "https://hooks.slack.com/x");
  EXPECT_EQ(request->key, "command/A1/T1/1.2.3");
}

TEST(SlackCommandForm, IsTheSameInAnEnvelope) {
  const auto request = parse_envelope(
      "slash_commands",
      R"({"command":"/amp","text":"new +1","team_id":"T1","api_app_id":"A1","user_id":"U1",)"
      R"("channel_id":"C1","trigger_id":"1.2.3","is_enterprise_install":"true","response_url":"https://x"})");
  ASSERT_TRUE(request.has_value());
  const auto& command = std::get<SlashCommand>(request->what);
  EXPECT_EQ(command.text, "new +1");
  EXPECT_TRUE(command.workspace.org_wide);
  EXPECT_EQ(request->key, "command/A1/T1/1.2.3");
  EXPECT_FALSE(parse_envelope("slash_commands", "{}").has_value());
  EXPECT_FALSE(parse_envelope("slash_commands", "[]").has_value());
}

TEST(SlackCommandForm, MayBeAnything) {
  for (const char* body : {"", "&&&=&", "%", "command=%2", "=%2Famp", "command=amp"})
    EXPECT_FALSE(parse_http(kForm, body).has_value()) << body;
  const auto request = parse_http(kForm, "command=/amp&text=%FF%C3&text=second");
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(std::get<SlashCommand>(request->what).text, "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_TRUE(request->key.starts_with("body/"));
}

TEST(SlackSslCheck, IsExactlyOneAndDropsTheRest) {
  const auto request = parse_http(kForm, "ssl_check=1&token=t&command=%2Famp&text=new");
  ASSERT_TRUE(request.has_value());
  EXPECT_TRUE(std::holds_alternative<SslCheck>(request->what));
  EXPECT_TRUE(is_ssl_check(kForm, "token=t&ssl_check=1"));
  for (const char* body :
       {"ssl_check=0", "ssl_check=", "ssl_check=11", "ssl_check=true", "ssl_check",
        "ssl_check=1&ssl_check=0", "ssl_check=1&ssl_check=1", "x=ssl_check=1"})
    EXPECT_FALSE(is_ssl_check(kForm, body)) << body;
  EXPECT_FALSE(is_ssl_check(kJson, "ssl_check=1"));
}

struct IgnoredCase {
  const char* name;
  const char* event;
  Ignored why;
};
void PrintTo(const IgnoredCase& c, std::ostream* os) {
  *os << c.name;
}
class SlackMessage : public testing::TestWithParam<IgnoredCase> {};
TEST_P(SlackMessage, IsIgnoredOrNot) {
  const auto message = read_as<Message>(GetParam().event);
  const Self self{"U_BOT", "B_BOT", "A1"};
  EXPECT_EQ(words(why_ignored(message, self)), words(GetParam().why));
}
#define MESSAGE(rest) R"({"type":"message","channel":"C1","ts":"1.000001",)" rest "}"
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackMessage,
    testing::Values(
        IgnoredCase{"Person", MESSAGE(R"("user":"U1","text":"hi")"), Ignored::kNot},
        IgnoredCase{
            "Files",
            MESSAGE(R"("user":"U1","text":"","subtype":"file_share","files":[{"id":"F1"}])"),
            Ignored::kNot},
        IgnoredCase{"Broadcast", MESSAGE(R"("user":"U1","text":"hi","subtype":"thread_broadcast")"),
                    Ignored::kNot},
        IgnoredCase{"Me", MESSAGE(R"("user":"U1","text":"hi","subtype":"me_message")"),
                    Ignored::kNot},
        IgnoredCase{"OwnByUser", MESSAGE(R"("user":"U_BOT","text":"hi")"), Ignored::kOwn},
        IgnoredCase{"OwnByBot", MESSAGE(R"("bot_id":"B_BOT","text":"hi","subtype":"bot_message")"),
                    Ignored::kOwn},
        IgnoredCase{
            "OwnByApp",
            MESSAGE(
                R"("bot_id":"B_CUSTOM","bot_profile":{"app_id":"A1"},"text":"hi","subtype":"bot_message")"),
            Ignored::kOwn},
        IgnoredCase{"OtherBot", MESSAGE(R"("user":"U2","bot_id":"B2","app_id":"A2","text":"hi")"),
                    Ignored::kOtherBot},
        IgnoredCase{"OtherBotWithoutId", MESSAGE(R"("text":"hi","subtype":"bot_message")"),
                    Ignored::kOtherBot},
        IgnoredCase{"Slackbot", MESSAGE(R"("user":"USLACKBOT","text":"hi")"), Ignored::kOtherBot},
        IgnoredCase{"Joined", MESSAGE(R"("user":"U1","text":"joined","subtype":"channel_join")"),
                    Ignored::kSubtype},
        IgnoredCase{"Tombstone", MESSAGE(R"("user":"U1","text":"x","subtype":"tombstone")"),
                    Ignored::kSubtype},
        IgnoredCase{"Replied", MESSAGE(R"("user":"U1","text":"x","subtype":"message_replied")"),
                    Ignored::kSubtype},
        IgnoredCase{"AssistantRoot",
                    MESSAGE(R"("user":"U1","text":"x","subtype":"assistant_app_thread")"),
                    Ignored::kSubtype},
        IgnoredCase{"NewSubtype", MESSAGE(R"("user":"U1","text":"x","subtype":"what_comes_next")"),
                    Ignored::kSubtype},
        IgnoredCase{"Hidden", MESSAGE(R"("user":"U1","text":"x","hidden":true)"), Ignored::kHidden},
        IgnoredCase{
            "MentionPutInLater",
            R"({"type":"app_mention","user":"U1","text":"<@U_BOT>","ts":"1.000001","channel":"C1","edited":{"ts":"2.000001"}})",
            Ignored::kEdited},
        IgnoredCase{"Nobody", MESSAGE(R"("text":"x")"), Ignored::kNobody},
        IgnoredCase{"Empty", MESSAGE(R"("user":"U1","text":"  ")"), Ignored::kEmpty},
        IgnoredCase{"NoChannel", R"({"type":"message","user":"U1","text":"x","ts":"1.000001"})",
                    Ignored::kNoPlace}),
    testing::PrintToStringParamName());

TEST(SlackMessage, OfHistoryIsAsGoodAsAnyThoughItWasEdited) {
  const auto all = parse_messages(
      R"({"ok":true,"messages":[{"user":"U1","text":"a","ts":"1.000001","edited":{"ts":"3.000001"}},
          {"user":"U1","text":"b","ts":"2.000001","thread_ts":"1.000001"},5]})",
      "C1");
  ASSERT_TRUE(all.has_value());
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ((*all)[0].channel, "C1");
  EXPECT_EQ(why_ignored((*all)[0], {}), Ignored::kNot);
  EXPECT_EQ((*all)[1].thread(), "1.000001");
  EXPECT_EQ(why_ignored((*all)[2], {}), Ignored::kNoPlace);
  EXPECT_FALSE(parse_messages(R"({"ok":false})", "C1").has_value());
  EXPECT_FALSE(parse_messages("", "C1").has_value());
}

TEST(SlackMessage, OfAnotherWorkspaceIsFlagged) {
  const Workspace here{"A1", "T1", "", false};
  EXPECT_FALSE(is_from_elsewhere("T1", here));
  EXPECT_FALSE(is_from_elsewhere("", here));
  EXPECT_TRUE(is_from_elsewhere("T2", here));
  // Another workspace may be of the same organisation.
  EXPECT_FALSE(is_from_elsewhere("T2", {"A1", "T1", "E1", false}));
}

TEST(SlackPerson, IsAMemberOrAGuestOrAStranger) {
  const auto person = [](const std::string& rest) {
    return *parse_person(R"({"ok":true,"user":{"id":"U1","team_id":"T1","name":"ada",)" + rest +
                         "}}");
  };
  EXPECT_EQ(person(R"("profile":{"display_name":"Ada","real_name":"Ada L."})").name, "Ada");
  EXPECT_EQ(person(R"("profile":{"display_name":"","real_name":"Ada L."})").name, "Ada L.");
  EXPECT_EQ(person(R"("tz":"Europe/London")").name, "ada");
  const Workspace here{"A1", "T1", "", false};
  EXPECT_TRUE(person(R"("is_bot":false)").is_member(here));
  for (const char* flag : {"is_restricted", "is_ultra_restricted"})
    EXPECT_TRUE(person("\"" + std::string(flag) + "\":true").is_guest);
  EXPECT_TRUE(person(R"("is_stranger":true)").is_stranger);
  for (const char* flag :
       {"is_restricted", "is_ultra_restricted", "is_stranger", "deleted", "is_bot"})
    EXPECT_FALSE(person("\"" + std::string(flag) + "\":true").is_member(here)) << flag;
  EXPECT_FALSE(parse_person(R"({"ok":false,"error":"user_not_found"})").has_value());
  EXPECT_FALSE(parse_person("[]").has_value());
}

TEST(SlackPerson, OfAnotherOrganisationIsNoMemberThoughSlackCallsThemNoStranger) {
  const auto person = [](const std::string& rest) {
    return *parse_person(R"({"ok":true,"user":{"id":"U1","name":"sue","is_stranger":false)" + rest +
                         "}}");
  };
  const Workspace alone{"A1", "T1", "", false};
  EXPECT_TRUE(person(R"(,"team_id":"T1")").is_member(alone));
  EXPECT_FALSE(person(R"(,"team_id":"T2")").is_member(alone));
  EXPECT_FALSE(person("").is_member(alone));
  const Workspace of_many{"A1", "T1", "E1", false};
  const std::string same =
      R"(,"team_id":"T2","enterprise_user":{"enterprise_id":"E1","teams":["T1","T2"]})";
  EXPECT_TRUE(person(same).is_member(of_many));
  EXPECT_TRUE(person(same).is_member(alone));  // who does not know its own organisation
  EXPECT_FALSE(person(R"(,"team_id":"T2","enterprise_user":{"enterprise_id":"E2","teams":["T2"]})")
                   .is_member(of_many));
  // Installed for all of the organisation.
  EXPECT_TRUE(person(same).is_member({"A1", "E1", "", true}));
}

TEST(SlackTs, IsATextOfSecondsAndMicroseconds) {
  for (const char* good : {"1729000000.000100", "1.000001", "0.000000"})
    EXPECT_TRUE(is_ts(good)) << good;
  for (const char* bad : {"", "0", ".000001", "1729000000", "1729000000.0001", "1729000000.0001000",
                          "1.00000a", "1.0.0000", "-1.000001", "1729000000,000100", " 1.000001"})
    EXPECT_FALSE(is_ts(bad)) << bad;
  EXPECT_TRUE(is_earlier("999999999.999999", "1729000000.000100"));
  EXPECT_TRUE(is_earlier("1729000000.000100", "1729000000.000101"));
  EXPECT_FALSE(is_earlier("1729000000.000100", "1729000000.000100"));
  EXPECT_FALSE(is_earlier("01729000000.000100", "1729000000.000100"));
}

}  // namespace
}  // namespace viaduct::slack
