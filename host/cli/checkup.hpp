// What `viaduct doctor` hears from the host that runs. On the loop.
#pragma once

#include "host/cli/commands.hpp"
#include "host/config/config.hpp"
#include "host/delivery/delivery.hpp"
#include "host/plugins/plugins.hpp"

#include <string>
#include <vector>

namespace viaduct::cli {

// What the host runs with.
struct Running {
  std::string file;
  const config::Config& config;
  std::string refused;  // why the last reload was, if it was
};

struct Comparison {
  Finding host;
  std::vector<std::string> outdated;  // instances whose file says something else by now
  bool readable = true;               // it is this host's file, and nothing is wrong with it
};
// Whether what runs is what `file`, which somebody asks about, says now. `now`: what is in the
// running host's own file. A pure function.
Comparison compare(const std::string& file, const Running& running, const config::Loaded& now);

// Asks every instance; answers with JSON for parse_findings() and parse_failed(). All but `done`
// outlive the answer.
void look_around(plugins::Plugins& plugins, delivery::Delivery& delivery, const Redactor& redactor,
                 Comparison comparison, Done<std::string> done);

}  // namespace viaduct::cli
