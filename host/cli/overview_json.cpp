#include "host/cli/overview.hpp"
#include "host/cli/places.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::cli {

using nlohmann::json;

std::string overview_json(const config::Config& config, const store::Counts& counts,
                          std::int64_t uptime_seconds) {
  json configuration = json::array();
  for (const config::Origin& origin : config.origins) {
    json value = origin.secret ? json() : json::parse(origin.value, nullptr, false);
    if (value.is_discarded()) value = origin.value;
    configuration.push_back({{"path", origin.path},
                             {"value", std::move(value)},
                             {"origin", origin.origin},
                             {"secret", origin.secret}});
  }
  return json{{"version", version()},
              {"uptime_seconds", uptime_seconds},
              {"configuration", std::move(configuration)},
              {"sessions", counts.sessions},
              {"memories", counts.memories}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace viaduct::cli
