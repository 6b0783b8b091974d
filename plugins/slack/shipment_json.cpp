#include "plugins/slack/shipment.hpp"

#include "plugins/slack/markdown.hpp"
#include "plugins/slack/message_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace viaduct::slack {
namespace {

using nlohmann::json;

constexpr std::pair<Shipment::Kind, std::string_view> kKinds[] = {
    {Shipment::Kind::kPost, "post"},
    {Shipment::Kind::kEdit, "edit"},
    {Shipment::Kind::kEnd, "end"},
    {Shipment::Kind::kRespond, "respond"},
    {Shipment::Kind::kFile, "file"}};

json read(std::string_view text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}
std::string text(const json& from, std::string_view name) {
  if (!from.is_object()) return {};
  const auto found = from.find(name);
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string();
}
json member(const json& from, std::string_view name) {
  if (!from.is_object()) return json();
  const auto found = from.find(name);
  return found == from.end() ? json() : *found;
}
json object(std::string_view from) {
  json read_in = read(from);
  return read_in.is_object() ? read_in : json::object();
}

std::string key_in(const json& message) {
  return text(member(member(message, "metadata"), "event_payload"), "key");
}

bool has_file(const json& message, std::string_view file) {
  const json files = member(message, "files");
  return files.is_array() &&
         std::ranges::any_of(files, [&](const json& one) { return text(one, "id") == file; });
}

// Letters, digits, and whatever is no ASCII: what stays of a text however it is marked up.
std::string bare(std::string_view words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const std::string_view entity : {"&amp;", "&lt;", "&gt;"})
      if (words.substr(i).starts_with(entity)) i += entity.size() - 1;
    const auto c = static_cast<unsigned char>(words[i]);
    if (std::isalnum(c) != 0 || c >= 0x80) out += words[i];
  }
  return out;
}

// All text of a message, wherever it is.
void gather(const json& blocks, std::string& out) {
  if (blocks.is_object()) {
    if (const std::string words = text(blocks, "text"); !words.empty()) out += words;
    for (const auto& [name, inner] : blocks.items())
      if (inner.is_structured()) gather(inner, out);
  } else if (blocks.is_array()) {
    for (const json& one : blocks) gather(one, out);
  }
}

}  // namespace

std::string shipment_json(const Shipment& shipment) {
  json out = {{"team", shipment.team}, {"method", shipment.method}};
  for (const auto& [kind, name] : kKinds)
    if (kind == shipment.kind) out["kind"] = std::string(name);
  if (!shipment.args.empty()) out["args"] = object(shipment.args);
  if (!shipment.of.empty()) out["of"] = shipment.of;
  if (!shipment.markdown.empty()) out["markdown"] = shipment.markdown;
  if (shipment.since != 0) out["since"] = shipment.since;
  return dump(out);
}

std::optional<Shipment> parse_shipment(std::string_view from) {
  const json in = read(from);
  const std::string kind = text(in, "kind");
  Shipment shipment;
  bool known = false;
  for (const auto& [one, name] : kKinds)
    if (name == kind) {
      shipment.kind = one;
      known = true;
    }
  if (!known) return std::nullopt;
  shipment.team = text(in, "team");
  shipment.method = text(in, "method");
  shipment.of = text(in, "of");
  shipment.markdown = text(in, "markdown");
  if (const json since = member(in, "since"); since.is_number_integer())
    shipment.since = since.get<std::int64_t>();
  const json args = member(in, "args");
  shipment.args = dump(args.is_object() ? args : json::object());
  return shipment;
}

std::string arrival_json(const Arrival& arrival) {
  return dump({{"channel", arrival.channel}, {"ts", arrival.ts}});
}

std::optional<Arrival> parse_arrival(std::string_view from) {
  const json in = read(from);
  Arrival arrival{text(in, "channel"), text(in, "ts")};
  if (arrival.channel.empty() || arrival.ts.empty()) return std::nullopt;
  return arrival;
}

Arrival posted_at(std::string_view answer) {
  const json in = read(answer);
  Arrival arrival{text(in, "channel"), text(in, "ts")};
  if (arrival.ts.empty()) arrival.ts = text(in, "message_ts");
  if (arrival.ts.empty()) arrival.ts = text(member(in, "message"), "ts");
  return arrival;
}

std::string with_place(std::string_view args, const Arrival& at) {
  json out = object(args);
  out["channel"] = at.channel;
  out["ts"] = at.ts;
  return dump(out);
}

std::string with_key(std::string_view args, std::string_view key) {
  json out = object(args);
  out["metadata"] = object(key_metadata(key));
  return dump(out);
}

std::string new_message(std::string_view args, const chat::Place& place, std::string_view key) {
  const json from = object(args);
  const json blocks = member(from, "blocks");
  return post_args(place, {text(from, "text"), blocks.is_array() ? dump(blocks) : ""}, key);
}

std::string without_blocks(std::string_view args) {
  json out = object(args);
  for (const json& block : member(out, "blocks"))
    if (const std::string markdown = text(block, "text");
        text(block, "type") == "markdown" && !markdown.empty())
      out["text"] = mrkdwn(markdown);
  out["blocks"] = json::array();
  return dump(out);
}

std::string argument(std::string_view args, std::string_view name) {
  return text(read(args), name);
}

std::optional<Posted> parse_posted(std::string_view from) {
  const json in = read(from);
  if (!in.is_object()) return std::nullopt;
  Posted posted;
  posted.is_new = member(in, "new") == true;
  posted.state = text(in, "state");
  if (const json result = member(in, "result"); result.is_object())
    posted.arrival = parse_arrival(dump(result));
  return posted;
}

std::optional<Search> find_by_key(std::string_view answer, std::string_view channel,
                                  std::string_view key, std::string_view file) {
  const json page = read(answer);
  if (!member(page, "messages").is_array()) return std::nullopt;
  Search result;
  for (const json& message : page["messages"]) {
    if (key_in(message) != key && (file.empty() || !has_file(message, file))) continue;
    result.found = Arrival{std::string(channel), text(message, "ts")};
    return result;
  }
  result.more = member(page, "has_more") == true;
  result.cursor = text(member(page, "response_metadata"), "next_cursor");
  return result;
}

std::optional<StreamSearch> find_stream(std::string_view answer, std::string_view channel,
                                        std::string_view bot_user, std::string_view beginning,
                                        std::int64_t since) {
  const json page = read(answer);
  if (!member(page, "messages").is_array()) return std::nullopt;
  StreamSearch result;
  const std::string wanted = bare(beginning);
  for (const json& message : page["messages"]) {
    const std::string ts = text(message, "ts");
    const std::string subtype = text(message, "subtype");
    if (text(message, "user") != bot_user || !key_in(message).empty() ||
        (!subtype.empty() && subtype != "bot_message"))
      continue;
    if (std::strtoll(ts.c_str(), nullptr, 10) < since) continue;
    std::string inside;
    gather(member(message, "blocks"), inside);
    const bool fits = !wanted.empty() && (bare(text(message, "text")).starts_with(wanted) ||
                                          bare(inside).starts_with(wanted));
    (fits ? result.fitting : result.others).push_back({std::string(channel), ts});
  }
  result.more = member(page, "has_more") == true;
  result.cursor = text(member(page, "response_metadata"), "next_cursor");
  return result;
}

}  // namespace viaduct::slack
