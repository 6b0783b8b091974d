// cjose's objects, with owners, and what it lacks. Internal to jwt and assertion. Any thread.
#pragma once

#include <cjose/cjose.h>
#include <openssl/err.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::teams {

struct JoseFree {
  void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
  void operator()(cjose_header_t* header) const { cjose_header_release(header); }
};
using Jwk = std::unique_ptr<cjose_jwk_t, JoseFree>;
using Jws = std::unique_ptr<cjose_jws_t, JoseFree>;
using JoseHeader = std::unique_ptr<cjose_header_t, JoseFree>;

// What a failed verification leaves in OpenSSL's queue would be taken for a fault of the next TLS
// connection of this thread.
class CleanErrors {
 public:
  CleanErrors() = default;
  CleanErrors(const CleanErrors&) = delete;
  CleanErrors& operator=(const CleanErrors&) = delete;
  ~CleanErrors() { ERR_clear_error(); }
};

// Of any type.
inline bool has_member(cjose_header_t* header, const char* name) {
  char* const raw = cjose_header_get_raw(header, name, nullptr);
  std::free(raw);
  return raw != nullptr;
}

inline std::optional<std::string> unbase64url(std::string_view text) {
  std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  // With padding in the wrong place, cjose aborts.
  if (text.empty() || text.find('=') != text.npos) return std::nullopt;
  if (!cjose_base64url_decode(text.data(), text.size(), &bytes, &size, nullptr))
    return std::nullopt;
  std::string out(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return out;
}

inline std::string base64url(std::string_view bytes) {
  char* text = nullptr;
  std::size_t size = 0;
  if (!cjose_base64url_encode(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                              &text, &size, nullptr))
    return {};
  std::string out(text, size);
  std::free(text);
  return out;
}

// n and e of a JWK; empty where they are none.
struct RsaMembers {
  std::string n, e;
};
RsaMembers rsa_members(std::string_view jwk);

}  // namespace viaduct::teams
