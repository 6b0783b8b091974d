#include "plugins/teams/socket_json.hpp"

#include "plugins/teams/address.hpp"
#include "plugins/teams/percent.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <viaduct/chat/value.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

using nlohmann::json;

std::optional<json> object(std::string_view text) {
  if (net::too_complex(text)) return std::nullopt;
  json all = json::parse(text, nullptr, /*allow_exceptions=*/false);
  // Half a surrogate pair, as where an emoji was cut in two.
  if (all.is_discarded())
    all = json::parse(chat::Value::parsed(text).json(), nullptr, /*allow_exceptions=*/false);
  if (!all.is_object()) return std::nullopt;
  return all;
}
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

const json& member(const json& from, std::string name) {
  static const json kNone;
  if (!from.is_object()) return kNone;
  auto found = from.find(name);
  if (found == from.end()) {
    name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    found = from.find(name);
  }
  return found == from.end() ? kNone : *found;
}
std::string text(const json& from, const char* name) {
  const json& value = member(from, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

HubAddress address_of(const json& all) {
  HubAddress address{text(all, "url"), text(all, "accessToken"), std::chrono::seconds(0)};
  if (const json& lives = member(all, "expiresIn"); lives.is_number()) {
    constexpr double kMost = 30 * 24 * 3600;
    address.expires_in = std::chrono::seconds(
        static_cast<std::int64_t>(std::clamp(lives.get<double>(), 0.0, kMost)));
  }
  return address;
}

// Path and query.
std::pair<std::string_view, std::string_view> split_query(std::string_view url) {
  const std::size_t mark = std::min(url.find('?'), url.size());
  return {url.substr(0, mark), mark < url.size() ? url.substr(mark + 1) : std::string_view()};
}
std::string with_query(std::string path, std::string_view query, const std::string& more) {
  path += '?';
  if (!query.empty()) (path += query) += '&';
  return path + more;
}

}  // namespace

std::optional<HubAddress> parse_hub_address(std::string_view body) {
  const auto all = object(body);
  if (!all) return std::nullopt;
  HubAddress address = address_of(*all);
  if (address.url.empty()) return std::nullopt;
  return address;
}

std::optional<Negotiation> parse_negotiation(std::string_view body) {
  const auto all = object(body);
  if (!all) return std::nullopt;
  Negotiation said;
  said.error = text(*all, "error");
  if (HubAddress to = address_of(*all); !to.url.empty()) said.elsewhere = std::move(to);
  said.connection = text(*all, "connectionToken");
  if (said.connection.empty()) said.connection = text(*all, "connectionId");
  if (const json& ways = member(*all, "availableTransports"); ways.is_array())
    said.has_web_sockets = std::ranges::any_of(
        ways, [](const json& way) { return text(way, "transport") == "WebSockets"; });
  return said;
}

std::string hub_url(std::string_view url, bool is_local) {
  std::string over_http(url);
  if (url.starts_with("ws")) over_http = "http" + over_http.substr(2);
  const bool is_plain =
      std::ranges::all_of(over_http, [](char c) { return c > ' ' && c < 0x7F && c != '#'; });
  const auto address = parse_address(split_query(over_http).first);
  if (!is_plain || !address) return {};
  const bool is_allowed = address->is_secure || (is_local && address->is_loopback);
  return is_allowed ? over_http : std::string();
}

std::string negotiate_url(std::string_view hub) {
  const auto [path, query] = split_query(hub);
  std::string to(path);
  if (to.ends_with('/')) to.pop_back();
  return with_query(to + "/negotiate", query, "negotiateVersion=1");
}

std::string hub_socket_url(std::string_view hub, std::string_view connection,
                           std::string_view access_token) {
  const auto [path, query] = split_query(hub);
  std::string more = "id=" + percent_encoded(connection);
  if (!access_token.empty()) more += "&access_token=" + percent_encoded(access_token);
  return with_query("ws" + std::string(path.substr(4)), query, more);
}

std::string hub_handshake() {
  return std::string(R"({"protocol":"json","version":1})") + kHubEnd;
}

std::string hub_ping() {
  return std::string(R"({"type":6})") + kHubEnd;
}

std::optional<HubMessage> parse_hub_message(std::string_view from) {
  const auto all = object(from);
  if (!all) return std::nullopt;
  HubMessage message;
  message.error = text(*all, "error");
  const json& type = member(*all, "type");
  if (!type.is_number_integer()) {
    message.kind = HubMessage::Kind::kHandshake;
    return message;
  }
  constexpr int kInvocation = 1, kPing = 6, kClose = 7;
  const auto number = type.get<std::int64_t>();
  if (number == kPing) message.kind = HubMessage::Kind::kPing;
  // What it says of coming back is of the same connection; ours is always a new one.
  if (number == kClose) message.kind = HubMessage::Kind::kClose;
  if (number != kInvocation) return message;
  message.kind = HubMessage::Kind::kInvocation;
  message.invocation = text(*all, "invocationId");
  message.target = text(*all, "target");
  if (message.target == "SocketReady") message.kind = HubMessage::Kind::kReady;
  if (message.target != "Activity") return message;
  message.kind = HubMessage::Kind::kActivity;
  const json& arguments = member(*all, "arguments");
  if (!arguments.is_array() || arguments.empty()) return message;
  const json& envelope = arguments.front();
  message.envelope = text(envelope, "envelopeId");
  const json* activity = &member(envelope, "payload");
  if (!activity->is_object()) activity = &member(envelope, "activity");
  if (!activity->is_object()) return message;
  message.activity = dump(*activity);
  message.is_invoke = text(envelope, "type") == "invoke" || text(*activity, "type") == "invoke";
  return message;
}

std::string hub_answer(const HubAnswer& answer) {
  json result = {{"protocolVersion", 1},      {"envelopeId", answer.envelope},
                 {"botKey", answer.app_id},   {"status", answer.status},
                 {"recvAt", answer.received}, {"ts", answer.answered}};
  if (!answer.body.empty()) {
    json body = json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    if (!body.is_discarded()) result["body"] = std::move(body);
  }
  return dump({{"type", 3}, {"invocationId", answer.invocation}, {"result", std::move(result)}}) +
         kHubEnd;
}

std::string hub_refusal(std::string_view invocation) {
  return dump({{"type", 3},
               {"invocationId", invocation},
               {"error", "nothing is known of it here"}}) +
         kHubEnd;
}

}  // namespace viaduct::teams
