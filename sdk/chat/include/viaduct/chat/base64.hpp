// Base64 (RFC 4648 section 4). Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace viaduct::chat {

std::string base64(std::string_view bytes);
std::optional<std::string> unbase64(std::string_view text);

}  // namespace viaduct::chat
