// All bound places. On the loop's thread; owned by the plugin.
#pragma once

#include <viaduct/chat/conversation.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace viaduct::chat {

class Conversations {
 public:
  explicit Conversations(World& world) : world_(world) {}

  // The one of this place; null: nothing is bound there.
  std::shared_ptr<Conversation> at(const Place& place);
  // The one that shows this session, or still answers what was asked of it; where several do, any.
  // Null: none.
  std::shared_ptr<Conversation> of(const std::string& session);
  // The one of this session in this place, also where it was before; null: it never was there.
  std::shared_ptr<Conversation> of(const std::string& session, const Place& place);
  // The one in whose place a message of this key is, SESSION/TURN/PART@PLACE…; null: none.
  std::shared_ptr<Conversation> of_key(std::string_view key);
  // Those that owe an answer are followed, so that it is shown.
  void begin();
  // A place is bound anew, or no longer.
  void forget(const Place& place);
  void close();

 private:
  std::shared_ptr<Conversation> make(const Binding& binding);
  // No longer active, or nothing is owed to the place any more.
  void leave(const Place& place, const std::string& session);

  World& world_;
  std::map<std::string, std::shared_ptr<Conversation>> open_;  // by Place::key()
  // That still answer what was asked before the place was let go of; by Place::key() and session.
  std::map<std::string, std::shared_ptr<Conversation>> leaving_;
};

}  // namespace viaduct::chat
