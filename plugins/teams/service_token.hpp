// The bot's own token, with which it speaks to Teams (reference section 3.1): fetched with a secret
// or a certificate, kept until 5 minutes before it expires, never fetched twice at once. On the
// loop's thread; owned by the plugin; what it has begun may outlive it, but not the Loop.
//
// The token is a password: it is in no message, and may go only where may_have_token() says so.
#pragma once

#include "plugins/teams/address.hpp"
#include "plugins/teams/token_rules.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <viaduct/net/loop.hpp>

namespace viaduct::teams {

struct ServiceCredentials {
  std::string app_id;
  std::string secret;  // or a certificate: files of PEM, read anew for each token
  std::string certificate_file;
  std::string key_file;
  std::string token_url;  // Endpoints::token: https, or http on this computer
  std::string scope;      // Endpoints::scope
};

// One request for a token that is over, for log and metrics.
struct TokenReport {
  bool ok = false;
  std::string error;    // "7000215", or the service's own word; empty: none, or no answer
  std::string message;  // for a person, with what to do
  std::chrono::steady_clock::duration took{0};
};

class ServiceToken {
 public:
  using Reporter = std::function<void(const TokenReport&)>;

  using Clock = std::function<Uptime::time_point()>;

  // `hosts`: where the token may go. `clock`: for tests.
  ServiceToken(net::Loop& loop, ServiceCredentials credentials, Hosts hosts, Reporter reporter,
               Clock clock = &Uptime::now);
  ~ServiceToken();
  ServiceToken(const ServiceToken&) = delete;
  ServiceToken& operator=(const ServiceToken&) = delete;

  // What is wrong with the credentials as they are written: files that cannot be read, an address
  // that is not https; empty: nothing. For `create` and doctor; reads the files.
  std::string complaint() const;

  // The token. A failure that only a person can mend is remembered for a while, and not asked about
  // again and again.
  net::Task<TokenResult> get();
  // The service has answered 401 to this token: another one, or the failure to be shown. At most
  // one new token is fetched for all who were refused with the same; one that is refused although
  // it is new is a failure.
  net::Task<TokenResult> refused(std::string token);

  // https to the service's hosts, or what the configuration has instead on this computer. Send it
  // nowhere else, and follow no redirect with it.
  bool may_have_token(std::string_view url) const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace viaduct::teams
