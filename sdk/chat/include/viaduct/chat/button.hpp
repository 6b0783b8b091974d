// The buttons that surfaces put under their messages, and what a press of one brings back. Pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::chat {

// What a button does; what follows a colon makes it unique in a message.
inline constexpr std::string_view kConnectAction = "connect";  // value: a session's id
inline constexpr std::string_view kRetryAction = "retry";      // value: turn_value()
inline constexpr std::string_view kShowAction = "show";        // value: turn_value()
inline constexpr std::string_view kStopAction = "stop";        // value: turn_value()
inline constexpr std::string_view kPermitAction = "permit";    // value: permit_value()
inline constexpr std::string_view kAdoptAction = "adopt";      // value: left_value()
inline constexpr std::string_view kPickAction = "pick";  // pick:WORD:N, a session for a command

struct Button {
  std::string action;  // empty: there is none
  std::string label;
  std::string value;  // to 2000 characters
  enum class Style { kPlain, kPrimary, kDanger } style = Style::kPlain;
};

struct PermitValue {
  std::string session;
  std::uint64_t entry = 0;
  std::string option;
};
std::string permit_value(const PermitValue& value);
std::optional<PermitValue> parse_permit(std::string_view value);

// A session that another program left.
struct LeftValue {
  std::string backend;
  std::string native_id;
};
std::string left_value(const LeftValue& value);
std::optional<LeftValue> parse_left(std::string_view value);

struct TurnValue {
  std::string session;
  std::uint64_t turn = 0;
};
std::string turn_value(const TurnValue& value);
std::optional<TurnValue> parse_turn(std::string_view value);

}  // namespace viaduct::chat
