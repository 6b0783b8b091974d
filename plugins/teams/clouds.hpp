// Where Microsoft's services are: those of a cloud (reference section 1.5), or what the
// configuration has instead (`cloud`, `endpoints`). Plain values; any thread.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

enum class Cloud { kPublic, kUsGov, kDod, kChina };

// "public", "usgov", "dod", "china".
std::optional<Cloud> cloud_named(std::string_view name);
// For a configuration's schema and messages.
std::vector<std::string> cloud_names();

// `endpoints` of the configuration; empty: the cloud's own.
struct EndpointOverrides {
  std::string openid_metadata;             // of the service's keys
  std::string entra_metadata;              // of the keys of Entra's tokens
  std::string token;                       // the whole address; {tenant} in it is replaced
  std::string connect;                     // of Socket Mode: https://host, without a path
  std::vector<std::string> service_hosts;  // instead of the cloud's; as Hosts has them
};

struct Endpoints {
  std::string issuer;           // of the service's tokens, exactly
  std::string openid_metadata;  // of their keys
  std::string entra_metadata;
  std::string entra_login;  // https://login.microsoftonline.com, as Entra's issuers begin
  std::string token;        // the authority of the bot's own tenant, or of Bot Framework's
  std::string scope;
  std::string connect;
  std::vector<std::string> service_hosts;
};

// `tenant`: the bot's own; empty: it is one for many tenants. Every address is https, or http on
// this computer; the error says which is not, as "endpoints.token: must …".
std::expected<Endpoints, std::string> endpoints_of(Cloud cloud, std::string_view tenant,
                                                   const EndpointOverrides& overrides);

// The tenants from which the Emulator and the Playground have tokens (reference section 1.3),
// beside the bot's own.
std::vector<std::string> entra_tenants_of_microsoft();

}  // namespace viaduct::teams
