// Gives one text to everything of the Teams surface that reads texts of that kind. Any thread. Each
// aborts when what a reader says does not hold.
#pragma once

#include <string_view>

namespace viaduct::teams {

// What Teams sends: the body of a request.
void feed_activity(std::string_view body);
// A message as HTML.
void feed_html(std::string_view html);
// What a model writes.
void feed_markdown(std::string_view text);

}  // namespace viaduct::teams
