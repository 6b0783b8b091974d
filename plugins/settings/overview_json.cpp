#include "overview_json.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::settings {

std::optional<std::string> without_secrets(std::string_view overview) {
  using Json = nlohmann::json;
  Json json = Json::parse(overview, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto configuration = json.find("configuration");
  if (configuration != json.end() && configuration->is_array()) {
    for (Json& line : *configuration) {
      if (!line.is_object()) continue;
      const auto secret = line.find("secret");
      // Only a clear no lets the value through.
      const bool is_plain = secret != line.end() && secret->is_boolean() && !secret->get<bool>();
      if (!is_plain) line["value"] = nullptr;
    }
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace viaduct::settings
