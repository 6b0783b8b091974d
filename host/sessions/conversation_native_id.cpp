// The native id of a conversation: the newest is on disk before anything that is said later is
// shown, and no two sessions go on with the same one, since then two conversations would become
// one.
#include "host/sessions/conversation.hpp"

#include <utility>

namespace viaduct::sessions {

// What the backend says of it, empty: nothing new. The caller sees to it that it is written.
void Conversation::set_native_id(const std::string& id) {
  record_.native_at = now();
  record_dirty_ = true;
  if (id.empty() || id == record_.native_id) return;
  if (!record_.native_id.empty())
    shared_.metrics.count("viaduct_native_id_changes_total", {{"backend", record_.backend}});
  record_.previous_native_id = std::exchange(record_.native_id, id);
  record_.native_dead = false;
  if (Backend* held_by = backend()) record_.agent_type = held_by->info().agent_type;
}

// It comes in the middle of something: a crash now would take the conversation with it.
void Conversation::keep_native_id(const std::string& id) {
  const bool is_new = id != record_.native_id;
  set_native_id(id);
  if (!is_new) return flush_soon();
  commit({}, [self = shared_from_this()](Result<> stored) {
    if (!stored)
      self->shared_.log.error("native id not written, trying again session={} reason={}",
                              self->record_.id, stored.error().message);
  });
}

// Another session of the backend with this one's id, which an id of this one's could restore.
void Conversation::find_rival(Done<std::string> done) {
  Backend* from = backend();
  if (record_.native_id.empty() || !from || !(from->info().can & VIADUCT_CAN_RESTORE))
    return done("");
  shared_.store.rival(record_.backend, record_.native_id, record_.id, std::move(done));
}

// When an id is on disk: whoever is told it later finds it there.
void Conversation::refuse_shared_native_id() {
  if (written_native_id_ == checked_native_id_) return;
  checked_native_id_ = written_native_id_;
  if (checked_native_id_ != record_.native_id) return;
  find_rival([self = shared_from_this(), id = record_.native_id](Result<std::string> rival) {
    if (!rival || rival->empty()) return;
    self->shared_.log.warn(
        "native id told in two sessions, used for neither session={} other={} backend={}",
        self->record_.id, *rival, self->record_.backend);
    self->shared_.metrics.count("viaduct_native_ids_shared_total",
                                {{"backend", self->record_.backend}});
    self->give_up_native_id(id);
    self->shared_.with_session(*rival, [id](Conversation& other) { other.give_up_native_id(id); });
  });
}

void Conversation::give_up_native_id(const std::string& id) {
  run([self = shared_from_this(), id] {
    if (self->record_.native_id != id) return;
    self->record_.native_dead = true;
    self->record_dirty_ = true;
    self->flush_soon();
    if (self->running_)
      self->shares_native_id_ = true;  // until its end
    else
      self->drop_handle(true, false);
  });
}

}  // namespace viaduct::sessions
