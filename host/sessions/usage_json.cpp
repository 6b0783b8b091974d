#include "host/sessions/log_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace viaduct::sessions {
namespace {

using nlohmann::json;

double number(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return 0;
  const double value = found->get<double>();
  return std::isfinite(value) && value > 0 ? value : 0;
}

// It becomes a label, of which there must not be many: ISO 4217, as in ACP.
std::string currency_of(const json& cost) {
  const auto found = cost.find("currency");
  if (found == cost.end() || !found->is_string()) return "USD";
  const auto& text = found->get_ref<const std::string&>();
  const bool plausible =
      text.size() == 3 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
  return plausible ? text : "other";
}

}  // namespace

Usage parse_usage(std::string_view data) {
  const json value = json::parse(data, nullptr, false);
  if (!value.is_object()) return {};
  Usage usage{number(value, "inputTokens"), number(value, "outputTokens"),
              number(value, "cachedReadTokens"), 0, ""};
  const auto cost = value.find("cost");
  if (cost != value.end() && cost->is_object()) {
    usage.cost = number(*cost, "amount");
    usage.currency = currency_of(*cost);
  }
  return usage;
}

}  // namespace viaduct::sessions
