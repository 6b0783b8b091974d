#include <viaduct/chat/conversations.hpp>

#include <utility>

namespace viaduct::chat {

std::shared_ptr<Conversation> Conversations::at(const Place& place) {
  const std::string key = place.key();
  if (const auto found = open_.find(key); found != open_.end()) return found->second;
  const Binding* binding = world_.bindings.active(place);
  if (binding == nullptr) return nullptr;
  auto made = std::make_shared<Conversation>(world_, *binding, [this, place] { forget(place); });
  open_.emplace(key, made);
  return made;
}

std::shared_ptr<Conversation> Conversations::of(const std::string& session) {
  for (const Binding& binding : world_.bindings.of_session(session))
    if (binding.active) return at(binding.place);
  return nullptr;
}

void Conversations::begin() {
  for (const Binding& binding : world_.bindings.all_active())
    if (binding.owes) at(binding.place)->follow();
}

void Conversations::forget(const Place& place) {
  if (const auto found = open_.find(place.key()); found != open_.end()) {
    const auto last = found->second;
    open_.erase(found);
    last->close();
  }
}

void Conversations::close() {
  for (const auto& [key, conversation] : std::exchange(open_, {})) conversation->close();
}

}  // namespace viaduct::chat
