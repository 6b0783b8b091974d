#include <viaduct/chat/bindings.hpp>
#include <viaduct/chat/value.hpp>

#include <nlohmann/json.hpp>
#include <utility>

namespace viaduct::chat {

std::string binding_json(const Binding& binding) {
  return nlohmann::json{{"team", binding.place.team},         {"channel", binding.place.channel},
                        {"thread", binding.place.thread},     {"session", binding.session},
                        {"owner_place", binding.owner_place}, {"user", binding.user},
                        {"working_dir", binding.working_dir}, {"description", binding.description},
                        {"backend", binding.backend},         {"created_at", binding.created_at},
                        {"active", binding.active},           {"shown_turn", binding.shown_turn},
                        {"shown_entry", binding.shown_entry}, {"owes", binding.owes},
                        {"last_turn", binding.last_turn},     {"told", binding.told},
                        {"cut_turn", binding.cut_turn},       {"cuts", binding.cuts},
                        {"from_turn", binding.from_turn}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace {

bool binding_of(const Value& from, Binding& binding) {
  binding.place = {from.text("team"), from.text("channel"), from.text("thread")};
  binding.session = from.text("session");
  binding.owner_place = from.text("owner_place");
  binding.user = from.text("user");
  binding.working_dir = from.text("working_dir");
  binding.description = from.text("description");
  binding.backend = from.text("backend");
  binding.created_at = from.text("created_at");
  binding.active = from.yes("active");
  binding.owes = from.yes("owes");
  binding.shown_turn = from.number("shown_turn");
  binding.shown_entry = from.number("shown_entry");
  binding.from_turn = from.number("from_turn");
  binding.last_turn = from.number("last_turn");
  binding.told = from.yes("told");
  binding.cut_turn = from.number("cut_turn");
  for (const Value& cut : from.at("cuts").items()) binding.cuts.push_back(cut.number());
  return !binding.place.channel.empty() && !binding.session.empty() && !binding.user.empty();
}

}  // namespace

bool parse_binding(std::string_view json, Binding& binding) {
  return binding_of(Value::parsed(json), binding);
}

std::optional<BindingPage> parse_bindings(std::string_view json) {
  const Value page = Value::parsed(json);
  if (!page.at("documents").is_list()) return std::nullopt;
  BindingPage found;
  for (const Value& document : page.at("documents").items()) {
    found.last_key = document.text("key");
    Binding binding;
    if (binding_of(document.at("value"), binding))
      found.bindings.push_back(std::move(binding));
    else
      found.unreadable.push_back(found.last_key);
  }
  found.more = page.yes("more");
  return found;
}

}  // namespace viaduct::chat
