// Markdown of a model, made harmless for a network that shows Markdown itself. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace viaduct::chat {

inline constexpr std::string_view kBreak = "\xE2\x80\x8B";  // zero-width space

// Whether a break belongs in front of line[i]. It looks only back, so that nothing that comes later
// changes it.
using Breaks = bool (*)(std::string_view line, std::size_t i);

// The text with a break wherever `breaks` says, outside of code; everything else, and all code,
// stays as it is. Of a text that has not `ended`, only what stays when more comes behind it: the
// result of a longer text begins with that of a shorter one.
std::string guarded(std::string_view markdown, bool ended, Breaks breaks);

}  // namespace viaduct::chat
