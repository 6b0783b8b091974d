// What is kept and what comes back, as JSON.
#include <viaduct/chat/attachment.hpp>
#include <viaduct/chat/bindings.hpp>
#include <viaduct/chat/button.hpp>
#include <viaduct/chat/context.hpp>
#include <viaduct/chat/inbox.hpp>
#include <viaduct/chat/session.hpp>
#include <viaduct/chat/value.hpp>
#include <viaduct/chat/words.hpp>

#include <gtest/gtest.h>

namespace viaduct::chat {
namespace {

TEST(PermitValue, IsNothingIfSomebodyElseWroteIt) {
  for (const char* bad : {"", "x", "{}", R"({"s":"a"})", R"({"s":"a","e":-1,"o":""})", "[1]"})
    EXPECT_FALSE(parse_permit(bad)) << bad;
}

TEST(Binding, ComesBackAsItWas) {
  Binding one{{"T1", "C1", "1.000001"},
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
              true,
              3,
              5,
              true,
              6,
              {700, 1500}};
  Binding back;
  ASSERT_TRUE(parse_binding(binding_json(one), back));
  EXPECT_EQ(back, one);
}

TEST(Binding, IsNotMadeOfSomethingElse) {
  Binding back;
  for (const char* bad : {"", "[]", "{}", R"({"team":"T","channel":"C","thread":"","user":"U"})"})
    EXPECT_FALSE(parse_binding(bad, back)) << bad;
}

TEST(Bindings, TellWhichDocumentsCannotBeRead) {
  Binding one;
  one.place = {"T1", "C1", ""};
  one.session = "s_1";
  one.user = "U1";
  const auto page = parse_bindings(R"({"documents":[{"key":"binding/a","version":1,"value":)" +
                                   binding_json(one) +
                                   R"(},{"key":"binding/b","version":1,"value":7}],"more":true})");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->bindings.size(), 1u);
  EXPECT_EQ(page->bindings[0], one);
  EXPECT_EQ(page->unreadable, std::vector<std::string>{"binding/b"});
  EXPECT_EQ(page->last_key, "binding/b");
  EXPECT_TRUE(page->more);
}

TEST(Context, KeepsTheNewestThatFit) {
  EXPECT_EQ(context_json({}, 1000), "");
  EXPECT_EQ(context_json({{"Al", "one"}, {"Bo", "two \"2\""}}, 1000),
            R"([{"author":"Al","text":"one"},{"author":"Bo","text":"two \"2\""}])");
  EXPECT_EQ(context_json({{"Al", std::string(100, 'x')}, {"Bo", "two"}}, 60),
            R"([{"author":"Bo","text":"two"}])");
}

TEST(Sessions, AreReadAsTheHostTellsThem) {
  const auto change = parse_change(
      R"({"change":"entry","epoch":4,"seq":31,"entry":{"entry":7,"seq":31,"turn":3,"type":"turn_end","at":"x","complete":true,"text":"","data":{"stop_reason":"error","error":{"code":"session_dead","message":"gone"}}}})");
  ASSERT_TRUE(change && change->entry);
  EXPECT_EQ(change->entry->type, EntryType::kTurnEnd);
  EXPECT_EQ(change->entry->error_code, "session_dead");
  const auto state = parse_change(
      R"({"change":"state","epoch":4,"seq":30,"session":{"session_id":"s_1","state":"running","ended":false,"turns_waiting":2},"running_turn":3})");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->session.id, "s_1");
  EXPECT_EQ(state->running_turn, 3u);
  EXPECT_FALSE(parse_change("null"));
  EXPECT_FALSE(parse_sent(R"({"turn":0})"));
}

