#include "host/cli/commands.hpp"
#include "host/cli/local_models.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::cli {

using nlohmann::json;

std::optional<std::vector<std::string>> parse_models(std::string_view body) {
  constexpr std::size_t kLongestName = 256;
  const json value = json::parse(body, nullptr, false);  // refuses what is not UTF-8
  if (!value.is_object()) return std::nullopt;
  const auto data = value.find("data");
  if (data == value.end()) return std::nullopt;
  std::vector<std::string> models;
  if (data->is_null()) return models;  // Ollama without a model
  if (!data->is_array()) return std::nullopt;
  for (const json& model : *data) {
    const auto id = model.is_object() ? model.find("id") : model.end();
    if (id == model.end() || !id->is_string()) return std::nullopt;
    const std::string name = id->get<std::string>();
    if (!name.empty() && name.size() <= kLongestName && printable(name) == name)
      models.push_back(name);
  }
  return models;
}

}  // namespace viaduct::cli
