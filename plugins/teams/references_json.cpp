#include "plugins/teams/references.hpp"

#include <viaduct/chat/value.hpp>

#include <nlohmann/json.hpp>

namespace viaduct::teams {
namespace {

std::string_view name_of(ConversationKind kind) {
  switch (kind) {
    case ConversationKind::kPersonal: return "personal";
    case ConversationKind::kGroup: return "group";
    case ConversationKind::kChannel: return "channel";
  }
  return "";
}

ConversationKind kind_of(std::string_view name) {
  return name == "channel" ? ConversationKind::kChannel
         : name == "group" ? ConversationKind::kGroup
                           : ConversationKind::kPersonal;
}

}  // namespace

std::string reference_json(const Reference& one) {
  return nlohmann::json{{"tenant", one.tenant},      {"conversation", one.conversation},
                        {"kind", name_of(one.kind)}, {"service_url", one.service_url},
                        {"bot_id", one.bot_id},      {"bot_name", one.bot_name},
                        {"name", one.name},          {"team", one.team},
                        {"person", one.person},      {"was_greeted", one.was_greeted},
                        {"is_gone", one.is_gone}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<ReferencePage> parse_references(std::string_view json) {
  const chat::Value page = chat::Value::parsed(json);
  if (!page.at("documents").is_list()) return std::nullopt;
  ReferencePage found;
  for (const chat::Value& document : page.at("documents").items()) {
    found.last_key = document.text("key");
    const chat::Value from = document.at("value");
    Reference one{from.text("tenant"),      from.text("conversation"), kind_of(from.text("kind")),
                  from.text("service_url"), from.text("bot_id"),       from.text("bot_name"),
                  from.text("name"),        from.text("team"),         from.text("person"),
                  from.yes("was_greeted"),  from.yes("is_gone")};
    if (!one.conversation.empty() && !one.service_url.empty())
      found.references.push_back(std::move(one));
  }
  found.more = page.yes("more");
  return found;
}

}  // namespace viaduct::teams
