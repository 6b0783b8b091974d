// The fake host against plugins in plain C.
#include <gtest/gtest.h>

#include <string>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct::testing {
namespace {

class Surface : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(host_.load(VIADUCT_GOOD_DIR "/surface.so").ok());
    ASSERT_TRUE(host_.run("{}").ok());
  }
  void TearDown() override {
    if (host_.created()) {
      EXPECT_TRUE(host_.stop().ok());
    }
    host_.destroy();
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  FakeHost host_;
};

TEST_F(Surface, AnswersRequestsByRouteAndFile) {
  EXPECT_EQ(host_.get("/hello").json()["hello"].as_bool(), true);
  EXPECT_EQ(host_.get("/items/a%20b?x=1").body, "a b");
  EXPECT_EQ(host_.get("/").header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(host_.get("/nowhere").status, 404);
  EXPECT_EQ(host_.post("/hello", "{}").status, 405);
  EXPECT_EQ(host_.get("/%ff").status, 400);
  EXPECT_EQ(host_.post("/echo", R"({"a":1})").body, R"({"a":1})");
  EXPECT_EQ(host_.post("/echo", "{").status, 400);
}

TEST_F(Surface, StreamsAnAnswer) {
  const Response response = host_.get("/stream");
  EXPECT_EQ(response.body, "one two");
  EXPECT_TRUE(response.complete);
}

TEST_F(Surface, AsksTheSessionsServiceAndHearsOfItsFailures) {
  EXPECT_EQ(host_.post("/ask", "{}").json()["working_dir"].as_string(), "~");
  host_.sessions().fail_next("create", VIADUCT_E_UNAVAILABLE, "the backend is away");
  EXPECT_EQ(host_.post("/ask", "{}").status, 503);
  EXPECT_EQ(host_.post("/ask", "{}").status, 200);
  EXPECT_EQ(host_.sessions().count("create"), 3U);
}

TEST_F(Surface, AnswersLateWhenTheServiceDoes) {
  host_.sessions().hold("create");
  Exchange exchange = host_.start_request({"POST", "/ask", "{}", {}, {}});
  ASSERT_TRUE(host_.wait_until([&] { return host_.sessions().count("create") == 1; }));
  EXPECT_FALSE(exchange.response(milliseconds(0)).answered);
  host_.sessions().release("create");
  EXPECT_EQ(exchange.response().status, 200);
}

TEST_F(Surface, EchoesOnAWebSocketUntilItIsClosed) {
  WebSocket socket = host_.websocket("/ws");
  ASSERT_TRUE(socket.accepted());
  socket.send("hello");
  EXPECT_EQ(socket.next(), "hello");
  socket.send("bye");
  const auto close = socket.closed();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 4000);
  EXPECT_EQ(close->reason, "as you wish");
  EXPECT_FALSE(socket.send("more"));
}

TEST_F(Surface, AnOrdinaryRequestOfASocketsRouteIsRefused) {
  EXPECT_EQ(host_.get("/ws").status, 405);
  EXPECT_EQ(host_.websocket("/nowhere").response().status, 404);
}

std::string kind_of(const std::string& json) {
  return Json::parse(json).value_or(Json())["change"].as_string();
}

TEST_F(Surface, WatchesASession) {
  const std::string id = host_.sessions().add_session(Principal{});
  host_.sessions().user_says(id, "hi");
  WebSocket socket = host_.websocket("/ws");
  socket.send("watch " + id);
  std::string kinds;
  for (int i = 0; i < 6; ++i) kinds += kind_of(socket.next().value_or("")) + " ";
  EXPECT_EQ(kinds, "state reset entry entry entry live ");
  Reply open;
  open.chunks = {"a"};
  open.open = true;
  host_.sessions().on_message([open](const std::string&) { return open; });
  host_.sessions().user_says(id, "go");
  ASSERT_TRUE(socket.next_where([](const std::string& m) { return kind_of(m) == "entry"; }));
  host_.sessions().say(id, "b");
  const auto delta = socket.next_where([](const std::string& m) { return kind_of(m) == "delta"; });
  ASSERT_TRUE(delta);
  EXPECT_EQ((*Json::parse(*delta))["offset"].as_int(), 1);
  EXPECT_TRUE(host_.sessions().end_turn(id));
  const auto end = socket.next_where(
      [](const std::string& m) { return m.find("turn_end") != std::string::npos; });
  EXPECT_TRUE(end);
}

