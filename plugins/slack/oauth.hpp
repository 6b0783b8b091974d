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
  struct Rotating {
    std::string refresh;
    std::chrono::system_clock::time_point expires;
  };

  void install(const sdk::Request& request, sdk::Exchange exchange);
  // What a browser carries to Slack and back: sealed, so that nothing is kept of those who never
  // come back, and good with its cookie alone.
  std::optional<std::string> state_for(const std::string& cookie,
                                       const std::string& redirect) const;
  // The address that the state was made with; empty: it is none of this browser, or too old.
  std::string redirect_of(const std::string& state, const std::string& cookie) const;
  void come_back(const sdk::Request& request, sdk::Exchange exchange);
  net::Task<> exchange_code(std::string code, std::string redirect, sdk::Exchange exchange);
  // What oauth.v2.access has granted: kept, then used. The error is in words. `is_renewal`: what
  // was there before is of no use any more, so that it is used even if it cannot be kept yet.
  net::Task<std::expected<Installation, std::string>> take(std::string answer, bool is_renewal);
  net::Task<bool> write(std::string team, std::string json);
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
  // States that have come back, with the time until which they would be good again.
  std::map<std::string, std::chrono::system_clock::time_point> used_;
  std::map<std::string, Rotating> rotating_;   // by team
  std::map<std::string, std::string> unkept_;  // what the disk has refused so far, by team
};

// ---- oauth_json.cpp
struct Grant {
  std::string team;
  std::string enterprise;
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
struct KeptInstallations {
  std::vector<KeptInstallation> all;
  std::string next;  // where the next page begins; empty: there is none
};
KeptInstallations parse_installations(std::string_view documents);

}  // namespace viaduct::slack
