#include "plugins/slack/manifest.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::slack {
namespace {

using nlohmann::ordered_json;

ordered_json features(const Config& config, const std::string& base) {
  ordered_json command = {{"command", config.command},
                          {"description", "Talk to an agent session"},
                          {"usage_hint", "new | list | connect ID | stop | help"},
                          {"should_escape", false}};
  if (config.mode == Mode::kHttp) command["url"] = base + "/commands";
  return {{"app_home",
           {{"home_tab_enabled", true},
            {"messages_tab_enabled", true},
            {"messages_tab_read_only_enabled", false}}},
          {"bot_user", {{"display_name", config.command.substr(1)}, {"always_online", true}}},
          {"agent_view",
           {{"agent_description", "Connects Slack to your agent sessions"},
            {"suggested_prompts",
             {{{"title", "What can you do?"}, {"message", "What can you do?"}},
              {{"title", "List my sessions"}, {"message", "sessions"}}}}}},
          {"slash_commands", ordered_json::array({std::move(command)})},
          {"shortcuts", ordered_json::array({{{"name", "Send to agent"},
                                              {"type", "message"},
                                              {"callback_id", std::string(kSendShortcut)},
                                              {"description", "Use this message as a prompt"}}})}};
}

ordered_json settings(const Config& config, const std::string& base) {
  const bool by_http = config.mode == Mode::kHttp;
  ordered_json events = ordered_json::object();
  ordered_json interactivity = {{"is_enabled", true}};
  if (by_http) {
    events["request_url"] = base + "/events";
    interactivity["request_url"] = base + "/interactivity";
  }
  events["bot_events"] = {
      "app_mention",         "message.channels",      "message.groups",
      "message.im",          "message.mpim",          "app_home_opened",
      "app_context_changed", "agent_session_stopped", "agent_session_title_changed",
      "reaction_added",      "member_joined_channel", "app_uninstalled",
      "tokens_revoked"};
  return {{"event_subscriptions", std::move(events)},
          {"interactivity", std::move(interactivity)},
          {"org_deploy_enabled", false},
          {"socket_mode_enabled", !by_http},
          {"token_rotation_enabled", false}};
}

}  // namespace

const std::vector<std::string>& bot_scopes() {
  static const std::vector<std::string> kScopes = {
      "app_mentions:read", "assistant:write", "channels:history", "channels:manage",
      "channels:read",     "chat:write",      "commands",         "files:read",
      "files:write",       "groups:history",  "groups:read",      "im:history",
      "im:read",           "im:write",        "mpim:history",     "mpim:read",
      "reactions:read",    "reactions:write", "users:read"};
  return kScopes;
}

std::expected<std::string, std::string> manifest(const Config& config, std::string_view instance) {
  if (config.public_url.empty() && (config.mode == Mode::kHttp || !config.client_id.empty()))
    return std::unexpected("public_url: must be given, where Slack is to find this host");
  const std::string base = config.public_url + "/apps/" + std::string(instance);
  ordered_json oauth = ordered_json::object();
  if (!config.client_id.empty())
    oauth["redirect_urls"] = ordered_json::array({base + "/oauth_redirect"});
  oauth["scopes"] = {{"bot", bot_scopes()}};
  const ordered_json all = {{"_metadata", {{"major_version", 2}, {"minor_version", 1}}},
                            {"display_information",
                             {{"name", config.command.substr(1)},
                              {"description", "Talk to your agent sessions"},
                              {"background_color", "#1f2937"}}},
                            {"features", features(config, base)},
                            {"oauth_config", std::move(oauth)},
                            {"settings", settings(config, base)}};
  return all.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace viaduct::slack
