#include "host/plugins/delivery_service.hpp"
#include "host/plugins/plugins_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace viaduct::plugins {

// Payloads and results are stored as the JSON that came, so they go out as they are.
namespace {

std::string_view or_null(const std::string& json) {
  return json.empty() ? std::string_view("null") : std::string_view(json);
}

}  // namespace

std::string received_json(bool fresh) {
  return fresh ? R"({"new":true})" : R"({"new":false})";
}

std::string to_json(const delivery::Delivery::Unhandled& unhandled) {
  std::string text = R"({"events":[)";
  for (const auto& event : unhandled.page.events) {
    if (text.back() != '[') text += ',';
    text += fmt::format(R"({{"number":{},"key":{},"payload":{},"age_ms":{}}})", event.number,
                        json_quoted(event.key), event.payload,
                        std::max<store::Micros>(unhandled.now - event.at, 0) / 1000);
  }
  return text + fmt::format(R"(],"more":{}}})", unhandled.page.more);
}

std::string to_json(const store::Posted& posted) {
  return fmt::format(R"({{"new":{},"state":"{}","result":{}}})", posted.fresh, name(posted.state),
                     or_null(posted.result));
}

std::string found_json(const store::Parcel& parcel) {
  return fmt::format(R"({{"state":"{}","result":{},"reason":{}}})", name(parcel.state),
                     or_null(parcel.result), json_quoted(parcel.reason));
}

std::chrono::milliseconds parse_retry_after(std::string_view json) {
  const auto value = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return {};
  const auto found = value.find("retry_after_ms");
  if (found == value.end() || !found->is_number()) return {};
  constexpr double kMost = 24.0 * 3600 * 1000;
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(std::clamp(found->get<double>(), 0.0, kMost)));
}

}  // namespace viaduct::plugins
