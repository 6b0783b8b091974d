// Tries the instances of a configuration without running them: `create` is there to say what is
// wrong with a configuration, and does nothing else. Each is tried in a child process of its own,
// since a plugin may crash or hang, with a host around it that has a database in a temporary folder
// and listens nowhere. Blocks; for a process that has one thread.
#pragma once

#include "host/cli/commands.hpp"
#include "host/config/config.hpp"
#include "host/plugins/plugins.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::cli {

struct Tried {
  std::string name;
  std::optional<std::string> refused;  // why it cannot be, in the plugin's own words
  std::vector<Finding> findings{};     // what its viaduct.tool/1 finds
};

// Those of which nothing wrong is known yet, backends first; `doctor`: has them look around, too.
// `only`: by name; empty: all.
std::vector<Tried> try_instances(const config::Config& config, plugins::Loader& loader, bool doctor,
                                 const std::vector<std::string>& only = {});

// A subcommand of an instance, without a running host: what its viaduct.tool/1 answers, as JSON.
Result<std::string> try_tool(const config::Config& config, plugins::Loader& loader,
                             const std::string& name, const std::vector<std::string>& arguments);

// Reads the configuration as load_config() does, and has its instances tried: all that can be known
// to be wrong with it without a network.
config::Loaded try_config(const std::string& file, plugins::Loader& loader);

}  // namespace viaduct::cli
