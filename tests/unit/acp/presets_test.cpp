// The file of known agents, and what is said about a broken one.
#include "plugins/acp/config.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace viaduct::acp {
namespace {

Presets shipped() {
  std::ifstream in(ACP_PRESETS);
  std::stringstream text;
  text << in.rdbuf();
  const auto presets = parse_presets(text.str());
  EXPECT_TRUE(presets) << presets.error();
  return presets.value_or(Presets{});
}

TEST(AcpPresets, HaveTheWellKnownAgentsWithTheirCommands) {
  const Presets presets = shipped();
  using Command = std::vector<std::string>;
  for (const auto& [name, command] :
       {std::pair("claude", Command{"claude-agent-acp"}), std::pair("codex", Command{"codex-acp"}),
        std::pair("gemini", Command{"gemini", "--acp"}),
        std::pair("opencode", Command{"opencode", "acp"}),
        std::pair("copilot", Command{"copilot", "--acp", "--stdio"})}) {
    ASSERT_TRUE(presets.contains(name)) << name;
    EXPECT_EQ(presets.at(name).command, command);
  }
}

TEST(AcpPresets, CanEachBeUsedByNameAlone) {
  const Presets presets = shipped();
  for (const auto& [name, preset] : presets) {
    const auto config = parse_config(R"({"preset":")" + name + "\"}", presets);
    ASSERT_TRUE(config) << config.error();
    EXPECT_EQ(config->command, preset.command);
    EXPECT_EQ(config->agent_type, name);
    EXPECT_FALSE(config->install.empty()) << name;
    EXPECT_FALSE(config->login.empty()) << name;
  }
}

TEST(AcpPresets, AreReadWithAllTheirKeys) {
  const auto presets = parse_presets(
      "a:\n  command: [x, --acp]\n  install: get x\n  login: run x\n  auth_method: key\n"
      "  share: false\n  env: { A: \"1\" }\n  key_logins: { KEY: key }\n");
  ASSERT_TRUE(presets) << presets.error();
  const Preset& preset = presets->at("a");
  EXPECT_EQ(preset.command, (std::vector<std::string>{"x", "--acp"}));
  EXPECT_EQ(preset.install, "get x");
  EXPECT_EQ(preset.login, "run x");
  EXPECT_EQ(preset.auth_method, "key");
  EXPECT_EQ(preset.share, false);
  EXPECT_EQ(preset.environment, (std::vector<std::pair<std::string, std::string>>{{"A", "1"}}));
  EXPECT_EQ(preset.key_logins, (std::vector<std::pair<std::string, std::string>>{{"KEY", "key"}}));
}

struct Bad {
  const char* name;
  const char* yaml;
  const char* error;
};
void PrintTo(const Bad& c, std::ostream* os) {
  *os << c.name;
}
class AcpPresetsError : public ::testing::TestWithParam<Bad> {};
TEST_P(AcpPresetsError, SaysWhere) {
  const auto presets = parse_presets(GetParam().yaml);
  ASSERT_FALSE(presets);
  EXPECT_EQ(presets.error(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, AcpPresetsError,
    ::testing::Values(
        Bad{"NoMap", "[]", "1:1: presets: must have keys"},
        Bad{"PresetIsText", "a: x", "1:4: a: must have keys"},
        Bad{"UnknownKey", "a:\n  comand: [x]\n", "2:3: a.comand: unknown key"},
        Bad{"CommandIsText", "a:\n  command: x\n",
            "2:12: a.command: must be a list of the program and its arguments"},
        Bad{"CommandIsEmpty", "a:\n  command: []\n",
            "2:12: a.command: must be a list of the program and its arguments"},
        Bad{"NoCommand", "a:\n  install: x\n  login: y\n", "2:3: a.command: must be given"},
        Bad{"NoInstall", "a:\n  command: [x]\n  login: y\n", "2:3: a.install: must be given"},
        Bad{"Share", "a:\n  share: maybe\n", "2:10: a.share: must be true or false"},
        Bad{"Twice", "a: { command: [x], install: i, login: l }\na: {}\n",
            "2:1: presets: \"a\" is there twice"},
        Bad{"NoYaml", "a: [", "1:1: end of sequence flow not found"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace viaduct::acp
