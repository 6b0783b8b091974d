#include "plugins/slack/signature.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <charconv>

namespace viaduct::slack {
namespace {

constexpr std::string_view kVersion = "v0=";
constexpr std::size_t kDigits = 64;

bool only_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string sign(std::string_view secret, const std::string& base) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(base.data()), base.size(), hash.data(), &size);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text(kVersion);
  text.reserve(kVersion.size() + kDigits);
  for (unsigned int i = 0; i < size; ++i) {
    text += kHex[hash[i] >> 4U];
    text += kHex[hash[i] & 0xFU];
  }
  return text;
}

std::string base_of(std::string_view timestamp, std::string_view body) {
  std::string base = "v0:";
  base.reserve(base.size() + timestamp.size() + 1 + body.size());
  base.append(timestamp).append(":").append(body);
  return base;
}

}  // namespace

std::string_view words(Proof proof) {
  switch (proof) {
    case Proof::kGood: return "the request is signed by Slack";
    case Proof::kMissing: return "the request is not signed";
    case Proof::kMalformed: return "the request's signature is none of Slack's version v0";
    case Proof::kStale:
      return "the request was signed more than 5 minutes ago: is this host's clock right?";
    case Proof::kFuture:
      return "the request was signed more than 5 minutes from now: is this host's clock right?";
    case Proof::kWrong:
      return "the request's signature is wrong: is signing_secret the one of this app?";
  }
  return "";
}

std::string signature_of(std::string_view secret, std::string_view timestamp,
                         std::string_view body) {
  return sign(secret, base_of(timestamp, body));
}

std::expected<Signatures, std::string> Signatures::make(std::vector<std::string> secrets) {
  if (secrets.empty()) return std::unexpected("signing_secret: must be given");
  for (const std::string& secret : secrets)
    if (secret.empty())
      return std::unexpected("signing_secret: must not be empty, or anybody can sign");
  return Signatures(std::move(secrets));
}

Proof Signatures::check(std::string_view timestamp, std::string_view signature,
                        std::string_view body, std::int64_t now) const {
  if (timestamp.empty() || signature.empty()) return Proof::kMissing;
  std::int64_t signed_at = 0;
  // Of 18 digits every number fits.
  if (!only_digits(timestamp) || timestamp.size() > 18) return Proof::kMalformed;
  std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), signed_at);
  if (!signature.starts_with(kVersion) || signature.size() == kVersion.size())
    return Proof::kMalformed;
  if (now - signed_at > kLongestSkew) return Proof::kStale;
  if (signed_at - now > kLongestSkew) return Proof::kFuture;
  const std::string base = base_of(timestamp, body);
  bool good = false;
  for (const std::string& secret : secrets_) {
    const std::string right = sign(secret, base);
    const bool same = right.size() == signature.size() &&
                      CRYPTO_memcmp(right.data(), signature.data(), right.size()) == 0;
    good = good || same;
  }
  return good ? Proof::kGood : Proof::kWrong;
}

}  // namespace viaduct::slack
