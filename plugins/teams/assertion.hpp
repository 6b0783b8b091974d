// What a bot with a certificate shows instead of a secret (RFC 7523): a JWT, signed with PS256,
// that names the certificate by its SHA-256. Any thread; reads two files.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace viaduct::teams {

struct AssertionOf {
  std::string app_id;
  std::string audience;  // the token endpoint
  std::string certificate_file;
  std::string key_file;
};

// `now` in seconds since the epoch; valid for 10 minutes. The error says which file is at fault and
// why, and nothing that is in it.
std::expected<std::string, std::string> make_assertion(const AssertionOf& of, std::int64_t now);

// Internal, in service_token_json.cpp.
std::string assertion_claims(const AssertionOf& of, const std::string& id, std::int64_t now);

}  // namespace viaduct::teams
