#include <viaduct/chat/inbox.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <viaduct/chat/value.hpp>
#include <viaduct/sdk/surface.hpp>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct::chat {
namespace {

// What is delivered: a number, in one of some lanes.
struct Item {
  int number = 0;
  std::string lane;
};

std::string payload_of(int number, const std::string& lane) {
  return R"({"number":)" + std::to_string(number) + R"(,"lane":")" + lane + R"("})";
}

class Desk final : public sdk::Surface {
 public:
  Desk(const sdk::Host& host, std::string_view)
      : gate_(loop_.context()),
        inbox_(host, loop_,
               {[](std::string_view payload) -> std::expected<Item, std::string> {
                  const Value value = Value::parsed(payload);
                  if (value.text("lane") == "broken") return std::unexpected("it is broken");
                  return Item{static_cast<int>(value.number("number")), value.text("lane")};
                },
                [](const Item& item) { return item.lane; },
                [this](Item item, std::chrono::milliseconds) { return handle(std::move(item)); },
                "duplicates_total"}) {
    gate_.expires_at(std::chrono::steady_clock::time_point::max());
    last_ = this;
  }
  sdk::EventLoop* loop() override { return &loop_; }
  void start(sdk::Reply reply) override { loop_.spawn(begin(std::move(reply))); }

  // All of these on the plugin's thread.
  void receive(int number, const std::string& lane = "") {
    inbox_.receive({number, lane}, {"k" + std::to_string(number)}, payload_of(number, lane),
                   [this](const sdk::Status& status) { ++(status.ok() ? kept : refused); });
  }
  // Always one that is on its way to the disk, until ebb().
  void flood() {
    const int number = next_++;
    inbox_.receive({number, ""}, {"k" + std::to_string(number)}, payload_of(number, ""),
                   [this](const sdk::Status&) {
                     ++kept;
                     if (is_flooded_) flood();
                   });
  }
  void ebb() { is_flooded_ = false; }
  void open() {
    is_open_ = true;
    gate_.cancel();
  }
  std::size_t waiting() const { return inbox_.waiting(); }
  bool is_busy(const std::string& lane) const { return inbox_.is_busy(lane); }

  std::vector<int> handled;  // in their order
  int at_once = 0, most_at_once = 0, kept = 0, refused = 0;
  static inline Desk* last_ = nullptr;  // the one that was created last

 private:
  net::Task<> begin(sdk::Reply reply) {
    co_await inbox_.catch_up();
    reply.ok();
  }
  net::Task<> handle(Item item) {
    most_at_once = std::max(most_at_once, ++at_once);
    if (item.lane.starts_with("quick")) {
      handled.push_back(item.number);
      --at_once;
      co_return;
    }
    std::optional<Inbox<Item>::Aside> aside;
    if (item.lane.starts_with("aside")) aside.emplace(inbox_.step_aside());
    while (!is_open_) co_await gate_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (item.lane == "throws") {
      --at_once;
      throw std::runtime_error("on purpose");
    }
    handled.push_back(item.number);
    --at_once;
  }

