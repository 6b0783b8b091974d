// Gives one text to everything of the Slack surface that reads texts of that kind. Any thread. Each
// aborts when what a reader says does not hold.
#pragma once

#include <string_view>

namespace viaduct::slack {

// What Slack sends: a body of a request, or the payload of an envelope.
void feed_event(std::string_view body);
// What people say to the bridge.
void feed_command(std::string_view text);
// What a model writes.
void feed_markdown(std::string_view text);

}  // namespace viaduct::slack
