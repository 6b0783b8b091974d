#include <viaduct/chat/button.hpp>

#include <viaduct/chat/value.hpp>

#include <nlohmann/json.hpp>

namespace viaduct::chat {
namespace {

std::string dump(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string permit_value(const PermitValue& value) {
  return dump({{"s", value.session}, {"e", value.entry}, {"o", value.option}});
}

std::optional<PermitValue> parse_permit(std::string_view text) {
  const Value from = Value::parsed(text);
  PermitValue value{from.text("s"), from.number("e"), from.text("o")};
  if (value.session.empty() || value.entry == 0) return std::nullopt;
  return value;
}

std::string left_value(const LeftValue& value) {
  return dump({{"b", value.backend}, {"n", value.native_id}});
}

std::optional<LeftValue> parse_left(std::string_view text) {
  const Value from = Value::parsed(text);
  LeftValue value{from.text("b"), from.text("n")};
  if (value.native_id.empty()) return std::nullopt;
  return value;
}

std::string turn_value(const TurnValue& value) {
  return dump({{"s", value.session}, {"t", value.turn}});
}

std::optional<TurnValue> parse_turn(std::string_view text) {
  const Value from = Value::parsed(text);
  TurnValue value{from.text("s"), from.number("t")};
  if (value.session.empty() || value.turn == 0) return std::nullopt;
  return value;
}

}  // namespace viaduct::chat
