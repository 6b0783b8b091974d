#include "plugins/teams/jwt.hpp"

#include "plugins/teams/jose.hpp"

#include <openssl/bn.h>

#include <algorithm>
#include <utility>

namespace viaduct::teams {
namespace {

constexpr int kFewestBits = 2048;
constexpr int kMostBits = 8192;  // verifying with more takes too long

using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

Number number_of(std::string_view base64url) {
  const auto bytes = unbase64url(base64url);
  return {bytes ? BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes->data()),
                            static_cast<int>(bytes->size()), nullptr)
                : nullptr,
          &BN_free};
}

}  // namespace

struct PublicKey::Key {
  Jwk jwk;
};

PublicKey::PublicKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;
PublicKey::~PublicKey() = default;

std::expected<PublicKey, std::string> PublicKey::of_jwk(std::string_view json) {
  const CleanErrors clean;
  const RsaMembers members = rsa_members(json);
  const Number modulus = number_of(members.n);
  const Number exponent = number_of(members.e);
  if (!modulus || !exponent) return std::unexpected("it has no modulus or exponent");
  if (BN_num_bits(modulus.get()) < kFewestBits)
    return std::unexpected("it is shorter than 2048 bits");
  if (BN_num_bits(modulus.get()) > kMostBits) return std::unexpected("it is longer than 8192 bits");
  constexpr int kMostExponentBits = 64;
  if (BN_is_odd(modulus.get()) == 0 || BN_is_odd(exponent.get()) == 0 ||
      BN_is_one(exponent.get()) || BN_num_bits(exponent.get()) > kMostExponentBits)
    return std::unexpected("its numbers are none of an RSA key");
  Jwk jwk(cjose_jwk_import(json.data(), json.size(), nullptr));
  if (!jwk || cjose_jwk_get_kty(jwk.get(), nullptr) != CJOSE_JWK_KTY_RSA)
    return std::unexpected("it cannot be read");
  return PublicKey(std::make_unique<Key>(Key{std::move(jwk)}));
}

struct Token::Parsed {
  Jws jws;
  std::string key_id;
  Claims claims;
};

Token::Token(std::unique_ptr<Parsed> parsed) : parsed_(std::move(parsed)) {}
Token::Token(Token&&) noexcept = default;
Token& Token::operator=(Token&&) noexcept = default;
Token::~Token() = default;

std::expected<Token, TokenFault> Token::parse(std::string_view text) {
  const CleanErrors clean;
  if (text.size() > kLongestToken) return std::unexpected(TokenFault::kTooLong);
  // RFC 7515 has no padding, and cjose aborts where it is in the wrong place.
  const bool is_whole = !text.empty() && !text.ends_with('.') && text.find('=') == text.npos;
  Jws jws(is_whole ? cjose_jws_import(text.data(), text.size(), nullptr) : nullptr);
  if (!jws) return std::unexpected(TokenFault::kMalformed);
  cjose_header_t* const header = cjose_jws_get_protected(jws.get());
  const char* const algorithm = cjose_header_get(header, CJOSE_HDR_ALG, nullptr);
  if (algorithm == nullptr || std::string_view(algorithm) != CJOSE_HDR_ALG_RS256)
    return std::unexpected(TokenFault::kAlgorithm);
  if (has_member(header, "crit")) return std::unexpected(TokenFault::kCritical);
  const char* const key_id = cjose_header_get(header, CJOSE_HDR_KID, nullptr);
  if (key_id == nullptr || *key_id == '\0') return std::unexpected(TokenFault::kNoKeyId);
  std::uint8_t* payload = nullptr;  // the token's own
  std::size_t size = 0;
  if (!cjose_jws_get_plaintext(jws.get(), &payload, &size, nullptr))
    return std::unexpected(TokenFault::kMalformed);
  auto claims = parse_claims({reinterpret_cast<const char*>(payload), size});
  if (!claims) return std::unexpected(TokenFault::kMalformed);
  return Token(std::make_unique<Parsed>(Parsed{std::move(jws), key_id, *std::move(claims)}));
}

const std::string& Token::key_id() const {
  return parsed_->key_id;
}
const Claims& Token::claims() const {
  return parsed_->claims;
}

bool Token::verify(const PublicKey& key) {
  const CleanErrors clean;
  return cjose_jws_verify(parsed_->jws.get(), key.key_->jwk.get(), nullptr);
}

}  // namespace viaduct::teams
