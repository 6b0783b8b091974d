// The WebSocket of the web chat, on a fake host.
#include "chat_fixture.hpp"

#include <viaduct/testing/fake_host.hpp>

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace viaduct::web_chat {
namespace {

using Live = ChatTest;

Json typed(std::string_view type) {
  return Json::object({{"type", type}});
}
Json typed(std::string_view type, std::string_view field, Json value) {
  Json request = typed(type);
  request.set(field, std::move(value));
  return request;
}
std::string code(const Json& reply) {
  return reply["error"]["code"].as_string();
}

viaduct::testing::Reply open_reply(std::vector<std::string> chunks = {}) {
  viaduct::testing::Reply reply;
  reply.chunks = std::move(chunks);
  reply.open = true;
  return reply;
}

// What the page would show of a session: entries by number, put together as SESSION-JSON.md says.
struct Shown {
  std::map<std::int64_t, std::string> texts;
  std::int64_t seq = 0;
  std::int64_t epoch = 0;
  std::string fault;

  void take(const Json& message) {
    if (message["type"].as_string() != "change") return;
    const std::string kind = message["change"].as_string();
    if (kind == "reset") texts.clear();
    if (kind == "entry")
      texts[message["entry"]["entry"].as_int()] = message["entry"]["text"].as_string();
    if (kind == "delta") {
      std::string& text = texts[message["entry"].as_int()];
      if (static_cast<std::int64_t>(text.size()) != message["offset"].as_int())
        fault = "a delta does not fit";
      text += message["text"].as_string();
    }
    seq = message["seq"].as_int();
    epoch = message["epoch"].as_int();
  }
};

TEST_F(Live, WantsHelloFirst) {
  Page page(host);
  EXPECT_EQ(code(page.call(typed("list"))), "failed_precondition");
  EXPECT_TRUE(page.call(typed("ping"))["result"]["pong"].as_bool());
}

TEST_F(Live, GreetsWithoutASession) {
  Page page(host);
  const Json hello = page.hello();
  EXPECT_TRUE(hello.contains("session"));
  EXPECT_TRUE(hello["session"].is_null());
  EXPECT_EQ(hello["protocol"].as_int(), 1);
  EXPECT_EQ(hello["surface"].as_string(), "test");
  EXPECT_EQ(hello["title"].as_string(), "Viaduct");
  EXPECT_GT(hello["connection"].as_int(), 0);
  EXPECT_EQ(host.sessions().subscriptions(), 0U);
}

TEST_F(Live, SaysPlainlyThatTheMockAnswers) {
  host.set_overview(R"({"instances":[{"name":"echo","kind":"backend","plugin":"mock"}],)"
                    R"("configuration":[{"path":"surfaces.test.backend","value":"echo"}]})");
  Page page(host);
  const Json agent = page.hello()["agent"];
  EXPECT_EQ(agent["backend"].as_string(), "echo");
  EXPECT_EQ(agent["plugin"].as_string(), "mock");
  EXPECT_TRUE(agent["mock"].as_bool());
}

TEST_F(Live, SaysWhichBackendsThereAreToPickAndMakesASessionOfOne) {
  host.set_overview(R"({"configuration":[{"path":"surfaces.test.backend","value":"echo"},)"
                    R"({"path":"surfaces.test.backends[0]","value":"claude"}]})");
  Page page(host);
  EXPECT_EQ(page.hello()["backends"].dump(), R"(["echo","claude"])");
  const Json made = page.call(Json::object({{"type", "new"}, {"backend", "claude"}}))["result"];
  EXPECT_EQ(made["backend"].as_string(), "claude");
  EXPECT_EQ(page.current()["session"]["backend"].as_string(), "claude");
  const Json wrong = page.call(Json::object({{"type", "new"}, {"backend", 7}}))["error"];
  EXPECT_EQ(wrong["code"].as_string(), "invalid_argument");
}

TEST_F(Live, MakesASessionWithTheFirstMessage) {
  Page page(host);
  page.hello();
  const Json sent = page.send("hello there\nfriend", "k1")["result"];
  const std::string session = sent["session_id"].as_string();
  EXPECT_EQ(sent["turn"].as_int(), 1);
  EXPECT_FALSE(sent["duplicate"].as_bool());
  const Json current = page.current();
  EXPECT_EQ(current["session"]["session_id"].as_string(), session);
  EXPECT_EQ(current["reason"].as_string(), "new");
  EXPECT_EQ(host.sessions().session(session)["description"].as_string(), "hello there");
  EXPECT_EQ(page.entry("text")["session_id"].as_string(), session);
  EXPECT_EQ(page.entry("turn_end")["entry"]["data"]["stop_reason"].as_string(), "end_turn");
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
}

TEST_F(Live, MakesTheSessionOnceHoweverOftenTheFirstMessageIsRepeated) {
  Page page(host);
  page.hello();
  page.send("hello", "k1");
  const Json options = Json::parse(host.sessions().calls()[0].arguments).value_or(Json());
  EXPECT_EQ(options["key"].as_string(), "send:k1");
}

TEST_F(Live, RunsARepeatedMessageOnce) {
  const std::string session = new_session();
  Page page(host);
  page.hello();
  EXPECT_FALSE(page.send("hello", "k1", session)["result"]["duplicate"].as_bool());
  Page again(host);
  again.hello();
  const Json second = again.send("hello", "k1", session)["result"];
  EXPECT_TRUE(second["duplicate"].as_bool());
  EXPECT_EQ(second["turn"].as_int(), 1);
}

TEST_F(Live, GoesOnFromTheCursor) {
  const std::string session = new_session();
  Page page(host);
  page.hello();
  page.send("one", "k1", session);
  const Json end = page.entry("turn_end");
  page.socket.close();
  host.sessions().user_says(session, "two");

  Page back(host);
  Json hello = typed("hello", "session", session);
  hello.set("cursor", Json::object({{"epoch", end["epoch"]}, {"seq", end["seq"]}}));
  EXPECT_EQ(back.call(hello)["result"]["session"]["session_id"].as_string(), session);
  back.change("live");
  for (const Json& message : back.inbox) {
    EXPECT_NE(message["change"].as_string(), "reset");
    EXPECT_FALSE(message["change"].as_string() == "entry" && message["entry"]["turn"].as_int() == 1)
        << message.dump();
  }
}

TEST_F(Live, BeginsAnewWhenTheCursorIsOfAnotherSession) {
  const std::string first = new_session();
  host.post("/api/chat", R"({"message":"x"})");
  const std::string second = new_session();
  host.post("/api/chat", R"({"message":"y"})");
  Page page(host);
  Json hello = typed("hello", "session", first);
  hello.set("cursor", Json::object({{"epoch", 1}, {"seq", 1000}}));
  EXPECT_EQ(page.call(hello)["result"]["session"]["session_id"].as_string(), second);
  EXPECT_EQ(page.entry("user_message")["entry"]["text"].as_string(), "y");
}

TEST_F(Live, ShowsEveryTabTheSameSession) {
  Page one(host);
  Page two(host);
  one.hello();
  two.hello();
  const std::string session = one.send("hello", "k1")["result"]["session_id"].as_string();
  EXPECT_EQ(two.current()["session"]["session_id"].as_string(), session);
  EXPECT_EQ(two.entry("user_message")["entry"]["text"].as_string(), "hello");
  one.entry("turn_end");
  two.entry("turn_end");
  two.send("and you", "k2", session);
  for (Page* page : {&one, &two}) {
    page->wait([](const Json& message) {
      return message["entry"]["type"].as_string() == "turn_end" &&
             message["entry"]["turn"].as_int() == 2;
    });
  }
}

TEST_F(Live, FollowsTheHttpApi) {
  Page page(host);
  page.hello();
  const std::string session = new_session();
  EXPECT_EQ(page.current()["session"]["session_id"].as_string(), session);
  page.change("live");
  host.post("/api/chat", R"({"message":"by script"})");
  EXPECT_EQ(page.entry("user_message")["entry"]["text"].as_string(), "by script");
  host.post("/api/end", "");
  const Json current = page.current();
  EXPECT_TRUE(current["session"].is_null());
  EXPECT_EQ(current["reason"].as_string(), "ended");
  EXPECT_TRUE(host.wait_until([&] { return host.sessions().subscriptions() == 0; }));
}

TEST_F(Live, DoesNotShowOneUserWhatAnotherDoes) {
  Principal other;
  other.user_id = "other";
  Page theirs(host, other);
  theirs.hello();
  Page mine(host);
  mine.hello();
  mine.send("secret", "k1");
  mine.entry("turn_end");
  EXPECT_TRUE(theirs.call(typed("ping"))["result"]["pong"].as_bool());
  EXPECT_TRUE(theirs.inbox.empty());
  EXPECT_EQ(theirs.call(typed("list"))["result"]["sessions"].size(), 0U);
  EXPECT_EQ(code(theirs.send("x", "k2", host.sessions().ids()[0])), "not_found");
}

TEST_F(Live, SendsToTheSessionThatThePersonSawNotToTheOneThatIsCurrentNow) {
  const std::string seen = new_session();
  Page page(host);
  page.hello();
  const std::string other = new_session();
  EXPECT_EQ(page.send("for the first", "k1", seen)["result"]["session_id"].as_string(), seen);
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), other);
  EXPECT_FALSE(host.sessions().log(seen).empty());
  EXPECT_TRUE(host.sessions().log(other).empty());
}