  net::Loop loop_;
  boost::asio::steady_timer gate_;
  bool is_open_ = false;
  bool is_flooded_ = true;
  int next_ = 0;
  Inbox<Item> inbox_;
};

constexpr viaduct_plugin kPlugin = sdk::surface_plugin<Desk>(
    sdk::Descriptor{"com.example.desk", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

class ChatInbox : public ::testing::Test {
 protected:
  void begin() {
    ASSERT_TRUE(host.load(&kPlugin));
    ASSERT_TRUE(host.run("{}"));
  }
  template <class T>
  T ask(const std::function<T(Desk&)>& what) {
    T found{};
    EXPECT_TRUE(host.on_plugin_thread([&] { found = what(*Desk::last_); }));
    return found;
  }
  void tell(const std::function<void(Desk&)>& what) {
    EXPECT_TRUE(host.on_plugin_thread([&] { what(*Desk::last_); }));
  }
  std::vector<int> handled() {
    return ask<std::vector<int>>([](Desk& desk) { return desk.handled; });
  }
  bool all_are_handled() {
    return host.wait_until([&] {
      return std::ranges::all_of(host.delivery().events(), &testing::FakeEvent::handled);
    });
  }
  void TearDown() override {
    EXPECT_TRUE(host.stop());
    host.destroy();
    for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }

  testing::FakeHost host;
};

TEST_F(ChatInbox, KnowsWhichLaneHasSomethingThatIsNotDealtWith) {
  begin();
  tell([](Desk& desk) {
    desk.receive(1, "a");
    EXPECT_TRUE(desk.is_busy("a")) << "on its way to the disk";
    EXPECT_FALSE(desk.is_busy("b"));
  });
  ASSERT_TRUE(
      host.wait_until([&] { return ask<int>([](Desk& desk) { return desk.at_once; }) == 1; }));
  EXPECT_TRUE(ask<bool>([](Desk& desk) { return desk.is_busy("a"); })) << "while it is handled";
  tell([](Desk& desk) { desk.open(); });
  ASSERT_TRUE(all_are_handled());
  EXPECT_FALSE(ask<bool>([](Desk& desk) { return desk.is_busy("a"); }));
}

TEST_F(ChatInbox, HandlesOnceWhatWasKeptAndTellsThatItWas) {
  begin();
  tell([](Desk& desk) {
    desk.open();
    for (int i = 0; i < 10; ++i) desk.receive(i);
    desk.receive(3);  // again
  });
  ASSERT_TRUE(host.wait_until([&] { return handled().size() == 10; }));
  ASSERT_TRUE(all_are_handled());
  EXPECT_EQ(handled().size(), 10u);
  EXPECT_EQ(ask<int>([](Desk& desk) { return desk.kept; }), 11);
  EXPECT_EQ(host.metric("duplicates_total"), 1);
}

TEST_F(ChatInbox, TellsAgainWhatTheDiskCouldNotBeTold) {
  begin();
  host.fail_next("delivery.handled", VIADUCT_E_UNAVAILABLE, "the disk is full", 3);
  tell([](Desk& desk) {
    desk.open();
    for (int i = 0; i < 10; ++i) desk.receive(i);
  });
  ASSERT_TRUE(all_are_handled());
  ASSERT_TRUE(host.wait_until(
      [&] { return ask<std::size_t>([](Desk& desk) { return desk.waiting(); }) == 0; }));
  EXPECT_EQ(handled().size(), 10u);
}

TEST_F(ChatInbox, HandlesNothingThatCouldNotBeKeptAndSaysSoToWhoBroughtIt) {
  begin();
  host.fail_next("delivery.receive", VIADUCT_E_UNAVAILABLE, "the disk is full", 1);
  tell([](Desk& desk) {
    desk.open();
    desk.receive(1);
    desk.receive(2);
  });
  ASSERT_TRUE(host.wait_until(
      [&] { return ask<int>([](Desk& desk) { return desk.kept + desk.refused; }) == 2; }));
  EXPECT_EQ(ask<int>([](Desk& desk) { return desk.refused; }), 1);
  tell([](Desk& desk) { desk.receive(1); });  // whoever was told brings it again
  ASSERT_TRUE(host.wait_until([&] { return handled().size() == 2; }));
  EXPECT_EQ(handled(), (std::vector{2, 1}));
  EXPECT_TRUE(all_are_handled());
  EXPECT_EQ(host.metric("duplicates_total"), 0);
}

TEST_F(ChatInbox, GoesOnAfterAnExceptionOfTheHandler) {
  begin();
  tell([](Desk& desk) {
    desk.open();
    desk.receive(1, "throws");
    desk.receive(2, "throws");
    desk.receive(3);
  });
  ASSERT_TRUE(all_are_handled());
  EXPECT_EQ(handled(), std::vector<int>{3});
  EXPECT_TRUE(host.wait_log("on purpose"));
}

TEST_F(ChatInbox, TakesAllOfAFloodKeepsFewOfThemInMemoryAndHandlesEachOnceInTheOrderOfItsLane) {
  constexpr int kMany = 5 * static_cast<int>(Inbox<Item>::kMostWaiting);
  begin();
  tell([](Desk& desk) {
    for (int i = 0; i < kMany; ++i)
      desk.receive(i, i % 5 == 0 ? "" : "lane " + std::to_string(i % 5));
  });
  ASSERT_TRUE(
      host.wait_until([&] { return ask<int>([](Desk& desk) { return desk.kept; }) == kMany; }));
  EXPECT_EQ(ask<int>([](Desk& desk) { return desk.refused; }), 0);
  EXPECT_LE(ask<std::size_t>([](Desk& desk) { return desk.waiting(); }), Inbox<Item>::kMostWaiting);
  tell([](Desk& desk) { desk.open(); });
  ASSERT_TRUE(host.wait_until([&] { return handled().size() == static_cast<std::size_t>(kMany); }));
  ASSERT_TRUE(all_are_handled());
  ASSERT_TRUE(host.settle());
  const auto order = handled();
  EXPECT_EQ(order.size(), static_cast<std::size_t>(kMany));
  std::map<int, int> last;
  std::set<int> all;
  for (const int number : order) {
    EXPECT_TRUE(all.insert(number).second) << number << " was handled twice";
    if (number % 5 == 0) continue;
    const auto [of_lane, is_first] = last.try_emplace(number % 5, number);
    if (is_first) continue;
    EXPECT_LT(of_lane->second, number);
    of_lane->second = number;
  }
  EXPECT_LE(ask<int>([](Desk& desk) { return desk.most_at_once; }),
            static_cast<int>(Inbox<Item>::kAtOnce));
}

TEST_F(ChatInbox, BeginsToHandleFewInAFloodAndAllAfterIt) {
  using Desks = Inbox<Item>;
  constexpr int kMany = 500;
  begin();
  const auto start = std::chrono::steady_clock::now();
  tell([](Desk& desk) {
    desk.open();
    for (int i = 0; i < 100; ++i) desk.flood();
  });
  ASSERT_TRUE(
      host.wait_until([&] { return ask<int>([](Desk& desk) { return desk.kept; }) >= kMany; }));
  const auto begun = handled().size();
  const auto took = std::chrono::steady_clock::now() - start;
  tell([](Desk& desk) { desk.ebb(); });
  EXPECT_LE(begun, Desks::kFlood + static_cast<std::size_t>(took / Desks::kPause) + 1);
  ASSERT_TRUE(all_are_handled());
}

TEST_F(ChatInbox, HandlesNoMoreAtOnceThanItMay) {
  constexpr int kMost = static_cast<int>(Inbox<Item>::kAtOnce);
  begin();
  tell([](Desk& desk) {
    for (int i = 0; i < kMost + 50; ++i) desk.receive(i);
  });
  ASSERT_TRUE(
      host.wait_until([&] { return ask<int>([](Desk& desk) { return desk.at_once; }) == kMost; }));
  ASSERT_TRUE(host.settle());
  tell([](Desk& desk) { desk.open(); });
  ASSERT_TRUE(all_are_handled());
  EXPECT_EQ(ask<int>([](Desk& desk) { return desk.most_at_once; }), kMost);
}

TEST_F(ChatInbox, GoesOnWhileManyWaitForWhatIsSlow) {
  constexpr int kMany = static_cast<int>(Inbox<Item>::kMostAside);
  static_assert(Inbox<Item>::kMostAside >= Inbox<Item>::kMostWaiting);
  begin();
  tell([](Desk& desk) {
    for (int i = 0; i < kMany; ++i) desk.receive(i, "aside " + std::to_string(i));
    desk.receive(kMany, "aside 0");
  });
  ASSERT_TRUE(
      host.wait_until([&] { return ask<int>([](Desk& desk) { return desk.at_once; }) == kMany; }));
  tell([](Desk& desk) { desk.receive(-1, "quick"); });
  ASSERT_TRUE(host.wait_until([&] { return !handled().empty(); }));
  EXPECT_EQ(handled(), std::vector<int>{-1}) << "and their own lanes keep their order";
  tell([](Desk& desk) { desk.open(); });
  ASSERT_TRUE(all_are_handled());
  ASSERT_TRUE(host.wait_until(
      [&] { return ask<std::size_t>([](Desk& desk) { return desk.waiting(); }) == 0; }));
}

TEST_F(ChatInbox, HandlesWhatIsLeftFromBeforeTheStart) {
  constexpr int kMany = 2 * static_cast<int>(Inbox<Item>::kMostWaiting);
  for (int i = 0; i < kMany; ++i)
    host.delivery().add_event({"k" + std::to_string(i)},
                              payload_of(i, i == 7 ? "broken" : "all in one lane"));
  begin();
  tell([](Desk& desk) { desk.open(); });
  ASSERT_TRUE(all_are_handled());
  ASSERT_TRUE(host.settle());
  std::vector<int> expected;
  for (int i = 0; i < kMany; ++i)
    if (i != 7) expected.push_back(i);
  EXPECT_EQ(handled(), expected);
  EXPECT_TRUE(host.wait_log("it is broken"));
}

TEST_F(ChatInbox, ReadsAgainWhenTheDiskCouldNotBeRead) {
  for (int i = 0; i < 3; ++i)
    host.delivery().add_event({"k" + std::to_string(i)}, payload_of(i, ""));
  host.fail_next("delivery.unhandled", VIADUCT_E_UNAVAILABLE, "the disk is away");
  begin();
  tell([](Desk& desk) { desk.open(); });
  ASSERT_TRUE(all_are_handled());
  EXPECT_EQ(handled().size(), 3u);
}

}  // namespace
}  // namespace viaduct::chat
