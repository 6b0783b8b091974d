// Text as a part of an address. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace viaduct::teams {

// All but letters, digits and -._~ as %XX.
std::string percent_encoded(std::string_view text);

}  // namespace viaduct::teams
