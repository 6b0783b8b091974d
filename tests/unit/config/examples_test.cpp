// The configurations that come with Viaduct have no errors.
#include "fixture.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace viaduct::config {
namespace {

using testing::HasSubstr;

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

using Examples = ConfigFixture;

TEST_F(Examples, TheDefaultServesSomebodyWithoutAnyAccount) {
  environment_.clear();
  environment_["HOME"] = "/home/alice";
  const Config config = good(read(std::filesystem::path(VIADUCT_CONFIG_FOLDER) / "viaduct.yaml"));
  EXPECT_EQ(config.server.listen, "127.0.0.1:8410");
  EXPECT_EQ(config.store_path, "/home/alice/.viaduct/viaduct.db");
  ASSERT_EQ(config.backends.size(), 1u);
  EXPECT_EQ(config.backends[0].plugin, "mock");
  ASSERT_EQ(config.surfaces.size(), 2u);
  EXPECT_EQ(config.surfaces[0].name, "web-chat");
  EXPECT_EQ(config.surfaces[0].backend, config.backends[0].name);
  EXPECT_EQ(config.surfaces[1].name, "settings");
}

TEST_F(Examples, EachOneHasNoErrors) {
  // Their `config:` is held against the real plugins by tests/integration/command_line.test.mjs.
  plugins_["mock"].schema = "{}";
  for (const char* backend : {"bridge", "acp"}) plugins_[backend] = {"{}", false};
  for (const char* surface : {"slack", "teams"}) plugins_[surface] = {"{}", true};
  environment_["SLACK_APP_TOKEN"] = "xapp-1-example";
  environment_["SLACK_BOT_TOKEN"] = "xoxb-1-example";
  environment_["TEAMS_APP_ID"] = environment_["TEAMS_TENANT_ID"] =
      "11111111-2222-3333-4444-555555555555";
  environment_["TEAMS_APP_PASSWORD"] = "example";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(VIADUCT_CONFIG_FOLDER) / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    SCOPED_TRACE(entry.path().string());
    const std::string text = read(entry.path());
    EXPECT_THAT(text, testing::StartsWith("#")) << "an example begins with what it is for";
    (void)good(text);
    ++count;
  }
  EXPECT_GE(count, 3);
}

}  // namespace
}  // namespace viaduct::config
