// Asks HTTP servers on this machine. Blocks; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::http {

// GET `path` of all these ports of 127.0.0.1 at once, each within `limit`: the bodies (1 MiB at
// most) of the answers that are 200, in the order of the ports.
std::vector<std::optional<std::string>> local_get(const std::vector<std::uint16_t>& ports,
                                                  const std::string& path,
                                                  std::chrono::milliseconds limit);

}  // namespace viaduct::http
