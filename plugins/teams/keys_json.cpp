#include "plugins/teams/address.hpp"
#include "plugins/teams/key_rules.hpp"

#include <nlohmann/json.hpp>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

using nlohmann::json;

constexpr std::size_t kMostKeys = 200;  // Entra has about ten, the service about five
constexpr std::size_t kMostValues = 50'000;

std::string text_of(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string();
}

json parsed(std::string_view text) {
  if (net::too_complex(text, kMostValues)) return json::value_t::discarded;
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// What signs, or may: `use` and `alg` need not be there.
bool is_for_signatures(const json& key) {
  const std::string use = text_of(key, "use"), algorithm = text_of(key, "alg");
  return text_of(key, "kty") == "RSA" && (use.empty() || use == "sig") &&
         (algorithm.empty() || algorithm == "RS256");
}

}  // namespace

std::expected<ParsedKeys, std::string> parse_keys(std::string_view text) {
  const json from = parsed(text);
  if (!from.is_object() || !from.contains("keys") || !from["keys"].is_array())
    return std::unexpected("it has no list of keys");
  if (from["keys"].size() > kMostKeys) return std::unexpected("it has too many keys");
  ParsedKeys found;
  for (const json& one : from["keys"]) {
    if (!one.is_object() || !is_for_signatures(one)) continue;
    const std::string id = text_of(one, "kid");
    if (id.empty()) continue;
    // Only what is needed: certificates are none of our business, nor would a private half be.
    const std::string bare =
        json{{"kty", "RSA"}, {"n", text_of(one, "n")}, {"e", text_of(one, "e")}}.dump(
            -1, ' ', false, json::error_handler_t::replace);
    auto key = PublicKey::of_jwk(bare);
    if (!key) {
      found.refused.push_back("key " + net::one_line(id, 100) + ": " + key.error());
      continue;
    }
    std::vector<std::string> endorsements;
    std::string all = bare;
    if (const auto list = one.find("endorsements"); list != one.end() && list->is_array())
      for (const json& channel : *list)
        if (channel.is_string()) {
          endorsements.push_back(channel.get<std::string>());
          all += ' ' + endorsements.back();
        }
    found.keys.insert_or_assign(
        id, std::make_shared<const SigningKey>(
                SigningKey{id, std::move(all), std::move(endorsements), *std::move(key)}));
  }
  if (found.keys.empty())
    return std::unexpected(found.refused.empty() ? "it has no RSA key for signatures"
                                                 : found.refused.front());
  return found;
}

std::expected<std::string, std::string> parse_metadata(std::string_view text,
                                                       std::string_view from) {
  const json document = parsed(text);
  if (!document.is_object()) return std::unexpected("it is no JSON object");
  std::string url = text_of(document, "jwks_uri");
  const auto keys = parse_address(url), metadata = parse_address(from);
  if (!keys || !metadata) return std::unexpected("its jwks_uri is no address");
  if (keys->origin() != metadata->origin())
    return std::unexpected("its jwks_uri is at another host");
  return url;
}

}  // namespace viaduct::teams
