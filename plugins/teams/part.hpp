// A part of an answer that has ended, with what is shown beside its text: sdk/chat hands parts on
// as texts, so that all of it is in one. Pure functions; any thread.
#pragma once

#include "plugins/teams/card.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

struct Part {
  std::string text;
  bool is_last = false;
  std::vector<Citation> citations;
};

std::string part_json(const Part& part);  // the text as it is, where there is nothing beside it
Part parse_part(std::string_view part);

}  // namespace viaduct::teams
