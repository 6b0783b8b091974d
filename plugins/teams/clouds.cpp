#include "plugins/teams/clouds.hpp"

#include "plugins/teams/address.hpp"

#include <algorithm>

namespace viaduct::teams {
namespace {

struct Services {
  Cloud cloud;
  std::string_view name;
  std::string_view issuer;
  std::string_view openid;  // host
  std::string_view login;   // host
  std::string_view tenant;  // of bots for many tenants
  std::string_view connect;
  std::vector<std::string> hosts;
};

std::string set(std::string_view text, std::string_view tenant) {
  constexpr std::string_view kPlace = "{tenant}";
  std::string out(text);
  if (const std::size_t at = out.find(kPlace); at != out.npos)
    out.replace(at, kPlace.size(), tenant);
  return out;
}

const std::vector<Services>& table() {
  // The hosts are those that Microsoft's own SDKs allow (reference sections 1.5 and 2.2).
  static const std::vector<Services> kTable = {
      {Cloud::kPublic,
       "public",
       "https://api.botframework.com",
       "login.botframework.com",
       "login.microsoftonline.com",
       "botframework.com",
       "https://botapi.skype.com",
       {"smba.trafficmanager.net", "smba.onyx.prod.teams.trafficmanager.net",
        "smba.infra.gcc.teams.microsoft.com", "*.botframework.com", "botapi.skype.com"}},
      {Cloud::kUsGov,
       "usgov",
       "https://api.botframework.us",
       "login.botframework.azure.us",
       "login.microsoftonline.us",
       "MicrosoftServices.onmicrosoft.us",
       "",
       {"smba.infra.gov.teams.microsoft.us", "*.botframework.azure.us"}},
      {Cloud::kDod,
       "dod",
       "https://api.botframework.us",
       "login.botframework.azure.us",
       "login.microsoftonline.us",
       "MicrosoftServices.onmicrosoft.us",
       "",
       {"smba.infra.dod.teams.microsoft.us", "*.botframework.azure.us"}},
      {Cloud::kChina,
       "china",
       "https://api.botframework.azure.cn",
       "login.botframework.azure.cn",
       "login.partner.microsoftonline.cn",
       "microsoftservices.partner.onmschina.cn",
       "",
       {"frontend.botapi.msg.infra.teams.microsoftonline.cn", "*.botframework.azure.cn"}},
  };
  return kTable;
}

}  // namespace

std::optional<Cloud> cloud_named(std::string_view name) {
  const auto found = std::ranges::find(table(), name, &Services::name);
  return found == table().end() ? std::nullopt : std::optional(found->cloud);
}

std::vector<std::string> cloud_names() {
  std::vector<std::string> names;
  for (const Services& one : table()) names.emplace_back(one.name);
  return names;
}

std::expected<Endpoints, std::string> endpoints_of(Cloud cloud, std::string_view tenant,
                                                   const EndpointOverrides& overrides) {
  const Services& services = *std::ranges::find(table(), cloud, &Services::cloud);
  const std::string login = "https://" + std::string(services.login);
  const auto or_else = [](const std::string& given, std::string otherwise) {
    return given.empty() ? std::move(otherwise) : given;
  };
  Endpoints endpoints;
  endpoints.issuer = services.issuer;
  endpoints.scope = endpoints.issuer + "/.default";
  endpoints.openid_metadata =
      or_else(overrides.openid_metadata,
              "https://" + std::string(services.openid) + "/v1/.well-known/openidconfiguration");
  endpoints.entra_login = login;
  endpoints.entra_metadata =
      or_else(overrides.entra_metadata, login + "/common/v2.0/.well-known/openid-configuration");
  endpoints.token = set(or_else(overrides.token, login + "/{tenant}/oauth2/v2.0/token"),
                        tenant.empty() ? services.tenant : tenant);
  endpoints.connect = or_else(overrides.connect, std::string(services.connect));
  while (endpoints.connect.ends_with('/')) endpoints.connect.pop_back();
  endpoints.service_hosts =
      overrides.service_hosts.empty() ? services.hosts : overrides.service_hosts;

  const std::pair<const char*, const std::string*> all[] = {
      {"openid_metadata", &endpoints.openid_metadata},
      {"entra_metadata", &endpoints.entra_metadata},
      {"token", &endpoints.token},
      {"connect", &endpoints.connect}};
  for (const auto& [name, url] : all) {
    if (url->empty()) continue;
    const auto address = parse_address(*url);
    if (!address)
      return std::unexpected("endpoints." + std::string(name) +
                             ": must be an address such as https://example.com/path, without user "
                             "name and query");
    if (!address->is_secure && !address->is_loopback)
      return std::unexpected("endpoints." + std::string(name) +
                             ": must begin with https://; http is only for this computer itself");
  }
  for (const std::string& pattern : endpoints.service_hosts) {
    const std::string name = pattern.starts_with("*.") ? pattern.substr(2) : pattern;
    const auto address = parse_address("https://" + name + "/");
    // Below "com" is everybody.
    const bool is_narrow = name == pattern || name.find('.') != name.npos;
    if (!address || !is_narrow || !address->port.empty() || address->path != "/")
      return std::unexpected(
          "endpoints.service_hosts: must be names of hosts, such as smba.trafficmanager.net or "
          "*.botframework.com");
  }
  return endpoints;
}

std::vector<std::string> entra_tenants_of_microsoft() {
  return {"d6d49420-f39b-4df7-a1dc-d59a935871db", "f8cdef31-a31e-4b4a-93e4-5f571e91255a",
          "72f988bf-86f1-41af-91ab-2d7cd011db47", "69e9b82d-4842-4902-8d1e-abc5b98a55e8",
          "cab8a31a-1906-4287-a0d8-4eef66b95f6e"};
}

}  // namespace viaduct::teams