TEST_F(Live, SwitchesAllTabsWithNewAndResume) {
  const std::string first = new_session();
  host.post("/api/chat", R"({"message":"old words"})");
  Page one(host);
  Page two(host);
  one.hello();
  two.hello();
  two.entry("turn_end");
  const std::string second =
      one.call(typed("new", "working_dir", "/srv"))["result"]["session_id"].as_string();
  EXPECT_NE(second, first);
  EXPECT_EQ(two.current()["session"]["session_id"].as_string(), second);
  const Json resumed = two.call(typed("resume", "session_id", first))["result"];
  EXPECT_EQ(resumed["context"].as_string(), "live");
  const Json current = one.wait([&](const Json& message) {
    return message["type"].as_string() == "current" &&
           message["session"]["session_id"].as_string() == first;
  });
  EXPECT_EQ(current["reason"].as_string(), "resumed");
  EXPECT_EQ(two.current()["session"]["session_id"].as_string(), first);
  two.inbox.clear();
  EXPECT_TRUE(host.wait_until([&] { return host.sessions().subscriptions() == 2; }));
}

TEST_F(Live, ReplaysTheTranscriptOfAResumedSession) {
  const std::string first = new_session();
  host.post("/api/chat", R"({"message":"old words"})");
  new_session();
  Page page(host);
  page.hello();
  page.call(typed("resume", "session_id", first));
  EXPECT_EQ(page.entry("user_message")["entry"]["text"].as_string(), "old words");
  EXPECT_EQ(page.entry("text")["entry"]["text"].as_string(), "[reply to: old words]");
}

