// Whether a request comes from Teams (reference section 1.1): every check, in its order, and what a
// refusal is answered with. On the loop's thread; owned by the plugin, destroyed before its Keys.
//
// Nothing of a refusal tells what the token held. Tokens of the service must come by the channel
// msteams: other channels of the same bot (Web Chat, Direct Line) are endorsed by the same keys,
// but what they say of tenant and person is their client's own invention.
#pragma once

#include "plugins/teams/address.hpp"
#include "plugins/teams/jwt.hpp"
#include "plugins/teams/keys.hpp"
#include "plugins/teams/verified.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/net/loop.hpp>

namespace viaduct::teams {

struct InboundConfig {
  std::string app_id;
  std::string issuer;  // Endpoints::issuer
  Hosts service_hosts;
  std::vector<std::string> allowed_tenants;  // empty: nobody; the plugin puts the bot's own in
  bool allow_entra_tokens = false;
  std::string entra_login;                 // Endpoints::entra_login
  std::vector<std::string> entra_tenants;  // whose tokens are taken
  bool allow_anonymous_loopback = false;
  bool listener_is_loopback = false;  // a fact of the host
};

// What the activity says; believed only when the token agrees.
struct ActivityFacts {
  std::string service_url;
  std::string channel;              // channelId
  std::string channel_tenant;       // channelData.tenant.id
  std::string conversation_tenant;  // conversation.tenantId
  // The request has none of the headers Origin, Forwarded and X-Forwarded-For: neither a page in a
  // browser nor a proxy is between. Of matter only to who has no token.
  bool is_direct = false;
};

enum class Refused {
  kNoToken,
  kNotBearer,  // another scheme, or more than one token
  kTooLong,
  kMalformed,
  kAlgorithm,
  kCritical,
  kNoKeyId,
  kUnknownKey,
  kNoKeys,  // there are none that may be trusted: the keys' address does not answer
  kSignature,
  kIssuer,
  kAudience,
  kNoExpiry,
  kExpired,
  kNotYet,
  kServiceUrl,   // not the one that the token is for
  kServiceHost,  // on no list
  kChannel,      // the key is not endorsed for it, or it is not Teams
  kTenant,
  kEntraTenant,  // of Entra's token
  kEntraApp
};
// 401, or 403 where the token is good and what it is used for is not.
int status_of(Refused why);
// One word, for metrics: "expired".
std::string_view word_of(Refused why);
// For the log, with what to do.
std::string_view words_of(Refused why);
// The body of the answer: short, the same for all of one status.
std::string_view body_of(Refused why);

enum class Caller {
  kService,
  kEntra,     // the Emulator or the Playground, with a token of Entra's
  kAnonymous  // on this computer, without a token
};

class InboundAuth {
 public:
  using Verdict = std::expected<Caller, Refused>;

  // `entra`: null where tokens of Entra are not taken.
  InboundAuth(InboundConfig config, Keys& keys, Keys* entra);

  // `authorization`: the header as it came; empty: none. Waits only where a key is not known and
  // has to be fetched.
  net::Task<Verdict> admit(std::string authorization, ActivityFacts facts);
  // The same, with the keys that are there; `now` in seconds since the epoch.
  Verdict check(std::string_view authorization, const ActivityFacts& facts, std::int64_t now);

  // An activity of Socket Mode, whose connection was authenticated when it was opened: what is left
  // to be checked.
  Verdict check_socket(const ActivityFacts& facts) const;

 private:
  using Proven = VerifiedTokens::Entry;

  bool is_from_entra(const Claims& claims) const;
  std::optional<Refused> wrong_claim(const Claims& claims, bool is_entra, std::int64_t now) const;
  std::expected<Proven, Refused> prove(std::string_view authorization, std::int64_t now);
  std::optional<Refused> wrong_tenant(const ActivityFacts& facts) const;
  Verdict permit(const Proven& proven, const ActivityFacts& facts) const;
  // Whose keys it is signed with, as it says; null: it is not worth asking for one that is not
  // known.
  Keys* worth_asking(std::string_view authorization, std::int64_t now) const;

  InboundConfig config_;
  Keys& keys_;
  Keys* entra_;
  VerifiedTokens verified_;
};

}  // namespace viaduct::teams
