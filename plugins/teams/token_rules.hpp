// When the bot's token is fetched and when it is not: a plain class with the time passed in; and
// what Entra's refusals mean. One thread.
#pragma once

#include "plugins/teams/uptime.hpp"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::teams {

enum class TokenTrouble {
  kRetryLater,  // overload, network
  kSetUp        // only a person can mend it: the wrong secret, an app that is not there
};

struct TokenFailure {
  TokenTrouble trouble = TokenTrouble::kRetryLater;
  std::string error;                    // as TokenReport::error
  std::string message;                  // for a person, with what to do
  std::chrono::seconds retry_after{0};  // before that, the same failure is the answer
};
using TokenResult = std::expected<std::string, TokenFailure>;

struct FetchedToken {
  std::string token;
  std::chrono::seconds lives{0};
};
using FetchResult = std::expected<FetchedToken, TokenFailure>;

// What the token endpoint answered. `secret` is in no message.
FetchResult parse_token_answer(int status, std::string_view body, std::string_view secret,
                               std::optional<std::chrono::seconds> retry_after);

// What to do about an error of Entra's: "7000215". Empty: nothing is known of it.
std::string_view words_of_aadsts(std::string_view code);

class TokenRules {
 public:
  using Time = Uptime::time_point;
  static constexpr auto kEarly = std::chrono::minutes(5);  // before it expires
  static constexpr auto kSetUpPause = std::chrono::minutes(5);
  static constexpr auto kFirstRetry = std::chrono::seconds(1);
  static constexpr auto kLongestRetry = std::chrono::seconds(60);
  static constexpr auto kYoung = std::chrono::seconds(60);  // refused before that: it is no use

  // What to answer; nothing: fetch one and wait for it.
  std::optional<TokenResult> look(Time now) const;
  // Whether one should be fetched, be there one that still serves or not.
  bool is_due(Time now) const;
  // The service refuses this token. What to answer, as look().
  std::optional<TokenResult> refused(std::string_view token, Time now);
  // What a fetch brought, and what to answer now.
  TokenResult fetched(FetchResult result, Time now);

 private:
  struct Held {
    std::string token;
    Time fetched, fresh_until, expires;
    bool was_forced = false;  // because the one before was refused
  };
  std::optional<Held> held_;
  bool is_forced_ = false;
  std::optional<TokenFailure> failure_;
  Time again_{};  // when it may be fetched after a failure
  std::chrono::seconds retry_ = kFirstRetry;
};

}  // namespace viaduct::teams
