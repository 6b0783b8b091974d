// The app in several workspaces: it is installed from a browser at /install (OAuth v2), its tokens
// are kept sealed, and replaced before they expire. On the loop's thread; owned by the plugin.
#pragma once

#include "plugins/slack/config.hpp"
#include "plugins/slack/installations.hpp"
#include "plugins/slack/sealed.hpp"
#include "plugins/slack/web_api.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <viaduct/sdk/http.hpp>

namespace viaduct::slack {

class OAuth {
 public:
  OAuth(const sdk::Host& host, net::Loop& loop, WebApi& api, Installations& installations,
        const Config& config);

  // Opens the key and makes the routes. The error is for the operator.
  std::optional<std::string> begin();
  // The installations of before.
  net::Task<net::Result<>> load();
  // Replaces tokens that expire, as long as the instance lives.
  net::Task<> keep_fresh();
  net::Task<> forget(std::string team);

 private:
  struct Asked {
    std::string cookie;
    std::string redirect;
    std::chrono::steady_clock::time_point until;
  };
  struct Rotating {
    std::string refresh;
    std::chrono::system_clock::time_point expires;
  };

  void install(const sdk::Request& request, sdk::Exchange exchange);
  void come_back(const sdk::Request& request, sdk::Exchange exchange);
  net::Task<> exchange_code(std::string code, std::string redirect, sdk::Exchange exchange);
  // What oauth.v2.access has granted: kept, then used. The error is in words.
  net::Task<std::expected<Installation, std::string>> take(std::string answer);
  net::Task<> refresh(std::string team);

  sdk::Host host_;
  net::Loop& loop_;
  WebApi& api_;
  Installations& installations_;
  const Config& config_;
  sdk::Http http_;
  sdk::Documents documents_;
  sdk::Secrets secrets_;
  sdk::Log log_;
  std::optional<Sealer> sealer_;
  std::map<std::string, Asked> asked_;        // by state
  std::map<std::string, Rotating> rotating_;  // by team
};

// ---- oauth_json.cpp
struct Grant {
  std::string team;
  std::string team_name;
  std::string app;
  std::string bot_user;
  std::string token;
  std::string refresh;          // empty: the token does not expire
  std::int64_t expires_in = 0;  // seconds
};
std::optional<Grant> parse_grant(std::string_view answer);

// As it is kept; token and refresh are sealed.
struct KeptInstallation {
  Installation one;
  std::string refresh;
  std::int64_t expires_at = 0;  // seconds since the epoch; 0: it does not expire
};
std::string installation_json(const KeptInstallation& kept);
std::vector<KeptInstallation> parse_installations(std::string_view documents);

}  // namespace viaduct::slack
