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

std::optional<std::string> checks_alone(std::string_view answer) {
  using Json = nlohmann::json;
  const Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  Json checks = Json::array();
  const auto all = json.find("checks");
  if (all != json.end() && all->is_array()) {
    for (const Json& one : *all) {
      if (!one.is_object()) continue;
      Json shown = Json::object();
      for (const char* key : {"name", "message"})
        if (const auto at = one.find(key); at != one.end() && at->is_string()) shown[key] = *at;
      for (const char* key : {"ok", "skipped"})
        if (const auto at = one.find(key); at != one.end() && at->is_boolean()) shown[key] = *at;
      checks.push_back(std::move(shown));
    }
  }
  return Json{{"checks", std::move(checks)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace viaduct::settings
