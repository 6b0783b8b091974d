// What the web chat says of lists that the host gave: agents, sessions, open permission requests.
// Pure functions; any thread.
#pragma once

#include "requests_json.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace viaduct::web_chat {

// What answers: {"backend","plugin","mock"}, or "null" when the overview does not say. `backend` is
// that of the session; empty: the default one of `surface`.
std::string agent_json(std::string_view overview, std::string_view surface,
                       std::string_view backend);
// The names of the backends that people may pick on `surface`, the default one first: an array,
// empty when the overview does not say.
std::string backends_json(std::string_view overview, std::string_view surface);

// {"sessions":[…],"next"?} of GET /api/sessions.
Parsed<std::string> sessions_body(std::string_view list, std::string_view current);

// The permission requests in a page of the history that nobody has answered.
struct OpenPermissions {
  std::string entries;       // a JSON array; empty when there are none
  std::uint64_t before = 0;  // where the next older page begins; 0: there is none
};
Parsed<OpenPermissions> open_permissions(std::string_view history);

}  // namespace viaduct::web_chat
