#include "plugins/slack/event.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::slack {
namespace {

Request read(const std::string& payload) {
  auto request = parse_envelope("interactive", payload);
  EXPECT_TRUE(request.has_value()) << payload;
  return request ? *std::move(request) : Request{};
}

std::string with_common(const std::string& rest) {
  return R"({"user":{"id":"U1","username":"ada","name":"ada","team_id":"T1"},"team":{"id":"T1","domain":"d"},)"
         R"("enterprise":null,"is_enterprise_install":false,"api_app_id":"A1","token":"t",)"
         R"("trigger_id":"1.2.3",)" +
         rest + "}";
}

TEST(SlackInteraction, OfAButtonSaysWhoPressedItAndWhere) {
  const Request request = read(with_common(
      R"("type":"block_actions","response_url":"https://hooks.slack.com/x","channel":{"id":"C1","name":"general"},
         "container":{"type":"message","message_ts":"2.000001","channel_id":"C1","is_ephemeral":false,"thread_ts":"1.000001"},
         "message":{"ts":"2.000001","text":"choose","thread_ts":"1.000001"},
         "state":{"values":{"b1":{"a1":{"type":"plain_text_input","value":"typed"}}}},
         "actions":[{"type":"button","action_id":"permit","block_id":"b","value":"v","action_ts":"3.000001"}])"));
  const auto& press = std::get<BlockActions>(request.what);
  EXPECT_EQ(press.by.workspace, (Workspace{"A1", "T1", "", false}));
  EXPECT_EQ(press.by.user, "U1");
  EXPECT_EQ(press.by.user_name, "ada");
  EXPECT_EQ(press.by.channel, "C1");
  EXPECT_EQ(press.by.message_ts, "2.000001");
  EXPECT_EQ(press.by.thread_ts, "1.000001");
  EXPECT_EQ(press.by.response_url, "https://hooks.slack.com/x");
  EXPECT_EQ(press.message_text, "choose");
  ASSERT_EQ(press.actions.size(), 1U);
  EXPECT_EQ(press.actions[0].action_id, "permit");
  EXPECT_EQ(press.actions[0].value, "v");
  ASSERT_EQ(press.fields.size(), 1U);
  EXPECT_EQ(press.fields[0].value, "typed");
  EXPECT_EQ(request.key, "interaction/A1/T1/1.2.3");
}

TEST(SlackInteraction, InAnEphemeralMessageHasNoMessage) {
  const auto press = std::get<BlockActions>(
      read(
          with_common(
              R"("type":"block_actions","container":{"type":"message","message_ts":"2.000001","channel_id":"C1","is_ephemeral":true})"))
          .what);
  EXPECT_TRUE(press.by.is_ephemeral);
  EXPECT_EQ(press.by.channel, "C1");
  EXPECT_EQ(press.message_text, "");
  EXPECT_TRUE(press.actions.empty());
}

struct Chosen {
  const char* name;
  const char* action;
  const char* value;
  std::vector<std::string> values;
};
void PrintTo(const Chosen& c, std::ostream* os) {
  *os << c.name;
}
class SlackAction : public testing::TestWithParam<Chosen> {};
TEST_P(SlackAction, HasWhatWasChosen) {
  const auto press =
      std::get<BlockActions>(read(with_common(R"("type":"block_actions","actions":[)" +
                                              std::string(GetParam().action) + "]"))
                                 .what);
  ASSERT_EQ(press.actions.size(), 1U);
  EXPECT_EQ(press.actions[0].value, GetParam().value);
  EXPECT_EQ(press.actions[0].values, GetParam().values);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SlackAction,
    testing::Values(
        Chosen{"Button", R"({"type":"button","value":"v"})", "v", {}},
        Chosen{"LinkButton", R"({"type":"button","url":"https://a.test"})", "", {}},
        Chosen{"Select",
               R"({"type":"static_select","selected_option":{"text":{},"value":"v"}})",
               "v",
               {}},
        Chosen{"SelectNothing", R"({"type":"static_select","selected_option":null})", "", {}},
        Chosen{"Overflow", R"({"type":"overflow","selected_option":{"value":"v"}})", "v", {}},
        Chosen{"Checkboxes",
               R"({"type":"checkboxes","selected_options":[{"value":"a"},{"value":"b"}]})",
               "",
               {"a", "b"}},
        Chosen{"User", R"({"type":"users_select","selected_user":"U2"})", "U2", {}},
        Chosen{"Conversations",
               R"({"type":"multi_conversations_select","selected_conversations":["C1","C2"]})",
               "",
               {"C1", "C2"}},
        Chosen{"Date", R"({"type":"datepicker","selected_date":"2026-01-02"})", "2026-01-02", {}},
        Chosen{"Feedback", R"({"type":"feedback_buttons","value":"good"})", "good", {}},
        Chosen{"NumberAsValue", R"({"type":"button","value":7})", "", {}},
        Chosen{"NoObject", "null", "", {}}),
    testing::PrintToStringParamName());

TEST(SlackInteraction, OfAViewHasItsFields) {
  const auto view =
      std::get<ViewSubmission>(
          read(
              with_common(
                  R"("type":"view_submission","view":{"id":"V1","callback_id":"cb","private_metadata":"m","hash":"h",
        "state":{"values":{"b1":{"a1":{"type":"plain_text_input","value":"x"}},"b2":{"a2":{"selected_option":{"value":"y"}}}}}})"))
              .what)
          .view;
  EXPECT_EQ(view.id, "V1");
  EXPECT_EQ(view.callback_id, "cb");
  EXPECT_EQ(view.private_metadata, "m");
  EXPECT_EQ(view.hash, "h");
  ASSERT_EQ(view.fields.size(), 2U);
  EXPECT_EQ(view.fields[0].block_id, "b1");
  EXPECT_EQ(view.fields[0].action_id, "a1");
  EXPECT_EQ(view.fields[0].value, "x");
  EXPECT_EQ(view.fields[1].value, "y");
}

TEST(SlackInteraction, OfEveryOtherKindIsRead) {
  EXPECT_TRUE(
      std::get<ViewClosed>(
          read(with_common(R"("type":"view_closed","is_cleared":true,"view":{"id":"V1"})")).what)
          .is_cleared);
  EXPECT_EQ(std::get<Shortcut>(read(with_common(R"("type":"shortcut","callback_id":"cb")")).what)
                .callback_id,
            "cb");
  const auto action = std::get<MessageAction>(
      read(with_common(R"("type":"message_action","callback_id":"amp_send","message_ts":"1.000001",
        "channel":{"id":"C1"},"message":{"user":"U2","text":"look","ts":"1.000001"})"))
          .what);
  EXPECT_EQ(action.callback_id, "amp_send");
  EXPECT_EQ(action.by.message_ts, "1.000001");
  EXPECT_EQ(action.message.channel, "C1");
  EXPECT_EQ(action.message.text, "look");
  const auto suggestion = std::get<BlockSuggestion>(
      read(with_common(R"("type":"block_suggestion","action_id":"a","block_id":"b","value":"typ")"))
          .what);
  EXPECT_EQ(suggestion.value, "typ");
  EXPECT_EQ(std::get<OtherRequest>(read(with_common(R"("type":"dialog_submission")")).what).type,
            "dialog_submission");
}

TEST(SlackInteraction, OfAnOrganisationHasNoTeamOfItsOwn) {
  const auto press = std::get<BlockActions>(
      read(
          R"({"type":"block_actions","team":null,"enterprise":{"id":"E1"},"is_enterprise_install":true,
               "api_app_id":"A1","user":{"id":"U1","team_id":"T1"}})")
          .what);
  EXPECT_EQ(press.by.workspace, (Workspace{"A1", "T1", "E1", true}));
}

TEST(SlackInteraction, ComesInAFormOverHttp) {
  const auto request =
      parse_http("application/x-www-form-urlencoded",
                 "payload=%7B%22type%22%3A%22shortcut%22%2C%22callback_id%22%3A%22a+b%2Bc%22%7D");
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(std::get<Shortcut>(request->what).callback_id, "a b+c");
  EXPECT_TRUE(request->key.starts_with("body/"));
}

TEST(SlackInteraction, MayBeAnything) {
  for (const char* payload : {"", "x", "[]", "null", "3", "{"})
    EXPECT_FALSE(parse_envelope("interactive", payload).has_value()) << payload;
  for (const char* payload :
       {"{}", R"({"type":7})", R"({"type":"block_actions","actions":5,"state":[],"user":"x"})",
        R"({"type":"block_actions","actions":[[],7,{}],"container":[],"message":"m"})",
        R"({"type":"view_submission","view":{"state":{"values":{"b":[1],"c":{"d":3}}}}})",
        R"({"type":"message_action","message":[]})", R"({"type":"view_closed"})"})
    EXPECT_FALSE(read(payload).key.empty());
}

}  // namespace
}  // namespace viaduct::slack
