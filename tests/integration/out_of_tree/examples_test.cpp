// The examples of the SDK, as they were built out of tree (EXAMPLE_PLUGINS names the folder), in
// the fake host.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

using testing::FakeHost;

class Examples : public ::testing::Test {
 protected:
  void run(const std::string& name) {
    const char* folder = std::getenv("EXAMPLE_PLUGINS");
    ASSERT_NE(folder, nullptr);
    const auto loaded = host_.load(std::string(folder) + "/" + name + ".so");
    ASSERT_TRUE(loaded) << loaded.message;
    const auto running = host_.run(host_.plugin()->config_example);
    ASSERT_TRUE(running) << running.message;
  }
  void TearDown() override {
    if (host_.created()) {
      EXPECT_TRUE(host_.stop());
      EXPECT_TRUE(host_.stop());
      host_.destroy();
    }
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  FakeHost host_;
};

TEST_F(Examples, TheBackendRepeatsWhatItIsTold) {
  run("echo");
  ASSERT_TRUE(host_.open(1));
  EXPECT_TRUE(host_.prompt(1, 1, "hello out  of tree "));
  EXPECT_EQ(host_.text(1), "hello out  of tree ");
  EXPECT_GT(host_.events(1).size(), 3u);
  EXPECT_TRUE(host_.wait_log("echo is ready"));
}

TEST_F(Examples, TheSurfaceHasAPageAndAnswers) {
  run("ask");
  EXPECT_EQ(host_.files(), (std::vector<std::string>{"/", "/ask.js"}));
  const auto created = host_.post("/sessions", "");
  ASSERT_EQ(created.status, 200) << created.body;
  const std::string session = created.json()["session_id"].as_string();
  const auto answer = host_.post("/sessions/" + session + "/ask", "hi");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json()["text"].as_string(), "[reply to: hi]");
  EXPECT_EQ(host_.post("/sessions/nobody/ask", "hi").status, 404);
}

TEST_F(Examples, TheSurfacePassesFailuresOn) {
  run("ask");
  host_.sessions().fail_next("create", VIADUCT_E_UNAVAILABLE, "try again");
  const auto response = host_.post("/sessions", "");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "try again");
}

TEST_F(Examples, TheSurfaceAnswersWhatIsOpenWhenItStops) {
  run("ask");
  host_.sessions().hold("create");
  testing::Request request;
  request.method = "POST";
  request.path = "/sessions";
  const auto first = host_.start_request(request);
  const auto second = host_.start_request(request);
  ASSERT_TRUE(host_.settle());
  ASSERT_TRUE(host_.stop());
  EXPECT_EQ(first.response().status, 503);
  EXPECT_EQ(second.response().status, 503);
}

TEST_F(Examples, TheSurfaceForgetsARequestWhoseBrowserHasGone) {
  run("ask");
  host_.sessions().hold("create");
  testing::Request request;
  request.method = "POST";
  request.path = "/sessions";
  auto exchange = host_.start_request(request);
  ASSERT_TRUE(host_.settle());
  exchange.disconnect();
  ASSERT_TRUE(host_.settle());
  host_.sessions().release("create");
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(host_.post("/sessions", "").status, 200);
}

}  // namespace
}  // namespace viaduct
