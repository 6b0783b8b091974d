// What goes out, and what is kept of it: messages, bindings, shipments, events, context.
#include <viaduct/chat/bindings.hpp>
#include <viaduct/chat/value.hpp>
#include "plugins/slack/attachment.hpp"
#include "plugins/slack/inbound.hpp"
#include "plugins/slack/inbox.hpp"
#include "plugins/slack/message_json.hpp"
#include "plugins/slack/shipment.hpp"

#include <gtest/gtest.h>

namespace viaduct::slack {
namespace {

chat::Entry permission(std::string status) {
  chat::Entry entry;
  entry.number = 7;
  entry.turn = 3;
  entry.type = chat::EntryType::kPermission;
  entry.title = "Write <a> file";
  entry.status = std::move(status);
  entry.choices = {{"yes", "", "allow_once"}, {"no", "Rather not", "reject_once"}};
  return entry;
}

TEST(PermissionBody, HasAButtonForEachChoiceWhileItIsPending) {
  const Body body = permission_body(permission("pending"), "s_1");
  const chat::Value blocks = chat::Value::parsed(body.blocks);
  ASSERT_EQ(blocks.items().size(), 2u);
  EXPECT_NE(blocks.items()[0].at("text").text("text").find("Write &lt;a&gt; file"),
            std::string::npos);
  const auto buttons = blocks.items()[1].at("elements").items();
  ASSERT_EQ(buttons.size(), 2u);
  EXPECT_EQ(buttons[0].at("text").text("text"), "Allow once");
  EXPECT_EQ(buttons[0].text("style"), "primary");
  EXPECT_EQ(buttons[1].at("text").text("text"), "Rather not");
  EXPECT_EQ(buttons[1].text("style"), "danger");
  EXPECT_NE(buttons[0].text("action_id"), buttons[1].text("action_id"));
  const auto chosen = parse_permit(buttons[1].text("value"));
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->session, "s_1");
  EXPECT_EQ(chosen->entry, 7u);
  EXPECT_EQ(chosen->option, "no");
}

TEST(PermissionBody, SaysWhoDecidedWhatAndHasNoButtonThen) {
  chat::Entry decided = permission("selected");
  decided.chosen = "no";
  decided.by = "Bob & Co";
  const Body body = permission_body(decided, "s_1");
  EXPECT_NE(body.text.find("Rather not, decided by Bob &amp; Co"), std::string::npos);
  EXPECT_EQ(chat::Value::parsed(body.blocks).items().size(), 1u);
}

TEST(PermissionBody, SaysThatNobodyCanAnswerAnyMoreAndOffersToAskAgain) {
  chat::Entry expired = permission("expired");
  expired.reason = "agent restarted";
  const Body body = permission_body(expired, "s_1");
  EXPECT_NE(body.text.find("expired: agent restarted"), std::string::npos);
  const auto button = chat::Value::parsed(body.blocks).items()[1].at("elements").items()[0];
  const auto turn = parse_turn(button.text("value"));
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->turn, 3u);
}

TEST(PermitValue, IsNothingIfSomebodyElseWroteIt) {
  for (const char* bad : {"", "x", "{}", R"({"s":"a"})", R"({"s":"a","e":-1,"o":""})", "[1]"})
    EXPECT_FALSE(parse_permit(bad)) << bad;
}

TEST(PostArgs, CarryTheKeyAndUnfurlNothing) {
  const std::string args =
      post_args({"T1", "C1", "1.000001"}, answer_body("**hi** <!channel>"), "k");
  const chat::Value value = chat::Value::parsed(args);
  EXPECT_EQ(value.text("channel"), "C1");
  EXPECT_EQ(value.text("thread_ts"), "1.000001");
  EXPECT_EQ(value.at("metadata").at("event_payload").text("key"), "k");
  EXPECT_FALSE(value.yes("unfurl_links"));
  EXPECT_EQ(value.text("text").find("<!channel>"), std::string::npos);
}

