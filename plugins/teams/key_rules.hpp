// When keys are fetched, and how long they are trusted (reference section 1.4): a plain class with
// the time passed in. One thread.
//
// Keys are trusted for 24 hours from when they were fetched, never longer. They are fetched anew
// every 12 hours, and after a failure again and again, more and more seldom; while that fails, the
// old ones serve. A key that is not known may be asked for once in 60 seconds, also when that
// fails.
#pragma once

#include "plugins/teams/jwt.hpp"
#include "plugins/teams/uptime.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

struct SigningKey {
  std::string id;
  std::string json;  // as it came: two keys are the same if this is
  std::vector<std::string> endorsements;
  PublicKey key;
};
using KeySet = std::map<std::string, std::shared_ptr<const SigningKey>, std::less<>>;

// A JWKS: its RSA keys for signatures. Others are passed over.
struct ParsedKeys {
  KeySet keys;
  std::vector<std::string> refused;  // weak or broken ones, in words
};
// The error is in words; a set without any key that can be used is one.
std::expected<ParsedKeys, std::string> parse_keys(std::string_view json);

// jwks_uri of OpenID metadata. It must be of the host from which the metadata came; the error is in
// words.
std::expected<std::string, std::string> parse_metadata(std::string_view json,
                                                       std::string_view from);

class KeyRules {
 public:
  using Time = Uptime::time_point;
  static constexpr auto kTrusted = std::chrono::hours(24);
  static constexpr auto kRefresh = std::chrono::hours(12);
  static constexpr auto kAskedFor = std::chrono::seconds(60);
  static constexpr auto kFirstRetry = std::chrono::seconds(1);
  static constexpr auto kLongestRetry = std::chrono::minutes(5);

  // When the next fetch is due by itself.
  Time due() const { return due_; }
  // Whether a key that find() does not know may be asked for now; counts as having been.
  bool may_ask(Time now);

  // What a fetch brought. A key that is the same as before stays the same object, so that what was
  // verified with it stays so; one that is gone, or has changed, does not.
  void fetched(KeySet keys, Time begun, Time now);
  void failed(Time now);

  // Null: not known, or too old.
  std::shared_ptr<const SigningKey> find(std::string_view id, Time now) const;
  // Keys that may be trusted.
  std::size_t count(Time now) const;
  // Since they were fetched; nothing: never.
  std::optional<Uptime::duration> age(Time now) const;

 private:
  KeySet keys_;
  std::optional<Time> fetched_at_;
  std::optional<Time> asked_at_;
  Time due_{};
  std::chrono::seconds retry_ = kFirstRetry;
};

}  // namespace viaduct::teams
