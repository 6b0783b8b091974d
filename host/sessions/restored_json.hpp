// What was said in a session, as text for an agent that has it from nowhere else. Pure.
#pragma once

#include "host/store/store.hpp"

#include <string>
#include <vector>

namespace viaduct::sessions {

// To go in front of the next message. Every line of what somebody said is indented and every line
// of the host's is not, so that nobody can say what looks like another's words or like the end of
// it.
std::string restored_text(const std::vector<store::Entry>& entries);

}  // namespace viaduct::sessions
