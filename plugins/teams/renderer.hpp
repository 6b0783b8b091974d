// One chunk of a model's Markdown as the Markdown that Teams shows, from cmark-gfm's tree. Any
// thread.
#pragma once

#include "plugins/teams/chunks.hpp"

#include <string>
#include <string_view>

namespace viaduct::teams {

// Without a line end behind it. Of a chunk that is not done, what is settled.
std::string rendered(const Chunk& chunk);

}  // namespace viaduct::teams
