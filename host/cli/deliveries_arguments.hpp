// The command line of `viaduct deliveries …`. Used by main alone, on its thread.
#pragma once

#include "host/cli/commands.hpp"
#include "host/cli/sessions_arguments.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viaduct::cli {

// What was given; must outlive the parse.
struct DeliveriesArguments {
  std::string id, before, surface;
  std::vector<std::string> states;
  std::uint32_t limit = 50;
  int code = 0;  // of the subcommand that was run
};

void add_deliveries_commands(CLI::App& app, const AddCommand& command, const Options& options,
                             DeliveriesArguments& given);

}  // namespace viaduct::cli
