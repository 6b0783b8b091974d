// The settings plugin on a fake host.
#include <viaduct/testing/fake_host.hpp>

#include <gtest/gtest.h>

namespace {

using viaduct::testing::Answer;
using viaduct::testing::FakeHost;

class Settings : public testing::Test {
 protected:
  void SetUp() override {
    const Answer loaded = host.load(SETTINGS_PLUGIN);
    ASSERT_TRUE(loaded) << loaded.message;
    const Answer running = host.run("{}");
    ASSERT_TRUE(running) << running.message;
  }
  void TearDown() override {
    EXPECT_TRUE(host.stop());
    for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  FakeHost host;
};

TEST_F(Settings, ShowsTheOverviewOfTheHost) {
  host.set_overview(R"({"version":"1.2.3","sessions":7,"instances":[{"name":"echo"}]})");
  const auto response = host.get("/api/overview");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.json()["version"].as_string(), "1.2.3");
  EXPECT_EQ(response.json()["sessions"].as_int(), 7);
  EXPECT_EQ(response.json()["instances"][0]["name"].as_string(), "echo");
  EXPECT_EQ(response.header("cache-control"), "no-store");
}

TEST_F(Settings, NeverShowsASecretEvenIfTheHostSendsOne) {
  host.set_overview(
      R"({"configuration":[{"path":"a","value":"hunter22","secret":true},)"
      R"({"path":"b","value":"hunter23"},{"path":"c","value":"plain","secret":false}]})");
  const auto response = host.get("/api/overview");
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(response.body.find("hunter"), std::string::npos) << response.body;
  EXPECT_TRUE(response.json()["configuration"][0]["value"].is_null());
  EXPECT_EQ(response.json()["configuration"][2]["value"].as_string(), "plain");
}

TEST_F(Settings, SaysWhenTheHostCannotAnswer) {
  host.fail_next("overview.get", VIADUCT_E_UNAVAILABLE, "not just now");
  const auto response = host.get("/api/overview");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.json()["error"].as_string(), "not just now");
}

TEST_F(Settings, KeepsTheDetailsOfADefectToTheLog) {
  host.set_overview("not JSON");
  const auto response = host.get("/api/overview");
  EXPECT_EQ(response.status, 500);
  EXPECT_TRUE(response.json().is_object()) << response.body;
  EXPECT_TRUE(host.wait_log("no JSON object"));
}

TEST_F(Settings, AsksAnInstanceWhatItsChecksSay) {
  host.set_checks("teams",
                  R"({"checks":[{"name":"keys","ok":true,"message":"2 keys","skipped":false},)"
                  R"({"name":"clock","ok":false,"message":"late","token":"hunter22"},7]})");
  const auto response = host.post("/api/check/teams", "");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.header("cache-control"), "no-store");
  const auto answer = response.json();
  ASSERT_EQ(answer["checks"].size(), 2u) << response.body;
  EXPECT_EQ(answer["checks"][0]["message"].as_string(), "2 keys");
  EXPECT_TRUE(answer["checks"][0]["ok"].as_bool());
  EXPECT_FALSE(answer["checks"][1]["ok"].as_bool());
  EXPECT_EQ(response.body.find("hunter"), std::string::npos) << response.body;
}

TEST_F(Settings, SaysWhenAnInstanceCannotBeAsked) {
  EXPECT_EQ(host.post("/api/check/nobody", "").status, 404);
  host.fail_next("overview.check", VIADUCT_E_UNAVAILABLE, "teams does not run: no token");
  const auto response = host.post("/api/check/teams", "");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.json()["error"].as_string(), "teams does not run: no token");
  host.set_checks("teams", "[]");
  EXPECT_EQ(host.post("/api/check/teams", "").status, 500);
}

TEST_F(Settings, ServesItsPage) {
  bool has_page = false;
  for (const std::string& file : host.files()) has_page = has_page || file == "/";
  EXPECT_TRUE(has_page);
}

TEST(SettingsDescriptor, ItsExampleConfigurationIsAccepted) {
  FakeHost host;
  ASSERT_TRUE(host.load(SETTINGS_PLUGIN));
  EXPECT_TRUE(host.create_example());
}

}  // namespace
