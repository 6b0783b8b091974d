#include "host/cli/local_models.hpp"

#include "host/http/local_get.hpp"

#include <utility>

namespace viaduct::cli {

std::vector<LocalServer> find_model_servers(const std::vector<std::uint16_t>& ports,
                                            std::chrono::milliseconds limit) {
  const auto bodies = http::local_get(ports, "/v1/models", limit);
  std::vector<LocalServer> servers;
  for (std::size_t i = 0; i < ports.size(); ++i)
    if (auto models = bodies[i] ? parse_models(*bodies[i]) : std::nullopt)
      servers.push_back({ports[i], std::move(*models)});
  return servers;
}

}  // namespace viaduct::cli
