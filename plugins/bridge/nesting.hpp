// What keeps a hostile JSON text from running the stack out. Any thread.
#pragma once

#include <string_view>

namespace viaduct::bridge {

// Arrays and objects in each other: deeper than any message needs.
inline constexpr int kDeepestJson = 200;

// Whether they are nested deeper than that: what works on such a value by recursion would run out
// of stack.
bool too_deep(std::string_view json);

}  // namespace viaduct::bridge
