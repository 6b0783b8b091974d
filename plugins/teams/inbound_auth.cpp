#include "plugins/teams/inbound_auth.hpp"

#include <algorithm>
#include <ctime>
#include <utility>
#include <viaduct/chat/text.hpp>

namespace viaduct::teams {
namespace {

using chat::lower;

constexpr std::int64_t kSkew = 300;
constexpr std::string_view kChannel = "msteams";
constexpr std::string_view kEmulator = "emulator";
constexpr std::string_view kEntraV1 = "https://sts.windows.net/";

bool has(const std::vector<std::string>& list, std::string_view one) {
  return std::ranges::find(list, one) != list.end();
}

Refused refused_by(TokenFault fault) {
  switch (fault) {
    case TokenFault::kTooLong: return Refused::kTooLong;
    case TokenFault::kMalformed: return Refused::kMalformed;
    case TokenFault::kAlgorithm: return Refused::kAlgorithm;
    case TokenFault::kCritical: return Refused::kCritical;
    case TokenFault::kNoKeyId: return Refused::kNoKeyId;
  }
  return Refused::kMalformed;
}

std::optional<Refused> wrong_time(const Claims& claims, std::int64_t now) {
  if (!claims.expires) return Refused::kNoExpiry;
  if (now >= *claims.expires + kSkew) return Refused::kExpired;
  if (claims.not_before && now <= *claims.not_before - kSkew) return Refused::kNotYet;
  return std::nullopt;
}

struct Facts {
  Refused why;
  int status;
  std::string_view word;
  std::string_view words;
};
constexpr Facts kFacts[] = {
    {Refused::kNoToken, 401, "no_token",
     "the request has no token: it is none of Teams'; 401 is what a probe from outside gets"},
    {Refused::kNotBearer, 401, "not_bearer", "the request's Authorization is no bearer token"},
    {Refused::kTooLong, 401, "too_long", "the request's token is longer than any of Microsoft's"},
    {Refused::kMalformed, 401, "malformed", "the request's token is none"},
    {Refused::kAlgorithm, 401, "algorithm", "the request's token is not signed with RS256"},
    {Refused::kCritical, 401, "critical",
     "the request's token has headers that must be understood"},
    {Refused::kNoKeyId, 401, "no_key_id", "the request's token does not say which key signed it"},
    {Refused::kUnknownKey, 401, "unknown_key",
     "the request's token is signed with a key that is not Teams'"},
    {Refused::kNoKeys, 401, "no_keys",
     "the keys of Teams could not be had for 24 hours, so nothing can be believed: can this host "
     "reach their address?"},
    {Refused::kSignature, 401, "signature", "the signature of the request's token is wrong"},
    {Refused::kIssuer, 401, "issuer",
     "the request's token is not made by Teams' login: is `cloud` the one of this bot?"},
    {Refused::kAudience, 401, "audience",
     "the request's token is for another bot: is app_id the one of this bot?"},
    {Refused::kNoExpiry, 401, "no_expiry", "the request's token does not expire"},
    {Refused::kExpired, 401, "expired",
     "the request's token has expired: is this host's clock right?"},
    {Refused::kNotYet, 401, "not_yet",
     "the request's token is not valid yet: is this host's clock right?"},
    {Refused::kServiceUrl, 401, "service_url",
     "the request's token is for another service URL than the request names"},
    {Refused::kServiceHost, 403, "service_host",
     "the request's service URL is at no host that is trusted; endpoints.service_hosts names them"},
    {Refused::kChannel, 403, "channel", "the request does not come by the channel of Teams"},
    {Refused::kTenant, 403, "tenant",
     "the request comes from a tenant that is not in allowed_tenants"},
    {Refused::kEntraTenant, 401, "entra_tenant",
     "the request's token of Entra is of another tenant than the bot's"},
    {Refused::kEntraApp, 401, "entra_app", "the request's token of Entra is of another app"},
};
const Facts& facts_of(Refused why) {
  return *std::ranges::find(kFacts, why, &Facts::why);
}

}  // namespace

int status_of(Refused why) {
  return facts_of(why).status;
}
std::string_view word_of(Refused why) {
  return facts_of(why).word;
}
std::string_view words_of(Refused why) {
  return facts_of(why).words;
}
std::string_view body_of(Refused why) {
  return status_of(why) == 401
             ? R"({"error":{"code":"unauthenticated","message":"no valid token of the service"}})"
             : R"({"error":{"code":"permission_denied","message":"not allowed here"}})";
}

InboundAuth::InboundAuth(InboundConfig config, Keys& keys, Keys* entra)
    : config_(std::move(config)),
      keys_(keys),
      entra_(config_.allow_entra_tokens ? entra : nullptr) {
  for (std::string& tenant : config_.allowed_tenants) tenant = lower(tenant);
  for (std::string& tenant : config_.entra_tenants) tenant = lower(tenant);
}

bool InboundAuth::is_from_entra(const Claims& claims) const {
  return entra_ != nullptr && (claims.issuer.starts_with(kEntraV1) ||
                               claims.issuer.starts_with(config_.entra_login + "/"));
}

// What is written in the token, all but the service URL.
std::optional<Refused> InboundAuth::wrong_claim(const Claims& claims, bool is_entra,
                                                std::int64_t now) const {
  const auto is_own = [&](const std::string& app) {
    return !app.empty() && (app == config_.app_id || app == lower(config_.app_id));
  };
  if (is_entra) {
    const std::string tenant = lower(claims.tenant);
    const std::string issuer = lower(claims.issuer);
    const bool is_of_tenant = issuer == std::string(kEntraV1) + tenant + "/" ||
                              issuer == lower(config_.entra_login) + "/" + tenant + "/v2.0";
    if (!is_of_tenant) return Refused::kIssuer;
    if (!has(config_.entra_tenants, tenant)) return Refused::kEntraTenant;
    if (!is_own(claims.app)) return Refused::kEntraApp;
  } else if (claims.issuer != config_.issuer) {
    return Refused::kIssuer;
  }
  if (!is_own(claims.audience)) return Refused::kAudience;
  return wrong_time(claims, now);
}

std::expected<InboundAuth::Proven, Refused> InboundAuth::prove(std::string_view authorization,
                                                               std::int64_t now) {
  constexpr std::string_view kBearer = "Bearer ";
  if (!authorization.starts_with(kBearer)) return std::unexpected(Refused::kNotBearer);
  const std::string_view text = authorization.substr(kBearer.size());
  if (text.size() > kLongestToken) return std::unexpected(Refused::kTooLong);
  if (text.find(' ') != text.npos) return std::unexpected(Refused::kNotBearer);

  const auto hash = VerifiedTokens::hash_of(text);
  const Proven* known = verified_.find(hash);
  if (known != nullptr) {
    const Keys& from = known->is_entra ? *entra_ : keys_;
    if (from.find(known->key->id) != known->key) {
      verified_.drop(hash);
      known = nullptr;
    }
  }
  if (known == nullptr) {
    auto token = Token::parse(text);
    if (!token) return std::unexpected(refused_by(token.error()));
    const bool is_entra = is_from_entra(token->claims());
    const Keys& from = is_entra ? *entra_ : keys_;
    auto key = from.find(token->key_id());
    if (!key) return std::unexpected(from.count() == 0 ? Refused::kNoKeys : Refused::kUnknownKey);
    if (!token->verify(key->key)) return std::unexpected(Refused::kSignature);
    Proven proven{token->claims(), std::move(key), is_entra};
    if (const auto wrong = wrong_claim(proven.claims, is_entra, now))
      return std::unexpected(*wrong);
    verified_.keep(hash, proven);
    return proven;
  }
  if (const auto wrong = wrong_claim(known->claims, known->is_entra, now)) {
    const Refused why = *wrong;
    verified_.drop(hash);
    return std::unexpected(why);
  }
  return *known;
}

std::optional<Refused> InboundAuth::wrong_tenant(const ActivityFacts& facts) const {
  bool has_tenant = false;
  for (const std::string* tenant : {&facts.channel_tenant, &facts.conversation_tenant}) {
    if (tenant->empty()) continue;
    has_tenant = true;
    if (!has(config_.allowed_tenants, lower(*tenant))) return Refused::kTenant;
  }
  return has_tenant ? std::nullopt : std::optional(Refused::kTenant);
}

InboundAuth::Verdict InboundAuth::permit(const Proven& proven, const ActivityFacts& facts) const {
  if (!proven.is_entra) {
    if (!same_service(proven.claims.service_url, facts.service_url))
      return std::unexpected(Refused::kServiceUrl);
    const Verdict verdict = check_socket(facts);
    if (verdict && !has(proven.key->endorsements, facts.channel))
      return std::unexpected(Refused::kChannel);
    return verdict;
  }
  if (!is_loopback_url(facts.service_url) && !config_.service_hosts.trusts(facts.service_url))
    return std::unexpected(Refused::kServiceHost);
  if (facts.channel != kChannel && facts.channel != kEmulator)
    return std::unexpected(Refused::kChannel);
  if (const auto wrong = wrong_tenant(facts)) return std::unexpected(*wrong);
  return Caller::kEntra;
}

InboundAuth::Verdict InboundAuth::check_socket(const ActivityFacts& facts) const {
  if (!config_.service_hosts.trusts(facts.service_url))
    return std::unexpected(Refused::kServiceHost);
  if (facts.channel != kChannel) return std::unexpected(Refused::kChannel);
  if (const auto wrong = wrong_tenant(facts)) return std::unexpected(*wrong);
  return Caller::kService;
}

InboundAuth::Verdict InboundAuth::check(std::string_view authorization, const ActivityFacts& facts,
                                        std::int64_t now) {
  if (authorization.empty()) {
    const bool is_local = config_.allow_anonymous_loopback && config_.listener_is_loopback &&
                          facts.is_direct && is_loopback_url(facts.service_url);
    if (is_local) return Caller::kAnonymous;
    return std::unexpected(Refused::kNoToken);
  }
  const auto proven = prove(authorization, now);
  if (!proven) return std::unexpected(proven.error());
  return permit(*proven, facts);
}

Keys* InboundAuth::worth_asking(std::string_view authorization, std::int64_t now) const {
  const auto token = Token::parse(authorization.substr(authorization.find(' ') + 1));
  if (!token) return nullptr;
  const bool is_entra = is_from_entra(token->claims());
  if (wrong_claim(token->claims(), is_entra, now)) return nullptr;
  return is_entra ? entra_ : &keys_;
}

net::Task<InboundAuth::Verdict> InboundAuth::admit(std::string authorization, ActivityFacts facts) {
  const Verdict verdict = check(authorization, facts, std::time(nullptr));
  if (verdict || (verdict.error() != Refused::kUnknownKey && verdict.error() != Refused::kNoKeys))
    co_return verdict;
  Keys* const keys = worth_asking(authorization, std::time(nullptr));
  if (keys == nullptr || !co_await keys->ask()) co_return verdict;
  co_return check(authorization, facts, std::time(nullptr));
}

}  // namespace viaduct::teams
