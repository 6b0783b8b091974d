// What `viaduct doctor` looks at, each failure in words with what to do. Nothing of it needs a
// start. On the loop's thread.
#pragma once

#include "plugins/teams/config.hpp"
#include "plugins/teams/keys.hpp"
#include "plugins/teams/service_token.hpp"

#include <string>
#include <vector>
#include <viaduct/chat/doctor.hpp>
#include <viaduct/net/loop.hpp>

namespace viaduct::teams {

// Whether anybody at all may talk to the bot.
chat::Check check_allowed(const Allow& allow);
// App id with its secret or certificate: whether Entra gives a token for them.
net::Task<chat::Check> check_credentials(ServiceToken& token);
// The service's public keys, and how far this host's clock is from its.
net::Task<std::vector<chat::Check>> check_keys(Keys& keys);
// Whether Teams finds this host at `public_url`: a request without a token must be refused with
// 401, by this plugin.
net::Task<chat::Check> check_public_address(net::Loop& loop, const Config& config,
                                            std::string instance);

}  // namespace viaduct::teams
