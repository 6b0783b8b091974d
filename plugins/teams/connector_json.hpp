// The JSON of the Bot Connector. Any thread.
#pragma once

#include "plugins/teams/connector.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

// With `from` and `conversation` where it has none; nothing: it is no JSON object.
std::optional<std::string> addressed(std::string_view activity, std::string_view bot,
                                     std::string_view conversation);

std::optional<std::string> chat_body(std::string_view tenant, std::string_view bot,
                                     std::string_view person, std::string_view activity);
std::optional<std::string> thread_body(std::string_view tenant, std::string_view bot,
                                       std::string_view channel, std::string_view activity);

Done parse_done(std::string_view body);     // of a message
Done parse_created(std::string_view body);  // of a conversation

struct MemberPage {
  std::vector<Member> members;
  std::string continuation;  // empty: it is the last
};
MemberPage parse_members(std::string_view body);
Member parse_member(std::string_view body);

}  // namespace viaduct::teams
