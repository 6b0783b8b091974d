// What an answer cites: Markdown's footnotes ([^1]) and numbered references ([1]) whose definitions
// have an address. Teams shows each where [1] stands in the text. Any thread.
#pragma once

#include "plugins/teams/card.hpp"

#include <string_view>
#include <vector>

namespace viaduct::teams {

// Of all of an answer, in the order of their numbers; names and abstracts are plain.
std::vector<Citation> citations_of(std::string_view markdown);
// Those whose number stands in a text that is shown, at most as many as Teams takes.
std::vector<Citation> cited_in(std::string_view shown, const std::vector<Citation>& all);

}  // namespace viaduct::teams
