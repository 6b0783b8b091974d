// The small languages of configuration values, and words for messages. Pure functions; any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::config {

// "20ms", "3s", "30m", "24h", "7d"; at most 100 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// "512B", "64KiB", "1MB"; at most 2^50 bytes.
std::optional<std::size_t> parse_size(std::string_view text);
std::string duration_text(std::chrono::milliseconds duration);
std::string size_text(std::size_t bytes);

// "127.0.0.1:8410", "[::1]:0" or "localhost:8410" (which is 127.0.0.1).
struct Address {
  std::string text;  // an IP address and a port
  bool loopback = false;
  std::uint16_t port = 0;
};
std::optional<Address> parse_address(std::string_view text);

// What a plain YAML scalar is (core schema of YAML 1.2).
enum class ScalarType { null, boolean, integer, number, string };
ScalarType scalar_type(std::string_view text);

// The candidate that `name` was most likely meant to be; empty: none comes near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
// "; did you mean "x"?", else "; expected one of …", else nothing.
std::string hint(std::string_view name, const std::vector<std::string>& candidates);

// "web-chat": [a-z][a-z0-9-]{0,62}
bool is_instance_name(std::string_view name);

// Whether what stands under this key, or in this environment variable, must not be shown.
bool is_secret_key(std::string_view key);
bool is_secret_variable(std::string_view name);

// Position of the first byte that is not UTF-8.
std::optional<std::size_t> invalid_utf8(std::string_view text);

// "text", with what does not belong in one line of a message replaced.
std::string in_quotes(std::string_view text);

}  // namespace viaduct::config
