#include "host/cli/plugin_command.hpp"

#include <gtest/gtest.h>

namespace viaduct::cli {
namespace {

using Words = std::vector<std::string>;
const Words kCommands{"serve", "check"};

TEST(PluginCommand, TheFirstWordIsAnInstanceUnlessItIsACommand) {
  const auto command = plugin_command({"slack", "manifest", "--json"}, kCommands);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->name, "slack");
  EXPECT_EQ(command->config, "");
  EXPECT_EQ(command->arguments, (Words{"manifest", "--json"}));
  EXPECT_FALSE(plugin_command({"check", "slack"}, kCommands));
  EXPECT_FALSE(plugin_command({}, kCommands));
}

TEST(PluginCommand, TheConfigurationIsNamedBeforeItOrBehind) {
  for (const Words& words :
       {Words{"--config", "a.yaml", "slack", "x"}, Words{"--config=a.yaml", "slack", "x"},
        Words{"slack", "--config", "a.yaml", "x"}, Words{"slack", "x", "--config=a.yaml"}}) {
    const auto command = plugin_command(words, kCommands);
    ASSERT_TRUE(command);
    EXPECT_EQ(command->config, "a.yaml");
    EXPECT_EQ(command->name, "slack");
    EXPECT_EQ(command->arguments, Words{"x"});
  }
  EXPECT_FALSE(plugin_command({"--config", "check", "serve"}, kCommands));
  EXPECT_FALSE(plugin_command({"--help", "slack"}, kCommands));
  EXPECT_FALSE(plugin_command({"--config"}, kCommands));
}

TEST(PluginCommand, BehindTwoDashesAllIsThePlugins) {
  const auto command = plugin_command({"slack", "x", "--", "--config", "b", "--"}, kCommands);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->config, "");
  EXPECT_EQ(command->arguments, (Words{"x", "--config", "b", "--"}));
}

TEST(ToolAnswer, IsAnExitCodeAndText) {
  const auto answer = parse_tool_answer(R"({"exit_code":3,"output":"a\nb"})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->exit_code, 3);
  EXPECT_EQ(answer->output, "a\nb");
  const auto again = parse_tool_answer(to_json(*answer));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->output, answer->output);
  EXPECT_EQ(parse_tool_answer(R"({"exit_code":0})")->output, "");
}

TEST(ToolAnswer, MayHaveFilesWhichPassTheHostAsTheyAre) {
  const auto answer =
      parse_tool_answer(R"({"exit_code":0,"files":[{"path":"a.zip","base64":"UEs="}]})");
  ASSERT_TRUE(answer);
  const auto again = parse_tool_answer(to_json(*answer));
  ASSERT_TRUE(again);
  ASSERT_EQ(again->files.size(), 1u);
  EXPECT_EQ(again->files[0].path, "a.zip");
  EXPECT_EQ(again->files[0].base64, "UEs=");
  const std::string large =
      R"({"exit_code":0,"files":[{"path":"a","base64":")" + std::string(17 << 20, 'A') + "\"}]}";
  EXPECT_FALSE(parse_tool_answer(large));
}

TEST(ToolAnswer, AnythingElseIsTheFaultOfThePlugin) {
  for (const char* text : {"", "[]", "{}", R"({"exit_code":"0"})", R"({"exit_code":256})",
                           R"({"exit_code":0,"files":{}})", R"({"exit_code":0,"files":["a"]})",
                           R"({"exit_code":0,"files":[{"path":"a"}]})",
                           R"({"exit_code":0,"files":[{"path":1,"base64":""}]})",
                           R"({"exit_code":-1})", R"({"exit_code":0,"output":1})"}) {
    const auto answer = parse_tool_answer(text);
    ASSERT_FALSE(answer) << text;
    EXPECT_EQ(answer.error().code, Errc::internal) << text;
  }
}

}  // namespace
}  // namespace viaduct::cli
