// The errors of Slack's Web API (reference section 11): what is to be done about each, and what a
// person is told. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace viaduct::slack {

// Why a call failed, as what must be done about it.
enum class ApiTrouble {
  kRetryLater,   // rate limit, overload, network
  kCredentials,  // the token is dead: nothing works in this workspace until somebody mends it
  kSetUp,        // a scope or a setting is missing
  kTargetGone,   // channel, thread, message or user
  kContent,      // what was sent is too long or malformed
  kState,        // the stream has ended, the reaction is there already
  kOther
};

// `error`: Slack's own word.
ApiTrouble trouble_of(std::string_view error);

// Whether the call has nothing left to do: the reaction is there, or is gone.
bool is_as_good_as_done(std::string_view error);

// Of apps.connections.open: no other attempt can help, until somebody has mended the set-up.
bool is_final_for_sockets(std::string_view error);

// For a person, with what to do. `needed` and `provided` as the answer to missing_scope says them;
// empty otherwise. `detail`: of response_metadata.messages, or empty.
std::string words_of(std::string_view error, std::string_view needed = "",
                     std::string_view provided = "", std::string_view detail = "");

}  // namespace viaduct::slack
