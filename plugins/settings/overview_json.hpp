// What the settings page shows of the host's overview. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace viaduct::settings {

// The overview of viaduct.overview/1 with every secret's value null, whatever the host sent;
// nullopt when it is no JSON object.
std::optional<std::string> without_secrets(std::string_view overview);

// What an instance's checks say: name, outcome and message of each, and nothing else that the host
// may send; nullopt when it is no JSON object.
std::optional<std::string> checks_alone(std::string_view answer);

}  // namespace viaduct::settings
