#include <viaduct/chat/conversations.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace viaduct::chat {
namespace {

std::string leaving_key(const Place& place, const std::string& session) {
  return place.key() + "/" + session;
}

}  // namespace

std::shared_ptr<Conversation> Conversations::make(const Binding& binding) {
  return std::make_shared<Conversation>(
      world_, binding,
      [this, place = binding.place, session = binding.session] { leave(place, session); });
}

std::shared_ptr<Conversation> Conversations::at(const Place& place) {
  const std::string key = place.key();
  const auto found = open_.find(key);
  if (found != open_.end() && found->second->binding().active) return found->second;
  const Binding* binding = world_.bindings.active(place);
  if (binding == nullptr) return nullptr;
  if (found != open_.end()) forget(place);
  // It goes on here: what is owed is shown by the new one.
  if (auto before = leaving_.extract(leaving_key(place, binding->session)))
    before.mapped()->close();
  auto made = make(*binding);
  open_.emplace(key, made);
  return made;
}

std::shared_ptr<Conversation> Conversations::of(const std::string& session) {
  for (const Binding& binding : world_.bindings.of_session(session))
    if (binding.active) return at(binding.place);
  for (const auto& [key, conversation] : leaving_)
    if (conversation->binding().session == session) return conversation;
  return nullptr;
}

std::shared_ptr<Conversation> Conversations::of(const std::string& session, const Place& place) {
  for (const Binding& binding : world_.bindings.of_session(session)) {
    if (binding.place != place) continue;
    if (binding.active) return at(place);
    const auto found = leaving_.find(leaving_key(place, session));
    return found != leaving_.end() ? found->second
                                   : std::make_shared<Conversation>(world_, binding, nullptr);
  }
  return nullptr;
}

std::shared_ptr<Conversation> Conversations::of_key(std::string_view key) {
  const std::string session(key.substr(0, key.find('/')));
  const std::size_t at = std::min(key.find('@'), key.size());
  std::optional<Place> nearest;
  for (const Binding& binding : world_.bindings.of_session(session)) {
    const std::string place = "@" + binding.place.key();
    const bool is_of_it =
        key.substr(at).starts_with(place) &&
        (at + place.size() == key.size() || place.ends_with('/') || key[at + place.size()] == '/');
    if (is_of_it && (!nearest || nearest->key().size() < binding.place.key().size()))
      nearest = binding.place;
  }
  return nearest ? of(session, *nearest) : nullptr;
}

void Conversations::begin() {
  for (const Binding& binding : world_.bindings.owing()) {
    if (binding.active) {
      at(binding.place)->follow();
      continue;
    }
    const auto made = make(binding);
    leaving_.emplace(leaving_key(binding.place, binding.session), made);
    made->follow();
  }
}

void Conversations::leave(const Place& place, const std::string& session) {
  std::shared_ptr<Conversation> one;  // may be in the middle of something
  if (const auto found = open_.find(place.key());
      found != open_.end() && found->second->binding().session == session) {
    one = found->second;
    open_.erase(found);
  }
  const std::string key = leaving_key(place, session);
  if (one && !one->is_closed())
    leaving_.insert_or_assign(key, std::move(one));
  else if (!one)
    leaving_.erase(key);
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
  for (const auto& [key, conversation] : std::exchange(leaving_, {})) conversation->close();
}

}  // namespace viaduct::chat