TEST_F(Surface, ASlowSocketHoldsTheSubscriptionBackAndLosesNothing) {
  const std::string id = host_.sessions().add_session(Principal{});
  for (int i = 0; i < 20; ++i) host_.sessions().user_says(id, "message " + std::to_string(i));
  WebSocket socket = host_.websocket("/ws");
  socket.pause(3);
  socket.send("watch " + id);
  ASSERT_TRUE(host_.wait_until([&] { return socket.waiting() == 3; }));
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(socket.waiting(), 3U);
  socket.proceed();
  std::int64_t last = 0;
  for (;;) {
    const auto message = socket.next();
    ASSERT_TRUE(message);
    const auto json = *Json::parse(*message);
    if (json["change"].as_string() == "live") break;
    if (json["change"].as_string() != "entry") continue;
    EXPECT_EQ(json["entry"]["entry"].as_int(), ++last);
  }
  EXPECT_EQ(last, 60);
}

TEST_F(Surface, HearsThatASubscriptionEnded) {
  const std::string id = host_.sessions().add_session(Principal{});
  WebSocket socket = host_.websocket("/ws");
  socket.send("watch " + id);
  ASSERT_TRUE(socket.next_where([](const std::string& m) { return kind_of(m) == "live"; }));
  host_.sessions().drop_subscriptions(VIADUCT_E_BUSY, "too slow");
  EXPECT_EQ(socket.closed().value_or(Close{}).code, 4001);
  socket = host_.websocket("/ws");
  socket.send("watch nobody");
  EXPECT_EQ(socket.closed().value_or(Close{}).code, 4004);
}

TEST_F(Surface, StopEndsWhatIsOpen) {
  host_.sessions().hold("create");
  Exchange exchange = host_.start_request({"POST", "/ask", "{}", {}, {}});
  WebSocket socket = host_.websocket("/ws");
  ASSERT_TRUE(host_.wait_until([&] { return host_.sessions().count("create") == 1; }));
  ASSERT_TRUE(host_.stop().ok());
  EXPECT_EQ(exchange.response().status, 503);
  EXPECT_EQ(socket.closed().value_or(Close{}).code, 1001);
  EXPECT_EQ(host_.get("/hello").status, 503);
}

class Backend : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(host_.load(VIADUCT_GOOD_DIR "/backend.so").ok());
    ASSERT_TRUE(host_.run("{}").ok());
    ASSERT_TRUE(host_.open(1).ok());
  }
  void TearDown() override {
    EXPECT_TRUE(host_.stop().ok());
    host_.destroy();
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  FakeHost host_;
};

TEST_F(Backend, AnswersAPrompt) {
  const Answer answer = host_.prompt(1, 1, "hello");
  EXPECT_EQ(answer.json()["stop_reason"].as_string(), "end_turn");
  EXPECT_EQ(answer.json()["native_id"].as_string(), "echo-1");
  EXPECT_EQ(host_.text(1, 1), "hello");
}

TEST_F(Backend, CancelEndsATurn) {
  const auto call = host_.start_prompt(1, 1, "wait");
  EXPECT_FALSE(host_.wait(call, milliseconds(0)).answered);
  EXPECT_TRUE(host_.cancel(1, 1).ok());
  EXPECT_EQ(host_.wait(call).json()["stop_reason"].as_string(), "cancelled");
}

TEST_F(Backend, WaitsWhileTheSinkIsBusy) {
  host_.pause(1, 2);
  const auto call = host_.start_prompt(1, 1, "count 5");
  ASSERT_TRUE(host_.wait_until([&] { return host_.refused(1) == 1; }));
  EXPECT_EQ(host_.text(1), "1 2 ");
  host_.proceed(1);
  EXPECT_TRUE(host_.wait(call).ok());
  EXPECT_EQ(host_.text(1), "1 2 3 4 5 ");
}

TEST_F(Backend, CloseAnswersTheOpenTurnFirst) {
  const auto call = host_.start_prompt(1, 1, "wait");
  EXPECT_TRUE(host_.close(1).ok());
  EXPECT_TRUE(host_.wait(call, milliseconds(0)).answered);
  EXPECT_EQ(host_.prompt(1, 2, "more").code, VIADUCT_E_NOT_FOUND);
}

TEST_F(Backend, StopAnswersTheOpenTurn) {
  const auto call = host_.start_prompt(1, 1, "wait");
  EXPECT_TRUE(host_.stop().ok());
  EXPECT_EQ(host_.wait(call, milliseconds(0)).code, VIADUCT_E_CANCELLED);
}

TEST_F(Backend, WhatThePluginLacksIsUnsupported) {
  EXPECT_EQ(host_.compact(1).code, VIADUCT_E_UNSUPPORTED);
  EXPECT_EQ(host_.discover("~").code, VIADUCT_E_UNSUPPORTED);
}

}  // namespace
}  // namespace viaduct::testing
