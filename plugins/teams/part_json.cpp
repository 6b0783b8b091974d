#include "plugins/teams/part.hpp"

#include <nlohmann/json.hpp>
#include <viaduct/chat/value.hpp>

namespace viaduct::teams {
namespace {

using nlohmann::json;

constexpr char kBeside = '\x1f';  // no text that is shown has such a sign

}  // namespace

std::string part_json(const Part& part) {
  if (!part.is_last && part.citations.empty()) return part.text;
  json beside = {{"last", part.is_last}, {"citations", json::array()}};
  for (const Citation& one : part.citations)
    beside["citations"].push_back({{"position", one.position},
                                   {"name", one.name},
                                   {"abstract", one.abstract},
                                   {"url", one.url}});
  return part.text + kBeside + beside.dump(-1, ' ', false, json::error_handler_t::replace);
}

Part parse_part(std::string_view part) {
  const std::size_t end = part.find(kBeside);
  Part read{std::string(part.substr(0, end)), false, {}};
  if (end == part.npos) return read;
  const chat::Value beside = chat::Value::parsed(part.substr(end + 1));
  read.is_last = beside.yes("last");
  for (const chat::Value& one : beside.at("citations").items())
    read.citations.push_back({static_cast<std::uint32_t>(one.number("position")), one.text("name"),
                              one.text("abstract"), one.text("url")});
  return read;
}

}  // namespace viaduct::teams