TEST(Attachment, IsWhatTheAgentCanTake) {
  EXPECT_EQ(attachment_json("slack", "F1", "a.png", "image/png", std::string_view("\x89PN", 3)),
            R"({"type":"image","mimeType":"image/png","data":"iVBO"})");
  EXPECT_EQ(
      attachment_json("slack", "F1", "a.txt", "text/plain", "h\"i"),
      R"({"type":"resource","resource":{"uri":"slack://file/F1/a.txt","mimeType":"text/plain","text":"h\"i"}})");
  EXPECT_EQ(
      attachment_json("slack", "F1", "a.txt", "text/plain", "\xff"),
      R"({"type":"resource","resource":{"uri":"slack://file/F1/a.txt","mimeType":"text/plain","blob":"/w=="}})");
}

TEST(Inbox, ReadsWhatItKept) {
  const auto page = parse_kept(
      R"({"events":[{"number":5,"key":"k","payload":{"a":["ä"]},"age_ms":1500}],"more":true})");
  ASSERT_EQ(page.events.size(), 1u);
  EXPECT_EQ(page.events[0].number, 5u);
  EXPECT_EQ(page.events[0].key, "k");
  EXPECT_EQ(page.events[0].payload, R"({"a":["ä"]})");
  EXPECT_EQ(page.events[0].age.count(), 1500);
  EXPECT_TRUE(page.more);
}

TEST(Question, BringsAllThatCameWithIt) {
  const std::string page =
      R"({"entries":[{"entry":4,"turn":2,"type":"user_message","text":"look","data":{"blocks":[{"type":"text"}],"context":[{"author":"bob","text":"red"}]}},)"
      R"({"entry":5,"turn":2,"type":"text","text":"yes"},{"entry":6,"turn":3,"type":"user_message","text":"plain","data":{}}]})";
  const auto asked = parse_question(page, 2);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->text, "look");
  EXPECT_EQ(asked->blocks, R"([{"type":"text"}])");
  EXPECT_EQ(asked->context, R"([{"author":"bob","text":"red"}])");
  ASSERT_TRUE(parse_question(page, 3));
  EXPECT_EQ(parse_question(page, 3)->blocks, "");
  EXPECT_FALSE(parse_question(page, 4));
  EXPECT_FALSE(parse_question("", 2));
}

TEST(LeftValue, ComesBackAndIsNothingIfSomebodyElseWroteIt) {
  const auto back = parse_left(left_value({"claude", "3f\"2a"}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->backend, "claude");
  EXPECT_EQ(back->native_id, "3f\"2a");
  for (const char* bad : {"", "x", "{}", R"({"b":"claude"})", "[1]"}) EXPECT_FALSE(parse_left(bad));
}

TEST(Discovery, IsReadWithWhatIsMissing) {
  const auto found = parse_discovery(
      R"({"sessions":[{"backend":"claude","native_id":"3f","working_dir":"/x","title":"","updated_at":null,"session_id":null},)"
      R"({"backend":"codex","native_id":"4a","session_id":"s_1"}],"left_out":2,"failures":[{"backend":"amp","error":{}}]})");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->sessions.size(), 2u);
  EXPECT_EQ(found->sessions[0].updated_at, "");
  EXPECT_EQ(found->sessions[1].session, "s_1");
  EXPECT_EQ(found->left_out, 2u);
  EXPECT_EQ(found->failures, std::vector<std::string>{"amp"});
  EXPECT_FALSE(parse_discovery("{}"));
}

TEST(AgoWords, CountWhatIsWhole) {
  using namespace std::chrono_literals;
  const auto then = std::chrono::system_clock::from_time_t(1'769'860'800);  // 2026-01-31T12:00:00Z
  const auto words = [&](std::chrono::seconds later) {
    return ago_words("2026-01-31T12:00:00.000001Z", then + later);
  };
  EXPECT_EQ(words(-5s), "just now");
  EXPECT_EQ(words(59s), "just now");
  EXPECT_EQ(words(60s), "1 minute ago");
  EXPECT_EQ(words(59min), "59 minutes ago");
  EXPECT_EQ(words(60min), "1 hour ago");
  EXPECT_EQ(words(47h), "47 hours ago");
  EXPECT_EQ(words(48h), "2 days ago");
  EXPECT_EQ(ago_words("", then), "");
  EXPECT_EQ(ago_words("yesterday", then), "");
}

TEST(UnansweredWords, KnowOneFromMany) {
  EXPECT_EQ(unanswered_words(1), "1 message was not answered.");
  EXPECT_EQ(unanswered_words(2), "2 messages were not answered.");
}

}  // namespace
}  // namespace viaduct::chat
