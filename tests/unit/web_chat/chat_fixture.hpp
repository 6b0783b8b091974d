// The web chat on a fake host, and a page's end of its WebSocket. For one test's thread.
#pragma once

#include <viaduct/testing/fake_host.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace viaduct::web_chat {

using viaduct::testing::Answer;
using viaduct::testing::FakeHost;
using viaduct::testing::Json;
using viaduct::testing::Principal;

class ChatTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Answer loaded = host.load(WEB_CHAT_PLUGIN);
    ASSERT_TRUE(loaded) << loaded.message;
    const Answer running = host.run("{}");
    ASSERT_TRUE(running) << running.message;
  }
  void TearDown() override {
    EXPECT_TRUE(host.stop());
    for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }

  // Stops the plugin and starts it anew, on the same store.
  void restart() {
    ASSERT_TRUE(host.stop());
    host.destroy();
    const Answer running = host.run("{}");
    ASSERT_TRUE(running) << running.message;
  }
  std::string new_session() {
    return host.post("/api/session", "{}").json()["session_id"].as_string();
  }

  FakeHost host;
};

class Page {
 public:
  explicit Page(FakeHost& host, Principal who = {}) : socket(host.websocket("/api/ws", {}, who)) {}

  std::uint64_t post(Json request) {
    request.set("id", ++last_id_);
    socket.send(request.dump());
    return last_id_;
  }
  // The reply to a request; null when there was none in time.
  Json reply(std::uint64_t id) {
    return wait([id](const Json& message) {
      return message["type"].as_string() == "reply" &&
             message["id"].as_int() == static_cast<std::int64_t>(id);
    });
  }
  Json call(Json request) { return reply(post(std::move(request))); }
  Json hello() { return call(Json::object({{"type", "hello"}}))["result"]; }
  Json send(std::string_view text, std::string_view key, std::string_view session = "") {
    Json request = Json::object({{"type", "send"}, {"text", text}, {"key", key}});
    if (!session.empty()) request.set("session_id", session);
    return call(std::move(request));
  }
  Json current() {
    return wait([](const Json& message) { return message["type"].as_string() == "current"; });
  }
  Json change(std::string_view kind) {
    return wait([kind](const Json& message) {
      return message["type"].as_string() == "change" && message["change"].as_string() == kind;
    });
  }
  // The next change that is an entry of this type.
  Json entry(std::string_view type) {
    return wait([type](const Json& message) {
      return message["change"].as_string() == "entry" &&
             message["entry"]["type"].as_string() == type;
    });
  }
  // Takes the first message for which `wanted` holds; the others stay.
  Json wait(const std::function<bool(const Json&)>& wanted) {
    for (auto at = inbox.begin(); at != inbox.end(); ++at) {
      if (!wanted(*at)) continue;
      Json found = *at;
      inbox.erase(at);
      return found;
    }
    const auto deadline = std::chrono::steady_clock::now() + viaduct::testing::kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      const auto text = socket.next(std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now()));
      if (!text) break;
      Json message = Json::parse(*text).value_or(Json());
      if (wanted(message)) return message;
      inbox.push_back(std::move(message));
    }
    ADD_FAILURE() << "the message that was waited for did not come";
    return {};
  }

  viaduct::testing::WebSocket socket;
  std::deque<Json> inbox;

 private:
  std::uint64_t last_id_ = 0;
};

}  // namespace viaduct::web_chat
