// Where on Slack a conversation is: a thread of a channel, or of a direct message.
#pragma once

#include <string>

namespace viaduct::slack {

struct Place {
  std::string team;
  std::string channel;
  std::string thread;  // ts of its first message; empty: a direct message without threads

  // Ids and timestamps of Slack have no slash.
  std::string key() const { return team + "/" + channel + "/" + thread; }
  bool operator==(const Place&) const = default;
};

}  // namespace viaduct::slack