TEST(PostArgs, NameNoThreadWhereThereIsNone) {
  const std::string args = post_args({"T1", "D1", ""}, note_body("x"), "k");
  EXPECT_EQ(args.find("thread_ts"), std::string::npos);
}

TEST(Binding, ComesBackAsItWas) {
  chat::Binding one{{"T1", "C1", "1.000001"},
                    "s_1",
                    "T1/C1/1.000001",
                    "U1",
                    "/home/a-b",
                    "a \"b\"",
                    "echo",
                    "2026-01-01T00:00:00.000000Z",
                    false,
                    4,
                    40,
                    true};
  chat::Binding back;
  ASSERT_TRUE(chat::parse_binding(chat::binding_json(one), back));
  EXPECT_EQ(back, one);
}

TEST(Binding, IsNotMadeOfSomethingElse) {
  chat::Binding back;
  for (const char* bad : {"", "[]", "{}", R"({"team":"T","channel":"C","thread":"","user":"U"})"})
    EXPECT_FALSE(chat::parse_binding(bad, back)) << bad;
}

TEST(Bindings, TellWhichDocumentsCannotBeRead) {
  chat::Binding one;
  one.place = {"T1", "C1", ""};
  one.session = "s_1";
  one.user = "U1";
  const auto page = chat::parse_bindings(
      R"({"documents":[{"key":"binding/a","version":1,"value":)" + chat::binding_json(one) +
      R"(},{"key":"binding/b","version":1,"value":7}],"more":true})");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->bindings.size(), 1u);
  EXPECT_EQ(page->bindings[0], one);
  EXPECT_EQ(page->unreadable, std::vector<std::string>{"binding/b"});
  EXPECT_EQ(page->last_key, "binding/b");
  EXPECT_TRUE(page->more);
}

TEST(Shipment, ComesBackAsItWas) {
  const Shipment one{Shipment::Kind::kEnd, "", "", "T1", "chat.update", R"({"a":[1]})", "k", "*x*"};
  const auto back = parse_shipment(shipment_json(one));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->kind, one.kind);
  EXPECT_EQ(back->team, "T1");
  EXPECT_EQ(back->method, "chat.update");
  EXPECT_EQ(back->args, R"({"a":[1]})");
  EXPECT_EQ(back->of, "k");
  EXPECT_EQ(back->markdown, "*x*");
  EXPECT_FALSE(parse_shipment("{}"));
  EXPECT_FALSE(parse_shipment(R"({"kind":"later"})"));
}

TEST(Shipment, KnowsWhereItHasArrived) {
  EXPECT_EQ(posted_at(R"({"ok":true,"channel":"C1","ts":"1.000002"})").ts, "1.000002");
  EXPECT_EQ(posted_at(R"({"ok":true,"channel":"C1","message":{"ts":"1.000003"}})").ts, "1.000003");
  const auto posted =
      parse_posted(R"({"new":false,"state":"sent","result":{"channel":"C1","ts":"1.000002"}})");
  ASSERT_TRUE(posted && posted->arrival);
  EXPECT_FALSE(posted->is_new);
  EXPECT_EQ(posted->arrival->ts, "1.000002");
  EXPECT_FALSE(parse_posted(R"({"new":true,"state":"ready","result":null})")->arrival);
}

TEST(Shipment, LosesItsBlocksWithoutLosingWhatTheySay) {
  const std::string args = post_args({"T1", "C1", "1.000001"}, answer_body("# all of it"), "k");
  const chat::Value value = chat::Value::parsed(without_blocks(args));
  EXPECT_EQ(value.text("text"), "*all of it*");
  EXPECT_TRUE(value.at("blocks").items().empty());
}

TEST(Search, FindsAMessageByItsKey) {
  const auto found = find_by_key(
      R"({"ok":true,"messages":[{"ts":"1.000001","text":"a"},{"ts":"1.000002","metadata":{"event_type":"viaduct_part","event_payload":{"key":"k"}}}]})",
      "C1", "k");
  ASSERT_TRUE(found && found->found);
  EXPECT_EQ(found->found->ts, "1.000002");
  const auto not_there = find_by_key(
      R"({"messages":[],"has_more":true,"response_metadata":{"next_cursor":"n"}})", "C1", "k");
  ASSERT_TRUE(not_there);
  EXPECT_FALSE(not_there->found);
  EXPECT_TRUE(not_there->more);
  EXPECT_EQ(not_there->cursor, "n");
  EXPECT_FALSE(find_by_key("<html>", "C1", "k"));
}

