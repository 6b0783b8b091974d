// What viaduct.overview/1 says of the host, without the instances. Any thread.
#pragma once

#include "host/config/config.hpp"
#include "host/store/store.hpp"

#include <string>

namespace viaduct::cli {

std::string overview_json(const config::Config& config, const store::Counts& counts,
                          std::int64_t uptime_seconds);

}  // namespace viaduct::cli
