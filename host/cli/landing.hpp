// The host's own page at "/": which surfaces there are. Loop only.
#pragma once

#include "host/http/server.hpp"
#include "host/plugins/plugins.hpp"

#include <vector>

namespace viaduct::cli {

http::Response landing_page(const std::vector<plugins::InstanceStatus>& instances);
http::Response landing_style();

}  // namespace viaduct::cli
