// Who wants something of the bridge, and where it is to be answered. A value.
#pragma once

#include <viaduct/chat/place.hpp>

#include <string>
#include <viaduct/sdk/base.hpp>

namespace viaduct::chat {

struct Asker {
  std::string team;
  std::string user;
  std::string name;  // as people see it
  bool is_operator = false;
  std::string channel;
  bool is_direct = false;    // the channel is the person's own with the bot
  std::string thread;        // empty: at the top of the channel
  std::string ts;            // of the message that asks; empty: a slash command or a button
  std::string key;           // of the event, for everything that is done because of it
  std::string response_url;  // empty: none

  sdk::Principal principal() const { return {user, name, team, "", is_operator}; }
  // Where a message of the asker belongs.
  Place place() const { return {team, channel, thread}; }
};

}  // namespace viaduct::chat
