#include "plugins/teams/token_rules.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::teams {
namespace {

struct Advice {
  std::string_view code;
  std::string_view words;
};
constexpr Advice kAdvice[] = {
    {"7000215",
     "app_password is wrong: take the secret's value, not its id, of the app's Certificates & "
     "secrets"},
    {"7000222", "app_password has expired: make a new secret for the app, and put it in"},
    {"7000218", "the login wants app_password or a certificate, and got none"},
    {"700016",
     "there is no app with this app_id in this tenant: is app_id right, and tenant_id the tenant "
     "of "
     "the app (empty only for an app for many tenants)?"},
    {"700027",
     "the certificate is not one of this app: upload it under Certificates & secrets, or use the "
     "one "
     "that is there"},
    {"700024", "the certificate's proof is out of time: is this host's clock right?"},
    {"700023", "the certificate's proof is for another address: is endpoints.token right?"},
    {"7000112", "the app is disabled: enable it in Entra, under Enterprise applications"},
    {"7000229", "the app has no service principal in this tenant: is tenant_id right?"},
    {"90002", "there is no such tenant: is tenant_id right, and the `cloud`?"},
    {"900023", "tenant_id is neither the id nor the domain of a tenant"},
    {"90013", "the login does not understand the request: are app_id and tenant_id right?"},
    {"900144", "the login misses something: are app_id and app_password there?"},
    {"1002012", "the scope is wrong: is `cloud` the one of this bot?"},
    {"70011", "the scope is wrong: is `cloud` the one of this bot?"},
    {"500011", "the tenant does not know Bot Framework: is `cloud` the one of this bot?"},
    {"50034", "the account is not in this tenant: is tenant_id right?"},
    {"50059", "the login cannot tell the tenant: give tenant_id"},
    {"53003", "a Conditional Access policy of the tenant blocks the bot: ask its administrator"},
    {"90033", "the login of Microsoft is overloaded; it is tried again"},
};

}  // namespace

std::string_view words_of_aadsts(std::string_view code) {
  const auto found = std::ranges::find(kAdvice, code, &Advice::code);
  return found == std::end(kAdvice) ? std::string_view() : found->words;
}

bool TokenRules::is_due(Time now) const {
  if (held_ && now < held_->fresh_until) return false;
  return !failure_ || now >= again_;
}

std::optional<TokenResult> TokenRules::look(Time now) const {
  if (held_ && now < held_->expires) return held_->token;
  if (is_due(now)) return std::nullopt;
  TokenFailure failure = *failure_;
  failure.retry_after = std::chrono::ceil<std::chrono::seconds>(again_ - now);
  return std::unexpected(std::move(failure));
}

std::optional<TokenResult> TokenRules::refused(std::string_view token, Time now) {
  if (!held_ || held_->token != token) return look(now);
  if (held_->was_forced && now - held_->fetched < kYoung)
    return std::unexpected(TokenFailure{
        TokenTrouble::kSetUp, "",
        "Teams refuses the bot's token though it is new: is app_id the one of the bot that was "
        "registered, with the channel Microsoft Teams turned on, and `cloud` the right one?",
        std::chrono::ceil<std::chrono::seconds>(held_->fetched + kYoung - now)});
  held_.reset();
  is_forced_ = true;
  return look(now);
}

TokenResult TokenRules::fetched(FetchResult result, Time now) {
  if (result) {
    const auto early = std::min<std::chrono::seconds>(kEarly, result->lives / 2);
    held_ = Held{std::move(result->token), now, now + result->lives - early, now + result->lives,
                 std::exchange(is_forced_, false)};
    failure_.reset();
    retry_ = kFirstRetry;
    return held_->token;
  }
  failure_ = std::move(result.error());
  if (failure_->trouble == TokenTrouble::kSetUp) {
    failure_->retry_after = kSetUpPause;
  } else {
    failure_->retry_after = std::max(failure_->retry_after, retry_);
    retry_ = std::min(retry_ * 2, kLongestRetry);
  }
  again_ = now + failure_->retry_after;
  if (held_ && now < held_->expires) return held_->token;
  return std::unexpected(*failure_);
}

}  // namespace viaduct::teams
