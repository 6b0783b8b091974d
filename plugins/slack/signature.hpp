// Whether a request of HTTP mode comes from Slack: version 0 of its signature, over the body as it
// came, before anything is parsed. Any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

// How far the time of a request may be off, either way.
inline constexpr std::int64_t kLongestSkew = 300;

// All but kGood is answered with 401 and nothing else.
enum class Proof {
  kGood,
  kMissing,    // no signature, or no time of it
  kMalformed,  // the time is no number, or the signature is of another version
  kStale,
  kFuture,
  kWrong,  // signed by somebody else, or changed on its way
};

// For the log: "the request is older than 5 minutes: is this host's clock right?"
std::string_view words(Proof proof);

// "v0=" and 64 digits. For what sends signed requests: doctor, the simulator, tests.
std::string signature_of(std::string_view secret, std::string_view timestamp,
                         std::string_view body);

class Signatures {
 public:
  // Any of the secrets will do, so that one can be replaced. None, or an empty one, is an error:
  // anybody can sign with an empty secret.
  static std::expected<Signatures, std::string> make(std::vector<std::string> secrets);

  // `timestamp` and `signature` as in the headers, empty if there are none; `now` in seconds since
  // the epoch. Takes the same time wherever a signature is wrong.
  Proof check(std::string_view timestamp, std::string_view signature, std::string_view body,
              std::int64_t now) const;

 private:
  explicit Signatures(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {}
  std::vector<std::string> secrets_;
};

}  // namespace viaduct::slack
