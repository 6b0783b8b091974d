// What `viaduct doctor` looks at, each failure in words with what to do. Nothing of it needs a
// start. On the loop's thread.
#pragma once

#include "plugins/slack/config.hpp"
#include "plugins/slack/web_api.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/net/loop.hpp>

namespace viaduct::slack {

struct Check {
  std::string name;
  bool ok = false;
  std::string message;
  bool skipped = false;  // it could not be looked at, which is no fault
};

// Whether anybody at all may talk to the bot.
Check check_allowed(const Allow& allow);

// {"checks":[…]}, as the host has it.
std::string checks_json(const std::vector<Check>& checks);

// A bot's token, what it may do, and how far this host's clock is from Slack's. `where`: the
// workspace, where there are several.
net::Task<std::vector<Check>> check_bot(WebApi& api, std::string token, std::string where);
// Whether a connection for Socket Mode may be opened; none is.
net::Task<Check> check_app_token(WebApi& api, std::string token);
// Whether Slack finds this host at `public_url`: a signed request, as Slack's own check.
net::Task<Check> check_public_address(net::Loop& loop, const Config& config, std::string instance);

// The scopes of bot_scopes() that are not among `granted`, as Slack's header lists them.
std::vector<std::string> missing_scopes(std::string_view granted);
// Seconds that this host is ahead of `date`, as the header has it; nothing: it is no date.
std::optional<std::int64_t> ahead_of(std::string_view date, std::int64_t now);

}  // namespace viaduct::slack
