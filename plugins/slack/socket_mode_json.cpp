#include "plugins/slack/socket_mode_json.hpp"

#include <viaduct/chat/value.hpp>
#include "plugins/slack/config.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <viaduct/net/text.hpp>
#include <viaduct/sdk/base.hpp>

namespace viaduct::slack {

using nlohmann::json;

std::optional<SocketMessage> parse_socket_message(std::string_view text) {
  if (net::too_complex(text)) return std::nullopt;
  const json all = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object()) return std::nullopt;
  const auto words = [&](const char* name) {
    const auto found = all.find(name);
    return found != all.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto number = [&](const char* name) {
    const auto found = all.find(name);
    if (found == all.end() || !found->is_number_unsigned()) return 0U;
    return static_cast<unsigned>(std::min<std::uint64_t>(found->get<std::uint64_t>(), 1'000'000));
  };
  SocketMessage message;
  message.type = words("type");
  message.envelope_id = words("envelope_id");
  message.reason = words("reason");
  message.retry = number("retry_attempt");
  message.connections = static_cast<int>(number("num_connections"));
  const auto takes = all.find("accepts_response_payload");
  message.takes_payload = takes != all.end() && takes->is_boolean() && takes->get<bool>();
  if (const auto payload = all.find("payload"); payload != all.end())
    message.payload = payload->dump(-1, ' ', false, json::error_handler_t::replace);
  return message;
}

std::string ack_json(std::string_view envelope_id, std::string_view answer) {
  std::string text = R"({"envelope_id":)" + sdk::json_string(envelope_id);
  if (!answer.empty()) (text += R"(,"payload":)") += answer;
  return text + "}";
}

std::string socket_url(std::string_view answer, std::string_view base_url) {
  std::string url = chat::Value::parsed(answer).text("url");
  if (url.starts_with("wss://")) return url;
  if (!url.starts_with("ws://") || !is_loopback_url(base_url)) return {};
  const std::string same = "http" + url.substr(2, url.find_first_of("?#") - 2);
  return is_loopback_url(same) ? url : std::string();
}

}  // namespace viaduct::slack