TEST_F(Live, KeepsEverythingWhenAResumeFails) {
  const std::string session = new_session();
  Page page(host);
  page.hello();
  EXPECT_EQ(code(page.call(typed("resume", "session_id", "s_none"))), "not_found");
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
}

TEST_F(Live, StopsTheTurn) {
  const std::string session = new_session();
  host.sessions().on_message([](const std::string&) { return open_reply({"half "}); });
  Page page(host);
  page.hello();
  page.send("go", "k1", session);
  page.entry("text");
  EXPECT_TRUE(page.call(typed("cancel")).contains("result"));
  EXPECT_EQ(page.entry("turn_end")["entry"]["data"]["stop_reason"].as_string(), "cancelled");
}

TEST_F(Live, AnswersAPermissionRequestOnceForAllTabs) {
  const std::string session = new_session();
  host.sessions().on_message([](const std::string&) { return open_reply({"may I "}); });
  Page one(host);
  Page two(host);
  one.hello();
  two.hello();
  one.send("go", "k1", session);
  one.entry("text");
  const auto entry = host.sessions().ask_permission(session, "rm -rf");
  EXPECT_EQ(two.entry("permission")["entry"]["data"]["status"].as_string(), "pending");
  Json answer = typed("answer", "entry", entry);
  answer.set("option_id", "reject");
  EXPECT_EQ(two.call(answer)["result"]["option_id"].as_string(), "reject");
  const Json seen = one.wait([](const Json& message) {
    return message["entry"]["data"]["status"].as_string() == "selected";
  });
  EXPECT_EQ(seen["entry"]["data"]["by"].as_string(), "local");
  answer.set("option_id", "allow");
  EXPECT_EQ(one.call(answer)["result"]["option_id"].as_string(), "reject");
  host.sessions().end_turn(session);
}

