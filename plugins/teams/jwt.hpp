// Signed tokens (RFC 7519, 7515): parsed by cjose, and verified with RS256 only, whatever the token
// would like. Keys that a token brings or points to (jwk, jku, x5c, x5u) are never looked at. Any
// thread, one at a time for each object; no OpenSSL error is left behind on the thread.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

// More than any token of Microsoft's has.
inline constexpr std::size_t kLongestToken = 8 << 10;

// What is read of a token's payload. A claim that is missing is empty.
struct Claims {
  std::string issuer;
  std::string audience;  // of a list: its only item; empty: none, or several
  std::optional<std::int64_t> expires;
  std::optional<std::int64_t> not_before;
  std::string service_url;  // serviceurl
  // Of Entra's tokens.
  std::string tenant;   // tid
  std::string version;  // ver
  std::string app;      // azp where version is 2.0, else appid
};
// Nothing: no JSON object, or a claim is of another type than it must be.
std::optional<Claims> parse_claims(std::string_view json);

// An RSA key of at least 2048 bits, for verifying. Immutable.
class PublicKey {
 public:
  // Of one key of a JWKS; the error is in words.
  static std::expected<PublicKey, std::string> of_jwk(std::string_view json);
  PublicKey(PublicKey&&) noexcept;
  PublicKey& operator=(PublicKey&&) noexcept;
  ~PublicKey();

 private:
  friend class Token;
  struct Key;
  explicit PublicKey(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

// Why a text is no token that could be good.
enum class TokenFault {
  kTooLong,
  kMalformed,  // not three parts of base64url, no JSON, a claim of the wrong type, or no signature
  kAlgorithm,  // another than RS256
  kCritical,   // it has `crit`: nothing that could stand there is understood
  kNoKeyId
};

// A token that has been parsed; nothing of it is true before verify().
class Token {
 public:
  static std::expected<Token, TokenFault> parse(std::string_view text);
  Token(Token&&) noexcept;
  Token& operator=(Token&&) noexcept;
  ~Token();

  const std::string& key_id() const;
  const Claims& claims() const;
  bool verify(const PublicKey& key);

 private:
  struct Parsed;
  explicit Token(std::unique_ptr<Parsed> parsed);
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace viaduct::teams
