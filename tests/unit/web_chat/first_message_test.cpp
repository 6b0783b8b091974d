// What becomes of a first message that is sent again, with a host that makes a session once for
// each key.
#include "live.hpp"
#include "people.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace viaduct::web_chat {
namespace {

class KeyedHost final : public Host {
 public:
  void create(const Principal&, const std::string& options, Callback done) override {
    const auto made = by_options_.try_emplace(options, "s" + std::to_string(by_options_.size()));
    answer(std::move(done), session(made.first->second));
  }
  void send(const Principal&, const std::string& id, const Message& message,
            Callback done) override {
    const bool fresh = sent.insert(id + "/" + message.key).second;
    answer(std::move(done),
           std::string(R"({"turn":1,"duplicate":)") + (fresh ? "false}" : "true}"));
  }
  void get(const Principal&, const std::string& id, Callback done) override {
    answer(std::move(done), session(id));
  }
  void load(const std::string&, Callback done) override {
    answers_.push_back(
        [done = std::move(done)]() mutable { done({Code::kNotFound, "no such document", {}}); });
  }
  void store(const std::string&, const std::string&, std::uint64_t version,
             Callback done) override {
    if (std::exchange(fail_store, false)) {
      answers_.push_back([done = std::move(done)]() mutable {
        done({Code::kUnavailable, "the disk is full", {}});
      });
      return;
    }
    answer(std::move(done), "{\"version\":" + std::to_string(version + 1) + "}");
  }
  void overview(Callback done) override { answer(std::move(done), "{}"); }
  void subscribe(const Principal&, const std::string&, std::uint64_t, Cursor,
                 Callback done) override {
    answer(std::move(done), "");
  }
  void unsubscribe(std::uint64_t) override {}
  void proceed(std::uint64_t) override {}
  void warn(const std::string&) override {}

  // Nothing here asks for these.
  void ask(const Principal&, const std::string&, const Message&, Callback) override {}
  void cancel(const Principal&, const std::string&, std::uint64_t, Callback) override {}
  void answer(const Principal&, const std::string&, std::uint64_t, const std::string&,
              Callback) override {}
  void resume(const Principal&, const std::string&, Callback) override {}
  void end(const Principal&, const std::string&, Callback) override {}
  void list(const Principal&, const std::string&, Callback) override {}
  void history(const Principal&, const std::string&, std::uint64_t, std::uint32_t,
               Callback) override {}
  void rename(const Principal&, const std::string&, const std::string&, Callback) override {}
  void memory_message(const Principal&, const std::string&, Callback) override {}
  void remember(const Principal&, const std::string&, Callback) override {}
  void recall(const Principal&, const std::string&, Callback) override {}
  void work_status(const Principal&, Callback) override {}
  void work_log(const Principal&, const std::string&, Callback) override {}

  void run() {
    while (!answers_.empty()) {
      auto next = std::move(answers_.front());
      answers_.pop_front();
      next();
    }
  }

  std::set<std::string> sent;  // "session/key" of every message that was taken
  bool fail_store = false;

 private:
  static std::string session(const std::string& id) {
    return "{\"session_id\":\"" + id + "\",\"backend\":\"echo\",\"ended\":false}";
  }
  void answer(Callback done, std::string result) {
    answers_.push_back([done = std::move(done), result = std::move(result)]() mutable {
      done({Code::kOk, {}, std::move(result)});
    });
  }

  std::map<std::string, std::string> by_options_;
  std::deque<sdk::Function<void()>> answers_;
};

class FirstMessage : public ::testing::Test {
 protected:
  class Deaf final : public Socket {
   public:
    explicit Deaf(std::string& last) : last_(last) {}
    Flow send(const std::string& text) override {
      last_ = text;
      return Flow::kOk;
    }
    void close(std::uint16_t, const std::string&) override {}

   private:
    std::string& last_;
  };

  void SetUp() override {
    who.user_id = "local";
    live.opened(1, std::make_unique<Deaf>(last), who);
    say(R"({"id":1,"type":"hello"})");
  }
  void say(const std::string& text) {
    live.message(1, text);
    host.run();
  }
  std::string current() { return people.known(person_key(who)); }

  KeyedHost host;
  People people{host};
  Live live{host, people, {"web-chat", "Viaduct", "0"}};
  Principal who;
  std::string last;
};

constexpr const char* kFirst = R"({"id":2,"type":"send","key":"a","text":"hello"})";

TEST_F(FirstMessage, GoesToTheSameSessionEveryTime) {
  say(kFirst);
  say(kFirst);
  EXPECT_EQ(host.sent, (std::set<std::string>{"s0/a"}));
  EXPECT_EQ(current(), "s0");
}

TEST_F(FirstMessage, SentAgainDoesNotTakeThePlaceOfANewerSession) {
  say(kFirst);
  say(R"({"id":3,"type":"new"})");
  ASSERT_EQ(current(), "s1");
  say(kFirst);
  EXPECT_EQ(host.sent, (std::set<std::string>{"s0/a"}));
  EXPECT_EQ(current(), "s1");
}

TEST_F(FirstMessage, IsFoundAgainWhenItsSessionCouldNotBecomeTheCurrentOne) {
  host.fail_store = true;
  say(kFirst);
  EXPECT_NE(last.find("\"unavailable\""), std::string::npos) << last;
  ASSERT_EQ(current(), "");
  say(kFirst);
  EXPECT_EQ(host.sent, (std::set<std::string>{"s0/a"}));
  EXPECT_EQ(current(), "s0");
}

}  // namespace
}  // namespace viaduct::web_chat
