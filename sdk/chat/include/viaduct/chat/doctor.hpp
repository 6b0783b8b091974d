// What a surface's `doctor` answers. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::chat {

struct Check {
  std::string name;
  bool ok = false;
  std::string message;
};

// {"checks":[…]}, as the host has it.
std::string checks_json(const std::vector<Check>& checks);

// Seconds that this host is ahead of `date`, as the header has it; nothing: it is no date.
std::optional<std::int64_t> ahead_of(std::string_view date, std::int64_t now);
// This host's clock against `date` of an answer of `whose`: a minute is a failure. `then`: what
// comes of it, "requests are refused".
Check check_clock(std::string_view whose, std::string_view date, std::string_view then);

}  // namespace viaduct::chat