TEST_F(Live, ListsRenamesAndPagesBack) {
  const std::string session = new_session();
  for (int i = 0; i < 3; ++i)
    host.post("/api/chat", "{\"message\":\"m" + std::to_string(i) + "\"}");
  Page page(host);
  page.hello();
  EXPECT_EQ(page.call(typed("rename", "title", "Tea"))["result"]["title"].as_string(), "Tea");
  const Json list = page.call(typed("list"))["result"];
  EXPECT_EQ(list["sessions"][0]["title"].as_string(), "Tea");
  EXPECT_TRUE(list["next"].is_null());
  Json older = typed("history", "before", 4);
  older.set("limit", 2);
  const Json history = page.call(older)["result"];
  ASSERT_EQ(history["entries"].size(), 2U);
  EXPECT_EQ(history["entries"][0]["entry"].as_int(), 2);
  EXPECT_TRUE(history["more"].as_bool());
  EXPECT_EQ(page.call(typed("end"))["result"]["session_id"].as_string(), session);
  EXPECT_EQ(code(page.call(typed("end"))), "not_found");
}

TEST_F(Live, AnswersForTheMemoryWithoutASessionAndOnlyOnceForAKey) {
  Page page(host);
  page.hello();
  const Json first = page.send("remember this: tea", "k1")["result"];
  EXPECT_EQ(first["memory_action"].as_string(), "remember");
  EXPECT_EQ(first["memory_result"]["id"].as_string(), "mem-001");
  Page again(host);
  again.hello();
  EXPECT_EQ(again.send("remember this: tea", "k1")["result"]["memory_result"]["id"].as_string(),
            "mem-001");
  EXPECT_EQ(again.send("remember this: tea", "k2")["result"]["memory_result"]["id"].as_string(),
            "mem-002");
  EXPECT_TRUE(host.sessions().ids().empty());
}

TEST_F(Live, TriesTheMemoryAgainAfterItFailed) {
  Page page(host);
  page.hello();
  host.fail_next("memory.message", VIADUCT_E_UNAVAILABLE, "not now");
  EXPECT_EQ(code(page.send("remember this: tea", "k1")), "unavailable");
  EXPECT_EQ(page.send("remember this: tea", "k1")["result"]["memory_result"]["id"].as_string(),
            "mem-001");
}

TEST_F(Live, LetsGoOfASessionThatTurnsOutDead) {
  const std::string session = new_session();
  Page page(host);
  page.hello();
  page.change("live");
  host.sessions().kill(session);
  EXPECT_EQ(code(page.send("hello", "k1", session)), "session_dead");
  const Json current = page.current();
  EXPECT_TRUE(current["session"].is_null());
  EXPECT_EQ(current["reason"].as_string(), "dead");
  // What was typed goes on in a new one.
  const std::string next = page.send("hello", "k2")["result"]["session_id"].as_string();
  EXPECT_NE(next, session);
  EXPECT_FALSE(next.empty());
}

TEST_F(Live, LetsGoOfASessionThatDiesInATurn) {
  const std::string session = new_session();
  Page page(host);
  page.hello();
  page.change("live");
  host.sessions().on_message([](const std::string&) {
    viaduct::testing::Reply reply;
    reply.code = VIADUCT_E_SESSION_DEAD;
    reply.message = "gone";
    return reply;
  });
  page.send("die", "k1", session);
  EXPECT_EQ(page.entry("turn_end")["entry"]["data"]["error"]["code"].as_string(), "session_dead");
  EXPECT_EQ(page.current()["reason"].as_string(), "dead");
  EXPECT_FALSE(host.get("/api/session").json()["connected"].as_bool());
}

