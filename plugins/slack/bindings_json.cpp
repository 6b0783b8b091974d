#include "plugins/slack/bindings.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::slack {

using nlohmann::json;

std::string binding_json(const Binding& binding) {
  return json{{"team", binding.place.team},
              {"channel", binding.place.channel},
              {"thread", binding.place.thread},
              {"session", binding.session},
              {"owner_place", binding.owner_place},
              {"user", binding.user},
              {"working_dir", binding.working_dir},
              {"description", binding.description},
              {"backend", binding.backend},
              {"created_at", binding.created_at},
              {"active", binding.active},
              {"shown", binding.shown},
              {"owes", binding.owes}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

bool parse_binding(std::string_view text, Binding& binding) {
  const json from = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!from.is_object()) return false;
  const auto string = [&](const char* name, std::string& to) {
    const auto found = from.find(name);
    if (found == from.end() || !found->is_string()) return false;
    to = found->get<std::string>();
    return true;
  };
  if (!string("team", binding.place.team) || !string("channel", binding.place.channel) ||
      !string("thread", binding.place.thread) || !string("session", binding.session) ||
      !string("user", binding.user))
    return false;
  string("owner_place", binding.owner_place);
  string("working_dir", binding.working_dir);
  string("description", binding.description);
  string("backend", binding.backend);
  string("created_at", binding.created_at);
  const auto yes = [&](const char* name, bool otherwise) {
    const auto found = from.find(name);
    return found != from.end() && found->is_boolean() ? found->get<bool>() : otherwise;
  };
  binding.active = yes("active", true);
  binding.owes = yes("owes", false);
  const auto shown = from.find("shown");
  if (shown != from.end() && shown->is_number_unsigned())
    binding.shown = shown->get<std::uint64_t>();
  return true;
}

std::optional<BindingPage> parse_bindings(std::string_view text) {
  const json page = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!page.is_object() || !page.contains("documents")) return std::nullopt;
  BindingPage found;
  for (const json& document : page["documents"]) {
    found.last_key = document.value("key", "");
    Binding binding;
    if (parse_binding(document.value("value", json()).dump(), binding))
      found.bindings.push_back(std::move(binding));
    else
      found.unreadable.push_back(found.last_key);
  }
  found.more = page.value("more", false);
  return found;
}

}  // namespace viaduct::slack
