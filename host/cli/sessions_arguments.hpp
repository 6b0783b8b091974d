// The command line of `viaduct sessions …`. Used by main alone, on its thread.
#pragma once

#include "host/cli/commands.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace viaduct::cli {

// What was given; must outlive the parse.
struct SessionsArguments {
  std::string id, before, backend, surface, older_than;
  std::uint32_t limit = 50;
  int code = 0;  // of the subcommand that was run
  bool all = false;
  bool dry_run = false;
};

// `command` adds one subcommand to its parent, with --config and --json.
using AddCommand = std::function<CLI::App*(CLI::App& parent, const char* name, const char* what,
                                           std::function<int()> run)>;
void add_sessions_commands(CLI::App& app, const AddCommand& command, const Options& options,
                           SessionsArguments& given);

}  // namespace viaduct::cli
