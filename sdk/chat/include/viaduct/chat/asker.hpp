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
  bool is_direct = false;   // the channel is the person's own with the bot
  std::string thread;       // empty: at the top of the channel
  std::string message;      // the one that asks; empty: a slash command or a button
  std::string key;          // of the event, for everything that is done because of it
  std::string reply_url;    // for words to the asker alone, a secret; empty: none
  std::string account;      // how the network addresses them, where that is not `user`
  bool has_threads = true;  // false: the channel as a whole is one place, as in a group chat

  sdk::Principal principal() const { return {user, name, team, "", is_operator}; }
  // The place is the channel, not a thread of it.
  bool is_whole() const { return is_direct || !has_threads; }
  // Where a message of the asker belongs.
  Place place() const { return {team, channel, thread}; }
};

}  // namespace viaduct::chat
