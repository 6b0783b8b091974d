// What goes out, and what is kept of it: messages, bindings, shipments, events, context.
#include <viaduct/chat/bindings.hpp>
#include <viaduct/chat/value.hpp>
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
  const chat::Body body = permission_body(permission("pending"), "s_1");
  const chat::Value blocks = chat::Value::parsed(body.rich);
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
  const auto chosen = chat::parse_permit(buttons[1].text("value"));
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->session, "s_1");
  EXPECT_EQ(chosen->entry, 7u);
  EXPECT_EQ(chosen->option, "no");
}

TEST(ListBody, HasNoMoreBlocksThanSlackTakesAndSaysWhatIsLeftOut) {
  const chat::Body body = list_body("All", std::vector<chat::ListItem>(60, {"one", {}}), "Below");
  const auto blocks = chat::Value::parsed(body.rich).items();
  ASSERT_EQ(blocks.size(), 50u);
  EXPECT_EQ(blocks.back().at("elements").items()[0].text("text"), "_… 12 more. Below_");
  EXPECT_EQ(chat::Value::parsed(list_body("All", {{"one", {}}}, "").rich).items().size(), 2u);
}

TEST(PermissionBody, SaysWhoDecidedWhatAndHasNoButtonThen) {
  chat::Entry decided = permission("selected");
  decided.chosen = "no";
  decided.by = "Bob & Co";
  const chat::Body body = permission_body(decided, "s_1");
  EXPECT_NE(body.text.find("Rather not, decided by Bob &amp; Co"), std::string::npos);
  EXPECT_EQ(chat::Value::parsed(body.rich).items().size(), 1u);
}

TEST(PermissionBody, SaysThatNobodyCanAnswerAnyMoreAndOffersToAskAgain) {
  chat::Entry expired = permission("expired");
  expired.reason = "agent restarted";
  const chat::Body body = permission_body(expired, "s_1");
  EXPECT_NE(body.text.find("expired: agent restarted"), std::string::npos);
  const auto button = chat::Value::parsed(body.rich).items()[1].at("elements").items()[0];
  const auto turn = chat::parse_turn(button.text("value"));
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->turn, 3u);
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
      R"({"messages":[{"ts":"1.000001","user":"U2","text":"Hello there"},{"ts":"2.000002","user":"UBOT","text":"Hello there"}]})";
  const auto found = find_stream(page, "C1", "UBOT", "Hello", 0);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->fitting.size(), 1u);
  EXPECT_EQ(found->fitting[0].ts, "2.000002");
  EXPECT_TRUE(found->others.empty());
  EXPECT_TRUE(find_stream(page, "C1", "UBOT", "Hello", 3)->fitting.empty()) << "an earlier one";
  EXPECT_TRUE(find_stream(page, "C1", "UBOT", "", 0)->fitting.empty());
  EXPECT_EQ(find_stream(page, "C1", "UBOT", "Good evening", 0)->others.size(), 1u) << "in doubt";
}

TEST(Search, TakesNoMessageThatHasAKeyOrAFileForAStream) {
  const char* page =
      R"({"messages":[{"ts":"1.000001","user":"UBOT","text":"Hello","metadata":{"event_type":"viaduct_part","event_payload":{"key":"k"}}},)"
      R"({"ts":"1.000002","user":"UBOT","subtype":"file_share","text":"Hello"}]})";
  const auto found = find_stream(page, "C1", "UBOT", "Hello", 0);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->fitting.empty());
  EXPECT_TRUE(found->others.empty());
}

TEST(Search, KnowsAStreamInWhateverFormItsTextIsKept) {
  const char* pages[] = {
      R"({"messages":[{"ts":"1.000002","user":"UBOT","text":"*Findings*\n*The host* is `zeus` &amp; not hera"}]})",
      R"({"messages":[{"ts":"1.000002","user":"UBOT","text":"","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"Findings"}]},{"type":"rich_text_section","elements":[{"type":"text","text":"The host"},{"type":"text","text":" is zeus & not hera"}]}]}]}]})"};
  for (const char* page : pages)
    EXPECT_EQ(
        find_stream(page, "C1", "UBOT", "## Findings\n\n**The host** is `zeus`", 0)->fitting.size(),
        1u)
        << page;
}

TEST(Messages, WhatTheSurfaceWritesCallsNobody) {
  const auto body = note_body("look @channel and <!here>? no: `@everyone`");
  for (const char* call : {"@channel", "@everyone"}) {
    EXPECT_EQ(body.text.find(call), std::string::npos);
    EXPECT_EQ(body.rich.find(call), std::string::npos);
  }
  EXPECT_NE(body.rich.find(R"("verbatim":true)"), std::string::npos) << body.rich;
}

TEST(Inbox, GivesBackWhatItKept) {
  const auto request = parse_kept(
      kept_json(true, "application/x-www-form-urlencoded", "command=%2Famp&team_id=T1&user_id=U1"));
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(std::get<SlashCommand>(request->what).command, "/amp");
  EXPECT_FALSE(parse_kept(R"({"via":"http","source":"application/json","text":"["})"));
}

}  // namespace
}  // namespace viaduct::slack