TEST_F(Live, KeepsASessionThatOnceHadADeadTurn) {
  const std::string session = new_session();
  host.sessions().on_message([](const std::string&) { return open_reply(); });
  Page page(host);
  page.hello();
  page.send("x", "k1", session);
  host.sessions().add_entry(
      session, "turn_end", "",
      Json::object({{"error", Json::object({{"code", "session_dead"}, {"message", "old"}})}}));
  ASSERT_EQ(page.current()["reason"].as_string(), "dead");
  page.call(typed("resume", "session_id", session));
  EXPECT_EQ(page.current()["reason"].as_string(), "resumed");
  page.wait([](const Json& message) {  // the replay of it
    return message["entry"]["data"]["error"]["code"].as_string() == "session_dead";
  });
  page.change("live");
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
}

TEST_F(Live, ReportsPassingTroubleAndKeepsTheSession) {
  const std::string session = new_session();
  Page page(host);
  page.hello();
  host.sessions().fail_next("send", VIADUCT_E_UNAVAILABLE, "the disk is full");
  const Json reply = page.send("hello", "k1", session);
  EXPECT_EQ(code(reply), "unavailable");
  EXPECT_EQ(reply["error"]["message"].as_string(), "the disk is full");
  EXPECT_FALSE(page.send("hello", "k1", session)["result"]["duplicate"].as_bool());
}

TEST_F(Live, KeepsTheDetailsOfADefectToTheLog) {
  Page page(host);
  page.hello();
  host.sessions().fail_next("list", VIADUCT_E_INTERNAL, "secret detail");
  const Json reply = page.call(typed("list"));
  EXPECT_EQ(code(reply), "internal");
  EXPECT_EQ(reply.dump().find("secret detail"), std::string::npos);
  EXPECT_TRUE(host.wait_log("secret detail"));
}

TEST_F(Live, ClosesOnWhatIsNoMessage) {
  for (const char* text : {"", "hello", "[]", R"({"type":"ping"})", R"({"id":"x"})"}) {
    Page page(host);
    page.socket.send(text);
    const auto closed = page.socket.closed();
    ASSERT_TRUE(closed) << text;
    EXPECT_EQ(closed->code, 4000) << text;
    EXPECT_FALSE(closed->reason.empty()) << text;
  }
}

TEST_F(Live, AnswersWrongRequestsAndGoesOn) {
  Page page(host);
  page.hello();
  EXPECT_EQ(code(page.call(typed("dance"))), "unsupported");
  EXPECT_EQ(code(page.call(typed("send"))), "invalid_argument");
  EXPECT_EQ(code(page.call(typed("cancel"))), "not_found");
  EXPECT_TRUE(page.call(typed("ping")).contains("result"));
}

TEST_F(Live, BoundsTheOpenRequests) {
  Page page(host);
  page.hello();
  host.sessions().hold("list");
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 32; ++i) ids.push_back(page.post(typed("list")));
  EXPECT_EQ(code(page.call(typed("list"))), "busy");
  host.sessions().release("list");
  for (const std::uint64_t id : ids) EXPECT_TRUE(page.reply(id).contains("result"));
  EXPECT_TRUE(page.call(typed("list")).contains("result"));
}

// Each answer may be megabytes, and who does not read them must not pile them up here.
TEST_F(Live, BoundsTheOpenRequestsForHistory) {
  const std::string session = new_session();
  Page page(host);
  page.hello();
  page.send("hi", "k1", session);
  page.entry("turn_end");
  const auto ask = [&] {
    Json request = typed("history", "session_id", session);
    request.set("before", 0);
    return request;
  };
  host.sessions().hold("history");
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(page.post(ask()));
  EXPECT_EQ(code(page.call(ask())), "busy");
  EXPECT_TRUE(page.call(typed("ping")).contains("result"));
  host.sessions().release("history");
  for (const std::uint64_t id : ids) EXPECT_TRUE(page.reply(id).contains("result"));
  page.socket.pause(0);
  const std::uint64_t stuck = page.post(ask());
  ASSERT_TRUE(host.settle());
  const std::uint64_t refused = page.post(ask());
  ASSERT_TRUE(host.settle());
  page.socket.proceed();
  EXPECT_TRUE(page.reply(stuck).contains("result"));
  EXPECT_EQ(code(page.reply(refused)), "busy");
  EXPECT_TRUE(page.call(ask()).contains("result"));
}

