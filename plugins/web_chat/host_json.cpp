#include "host_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace viaduct::web_chat {
namespace {

using Json = nlohmann::json;

Json parse(std::string_view text) {
  return Json::parse(text, nullptr, false);
}
std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}
std::unexpected<Status> defect(std::string message) {
  return std::unexpected(Status{Code::kInternal, std::move(message)});
}
std::string text_of(const Json& object, const char* name) {
  return object.contains(name) && object[name].is_string() ? object[name].get<std::string>() : "";
}
bool flag_of(const Json& object, const char* name) {
  return object.contains(name) && object[name] == Json(true);
}

// As in the configuration: `backend`, then those of `backends`; what stands first is the default.
std::vector<std::string> backends_of(const Json& overview, std::string_view surface) {
  const std::string path = "surfaces." + std::string(surface);
  const std::string listed = path + ".backends[";
  std::vector<std::string> names;
  const auto configuration = overview.find("configuration");
  if (configuration == overview.end() || !configuration->is_array()) return names;
  for (const Json& value : *configuration) {
    if (!value.is_object()) continue;
    const std::string at = text_of(value, "path");
    const bool is_default = at == path + ".backend";
    std::string name = text_of(value, "value");
    if (name.empty() || (!is_default && !at.starts_with(listed))) continue;
    std::erase_if(names, [&](const std::string& known) { return is_default && known == name; });
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    names.insert(is_default ? names.begin() : names.end(), std::move(name));
  }
  return names;
}

}  // namespace

std::string agent_json(std::string_view overview, std::string_view surface,
                       std::string_view backend) {
  const Json json = parse(overview);
  if (!json.is_object()) return "null";
  std::string wanted(backend);
  if (wanted.empty()) {
    const auto names = backends_of(json, surface);
    if (!names.empty()) wanted = names.front();
  }
  const auto instances = json.find("instances");
  if (wanted.empty() || instances == json.end() || !instances->is_array()) return "null";
  for (const Json& instance : *instances) {
    if (!instance.is_object() || text_of(instance, "kind") != "backend" ||
        text_of(instance, "name") != wanted)
      continue;
    const std::string plugin = text_of(instance, "plugin");
    return dump(Json{{"backend", wanted}, {"plugin", plugin}, {"mock", plugin == "mock"}});
  }
  return "null";
}

std::string backends_json(std::string_view overview, std::string_view surface) {
  const Json json = parse(overview);
  return json.is_object() ? dump(Json(backends_of(json, surface))) : "[]";
}

Parsed<std::string> sessions_body(std::string_view list, std::string_view current) {
  const Json json = parse(list);
  const auto sessions = json.is_object() ? json.find("sessions") : json.end();
  if (!json.is_object() || sessions == json.end() || !sessions->is_array())
    return defect("the host's answer to list has no sessions");
  Json out = Json::array();
  for (const Json& session : *sessions) {
    if (!session.is_object()) continue;
    const std::string id = text_of(session, "session_id");
    out.push_back({{"session_id", id},
                   {"description", text_of(session, "description")},
                   {"created_at", text_of(session, "created_at")},
                   {"last_active", text_of(session, "last_active")},
                   {"is_active", id == current && !flag_of(session, "ended")},
                   {"project_id", text_of(session, "project_id")}});
  }
  Json body{{"sessions", std::move(out)}};
  if (std::string next = text_of(json, "next"); !next.empty()) body["next"] = std::move(next);
  return dump(body);
}

Parsed<OpenPermissions> open_permissions(std::string_view history) {
  const Json json = parse(history);
  const auto entries = json.is_object() ? json.find("entries") : json.end();
  if (!json.is_object() || entries == json.end() || !entries->is_array())
    return defect("the host's answer to history has no entries");
  Json open = Json::array();
  OpenPermissions found;
  for (const Json& entry : *entries) {
    if (!entry.is_object()) continue;
    const auto number = entry.find("entry");
    if (found.before == 0 && number != entry.end() && number->is_number_unsigned())
      found.before = number->get<std::uint64_t>();
    const auto data = entry.find("data");
    if (text_of(entry, "type") == "permission" && data != entry.end() && data->is_object() &&
        text_of(*data, "status") == "pending")
      open.push_back(entry);
  }
  if (!open.empty()) found.entries = dump(open);
  if (!flag_of(json, "more")) found.before = 0;
  return found;
}

}  // namespace viaduct::web_chat
