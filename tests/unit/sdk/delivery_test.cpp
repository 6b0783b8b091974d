#include "viaduct/sdk/surface.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

using sdk::Code;
using std::chrono::milliseconds;
using testing::FakeDelivery;
using testing::FakeHost;

// A surface that posts, with what the test makes of it.
class Poster final : public sdk::Surface, public sdk::Sender {
 public:
  Poster(sdk::Host the_host, std::string_view) : delivery(the_host) { present = this; }
  ~Poster() override { present = nullptr; }
  void send(const sdk::Parcel& parcel, sdk::Sending sending) override {
    sends.push_back(std::string(parcel.key) + "=" + std::string(parcel.payload_json));
    on_send(parcel, std::move(sending));
  }
  void reconcile(const sdk::Parcel& parcel, sdk::Sending sending) override {
    on_reconcile(parcel, std::move(sending));
  }
  void undelivered(const sdk::Parcel& parcel, std::string_view state,
                   const sdk::Status& why) override {
    told.push_back(std::string(parcel.key) + " " + std::string(state) + ": " + why.message);
  }

  static Poster* present;
  static std::function<void(const sdk::Parcel&, sdk::Sending)> on_send;
  static std::function<void(const sdk::Parcel&, sdk::Sending)> on_reconcile;

  sdk::Delivery delivery;
  std::vector<std::string> sends, told;
  std::vector<sdk::Sending> open;
};
Poster* Poster::present = nullptr;
std::function<void(const sdk::Parcel&, sdk::Sending)> Poster::on_send;
std::function<void(const sdk::Parcel&, sdk::Sending)> Poster::on_reconcile;