TEST_F(Live, ClosesOnAnIdThatIsStillOpen) {
  Page page(host);
  page.hello();
  host.sessions().hold("list");
  page.socket.send(R"({"id":99,"type":"list"})");
  page.socket.send(R"({"id":99,"type":"list"})");
  const auto closed = page.socket.closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, 4000);
  host.sessions().release("list");
}

TEST_F(Live, LosesAndDoublesNothingForASlowReader) {
  const std::string session = new_session();
  host.sessions().on_message([](const std::string&) { return open_reply({"0"}); });
  Page page(host);
  page.hello();
  page.send("go", "k1", session);
  Shown shown;
  page.wait([&](const Json& message) {
    shown.take(message);
    return message["entry"]["type"].as_string() == "text";
  });
  page.inbox.clear();
  page.socket.pause(2);
  std::string expected = "0";
  for (int i = 1; i < 50; ++i) {
    host.sessions().say(session, std::to_string(i));
    expected += std::to_string(i);
  }
  // Replies queue up behind what is stuck, and other pages are not held up.
  const std::uint64_t ping = page.post(typed("ping"));
  Page other(host);
  other.hello();
  other.change("live");
  ASSERT_TRUE(host.settle());
  EXPECT_LE(page.socket.waiting(), 2U);
  page.socket.proceed();
  EXPECT_TRUE(page.reply(ping).contains("result"));
  host.sessions().end_turn(session);
  for (const Json& message : page.inbox) shown.take(message);
  page.inbox.clear();
  page.wait([&](const Json& message) {
    shown.take(message);
    return message["entry"]["type"].as_string() == "turn_end";
  });
  EXPECT_EQ(shown.fault, "");
  EXPECT_EQ(shown.texts[2], expected);
}

TEST_F(Live, ComesBackByItselfAfterItWasTooSlow) {
  const std::string session = new_session();
  host.sessions().on_message([](const std::string&) { return open_reply({"a"}); });
  Page page(host);
  page.hello();
  page.send("go", "k1", session);
  Shown shown;
  page.wait([&](const Json& message) {
    shown.take(message);
    return message["entry"]["type"].as_string() == "text";
  });
  page.inbox.clear();
  page.socket.pause(0);
  host.sessions().say(session, "b");
  ASSERT_TRUE(host.settle());
  host.sessions().drop_subscriptions(VIADUCT_E_BUSY, "too slow");
  host.sessions().say(session, "c");
  ASSERT_TRUE(host.settle());
  page.socket.proceed();
  host.sessions().say(session, "d");
  host.sessions().end_turn(session);
  page.wait([&](const Json& message) {
    shown.take(message);
    return message["entry"]["type"].as_string() == "turn_end";
  });
  EXPECT_EQ(shown.fault, "");
  EXPECT_EQ(shown.texts[2], "abcd");
}

TEST_F(Live, TellsThePageToComeBackWhenTheHostEndsItsSubscription) {
  new_session();
  Page page(host);
  page.hello();
  page.change("live");
  host.sessions().drop_subscriptions(VIADUCT_E_UNAVAILABLE, "the host stops");
  const auto closed = page.socket.closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, 1001);
}

TEST_F(Live, TellsThePageToComeBackLaterWhenItCannotFollow) {
  new_session();
  Page page(host);
  host.sessions().fail_next("subscribe", VIADUCT_E_UNAVAILABLE, "not now");
  page.hello();
  const auto closed = page.socket.closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, 1013);
}

