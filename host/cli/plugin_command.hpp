// `viaduct NAME arguments…`: a subcommand of the instance NAME of the running host, by its
// viaduct.tool/1. A command of Viaduct itself goes before an instance of the same name. Any thread.
#pragma once

#include "host/cli/tool_files.hpp"
#include "host/error.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::cli {

struct PluginCommand {
  std::string config;  // --config FILE, before the name or behind it
  std::string name;
  // What is left behind the name is the plugin's; behind a "--" all is, --config, too.
  std::vector<std::string> arguments;
};

// What the command line asks for, when its first word is none of `commands`.
std::optional<PluginCommand> plugin_command(const std::vector<std::string>& words,
                                            const std::vector<std::string>& commands);

// Runs it on the host, or on an instance of its own where no host runs, and prints what it says.
// Its exit code; 1: it failed; 2: there is neither such a command nor such an instance with
// subcommands.
int run_plugin(const PluginCommand& command, const std::vector<std::string>& commands);

// plugin_command_json.cpp
struct ToolAnswer {
  int exit_code = 0;
  std::string output;
  std::vector<ToolFile> files{};  // written where the exit code is 0
};
Result<ToolAnswer> parse_tool_answer(std::string_view json);
std::string to_json(const ToolAnswer& answer);

}  // namespace viaduct::cli
