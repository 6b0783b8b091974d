// Where on its network a conversation is: a thread of a channel, or a channel as a whole.
#pragma once

#include <string>

namespace viaduct::chat {

struct Place {
  std::string team;
  std::string channel;
  std::string thread;  // by its first message; empty: the channel as a whole

  // None of the three may have a slash.
  std::string key() const { return team + "/" + channel + "/" + thread; }
  bool operator==(const Place&) const = default;
};

}  // namespace viaduct::chat
