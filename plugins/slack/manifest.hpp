// The manifest with which Slack makes the app that a configuration needs (reference section 14).
// Any thread.
#pragma once

#include "plugins/slack/config.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

// The scopes of the bot, as the installation asks for them and `doctor` expects them.
const std::vector<std::string>& bot_scopes();

// JSON, which Slack takes as it takes YAML. `instance`: the surface's name in the configuration,
// under which its routes are. Fails in words where an address is needed and is not configured.
std::expected<std::string, std::string> manifest(const Config& config,
                                                 std::string_view instance = "slack");

// The callback_id of the shortcut that gives a message to the agent.
inline constexpr std::string_view kSendShortcut = "amp_send";

}  // namespace viaduct::slack
