// What people ask of a conversation besides messages: to cancel, to end, to rename, to show the
// log, to compact, to choose options, to copy.
#include "host/sessions/conversation.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::sessions {
namespace {

constexpr std::chrono::seconds kCancelLimit{10};
constexpr std::size_t kHistoryBytes = 1 << 20;  // of one page: it is made on the loop

}  // namespace

void Conversation::cancel(std::uint64_t number, Done<> done) {
  run([self = shared_from_this(), number, done = std::move(done)]() mutable {
    auto turn = self->running_ && (number == 0 || self->running_->number == number) ? self->running_
                                                                                    : nullptr;
    if (turn && self->cancel_running()) turn = nullptr;
    self->after_events([self, number, turn, done = std::move(done)]() mutable {
      const bool running = turn && turn == self->running_;
      std::vector<std::shared_ptr<Turn>> waiting;
      for (const auto& queued : self->queue_)
        if (number == 0 || queued->number == number) waiting.push_back(queued);
      if (!running && waiting.empty()) return done({});
      self->close_turns(running, std::move(waiting), "cancelled", std::nullopt, std::move(done));
    });
  });
}

// False when the backend does not have the turn: then nobody's answer will end it.
bool Conversation::cancel_running() {
  const auto turn = running_;
  if (std::exchange(turn->cancelled, true)) return true;
  if (sink_) sink_->cancel_turn();
  Backend* to = backend();
  if (!turn->prompted || handle_ == 0 || !to) return false;
  const auto self = shared_from_this();
  const auto give_up = [self, turn] {
    self->after_events([self, turn] {
      if (self->running_ != turn) return;
      self->drop_handle(true, false);
      self->finish_turn("cancelled", std::nullopt);
    });
  };
  turn->cancel_limit =
      std::make_unique<boost::asio::steady_timer>(shared_.loop.context(), kCancelLimit);
  turn->cancel_limit->async_wait([give_up](boost::system::error_code error) {
    if (!error) give_up();
  });
  to->cancel(handle_, turn->number, [give_up](Result<BackendAnswer> answer) {
    // What cannot cancel is let go of: its answer comes to nobody.
    if (!answer && answer.error().code == Errc::unsupported) give_up();
  });
  // Behind the cancel, so that the backend can tell this from a person's silence.
  while (!turn->permissions.empty())
    close_permission(turn->permissions.begin()->first, "cancelled", "the turn was cancelled");
  return true;
}

void Conversation::end(Done<> done) {
  run([self = shared_from_this(), done = std::move(done)]() mutable {
    if (self->record_.ended && !self->running_ && self->queue_.empty())
      return self->has_dirt() ? self->commit({}, std::move(done)) : done({});
    const bool was_ended = std::exchange(self->record_.ended, true);
    // Before its requests are closed, so that the backend can tell this from a person's silence.
    if (Backend* to = self->backend();
        to && self->handle_ != 0 && self->running_ && self->running_->prompted)
      to->cancel(self->handle_, self->running_->number, [](Result<BackendAnswer>) {});
    std::vector<std::shared_ptr<Turn>> waiting(self->queue_.begin(), self->queue_.end());
    self->owed_.push_back(store::AddAudit{{now(), self->record_.id, "ended", "{}"}});
    self->close_turns(true, std::move(waiting), "cancelled", std::nullopt,
                      [self, was_ended, done = std::move(done)](Result<> stored) mutable {
                        // Not on disk: it is tried again, as every end of a turn.
                        if (!was_ended) self->drop_handle(true, true);
                        done(std::move(stored));
                      });
  });
}

void Conversation::rename(std::string title, Done<SessionView> done) {
  run([self = shared_from_this(), title = title_from(title), done = std::move(done)]() mutable {
    std::string before = std::exchange(self->record_.title, std::move(title));
    self->commit(
        {}, [self, before = std::move(before), done = std::move(done)](Result<> stored) mutable {
          if (!stored) {
            self->record_.title = std::move(before);
            return done(std::unexpected(stored.error()));
          }
          self->publish_state();
          done(self->view());
        });
  });
}

void Conversation::history(std::uint64_t before, std::uint32_t limit, Done<HistoryAnswer> done) {
  // What still grows is newer in memory than on disk: written first, the page is as of now.
  run([self = shared_from_this(), before, limit, done = std::move(done)]() mutable {
    auto read = [self, before, limit, done = std::move(done)]() mutable {
      self->shared_.store.entries(self->record_.id, before, limit, kHistoryBytes,
                                  [done = std::move(done)](Result<store::EntryPage> page) mutable {
                                    if (!page) return done(std::unexpected(page.error()));
                                    done(HistoryAnswer{std::move(page->entries), page->more});
                                  });
    };
    if (!self->has_dirt()) return read();
    self->commit({}, [read = std::move(read)](Result<>) mutable { read(); });
  });
}

void Conversation::with_handle(Done<Handle> done) {
  if (handle_ != 0) return done(handle_);
  climb([self = shared_from_this(), done = std::move(done)](Result<std::string> rung) mutable {
    if (!rung) return done(std::unexpected(rung.error()));
    done(self->handle_);
  });
}

void Conversation::compact(Done<> done) {
  with_handle([self = shared_from_this(), done = std::move(done)](Result<Handle> handle) mutable {
    Backend* at = self->backend();
    if (!handle || !at)
      return done(handle ? fail(Errc::unavailable, "The backend is not running")
                         : std::unexpected(handle.error()));
    at->compact(*handle, [self, done = std::move(done)](Result<BackendAnswer> answer) mutable {
      if (!answer) return done(std::unexpected(answer.error()));
      self->run([self, id = answer->native_id, done = std::move(done)]() mutable {
        self->set_native_id(id);
        self->commit({}, std::move(done));
      });
    });
  });
}

void Conversation::set_option(std::string option, std::string value, Done<std::string> done) {
  with_handle([self = shared_from_this(), option = std::move(option), value = std::move(value),
               done = std::move(done)](Result<Handle> handle) mutable {
    Backend* at = self->backend();
    if (!handle || !at)
      return done(handle ? fail(Errc::unavailable, "The backend is not running")
                         : std::unexpected(handle.error()));
    at->set_option(
        *handle, option, value,
        [self, option, value, done = std::move(done)](Result<BackendAnswer> answer) mutable {
          if (!answer) return done(std::unexpected(answer.error()));
          self->run([self, answer = std::move(*answer), option, value,
                     done = std::move(done)]() mutable {
            self->set_native_id(answer.native_id);
            self->record_.options =
                merge_fields(self->record_.options, "{" + quote(option) + ":" + quote(value) + "}");
            if (const auto all = array_member(answer.json, "options"); !all.empty())
              self->options_ = all;
            self->record_dirty_ = true;
            self->commit(
                {}, [self, json = answer.json, done = std::move(done)](Result<> stored) mutable {
                  self->publish_state();
                  if (!stored) return done(std::unexpected(stored.error()));
                  done(std::move(json));
                });
          });
        });
  });
}

void Conversation::prepare_fork(Done<Handle> done) {
  with_handle([self = shared_from_this(), done = std::move(done)](Result<Handle> handle) mutable {
    if (!handle) return done(std::move(handle));
    self->run([self, handle, done = std::move(done)]() mutable {
      self->commit({}, [handle, done = std::move(done)](Result<> stored) mutable {
        if (!stored) return done(std::unexpected(stored.error()));
        done(handle);
      });
    });
  });
}

}  // namespace viaduct::sessions