constexpr viaduct_plugin kPlugin = sdk::surface_plugin<Poster>(
    sdk::Descriptor{"com.example.poster", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

class SdkDelivery : public ::testing::Test {
 protected:
  void SetUp() override {
    Poster::on_send = [](const sdk::Parcel& parcel, sdk::Sending sending) {
      sending.arrived(R"({"ts":")" + std::string(parcel.key) + "\"}");
    };
    Poster::on_reconcile = [](const sdk::Parcel&, sdk::Sending sending) { sending.not_there(); };
    ASSERT_TRUE(host_.load(&kPlugin));
    ASSERT_TRUE(host_.run("{}"));
  }
  void TearDown() override {
    if (host_.created()) {
      EXPECT_TRUE(host_.stop());
      host_.destroy();
    }
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  // The answer to a call of the plugin.
  sdk::Answer answer(const std::function<void(const sdk::Delivery&, sdk::Callback)>& call) {
    std::optional<sdk::Answer> got;
    call(Poster::present->delivery, [&](sdk::Answer given) { got = std::move(given); });
    EXPECT_TRUE(host_.wait_until([&] {
      bool there = false;
      host_.on_plugin_thread([&] { there = got.has_value(); });
      return there;
    }));
    return got.value_or(sdk::Answer{Code::kTimeout, "", ""});
  }
  sdk::Answer post(const sdk::Parcel& parcel) {
    return answer([&](auto& delivery, auto done) { delivery.post(parcel, std::move(done)); });
  }
  sdk::Answer receive(std::vector<std::string> keys, std::string_view payload) {
    return answer(
        [&](auto& delivery, auto done) { delivery.receive(keys, payload, std::move(done)); });
  }
  std::vector<std::string> sends() {
    std::vector<std::string> list;
    host_.on_plugin_thread([&] { list = Poster::present->sends; });
    return list;
  }
  std::vector<std::string> told() {
    std::vector<std::string> list;
    host_.on_plugin_thread([&] { list = Poster::present->told; });
    return list;
  }
  FakeDelivery& delivery() { return host_.delivery(); }

  FakeHost host_;
};

TEST_F(SdkDelivery, AnEventIsNewOnceByAnyOfItsKeys) {
  EXPECT_TRUE(sdk::Delivery::is_new(receive({"a", "b"}, R"({"n":1})")));
  EXPECT_FALSE(sdk::Delivery::is_new(receive({"b", "c"}, R"({"n":2})")));
  EXPECT_FALSE(sdk::Delivery::is_new(receive({"c"}, R"({"n":3})")));
  ASSERT_EQ(delivery().events().size(), 1u);
  EXPECT_EQ(delivery().events()[0].payload, R"({"n":1})");
}

TEST_F(SdkDelivery, WhatWasNotHandledIsThereAfterARestart) {
  receive({"a"}, R"({"n":1})");
  receive({"b"}, R"({"n":2})");
  EXPECT_TRUE(answer([](auto& d, auto done) { d.handled("a", std::move(done)); }).ok());
  ASSERT_TRUE(host_.stop());
  host_.destroy();
  ASSERT_TRUE(host_.run("{}"));
  const auto left = answer([](auto& d, auto done) { d.unhandled(0, 10, std::move(done)); });
  EXPECT_EQ(left.result,
            R"({"events":[{"number":2,"key":"b","payload":{"n":2},"age_ms":0}],"more":false})");
}

TEST_F(SdkDelivery, AParcelIsSentOnceAndItsResultIsKept) {
  EXPECT_TRUE(sdk::Delivery::is_new(post({.key = "k", .target = "t", .payload_json = "{}"})));
  ASSERT_TRUE(delivery().wait_state("k", "sent"));
  const auto twice = post({.key = "k", .target = "t", .payload_json = "[]"});
  EXPECT_FALSE(sdk::Delivery::is_new(twice));
  EXPECT_EQ(twice.result, R"({"new":false,"state":"sent","result":{"ts":"k"}})");
  EXPECT_EQ(sends(), std::vector<std::string>{"k={}"});
  EXPECT_EQ(answer([](auto& d, auto done) { d.find("k", std::move(done)); }).result,
            R"({"state":"sent","result":{"ts":"k"},"reason":""})");
  EXPECT_EQ(answer([](auto& d, auto done) { d.find("x", std::move(done)); }).code, Code::kNotFound);
}

TEST_F(SdkDelivery, WhatIsPutOffIsSentAgainInItsPlace) {
  int tries = 0;
  Poster::on_send = [&](const sdk::Parcel& parcel, sdk::Sending sending) {
    EXPECT_EQ(parcel.attempt, parcel.key == "a" ? static_cast<std::uint64_t>(tries + 1) : 1u);
    if (parcel.key == "a" && ++tries < 3) return sending.later("limited", milliseconds(5));
    sending.arrived();
  };
  delivery().hold();
  post({.key = "a", .target = "t", .payload_json = "1"});
  post({.key = "b", .target = "t", .payload_json = "2"});
  delivery().release();
  ASSERT_TRUE(delivery().wait_state("b", "sent"));
  EXPECT_EQ(sends(), (std::vector<std::string>{"a=1", "a=1", "a=1", "b=2"}));
}

TEST_F(SdkDelivery, ACutOffSendingIsReconciledAndNotRepeatedBlindly) {
  Poster::on_reconcile = [](const sdk::Parcel&, sdk::Sending sending) {
    sending.arrived(R"({"found":true})");
  };
  delivery().cut_off_next(FakeDelivery::CutOff::kAfter);
  post({.key = "a", .target = "t", .payload_json = "1"});
  ASSERT_TRUE(delivery().wait_state("a", "sent"));
  EXPECT_EQ(sends().size(), 1u);
  EXPECT_EQ(delivery().parcel("a")->result, R"({"found":true})");
  EXPECT_EQ(delivery().parcel("a")->reconciled, 1u);
}

TEST_F(SdkDelivery, WhatDidNotArriveIsSentAfterACutOff) {
  delivery().cut_off_next(FakeDelivery::CutOff::kBefore);
  post({.key = "a", .target = "t", .payload_json = "1"});
  ASSERT_TRUE(delivery().wait_state("a", "sent"));
  EXPECT_EQ(sends().size(), 1u);
}

TEST_F(SdkDelivery, ACutOffEditIsSentAgainWithItsNewestText) {
  delivery().cut_off_next(FakeDelivery::CutOff::kAfter);
  delivery().hold();
  post({.key = "a", .target = "t", .payload_json = "1", .edit = true});
  post({.key = "a", .target = "t", .payload_json = "2", .edit = true});
  delivery().release();
  ASSERT_TRUE(delivery().wait_state("a", "sent"));
  EXPECT_EQ(sends(), (std::vector<std::string>{"a=2", "a=2"}));
  post({.key = "a", .target = "t", .payload_json = "3", .edit = true});
  ASSERT_TRUE(host_.wait_until([&] { return sends().size() == 3; }));
  EXPECT_EQ(sends().back(), "a=3");
}

TEST_F(SdkDelivery, WhatIsOpenAtStopIsReconciledAtTheNextStart) {
  Poster::on_send = [](const sdk::Parcel&, sdk::Sending sending) {
    Poster::present->open.push_back(std::move(sending));
  };
  post({.key = "a", .target = "t", .payload_json = "1"});
  ASSERT_TRUE(host_.wait_until([&] { return sends().size() == 1; }));
  ASSERT_TRUE(host_.stop());
  host_.destroy();
  Poster::on_reconcile = [](const sdk::Parcel&, sdk::Sending sending) { sending.arrived(); };
  ASSERT_TRUE(host_.run("{}"));
  ASSERT_TRUE(delivery().wait_state("a", "sent"));
  EXPECT_EQ(delivery().parcel("a")->reconciled, 1u);
  EXPECT_TRUE(sends().empty()) << "it was sent a second time";
}

TEST_F(SdkDelivery, ASendingThatIsDroppedOrThrownAwayIsUnknown) {
  for (const bool throws : {false, true}) {
    const std::string key = throws ? "thrown" : "dropped";
    Poster::on_send = [throws](const sdk::Parcel&, const sdk::Sending&) {
      if (throws) throw std::runtime_error("broken");
    };
    Poster::on_reconcile = [](const sdk::Parcel&, sdk::Sending sending) {
      sending.fail(Code::kInternal, "no way to find out");
    };
    post({.key = key, .target = "t", .payload_json = "1"});
    ASSERT_TRUE(delivery().wait_state(key, "ambiguous"));
    EXPECT_EQ(delivery().parcel(key)->reconciled, 1u);
  }
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(told(), (std::vector<std::string>{"dropped ambiguous: no way to find out",
                                              "thrown ambiguous: no way to find out"}));
}

TEST_F(SdkDelivery, AnErrorThatIsThrownIsTheAnswer) {
  Poster::on_send = [](const sdk::Parcel&, const sdk::Sending&) {
    throw sdk::Error(Code::kPermissionDenied, "not in the channel");
  };
  post({.key = "a", .target = "t", .payload_json = "1"});
  ASSERT_TRUE(delivery().wait_state("a", "failed"));
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(told(), std::vector<std::string>{"a failed: not in the channel"});
}

TEST_F(SdkDelivery, ACredentialOfAnotherInstanceIsRefused) {
  delivery().take("xapp-1");
  EXPECT_EQ(answer([](auto& d, auto done) { d.claim("xapp-1", std::move(done)); }).code,
            Code::kConflict);
  EXPECT_TRUE(answer([](auto& d, auto done) { d.claim("xapp-2", std::move(done)); }).ok());
}

}  // namespace
}  // namespace viaduct
