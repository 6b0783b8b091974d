#include "host/plugins/plugins_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace viaduct::plugins {
namespace {

using nlohmann::json;

json parse(std::string_view text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Only the outermost kind matters: no tree is built.
bool begins_with(std::string_view text, char open) {
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  return at != std::string_view::npos && text[at] == open && is_json(text);
}

std::string_view name_of(InstanceState state) {
  switch (state) {
    case InstanceState::starting: return "starting";
    case InstanceState::running: return "running";
    case InstanceState::stopped: return "stopped";
    case InstanceState::failed: return "failed";
  }
  return "failed";
}

}  // namespace

bool is_json(std::string_view text) {
  return json::accept(text);
}
bool is_json_object(std::string_view text) {
  return begins_with(text, '{');
}
bool is_json_array(std::string_view text) {
  return begins_with(text, '[');
}

std::string json_quoted(std::string_view text) {
  return dump(json(text));
}
std::string json_array(const std::vector<std::string>& texts) {
  return dump(json(texts));
}

Result<sessions::BackendAnswer> parse_backend_answer(std::string text) {
  if (text.empty()) text = "{}";
  const json value = parse(text);
  if (!value.is_object()) return fail(Errc::internal, "the plugin's answer is no JSON object");
  sessions::BackendAnswer answer;
  for (const auto& [key, to] :
       {std::pair{"native_id", &answer.native_id}, std::pair{"stop_reason", &answer.stop_reason}}) {
    const auto found = value.find(key);
    if (found == value.end() || found->is_null()) continue;
    if (!found->is_string())
      return fail(Errc::internal, fmt::format("\"{}\" in the plugin's answer is no string", key));
    *to = found->get<std::string>();
  }
  if (const auto had = value.find("restored"); had != value.end()) {
    if (!had->is_boolean())
      return fail(Errc::internal, "\"restored\" in the plugin's answer is neither true nor false");
    answer.had_restored = had->get<bool>();
  }
  answer.json = std::move(text);
  return answer;
}

Result<std::map<std::string, std::string>> parse_labels(std::string_view text) {
  std::map<std::string, std::string> labels;
  if (text.empty()) return labels;
  const json value = parse(text);
  if (!value.is_object()) return fail(Errc::invalid_argument, "labels are no JSON object");
  for (const auto& [name, label] : value.items()) {
    if (!label.is_string())
      return fail(Errc::invalid_argument, fmt::format("label \"{}\" is no string", name));
    labels.emplace(name, label.get<std::string>());
  }
  return labels;
}

// Values are stored as the JSON that was put, so they go out as they are.
std::string to_json(const store::Document& document) {
  return fmt::format(R"({{"version":{},"value":{}}})", document.version, document.value);
}

std::string to_json(const store::DocumentPage& page) {
  std::string text = R"({"documents":[)";
  for (const auto& document : page.documents) {
    if (text.back() != '[') text += ',';
    text += fmt::format(R"({{"key":{},"version":{},"value":{}}})", json_quoted(document.key),
                        document.version, document.value);
  }
  text += fmt::format(R"(],"more":{}}})", page.more);
  return text;
}

std::string version_json(std::uint64_t version) {
  return fmt::format(R"({{"version":{}}})", version);
}

std::string with_instances(std::string_view overview,
                           const std::vector<InstanceStatus>& instances) {
  json value = parse(overview);
  if (!value.is_object()) value = json::object();
  json list = json::array();
  for (const auto& instance : instances) {
    json one = {{"name", instance.name},
                {"kind", instance.is_surface ? "surface" : "backend"},
                {"plugin", instance.plugin},
                {"version", instance.version},
                {"state", name_of(instance.state)},
                {"error", nullptr},
                {"mount", nullptr},
                {"page", nullptr}};
    if (instance.error)
      one["error"] = {{"code", name(instance.error->code)}, {"message", instance.error->message}};
    if (!instance.mount.empty()) one["mount"] = instance.mount;
    if (!instance.page.empty()) one["page"] = instance.page;
    list.push_back(std::move(one));
  }
  value["instances"] = std::move(list);
  return dump(value);
}

std::string shown_checks(std::string_view answer, const Redactor& redactor) {
  const json value = parse(answer);
  json checks = json::array();
  const auto all = value.is_object() ? value.find("checks") : value.end();
  if (value.is_object() && all != value.end() && all->is_array())
    for (const json& one : *all) {
      if (!one.is_object()) continue;
      const auto text = [&](const char* key) {
        const auto found = one.find(key);
        return found != one.end() && found->is_string() ? redactor.apply(found->get<std::string>())
                                                        : std::string();
      };
      const auto flag = [&](const char* key) {
        const auto found = one.find(key);
        return found != one.end() && found->is_boolean() && found->get<bool>();
      };
      checks.push_back({{"name", text("name")},
                        {"ok", flag("ok")},
                        {"message", text("message")},
                        {"skipped", flag("skipped")}});
    }
  return dump({{"checks", std::move(checks)}});
}

}  // namespace viaduct::plugins
