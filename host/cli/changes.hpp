// What differs between the configuration that a host runs with and the one that is in its file now.
// A pure function; any thread.
#pragma once

#include "host/config/config.hpp"

#include <string>
#include <vector>

namespace viaduct::cli {

struct Changes {
  std::vector<std::string> reload;   // instances by name; `viaduct reload` takes them up
  std::vector<std::string> restart;  // paths of what is read at the start only
};
Changes changes(const config::Config& running, const config::Config& fresh);

// Whether a reload takes up what stands there.
bool is_reloadable(const config::Origin& origin);

}  // namespace viaduct::cli
