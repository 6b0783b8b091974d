// viaduct.delivery/1 and viaduct.sender/1 with a plugin in C.
#include "host/delivery/delivery.hpp"
#include "tests/unit/plugins/test_host.hpp"

#include <gmock/gmock.h>

#include <string>

namespace viaduct::plugins {
namespace {

using store::ParcelState;
using test::TestHost;
using testing::HasSubstr;

class PluginDelivery : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host.apply({}, {TestHost::surface("post", "sender")})); }

  void post(const std::string& payload) {
    const auto posted = host.wait<store::Posted>([&](auto done) {
      host.delivery->post("post", {payload, "t", "\"" + payload + "\""}, std::move(done));
    });
    ASSERT_TRUE(posted) << posted.error().message;
  }
  store::Parcel row(const std::string& key) {
    return *host.wait<store::Parcel>(
        [&](auto done) { host.delivery->find("post", key, std::move(done)); });
  }
  bool reaches(const std::string& key, ParcelState state) {
    return host.until([&] { return row(key).state == state; });
  }

  TestHost host;
};

TEST_F(PluginDelivery, AResultIsKept) {
  post("hello");
  ASSERT_TRUE(reaches("hello", ParcelState::sent));
  EXPECT_EQ(row("hello").result, R"({"place":1})");
}

TEST_F(PluginDelivery, ATimeIsHeeded) {
  post("later");
  ASSERT_TRUE(host.until([&] { return row("later").reason == "limited"; }));
  const auto wait = row("later").due_at - row("later").changed_at;
  EXPECT_GE(wait, 59'000'000);
  EXPECT_LT(wait, 90'000'000);
}

TEST_F(PluginDelivery, WhatArrivedHasArrivedWhateverItsResultIs) {
  post("array");
  ASSERT_TRUE(reaches("array", ParcelState::sent));
  EXPECT_EQ(row("array").result, "{}");
  EXPECT_TRUE(host.log.has("send is answered with what is no JSON object"));
  post("nothing");
  ASSERT_TRUE(reaches("nothing", ParcelState::sent));
  EXPECT_EQ(row("nothing").result, "{}");
}

TEST_F(PluginDelivery, AnAnswerThatCannotBeReadIsNoAnswer) {
  post("garbled");
  EXPECT_TRUE(host.until([&] { return host.log.has("delivery was cut off"); }));
  EXPECT_EQ(row("garbled").state, ParcelState::sending);
}

TEST_F(PluginDelivery, ASecondAnswerIsAFaultAndChangesNothing) {
  post("twice");
  EXPECT_TRUE(host.until([&] { return host.log.has("twice, or too late"); }));
  EXPECT_TRUE(reaches("twice", ParcelState::sent));
}

TEST_F(PluginDelivery, WhatIsOpenAtStopIsAskedAboutAtTheNextStart) {
  post("never");
  ASSERT_TRUE(reaches("never", ParcelState::sending));
  ASSERT_TRUE(host.apply({}, {}));
  EXPECT_EQ(row("never").state, ParcelState::sending) << "nobody knows";
  ASSERT_TRUE(host.apply({}, {TestHost::surface("post", "sender")}));
  ASSERT_TRUE(reaches("never", ParcelState::sent));
  EXPECT_EQ(row("never").attempt, 2U);
}

TEST(PluginSenders, WithoutSendAreRefused) {
  TestHost host;
  const auto applied = host.apply({}, {TestHost::surface("post", "null_send")});
  ASSERT_FALSE(applied);
  EXPECT_THAT(applied.error().message, HasSubstr("viaduct.sender/1 has no function send"));
}

}  // namespace
}  // namespace viaduct::plugins
