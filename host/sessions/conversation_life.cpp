// A conversation lives longer than its backend and its host: both go, and come again.
#include "host/sessions/conversation.hpp"

#include <utility>

namespace viaduct::sessions {

// A reload stops a changed backend before it starts the new one: what was accepted waits for it.
void Conversation::wait_for_backend() {
  const std::shared_ptr<Turn> turn = running_;
  turn->backend_limit = std::make_unique<boost::asio::steady_timer>(shared_.loop.context(),
                                                                    shared_.limits.backend_back);
  turn->backend_limit->async_wait(
      [self = shared_from_this(), turn](boost::system::error_code error) {
        if (error) return;
        self->run([self, turn] {
          if (self->running_ == turn && turn->backend_limit)
            self->finish_turn("error", self->shared_.no_backend(self->record_.backend));
        });
      });
}

void Conversation::backend_back() {
  run([self = shared_from_this()] {
    if (!self->running_ || !self->running_->backend_limit) return;
    self->running_->backend_limit = nullptr;
    self->prompt();
  });
}

void Conversation::backend_gone(const std::string& why) {
  take_events();  // what it said last
  drop_handle(false, false);
  after_events([self = shared_from_this(), why] {
    if (self->running_ && self->running_->prompted)
      self->finish_turn("interrupted", Error{Errc::unavailable, why});
  });
}

void Conversation::stop(Done<> done) {
  after_events([self = shared_from_this(), done = std::move(done)]() mutable {
    const auto finish = [](std::shared_ptr<Conversation> conversation, Done<> answered) {
      conversation->commit(
          {}, [conversation, answered = std::move(answered)](Result<> stored) mutable {
            for (const Watcher& watcher : std::exchange(conversation->watchers_, {}))
              watcher.subscriber->ended({Errc::unavailable, "The host is stopping"});
            for (const auto& turn : conversation->queue_)
              for (auto& waiter : std::exchange(turn->waiters, {}))
                waiter(fail(Errc::unavailable, "The host is stopping"));
            answered(std::move(stored));
          });
    };
    if (!self->running_) return finish(self, std::move(done));
    self->close_turns(true, {}, "interrupted", Error{Errc::unavailable, "The host was stopped"},
                      [self, finish, done = std::move(done)](Result<>) mutable {
                        self->run([self, finish, done = std::move(done)]() mutable {
                          finish(self, std::move(done));
                        });
                      });
  });
}

void Conversation::take_up(std::vector<store::Turn> open) {
  run([self = shared_from_this(), open = std::move(open)] {
    std::shared_ptr<Turn> interrupted;
    for (const store::Turn& row : open) {
      const LogEntry* message = self->find(row.message_entry);
      auto turn = std::make_shared<Turn>();
      turn->number = row.number;
      turn->key = row.key;
      turn->message_entry = row.message_entry;
      turn->began = std::chrono::steady_clock::now();
      if (message) {
        turn->text = message->entry.text;
        turn->blocks = member(message->entry.data, "blocks");
        turn->context = member(message->entry.data, "context");
        turn->who = parse_author(member(message->entry.data, "author"));
      }
      if (row.state == store::TurnState::running)
        interrupted = turn;
      else
        self->queue_.push_back(turn);
    }
    for (LogEntry& item : self->window_) {
      if (item.entry.type == "permission" && permission_state(item.entry.data).status == "pending")
        self->set_data(
            item, decided_permission(item.entry.data, "expired", "", "", "agent restarted"), true);
    }
    self->running_ = interrupted;
    self->close_turns(true, {}, "interrupted",
                      interrupted
                          ? std::optional(Error{Errc::unavailable, "The host was restarted"})
                          : std::nullopt,
                      nullptr);
  });
}

}  // namespace viaduct::sessions