TEST(Search, FindsAStreamByItsBeginningAndItsAuthor) {
  const char* page =
      R"({"messages":[{"ts":"1.000001","user":"U2","text":"Hello there"},{"ts":"1.000002","user":"UBOT","text":"Hello there"}]})";
  const auto found = find_by_text(page, "C1", "UBOT", "Hello");
  ASSERT_TRUE(found && found->found);
  EXPECT_EQ(found->found->ts, "1.000002");
  EXPECT_FALSE(find_by_text(page, "C1", "UBOT", "")->found);
}

TEST(Inbox, GivesBackWhatItKept) {
  const std::string kept = kept_json(true, "application/json", "{\"a\":\"ä\"}");
  const auto page = parse_kept(R"({"events":[{"number":5,"key":"k","payload":)" + kept +
                               R"(,"age_ms":1500}],"more":false})");
  ASSERT_EQ(page.events.size(), 1u);
  EXPECT_EQ(page.events[0].number, 5u);
  EXPECT_EQ(page.events[0].key, "k");
  EXPECT_TRUE(page.events[0].is_http);
  EXPECT_EQ(page.events[0].source, "application/json");
  EXPECT_EQ(page.events[0].text, "{\"a\":\"ä\"}");
  EXPECT_EQ(page.events[0].age.count(), 1500);
}

TEST(Attachment, IsWhatTheAgentCanTake) {
  EXPECT_EQ(attachment_json("F1", "a.png", "image/png", std::string_view("\x89PN", 3)),
            R"({"type":"image","mimeType":"image/png","data":"iVBO"})");
  EXPECT_EQ(
      attachment_json("F1", "a.txt", "text/plain", "h\"i"),
      R"({"type":"resource","resource":{"uri":"slack://file/F1/a.txt","mimeType":"text/plain","text":"h\"i"}})");
  EXPECT_EQ(
      attachment_json("F1", "a.txt", "text/plain", "\xff"),
      R"({"type":"resource","resource":{"uri":"slack://file/F1/a.txt","mimeType":"text/plain","blob":"/w=="}})");
}

TEST(Context, KeepsTheNewestThatFit) {
  EXPECT_EQ(context_json({}, 1000), "");
  EXPECT_EQ(context_json({{"Al", "one"}, {"Bo", "two \"2\""}}, 1000),
            R"([{"author":"Al","text":"one"},{"author":"Bo","text":"two \"2\""}])");
  EXPECT_EQ(context_json({{"Al", std::string(100, 'x')}, {"Bo", "two"}}, 60),
            R"([{"author":"Bo","text":"two"}])");
}

TEST(Sessions, AreReadAsTheHostTellsThem) {
  const auto change = chat::parse_change(
      R"({"change":"entry","epoch":4,"seq":31,"entry":{"entry":7,"seq":31,"turn":3,"type":"turn_end","at":"x","complete":true,"text":"","data":{"stop_reason":"error","error":{"code":"session_dead","message":"gone"}}}})");
  ASSERT_TRUE(change && change->entry);
  EXPECT_EQ(change->entry->type, chat::EntryType::kTurnEnd);
  EXPECT_EQ(change->entry->error_code, "session_dead");
  const auto state = chat::parse_change(
      R"({"change":"state","epoch":4,"seq":30,"session":{"session_id":"s_1","state":"running","ended":false,"turns_waiting":2},"running_turn":3})");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->session.id, "s_1");
  EXPECT_EQ(state->running_turn, 3u);
  EXPECT_FALSE(chat::parse_change("null"));
  EXPECT_FALSE(chat::parse_sent(R"({"turn":0})"));
}

}  // namespace
}  // namespace viaduct::slack
