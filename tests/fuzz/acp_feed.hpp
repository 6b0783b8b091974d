// Gives one line of an agent to everything of the ACP client that reads such lines. Any thread.
#pragma once

#include <string_view>

namespace viaduct::acp {

// Aborts when what a reader says of the line does not hold.
void feed(std::string_view line);

}  // namespace viaduct::acp
