// How often the service may be called (reference section 3.4), as lanes of a chat::Budget. Several
// limits of one thing (so many in a second, in 30 seconds, in an hour) are several lanes; together
// they keep within each. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>
#include <viaduct/chat/budget.hpp>

namespace viaduct::teams {

enum class CallKind { kSend, kStream, kRead, kReaction };

// `conversation`: its whole id; a thread of a channel counts for itself.
std::vector<chat::Budget::Lane> lanes_of(CallKind kind, std::string_view tenant,
                                         std::string_view conversation);
// The one that a 429 is about.
const chat::Budget::Lane& refused_lane(const std::vector<chat::Budget::Lane>& lanes);

}  // namespace viaduct::teams
