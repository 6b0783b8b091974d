// A conversation that has become too long: the model itself summarises the older part, the newest
// stays as it is. Says what to request next. Any thread, one at a time.
#pragma once

#include "plugins/bridge/messages.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace viaduct::bridge {

class Compaction {
 public:
  // The last message stays whatever its size; of those before it, whole exchanges of at most
  // `keep_bytes` in all.
  Compaction(std::vector<Message> messages, std::size_t keep_bytes);

  // Nothing is older than what stays.
  bool impossible() const { return older_.empty(); }
  bool done() const { return at_ >= older_.size(); }

  // What to ask the model, while not done.
  std::string request() const;
  // The model's answer to it.
  void summary(std::string text);
  // The request did not fit: asks for less. False: less is not possible.
  bool too_long();

  // Once done: the conversation that takes the old one's place.
  std::vector<Message> result() const;
  std::size_t summarised() const { return summarised_; }  // messages

 private:
  std::vector<Message> kept_;
  std::string older_;  // as text
  std::size_t at_ = 0;
  std::size_t piece_ = 0;  // bytes for each request
  std::size_t summarised_ = 0;
  std::string summary_;
};

}  // namespace viaduct::bridge
