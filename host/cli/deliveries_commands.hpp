// The commands `viaduct deliveries …`, and what the host answers to them.
#pragma once

#include "host/cli/commands.hpp"
#include "host/cli/control.hpp"
#include "host/delivery/delivery.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viaduct::cli {

int deliveries_list(const Options& options, const std::vector<std::string>& states,
                    const std::string& surface, const std::string& before, std::uint32_t limit);
int deliveries_retry(const Options& options, const std::string& id);
int deliveries_drop(const Options& options, const std::string& id);

// In the host: "deliveries.list", ".retry" and ".drop"; false for another command, and then `done`
// is still the caller's. On the loop.
bool serve_deliveries(delivery::Delivery& delivery, const ControlRequest& request,
                      Done<std::string>& done);

}  // namespace viaduct::cli
