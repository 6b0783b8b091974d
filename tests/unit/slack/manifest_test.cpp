#include "plugins/slack/manifest.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace viaduct::slack {
namespace {

using nlohmann::json;

json of(const Config& config) {
  const auto text = manifest(config, "team-slack");
  EXPECT_TRUE(text.has_value()) << (text ? "" : text.error());
  return text ? json::parse(*text, nullptr, false) : json();
}

Config by_http() {
  Config config;
  config.mode = Mode::kHttp;
  config.public_url = "https://viaduct.example.test";
  return config;
}

TEST(SlackManifest, OfSocketModeHasNoAddresses) {
  const json made = of({});
  EXPECT_EQ(made.dump().find("http"), std::string::npos) << made.dump(2);
  EXPECT_TRUE(made["settings"]["socket_mode_enabled"].get<bool>());
  EXPECT_TRUE(made["settings"]["interactivity"]["is_enabled"].get<bool>());
  EXPECT_TRUE(made["features"]["app_home"]["home_tab_enabled"].get<bool>());
  EXPECT_TRUE(made["features"]["app_home"]["messages_tab_enabled"].get<bool>());
}

TEST(SlackManifest, OfHttpModeSaysWhereEachKindOfRequestGoes) {
  const json made = of(by_http());
  const std::string base = "https://viaduct.example.test/apps/team-slack";
  EXPECT_FALSE(made["settings"]["socket_mode_enabled"].get<bool>());
  EXPECT_EQ(made["settings"]["event_subscriptions"]["request_url"], base + "/events");
  EXPECT_EQ(made["settings"]["interactivity"]["request_url"], base + "/interactivity");
  EXPECT_EQ(made["features"]["slash_commands"][0]["url"], base + "/commands");
  EXPECT_FALSE(made["oauth_config"].contains("redirect_urls"));
}

TEST(SlackManifest, WithOAuthSaysWhereItComesBack) {
  Config config = by_http();
  config.client_id = "1.2";
  EXPECT_EQ(of(config)["oauth_config"]["redirect_urls"][0],
            "https://viaduct.example.test/apps/team-slack/oauth_redirect");
}

TEST(SlackManifest, NeedsAnAddressWhereSlackIsToFindTheHost) {
  Config config = by_http();
  config.public_url = "";
  EXPECT_FALSE(manifest(config).has_value());
  config.mode = Mode::kSocket;
  EXPECT_TRUE(manifest(config).has_value());
  config.client_id = "1.2";
  EXPECT_FALSE(manifest(config).has_value());
}

TEST(SlackManifest, IsForTheConfiguredCommand) {
  Config config;
  config.command = "/ask";
  const json made = of(config);
  EXPECT_EQ(made["features"]["slash_commands"][0]["command"], "/ask");
  EXPECT_EQ(made["features"]["slash_commands"].size(), 1U);
  EXPECT_FALSE(made["features"]["slash_commands"][0]["should_escape"].get<bool>());
  EXPECT_EQ(made["features"]["bot_user"]["display_name"], "ask");
}

TEST(SlackManifest, AsksForWhatTheBridgeDoes) {
  const json made = of({});
  const std::set<std::string> scopes = made["oauth_config"]["scopes"]["bot"];
  for (const char* needed :
       {"app_mentions:read", "assistant:write", "channels:history", "channels:manage",
        "channels:read", "chat:write", "commands", "files:read", "files:write", "groups:history",
        "groups:read", "im:history", "im:read", "im:write", "mpim:history", "mpim:read",
        "reactions:read", "reactions:write", "users:read"})
    EXPECT_TRUE(scopes.contains(needed)) << needed;
  EXPECT_EQ(scopes.size(), bot_scopes().size());
  const std::set<std::string> events = made["settings"]["event_subscriptions"]["bot_events"];
  for (const char* needed :
       {"app_mention", "message.channels", "message.groups", "message.im", "message.mpim",
        "app_home_opened", "agent_session_stopped", "app_uninstalled", "tokens_revoked"})
    EXPECT_TRUE(events.contains(needed)) << needed;
}

TEST(SlackManifest, KeepsSlacksLimits) {
  Config config;
  config.command = "/" + std::string(31, 'a');
  const json made = of(config);
  EXPECT_LE(made["display_information"]["name"].get<std::string>().size(), 35U);
  EXPECT_LE(made["display_information"]["description"].get<std::string>().size(), 140U);
  EXPECT_LE(made["features"]["agent_view"]["agent_description"].get<std::string>().size(), 300U);
  const json& prompts = made["features"]["agent_view"]["suggested_prompts"];
  ASSERT_TRUE(prompts.is_array());
  ASSERT_LE(prompts.size(), 4U);
  EXPECT_EQ(prompts[1]["message"], "sessions");
  EXPECT_EQ(made["features"]["shortcuts"][0]["callback_id"], std::string(kSendShortcut));
}

}  // namespace
}  // namespace viaduct::slack
