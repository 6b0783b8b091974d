// The simulator's JSON: of messages as Slack says them, and as its page shows them. Any thread.
#pragma once

#include "plugins/slack/simulator/workspace.hpp"

#include <map>
#include <string>

namespace viaduct::slack::simulator {

// As events and conversations.replies have it.
std::string slack_message(const Message& message);

// For the page.
std::string message_view(const Message& message);
std::string channels_view(const Workspace& workspace);
std::string people_view(const Workspace& workspace);
// By person, by "channel/thread", by channel; the values of homes and prompts are JSON.
std::string homes_view(const std::map<std::string, std::string>& homes);
std::string statuses_view(const std::map<std::string, std::string>& statuses);
std::string prompts_view(const std::map<std::string, std::string>& prompts);

}  // namespace viaduct::slack::simulator
