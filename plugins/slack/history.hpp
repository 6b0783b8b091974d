// What was said while there was no connection: it is read from the threads and channels where
// sessions are, and goes through the inbox like everything else, which knows what has come. On the
// loop's thread.
#pragma once

#include "plugins/slack/inbound.hpp"
#include "plugins/slack/inbox.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

net::Task<> fill_gap(chat::World& world, WebApi& api, const Installations& installations,
                     Inbound& inbound, Inbox& inbox, std::chrono::system_clock::time_point since);

// Each message of such an answer as an event's payload.
std::vector<std::string> history_events(std::string_view answer, std::string_view team,
                                        std::string_view app, std::string_view channel);

}  // namespace viaduct::slack