TEST_F(Live, DoesNotSayThatThereIsNoSessionWhenItCannotKnow) {
  const std::string session = new_session();
  restart();
  Page page(host);
  host.fail_next("documents.get", VIADUCT_E_UNAVAILABLE, "not now");
  EXPECT_EQ(code(page.call(typed("hello"))), "unavailable");
  EXPECT_EQ(page.hello()["session"]["session_id"].as_string(), session);
}

TEST_F(Live, LooksAgainWhenTheCurrentSessionChangesDuringHello) {
  new_session();
  Page page(host);
  host.sessions().hold("get");
  const std::uint64_t id = page.post(typed("hello"));
  ASSERT_TRUE(host.wait_until([&] { return host.sessions().count("get") == 1; }));
  const std::string second = new_session();
  host.sessions().release("get");
  EXPECT_EQ(page.reply(id)["result"]["session"]["session_id"].as_string(), second);
  EXPECT_EQ(page.change("live")["session_id"].as_string(), second);
}

TEST_F(Live, KeepsTheCurrentSessionWhenAnotherIsEndedOrDies) {
  const std::string other = new_session();
  const std::string doomed = new_session();
  const std::string session = new_session();
  Page page(host);
  page.hello();
  EXPECT_TRUE(page.call(typed("end", "session_id", other))["result"]["ended"].as_bool());
  host.sessions().kill(doomed);
  EXPECT_EQ(code(page.send("x", "k1", doomed)), "session_dead");
  EXPECT_EQ(host.get("/api/session").json()["session_id"].as_string(), session);
}

TEST_F(Live, SaysNothingOfTheCurrentSessionWhenItIsResumedAsItIs) {
  const std::string session = new_session();
  Page page(host);
  page.hello();
  EXPECT_EQ(page.call(typed("resume", "session_id", session))["result"]["context"].as_string(),
            "live");
  page.call(typed("ping"));
  for (const Json& message : page.inbox) EXPECT_NE(message["type"].as_string(), "current");
  EXPECT_EQ(host.sessions().count("subscribe"), 1U);
}

TEST_F(Live, LeavesNoSubscriptionBehind) {
  new_session();
  {
    Page page(host);
    page.hello();
    page.change("live");
    page.hello();
    page.change("live");
    EXPECT_EQ(host.sessions().subscriptions(), 1U);
    page.socket.close();
  }
  EXPECT_TRUE(host.wait_until([&] { return host.sessions().subscriptions() == 0; }));
}

TEST_F(Live, SurvivesAPageThatLeavesInTheMiddleOfEverything) {
  const std::string session = new_session();
  for (const char* operation : {"get", "create", "send", "resume", "end"}) {
    Page page(host);
    if (std::string_view(operation) != "get") page.hello();
    host.sessions().hold(operation);
    if (std::string_view(operation) == "get") page.post(typed("hello"));
    if (std::string_view(operation) == "create") page.post(typed("new"));
    if (std::string_view(operation) == "send") {
      Json send = typed("send", "text", "x");
      send.set("key", "k");
      send.set("session_id", session);
      page.post(std::move(send));
    }
    if (std::string_view(operation) == "resume") page.post(typed("resume", "session_id", session));
    if (std::string_view(operation) == "end") page.post(typed("end"));
    const auto before = host.sessions().count(operation);
    ASSERT_TRUE(host.wait_until([&] { return host.sessions().count(operation) >= before; }));
    page.socket.close();
    ASSERT_TRUE(host.settle());
    host.sessions().release(operation);
    ASSERT_TRUE(host.settle());
  }
  Page page(host);
  EXPECT_TRUE(page.hello().contains("session"));
}

TEST_F(Live, ClosesItsSocketsAsToBeRetriedWhenItStops) {
  Page page(host);
  page.hello();
  ASSERT_TRUE(host.stop());
  const auto closed = page.socket.closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, 1012);
}

TEST_F(Live, TakesANewTitleWithoutARestart) {
  const Answer reloaded = host.reload(R"({"title":"Team chat"})");
  ASSERT_TRUE(reloaded) << reloaded.message;
  Page page(host);
  EXPECT_EQ(page.hello()["title"].as_string(), "Team chat");
}

}  // namespace
}  // namespace viaduct::web_chat
