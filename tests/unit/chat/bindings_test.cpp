// Which session a place has and had, with documents as the host keeps them.
#include <viaduct/chat/bindings.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>
#include <viaduct/sdk/surface.hpp>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct::chat {
namespace {

Binding binding(const std::string& thread, const std::string& session) {
  Binding one;
  one.place = {"T1", "C1", thread};
  one.session = session;
  one.user = "U1";
  one.created_at = session;  // in this order
  return one;
}

class Shelf final : public sdk::Surface {
 public:
  Shelf(const sdk::Host& host, std::string_view) : bindings(std::make_unique<Bindings>(host)) {
    last_ = this;
  }
  sdk::EventLoop* loop() override { return &loop_; }
  void start(sdk::Reply reply) override {
    loop_.spawn([](Shelf& self, sdk::Reply done) -> net::Task<> {
      const auto had = co_await self.bindings->load();
      had ? done.ok() : done.fail(had.error().code, had.error().message);
    }(*this, std::move(reply)));
  }
  void run(net::Task<net::Result<>> task) {
    loop_.spawn([](Shelf& self, net::Task<net::Result<>> work) -> net::Task<> {
      const auto kept = co_await std::move(work);
      ++(kept ? self.kept : self.refused);
    }(*this, std::move(task)));
  }

  std::unique_ptr<Bindings> bindings;
  int kept = 0, refused = 0;
  static inline Shelf* last_ = nullptr;  // the one that was created last

 private:
  net::Loop loop_;
};

constexpr viaduct_plugin kPlugin = sdk::surface_plugin<Shelf>(
    sdk::Descriptor{"com.example.shelf", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

class ChatBindings : public ::testing::Test {
 protected:
  void begin() { ASSERT_TRUE(host.run("{}")); }
  void SetUp() override { ASSERT_TRUE(host.load(&kPlugin)); }
  void TearDown() override {
    EXPECT_TRUE(host.stop());
    host.destroy();
    for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  void restart() {
    EXPECT_TRUE(host.stop());
    host.destroy();
    begin();
  }
  // Done when it is on disk, or refused.
  void change(const std::function<net::Task<net::Result<>>(Bindings&)>& what) {
    int before = 0;
    EXPECT_TRUE(host.on_plugin_thread([&] {
      before = Shelf::last_->kept + Shelf::last_->refused;
      Shelf::last_->run(what(*Shelf::last_->bindings));
    }));
    EXPECT_TRUE(host.wait_until([&] {
      int now = 0;
      host.on_plugin_thread([&] { now = Shelf::last_->kept + Shelf::last_->refused; });
      return now > before;
    }));
  }
  void put(const Binding& one) {
    change([one](Bindings& bindings) { return bindings.put(one); });
  }
  void update(const Binding& one) {
    change([one](Bindings& bindings) { return bindings.update(one); });
  }
  // The session of a thread, as "s_1", or "" where none is bound.
  std::string at(const std::string& thread) {
    std::string session;
    EXPECT_TRUE(host.on_plugin_thread([&] {
      if (const Binding* found = Shelf::last_->bindings->active({"T1", "C1", thread}))
        session = found->session;
    }));
    return session;
  }
  std::vector<std::string> sessions(std::vector<Binding> (Bindings::*of)(std::string_view,
                                                                         std::string_view) const) {
    std::vector<std::string> all;
    EXPECT_TRUE(host.on_plugin_thread([&] {
      for (const Binding& one : (Shelf::last_->bindings.get()->*of)("T1", "U1"))
        all.push_back(one.session);
    }));
    return all;
  }
  using Sessions = std::vector<std::string>;

  testing::FakeHost host;
};

TEST_F(ChatBindings, WhatMadeRoomIsFoundAgainAlsoAfterARestart) {
  begin();
  put(binding("1", "s_1"));
  put(binding("1", "s_2"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(at("1"), "s_2");
    EXPECT_EQ(sessions(&Bindings::of_person), (Sessions{"s_1", "s_2"}));
    EXPECT_EQ(sessions(&Bindings::active_of), (Sessions{"s_2"}));
    restart();
  }
}

TEST_F(ChatBindings, WhatComesBackIsThereOnce) {
  begin();
  put(binding("1", "s_1"));
  put(binding("1", "s_2"));
  put(binding("1", "s_1"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(at("1"), "s_1");
    EXPECT_EQ(sessions(&Bindings::of_person), (Sessions{"s_1", "s_2"}));
    restart();
  }
}

TEST_F(ChatBindings, NewsOfAnEarlierSessionTakeNoPlaceAway) {
  begin();
  put(binding("1", "s_1"));
  put(binding("1", "s_2"));
  Binding late = binding("1", "s_1");
  late.owes = true;
  update(late);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(at("1"), "s_2");
    std::vector<Binding> owing;
    EXPECT_TRUE(host.on_plugin_thread([&] { owing = Shelf::last_->bindings->owing(); }));
    ASSERT_EQ(owing.size(), 1u);
    EXPECT_EQ(owing[0].session, "s_1");
    EXPECT_FALSE(owing[0].active);
    restart();
  }
}

TEST_F(ChatBindings, ASessionInTwoPlacesIsOneOfItsPerson) {
  begin();
  put(binding("1", "s_1"));
  put(binding("2", "s_1"));
  EXPECT_EQ(sessions(&Bindings::active_of), (Sessions{"s_1"}));
}

TEST_F(ChatBindings, DocumentsOfEarlierVersionsAreRead) {
  host.put_document("binding/T1/C1/1",
                    R"({"team":"T1","channel":"C1","thread":"1","session":"s_1","owner_place":"",)"
                    R"("user":"U1","active":true,"shown_turn":3,"shown_entry":9,"owes":false})");
  begin();
  EXPECT_EQ(at("1"), "s_1");
}

TEST_F(ChatBindings, WhatPeopleHaveBeenToldStaysToldWhenALateAnswerIsShown) {
  begin();
  Binding left = binding("1", "s_1");
  put(left);
  left.active = false;
  update(left);
  Binding told = left;
  told.told = true;
  update(told);
  left.shown_turn = 4;  // of who does not know that it has been told
  update(left);
  for (int i = 0; i < 2; ++i) {
    Binding now;
    EXPECT_TRUE(host.on_plugin_thread([&] {
      if (const Binding* found = Shelf::last_->bindings->find({"T1", "C1", "1"})) now = *found;
    }));
    EXPECT_TRUE(now.told);
    EXPECT_EQ(now.shown_turn, 4U);
    restart();
  }
  left.active = true;  // it is there again
  update(left);
  EXPECT_TRUE(host.on_plugin_thread(
      [&] { EXPECT_FALSE(Shelf::last_->bindings->find({"T1", "C1", "1"})->told); }));
}

TEST_F(ChatBindings, WhatCannotBeWrittenIsTakenBack) {
  begin();
  put(binding("1", "s_1"));
  host.fail_next("documents.put", VIADUCT_E_UNAVAILABLE, "the disk is full", 2);
  put(binding("1", "s_2"));
  put(binding("2", "s_3"));
  EXPECT_EQ(at("1"), "s_1");
  EXPECT_EQ(at("2"), "");
  EXPECT_EQ(sessions(&Bindings::of_person), (Sessions{"s_1"}));
}

}  // namespace
}  // namespace viaduct::chat
