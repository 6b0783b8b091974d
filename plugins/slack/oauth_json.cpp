#include <viaduct/chat/value.hpp>
#include "plugins/slack/oauth.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::slack {

std::optional<Grant> parse_grant(std::string_view answer) {
  const chat::Value from = chat::Value::parsed(answer);
  Grant grant;
  const chat::Value team =
      from.yes("is_enterprise_install") ? from.at("enterprise") : from.at("team");
  grant.team = team.text("id");
  grant.enterprise = from.at("enterprise").text("id");
  grant.team_name = team.text("name");
  grant.app = from.text("app_id");
  grant.bot_user = from.text("bot_user_id");
  grant.token = from.text("access_token");
  grant.refresh = from.text("refresh_token");
  grant.expires_in = static_cast<std::int64_t>(from.number("expires_in"));
  if (grant.team.empty() || grant.token.empty()) return std::nullopt;
  return grant;
}

std::string installation_json(const KeptInstallation& kept) {
  const Installation& one = kept.one;
  return nlohmann::json{{"team", one.team},           {"enterprise", one.enterprise},
                        {"team_name", one.team_name}, {"url", one.url},
                        {"bot_user", one.bot_user},   {"bot_id", one.bot_id},
                        {"app_id", one.app_id},       {"token", one.token},
                        {"refresh", kept.refresh},    {"expires_at", kept.expires_at}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

KeptInstallations parse_installations(std::string_view documents) {
  KeptInstallations found;
  const chat::Value page = chat::Value::parsed(documents);
  for (const chat::Value& document : page.at("documents").items()) {
    if (page.yes("more")) found.next = document.text("key") + '\0';
    const chat::Value from = document.at("value");
    KeptInstallation kept;
    kept.one.team = from.text("team");
    kept.one.enterprise = from.text("enterprise");
    kept.one.team_name = from.text("team_name");
    kept.one.url = from.text("url");
    kept.one.bot_user = from.text("bot_user");
    kept.one.bot_id = from.text("bot_id");
    kept.one.app_id = from.text("app_id");
    kept.one.token = from.text("token");
    kept.refresh = from.text("refresh");
    kept.expires_at = static_cast<std::int64_t>(from.number("expires_at"));
    if (!kept.one.team.empty()) found.all.push_back(std::move(kept));
  }
  return found;
}

}  // namespace viaduct::slack
