#include "host/config/plugin_config.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace viaduct::config {

namespace {

using nlohmann::json;

json parsed_object(const std::string& text) {
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_object() ? parsed : json::object();
}

// Whether what stands there, and is not what a file holds, may be shown after all.
bool is_open(const Node& node, const json& schema) {
  return schema.value("x-secret", true) == false && !node.broken &&
         std::ranges::none_of(node.references, [](const auto& reference) {
           return reference.first.starts_with("${file:");
         });
}

void open_below(Node& node, const json& schema) {
  if (node.kind == Node::Kind::scalar && is_open(node, schema) && fits(schema.dump(), node.text)) {
    node.secret = false;
    node.secrets.clear();
  }
  const json properties = schema.value("properties", json::object());
  for (Entry& entry : node.entries)
    if (const auto property = properties.find(entry.key); property != properties.end())
      open_below(entry.value, *property);
}

}  // namespace

void open_values(Node& config, const std::string& schema) {
  open_below(config, parsed_object(schema));
}

bool schema_has_key(const std::string& schema, const std::string& key) {
  const json parsed = json::parse(schema, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return false;
  if (parsed.value("properties", json::object()).contains(key)) return true;
  for (const char* branches : {"anyOf", "oneOf", "allOf"})
    for (const json& branch : parsed.value(branches, json::array()))
      if (branch.value("properties", json::object()).contains(key)) return true;
  return false;
}

std::vector<std::pair<std::string, std::string>> folders_of(const std::string& schema,
                                                            const std::string& config) {
  const json parsed = json::parse(schema, nullptr, /*allow_exceptions=*/false);
  const json values = json::parse(config, nullptr, /*allow_exceptions=*/false);
  std::vector<std::pair<std::string, std::string>> all;
  if (!parsed.is_object() || !values.is_object()) return all;
  const auto is_folder = [](const json& part) { return part.value("x-folder", false); };
  for (const auto& [name, property] : parsed.value("properties", json::object()).items()) {
    const auto value = values.find(name);
    if (value == values.end()) continue;
    if (value->is_string() && is_folder(property))
      all.emplace_back(name, value->get<std::string>());
    if (!value->is_array() || !is_folder(property.value("items", json::object()))) continue;
    for (const json& item : *value)
      if (item.is_string()) all.emplace_back(name, item.get<std::string>());
  }
  return all;
}

std::vector<std::pair<std::string, std::string>> credentials_of(const std::string& schema,
                                                                const std::string& config) {
  const json parsed = json::parse(schema, nullptr, /*allow_exceptions=*/false);
  const json values = json::parse(config, nullptr, /*allow_exceptions=*/false);
  std::vector<std::pair<std::string, std::string>> all;
  if (!parsed.is_object() || !values.is_object()) return all;
  for (const auto& [name, property] : parsed.value("properties", json::object()).items())
    if (property.value("x-credential", false) && values.contains(name) && values[name].is_string())
      if (auto value = values[name].get<std::string>(); !value.empty())
        all.emplace_back(name, std::move(value));
  return all;
}

std::vector<std::pair<std::string, std::string>> wanted_of(const std::string& schema,
                                                           const std::string& config) {
  const json values = parsed_object(config);
  const json properties = parsed_object(schema).value("properties", json::object());
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& [name, property] : properties.items())
    if (property.contains("x-wanted") && !values.contains(name))
      all.emplace_back(name, property.value("x-wanted", ""));
  return all;
}

bool schema_needs_backend(const std::string& schema) {
  const json parsed = json::parse(schema, nullptr, /*allow_exceptions=*/false);
  return parsed.is_object() && parsed.value("x-needs-backend", json()) == json(true);
}

std::vector<Route> routes_of(const std::string& schema, const std::string& config) {
  const json properties = parsed_object(schema).value("properties", json::object());
  const json values = parsed_object(config);
  std::vector<Route> all;
  for (const auto& [name, property] : properties.items()) {
    const auto route = property.find("x-route");
    if (route == property.end() || values.value(name, json(true)) != json(true)) continue;
    const json unless = route->value("unless", json::object());
    const bool elsewhere = std::ranges::any_of(unless.items(), [&](const auto& one) {
      return values.value(one.key(), json()) == one.value();
    });
    if (!elsewhere) all.push_back({name, route->value("path", "")});
  }
  return all;
}

}  // namespace viaduct::config
