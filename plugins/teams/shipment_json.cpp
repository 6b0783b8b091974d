#include "plugins/teams/shipment.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <viaduct/chat/base64.hpp>
#include <viaduct/chat/value.hpp>

namespace viaduct::teams {
namespace {

using nlohmann::json;

constexpr std::pair<Shipment::Kind, std::string_view> kKinds[] = {
    {Shipment::Kind::kPost, "post"},  {Shipment::Kind::kBegin, "begin"},
    {Shipment::Kind::kEdit, "edit"},  {Shipment::Kind::kEnd, "end"},
    {Shipment::Kind::kFile, "file"},  {Shipment::Kind::kPicture, "picture"},
    {Shipment::Kind::kAlone, "alone"}};

json object(std::string_view text) {
  json all = json::parse(text, nullptr, /*allow_exceptions=*/false);
  return all.is_object() ? all : json::object();
}
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Adds what an activity says of the stream that it belongs to, as the entity and as older clients
// know it.
void add_stream_info(json& activity, json info) {
  if (json& data = activity["channelData"]; data.is_object() || data.is_null())
    for (const auto& [name, value] : info.items()) data[name] = value;
  info["type"] = "streaminfo";
  if (!activity["entities"].is_array()) activity["entities"] = json::array();
  activity["entities"].push_back(std::move(info));
}

}  // namespace

std::string shipment_json(const Shipment& shipment) {
  json out = {{"service_url", shipment.to.service_url},
              {"conversation", shipment.to.conversation},
              {"tenant", shipment.to.tenant}};
  for (const auto& [kind, name] : kKinds)
    if (kind == shipment.kind) out["kind"] = name;
  if (shipment.to.is_personal) out["personal"] = true;
  if (shipment.to.is_targeted) out["targeted"] = true;
  if (shipment.streams) out["streams"] = true;
  if (!shipment.activity.empty()) out["activity"] = object(shipment.activity);
  const std::pair<const char*, const std::string*> texts[] = {{"of", &shipment.of},
                                                              {"reply_to", &shipment.reply_to},
                                                              {"upload_url", &shipment.upload_url},
                                                              {"person", &shipment.person},
                                                              {"file", &shipment.file}};
  for (const auto& [name, text] : texts)
    if (!text->empty()) out[name] = *text;
  return dump(out);
}

std::optional<Shipment> parse_shipment(std::string_view from) {
  const chat::Value in = chat::Value::parsed(from);
  const std::string kind = in.text("kind");
  const auto known = std::ranges::find(kKinds, kind, [](const auto& one) { return one.second; });
  if (known == std::end(kKinds)) return std::nullopt;
  Shipment shipment;
  shipment.kind = known->first;
  shipment.to = {in.text("service_url"), in.text("conversation"), in.text("tenant"),
                 in.yes("personal"), in.yes("targeted")};
  shipment.of = in.text("of");
  shipment.reply_to = in.text("reply_to");
  shipment.streams = in.yes("streams");
  shipment.upload_url = in.text("upload_url");
  shipment.file = in.text("file");
  shipment.person = in.text("person");
  const json all = object(from);
  if (const auto found = all.find("activity"); found != all.end() && found->is_object())
    shipment.activity = dump(*found);
  return shipment;
}

std::string arrival_json(const Arrival& arrival) {
  json out = {{"id", arrival.id}};
  if (arrival.streams) out["streams"] = true;
  return dump(out);
}

std::string activity_text(std::string_view activity) {
  return chat::Value::parsed(activity).text("text");
}

std::string with_text(std::string_view activity, std::string_view text) {
  json all = object(activity);
  all["text"] = text;
  return dump(all);
}

std::string frame_activity(std::string_view activity, std::string_view text,
                           std::string_view stream_id, std::uint64_t sequence) {
  json frame = {{"type", "typing"}, {"text", text}};
  const json all = object(activity);
  for (const char* name : {"textFormat", "locale"})
    if (const auto found = all.find(name); found != all.end()) frame[name] = *found;
  json info = {{"streamType", "streaming"}, {"streamSequence", sequence}};
  if (!stream_id.empty()) info["streamId"] = stream_id;
  add_stream_info(frame, std::move(info));
  return dump(frame);
}

std::string final_activity(std::string_view activity, std::string_view stream_id) {
  json all = object(activity);
  all["type"] = "message";
  add_stream_info(all, {{"streamType", "final"}, {"streamId", stream_id}});
  return dump(all);
}

bool is_picture(const chat::File& file) {
  constexpr std::size_t kLargest = 1'000'000;
  constexpr std::array<std::string_view, 3> kTypes = {"image/png", "image/jpeg", "image/gif"};
  return !file.bytes.empty() && file.bytes.size() <= kLargest &&
         std::ranges::find(kTypes, file.type) != kTypes.end();
}

std::string picture_activity(const chat::File& file) {
  json all = {
      {"type", "message"},
      {"summary", file.alt.empty() ? file.name : file.alt},
      {"attachments",
       json::array({{{"contentType", file.type},
                     {"contentUrl", "data:" + file.type + ";base64," + chat::base64(file.bytes)},
                     {"name", file.name}}})}};
  if (!file.words.empty()) all["text"] = file.words;
  return dump(all);
}

}  // namespace viaduct::teams
