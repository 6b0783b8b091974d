#include "plugins/teams/jose.hpp"
#include "plugins/teams/jwt.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

using nlohmann::json;

// False: it is there, and no text.
bool read(const json& from, const char* name, std::string& to) {
  const auto found = from.find(name);
  if (found == from.end() || found->is_null()) return true;
  if (!found->is_string()) return false;
  to = found->get<std::string>();
  return true;
}

// Seconds since the epoch, with or without a fraction; false: it is there, and no such.
bool read(const json& from, const char* name, std::optional<std::int64_t>& to) {
  constexpr double kLatest = 1e15;
  const auto found = from.find(name);
  if (found == from.end()) return true;
  if (!found->is_number()) return false;
  const double seconds = found->get<double>();
  if (!(seconds >= 0 && seconds < kLatest)) return false;
  to = static_cast<std::int64_t>(std::floor(seconds));
  return true;
}

// False: it is neither a text nor a list.
bool read_audience(const json& from, std::string& to) {
  const auto found = from.find("aud");
  if (found != from.end() && found->is_array()) {
    if (found->size() == 1 && found->front().is_string()) to = found->front().get<std::string>();
    return true;
  }
  return read(from, "aud", to);
}

}  // namespace

std::optional<Claims> parse_claims(std::string_view text) {
  constexpr std::size_t kMostClaims = 500;
  if (net::too_complex(text, kMostClaims, 8)) return std::nullopt;
  const json from = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!from.is_object()) return std::nullopt;
  Claims claims;
  std::string first, second;
  const bool is_good = read(from, "iss", claims.issuer) && read_audience(from, claims.audience) &&
                       read(from, "exp", claims.expires) && read(from, "nbf", claims.not_before) &&
                       read(from, "serviceurl", claims.service_url) &&
                       read(from, "tid", claims.tenant) && read(from, "ver", claims.version) &&
                       read(from, "appid", first) && read(from, "azp", second);
  if (!is_good) return std::nullopt;
  claims.app = claims.version == "2.0" ? second : first;
  return claims;
}

RsaMembers rsa_members(std::string_view jwk) {
  const json from = json::parse(jwk, nullptr, /*allow_exceptions=*/false);
  RsaMembers members;
  if (!from.is_object() || !read(from, "n", members.n) || !read(from, "e", members.e)) return {};
  return members;
}

}  // namespace viaduct::teams
