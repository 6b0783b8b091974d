#include "plugins/teams/percent.hpp"

namespace viaduct::teams {

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kMarks = "-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || kMarks.find(c) != kMarks.npos;
    if (is_plain)
      out += c;
    else
      (out += '%') += {kDigits[byte >> 4U], kDigits[byte & 0xFU]};
  }
  return out;
}

}  // namespace viaduct::teams
