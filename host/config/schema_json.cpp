#include "host/config/config.hpp"
#include "host/config/plugin_config.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::config {

namespace {

using Json = nlohmann::ordered_json;

Json text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

// Numbers with a unit, or a reference.
Json with_unit(const char* pattern, const char* description) {
  return {{"type", "string"},
          {"pattern", std::string("^[0-9]+(") + pattern + ")$|\\$\\{"},
          {"description", description}};
}
Json duration(const char* description) {
  return with_unit("ms|s|m|h|d", description);
}
Json size(const char* description) {
  return with_unit("B|kB|KB|KiB|MB|MiB|GB|GiB", description);
}

Json map(Json properties, const char* description) {
  return {{"type", {"object", "null"}},
          {"description", description},
          {"properties", std::move(properties)},
          {"additionalProperties", false}};
}

Json server() {
  Json limits;
  limits["header"] = size("largest request header");
  limits["body"] = size("largest request body");
  limits["message"] = size("largest WebSocket message from a client");
  limits["connections"] = {
      {"anyOf",
       {{{"type", "integer"}, {"minimum", 1}}, {{"type", "string"}, {"pattern", "\\$\\{"}}}},
      {"description", "most connections at once"}};
  limits["header_timeout"] = duration("time to send a whole request header");
  limits["body_timeout"] = duration("time to send a whole request body");
  limits["idle_timeout"] = duration("time between two requests on one connection");
  limits["answer_timeout"] = duration("time for a plugin to answer");
  limits["send_queue"] = size("what may wait for one slow client");
  limits["send_timeout"] = duration("time for a slow client to take something");
  limits["ping"] = duration("how often WebSockets are pinged");
  return map(
      {{"listen", text("loopback address and port of the pages, such as 127.0.0.1:8410")},
       {"webhooks", map({{"listen", text("address and port that serve webhooks and nothing else")}},
                        "a listener of its own for requests that carry their own proof")},
       {"allowed_hosts",
        {{"type", "array"},
         {"items", {{"type", "string"}}},
         {"description", "further hosts that browsers may use, such as viaduct.example"}}},
       {"limits", map(std::move(limits), "what one client may use")}},
      "the HTTP server");
}

// A map of instances of one kind; each plugin's own schema holds for its `config`.
Json instances(const std::map<std::string, PluginFacts>& plugins, bool surfaces) {
  Json instance = {{"type", "object"}, {"required", {"plugin"}}};
  Json names = Json::array();
  Json rules = Json::array();
  for (const auto& [name, facts] : plugins) {
    if (facts.is_surface != surfaces) continue;
    names.push_back(name);
    const auto prepared = prepare_schema(facts.schema);
    if (!prepared) continue;
    Json schema = Json::parse(*prepared);
    rules.push_back(
        {{"if", {{"properties", {{"plugin", {{"const", name}}}}}, {"required", {"plugin"}}}},
         {"then", {{"properties", {{"config", std::move(schema)}}}}}});
  }
  Json& properties = instance["properties"];
  properties["plugin"] = text("name of the plugin's file, without .so");
  if (!names.empty()) properties["plugin"]["enum"] = std::move(names);
  if (surfaces) {
    properties["backend"] = text("the backend that answers");
    properties["backends"] = {{"type", "array"},
                              {"items", {{"type", "string"}}},
                              {"uniqueItems", true},
                              {"description", "the backends that a user may pick"}};
  }
  properties["config"] = {{"type", {"object", "null"}},
                          {"description", "the plugin's own settings"}};
  instance["additionalProperties"] = false;
  if (!rules.empty()) instance["allOf"] = std::move(rules);
  return {{"type", {"object", "null"}},
          {"description", surfaces ? "where people talk, by name" : "what answers, by name"},
          {"patternProperties", {{"^[a-z][a-z0-9-]{0,62}$", std::move(instance)}}},
          {"additionalProperties", false}};
}

}  // namespace

std::string schema(const std::map<std::string, PluginFacts>& plugins) {
  Json properties;
  properties["server"] = server();
  properties["plugins"] =
      map({{"path",
            {{"type", "array"},
             {"items", {{"type", "string"}}},
             {"description", "folders that are searched before the installed one"}}}},
          "where plugins are found");
  properties["store"] =
      map({{"driver", {{"enum", {"sqlite"}}}},
           {"path", text("the database file; keys and the control socket live in its folder")}},
          "where conversations are kept");
  properties["log"] = map({{"level", {{"enum", {"debug", "info", "warn", "error"}}}},
                           {"format", {{"enum", {"text", "json"}}}}},
                          "log lines on standard error");
  properties["backends"] = instances(plugins, false);
  properties["surfaces"] = instances(plugins, true);
  const Json whole = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                      {"title", "Viaduct configuration"},
                      {"type", "object"},
                      {"properties", std::move(properties)},
                      {"additionalProperties", false}};
  return whole.dump(2);
}

}  // namespace viaduct::config
