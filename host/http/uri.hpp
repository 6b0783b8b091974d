// What a request says of where it goes: target, Host and Origin, parsed strictly. Pure functions;
// any thread.
#pragma once

#include "host/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::http {

// Host and port, compared exactly: lower case, IPv6 addresses in brackets and canonical.
struct Authority {
  std::string host;
  std::uint16_t port = 80;
  bool operator==(const Authority&) const = default;
};

// "127.0.0.1:8410", "[::1]:8410", "example.org" (port 80). No user, path or empty port.
std::optional<Authority> parse_authority(std::string_view text);
// "http://127.0.0.1:8410" and nothing after it; any other scheme, and "null", is nullopt.
std::optional<Authority> parse_origin(std::string_view text);

struct Target {
  std::string path;                    // percent-decoded, no dot segments, no NUL, valid UTF-8
  std::string query;                   // raw, without '?'
  std::optional<Authority> authority;  // of the absolute form
};
// Takes origin-form and absolute-form. invalid_argument says what is wrong.
Result<Target> parse_target(std::string_view raw);

bool valid_utf8(std::string_view text);
bool same_ignoring_case(std::string_view a, std::string_view b);
// Whether a comma-separated header value has this token, in any case.
bool has_token(std::string_view list, std::string_view token);
std::string_view trimmed(std::string_view text);

}  // namespace viaduct::http
