// What an agent sends that is no text: looked at before it goes into a log. Any thread.
#pragma once

#include "host/sessions/backend.hpp"

#include <cstddef>
#include <string_view>

namespace viaduct::sessions {

inline constexpr std::size_t kLargestContent = 8 << 20;  // bytes of the JSON of one

// Of a VIADUCT_EVENT_CONTENT: with words in any case, and the block with nothing in it but what the
// ABI names; or without one, and the words say why.
BackendEvent checked_content(BackendEvent event);

// "[an image] (this and that)"
std::string only_words(std::string_view words, std::string_view why);

}  // namespace viaduct::sessions
