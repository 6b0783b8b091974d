// The turns of a conversation: accepted, queued, run, ended exactly once.
#include "host/sessions/conversation.hpp"

#include "host/sessions/restored_json.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace viaduct::sessions {
namespace {

bool is_stop_reason(std::string_view text) {
  static constexpr std::array kKnown{"end_turn",  "max_tokens", "max_turn_requests", "refusal",
                                     "cancelled", "timeout",    "interrupted",       "error"};
  return std::ranges::find(kKnown, text) != kKnown.end();
}

// The whole answer, entry by entry; of an image or a file the words, as a paragraph.
class Said {
 public:
  void add(const store::Entry& entry) {
    const bool is_content = entry.type == "content";
    if (!is_content && entry.type != "text") return;
    if ((is_content || after_content_) && !text_.empty()) text_ += "\n\n";
    text_ += entry.text;
    after_content_ = is_content;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  bool after_content_ = false;
};

}  // namespace

Conversation::Conversation(std::shared_ptr<Shared> shared, store::Session record,
                           std::vector<store::Entry> newest, bool whole)
    : kept_(std::move(shared)),
      shared_(*kept_),
      record_(std::move(record)),
      written_native_id_(record_.native_id),
      flush_timer_(shared_.loop.context()),
      outside_timer_(shared_.loop.context()) {
  if (!whole) evicted_seq_ = record_.last_seq;
  for (store::Entry& entry : newest) {
    // Nothing that an earlier life left growing grows any more.
    const bool growing = !std::exchange(entry.complete, true);
    record_.last_seq = std::max(record_.last_seq, entry.seq);
    record_.last_entry = std::max(record_.last_entry, entry.number);
    const std::size_t size = entry.text.size();
    const std::uint64_t number = entry.number;
    window_.push_back({std::move(entry), true, size, growing});
    if (growing) dirty_.push_back(number);
  }
}

Conversation::~Conversation() {
  if (handle_ != 0) shared_.forget_handle(handle_);
}

bool Conversation::idle() const {
  return watchers_.empty() && settled();
}

bool Conversation::settled() const {
  return !running_ && queue_.empty() && !locked_ && !writing_ && !climbing_ && !has_dirt();
}

void Conversation::remove() {
  drop_handle(true, true);
  for (const Watcher& watcher : std::exchange(watchers_, {})) {
    shared_.forget_subscription(watcher.id);
    watcher.subscriber->ended({Errc::not_found, "The session was deleted"});
  }
}

void Conversation::release() {
  drop_handle(true, false);
}

// ---------------------------------------------------------------- accepting

void Conversation::send(Principal who, Message message, Done<SendAnswer> accepted,
                        Done<AskAnswer> ended) {
  run([self = shared_from_this(), who = std::move(who), message = std::move(message),
       accepted = std::move(accepted), ended = std::move(ended)]() mutable {
    self->refuse_or_accept(std::move(who), std::move(message), std::move(accepted),
                           std::move(ended));
  });
}

void Conversation::refuse_or_accept(Principal who, Message message, Done<SendAnswer> accepted,
                                    Done<AskAnswer> ended) {
  const auto refuse = [&](Errc code, const char* why) {
    if (accepted)
      accepted(fail(code, why));
    else
      ended(fail(code, why));
  };
  const auto same_key = [&](const std::shared_ptr<Turn>& turn) {
    return turn && turn->key == message.key;
  };
  std::shared_ptr<Turn> known = same_key(running_) ? running_ : nullptr;
  if (const auto found = std::ranges::find_if(queue_, same_key); found != queue_.end())
    known = *found;
  if (known) {
    if (accepted) accepted(SendAnswer{known->number, true});
    if (ended) known->waiters.push_back(std::move(ended));
    return;
  }
  if (shared_.stopping)
    return refuse(Errc::unavailable, "The host is stopping; send it again soon");
  if (record_.ended)
    return duplicate(std::move(message.key), std::move(accepted), std::move(ended),
                     Error{Errc::session_dead, "The session has ended"});
  if (queue_.size() >= shared_.limits.queue)
    return refuse(Errc::busy, "Too many messages are waiting in this session; wait for an answer");

  const store::Session before = record_;
  const bool was_dirty = record_dirty_;
  auto turn = std::make_shared<Turn>();
  turn->number = ++record_.last_turn;
  turn->key = message.key;
  turn->who = who;
  turn->began = std::chrono::steady_clock::now();
  store::Entry entry = next_entry("user_message", turn->number);
  entry.data = user_message_data(who, message);
  entry.text = message.text;
  turn->message_entry = entry.number;
  turn->text = std::move(message.text);
  turn->blocks = std::move(message.blocks);
  turn->context = std::move(message.context);
  record_.last_active = entry.at;
  if (record_.title.empty()) record_.title = title_from(turn->text);
  record_dirty_ = true;
  add(std::move(entry));

  const bool runs_now = !running_;
  next_ = turn;
  const store::Turn row =
      turn_row(*turn, runs_now ? store::TurnState::running : store::TurnState::queued);
  commit({store::PutTurn{row}}, [self = shared_from_this(), turn, before, was_dirty, runs_now,
                                 accepted = std::move(accepted),
                                 ended = std::move(ended)](Result<> stored) mutable {
    self->next_.reset();
    if (!stored) {  // nothing was accepted: take it back, nobody has seen it
      self->window_.pop_back();
      std::erase(self->dirty_, turn->message_entry);
      self->record_ = before;
      self->record_dirty_ = was_dirty;
      if (stored.error().code == Errc::conflict)
        return self->duplicate(turn->key, std::move(accepted), std::move(ended), std::nullopt);
      self->shared_.log.error("message not stored session={} reason={}", self->record_.id,
                              stored.error().message);
      if (accepted) return accepted(std::unexpected(stored.error()));
      return ended(std::unexpected(stored.error()));
    }
    if (LogEntry* item = self->find(turn->message_entry)) self->publish_entry(item->entry);
    if (ended) turn->waiters.push_back(std::move(ended));
    if (accepted) accepted(SendAnswer{turn->number, false});
    if (runs_now) {
      self->running_ = turn;
      self->publish_state();
      self->run([self, turn] { self->start(turn); });
    } else {
      self->queue_.push_back(turn);
      self->publish_state();
    }
  });
}

// A message whose key the session has seen, or that comes when it has ended.
void Conversation::duplicate(std::string key, Done<SendAnswer> accepted, Done<AskAnswer> ended,
                             std::optional<Error> otherwise) {
  shared_.store.turn_by_key(
      record_.id, std::move(key),
      [self = shared_from_this(), accepted = std::move(accepted), ended = std::move(ended),
       otherwise = std::move(otherwise)](Result<store::Turn> turn) mutable {
        if (!turn) {
          Error error =
              otherwise && turn.error().code == Errc::not_found ? *otherwise : turn.error();
          if (accepted) return accepted(std::unexpected(std::move(error)));
          return ended(std::unexpected(std::move(error)));
        }
        if (accepted) return accepted(SendAnswer{turn->number, true});
        self->shared_.store.entries(
            self->record_.id, 0, 500, 16 << 20,
            [turn = *turn, ended = std::move(ended)](Result<store::EntryPage> page) mutable {
              if (!page) return ended(std::unexpected(page.error()));
              Said said;
              for (const store::Entry& entry : page->entries)
                if (entry.turn == turn.number) said.add(entry);
              if (auto error = parse_error(turn.error)) return ended(std::unexpected(*error));
              ended(AskAnswer{turn.number, turn.stop_reason, said.take()});
            });
      });
}

store::Turn Conversation::turn_row(const Turn& turn, store::TurnState state) const {
  return {record_.id, turn.number, turn.key, turn.message_entry, state, "", ""};
}

// ---------------------------------------------------------------- running

void Conversation::start(std::shared_ptr<Turn> turn) {
  if (running_ != turn) return;
  turn->began = std::chrono::steady_clock::now();
  prompt();
}

void Conversation::prompt() {
  const auto self = shared_from_this();
  const std::shared_ptr<Turn> turn = running_;
  if (turn->cancelled) return finish_turn("cancelled", std::nullopt);
  Backend* to = backend();
  if (!to) return wait_for_backend();
  if (handle_ == 0) {
    return climb([self, turn](Result<std::string> rung) {
      self->run([self, turn, rung = std::move(rung)] {
        if (self->running_ != turn) return;
        if (rung) return self->prompt();
        self->finish_turn(turn->cancelled ? "cancelled" : "error", rung.error());
      });
    });
  }
  if (record_.context_pending && turn->restored.empty()) {
    return said_before([self, turn](Result<std::vector<store::Entry>> log) {
      self->run([self, turn, log = std::move(log)] {
        if (self->running_ != turn) return;
        if (!log) return self->finish_turn("error", log.error());
        turn->restored = restored_text(*log);
        self->prompt();
      });
    });
  }

  sink_->open_turn(turn->number);
  turn->prompted = true;
  PromptRequest request{handle_,
                        turn->number,
                        turn->text,
                        turn->blocks,
                        turn->context,
                        turn->who.display_name,
                        record_.context_pending ? turn->restored : ""};
  to->prompt(std::move(request), [self, turn](Result<BackendAnswer> answer) {
    // Everything that was said before the answer belongs before it.
    self->after_events([self, turn, answer = std::move(answer)]() mutable {
      if (self->running_ == turn) self->prompted(std::move(answer));
    });
  });
}

void Conversation::prompted(Result<BackendAnswer> answer) {
  const std::shared_ptr<Turn> turn = running_;
  if (!answer) {
    const Error& error = answer.error();
    switch (error.code) {
      case Errc::not_found:
        if (!turn->climbed && !turn->said_something) {
          turn->climbed = true;
          turn->lost.clear();
          drop_handle(false, false);
          return prompt();
        }
        break;
      case Errc::session_dead:
        record_.ended = true;
        record_.native_dead = true;
        record_dirty_ = true;
        drop_handle(true, true);
        return close_turns(true, {queue_.begin(), queue_.end()}, "error", error, nullptr);
      case Errc::cancelled: return finish_turn("cancelled", std::nullopt);
      case Errc::timeout: return finish_turn("timeout", error);
      default: break;
    }
    if (turn->cancelled) return finish_turn("cancelled", std::nullopt);
    if (!turn->lost.empty())
      return finish_turn("interrupted", Error{Errc::unavailable, turn->lost});
    Error shown = error;
    if (shown.code == Errc::not_found) shown.code = Errc::unavailable;
    return finish_turn("error", std::move(shown));
  }
  if (answer->had_restored) record_.context_pending = false;
  set_native_id(answer->native_id);
  if (const std::string chosen = member(answer->json, "options"); !chosen.empty())
    record_.options = merge_fields(record_.options, chosen);
  if (const std::string usage = member(answer->json, "usage"); !usage.empty())
    apply({VIADUCT_EVENT_USAGE, turn->number, "", "", usage});
  std::string reason = answer->stop_reason.empty() ? "end_turn" : answer->stop_reason;
  if (!is_stop_reason(reason)) {
    apply({VIADUCT_EVENT_NOTICE, turn->number, "",
           "The backend ended the turn for an unknown reason: " + reason, ""});
    reason = "end_turn";
  }
  finish_turn(std::move(reason), std::nullopt);
}

void Conversation::finish_turn(std::string stop_reason, std::optional<Error> error) {
  close_turns(true, {}, std::move(stop_reason), std::move(error), nullptr);
}

void Conversation::count_usage(std::string_view data) {
  const Usage usage = parse_usage(data);
  for (const auto& [kind, tokens] :
       {std::pair{"input", usage.input}, std::pair{"output", usage.output},
        std::pair{"cached", usage.cached}})
    if (tokens > 0)
      shared_.metrics.count("viaduct_tokens_total", {{"backend", record_.backend}, {"kind", kind}},
                            tokens);
  if (usage.cost > 0)
    shared_.metrics.count("viaduct_cost_total",
                          {{"backend", record_.backend}, {"currency", usage.currency}}, usage.cost);
}

// Ends the running turn, if `running`, and those of `waiting` in one write; then the next one
// starts.
void Conversation::close_turns(bool running, std::vector<std::shared_ptr<Turn>> waiting,
                               std::string stop_reason, std::optional<Error> error, Done<> after) {
  std::vector<std::shared_ptr<Turn>> ending;
  if (running && running_) {
    const auto turn = running_;
    ending.push_back(turn);
    if (sink_) sink_->open_turn(0);
    if (shares_native_id_) drop_handle(true, false);
    for (const std::uint64_t number : {turn->text_entry, turn->thought_entry, turn->plan_entry})
      if (number) complete(number);
    for (const auto& [item, number] : turn->items) complete(number);
    if (const LogEntry* item = turn->usage_entry ? find(turn->usage_entry) : nullptr)
      count_usage(item->entry.data);
    const bool was_cancelled = stop_reason == "cancelled";
    while (!turn->permissions.empty())
      close_permission(turn->permissions.begin()->first, was_cancelled ? "cancelled" : "expired",
                       was_cancelled ? "the turn was cancelled" : "the turn has ended");
    turn->cancel_limit = nullptr;
    turn->backend_limit = nullptr;
  }
  ending.insert(ending.end(), waiting.begin(), waiting.end());
  std::erase_if(
      queue_, [&](const auto& turn) { return std::ranges::find(waiting, turn) != waiting.end(); });

  const bool dead = error && error->code == Errc::session_dead;
  std::vector<store::Write> writes;
  std::vector<std::uint64_t> shown;
  const auto end = std::chrono::steady_clock::now();
  for (const auto& turn : ending) {
    // A turn that waited never ran: it was cancelled, unless the whole session is dead.
    const bool ran = turn == running_ || dead;
    const std::string reason = ran ? stop_reason : "cancelled";
    const auto why = ran ? error : std::nullopt;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(end - turn->began);
    store::Entry entry = next_entry("turn_end", turn->number);
    entry.data = turn_end_data(reason, why, took.count());
    shown.push_back(entry.number);
    add(std::move(entry));
    store::Turn row = turn_row(*turn, store::TurnState::ended);
    row.stop_reason = reason;
    if (why) row.error = error_json(*why);
    writes.push_back(store::PutTurn{std::move(row)});
    shared_.metrics.count("viaduct_turns_total",
                          {{"backend", record_.backend}, {"stop_reason", reason}});
    if (ran)
      shared_.metrics.observe("viaduct_turn_seconds", {{"backend", record_.backend}},
                              static_cast<double>(took.count()) / 1000);
    shared_.log.debug("turn ended session={} turn={} stop_reason={} ms={}", record_.id,
                      turn->number, reason, took.count());
  }
  const bool frees = running || !running_;
  std::shared_ptr<Turn> next;
  if (frees && !queue_.empty() && !shared_.stopping && !record_.ended) {
    next = queue_.front();
    queue_.pop_front();
    next_ = next;
    writes.push_back(store::PutTurn{turn_row(*next, store::TurnState::running)});
  }
  record_.last_active = std::max(record_.last_active, now());
  record_dirty_ = true;
  std::ranges::move(writes, std::back_inserter(owed_));  // tried again until they are on disk
  commit({}, [self = shared_from_this(), ending = std::move(ending), shown = std::move(shown), next,
              frees, dead, stop_reason, error, after = std::move(after)](Result<> stored) mutable {
    if (!stored)
      self->shared_.log.error("end of turn not written, trying again session={} reason={}",
                              self->record_.id, stored.error().message);
    for (const std::uint64_t number : shown)
      if (LogEntry* item = self->find(number)) self->publish_entry(item->entry);
    const auto ran = self->running_;
    self->next_.reset();
    if (frees) self->running_ = next;
    self->publish_state();
    for (const auto& turn : ending) {
      auto waiters = std::exchange(turn->waiters, {});
      for (auto& waiter : waiters) {
        if (turn != ran && !dead)
          waiter(self->answer_text(*turn, "cancelled"));
        else if (stop_reason == "interrupted")
          waiter(fail(Errc::unavailable, error ? error->message : "The turn was interrupted"));
        else if (error)
          waiter(std::unexpected(*error));
        else
          waiter(self->answer_text(*turn, stop_reason));
      }
    }
    if (next) self->run([self, next] { self->start(next); });
    self->trim();
    if (after) after(std::move(stored));
  });
}

AskAnswer Conversation::answer_text(const Turn& turn, const std::string& stop_reason) const {
  Said said;
  for (const LogEntry& item : window_)
    if (item.entry.number > turn.message_entry && item.entry.turn == turn.number)
      said.add(item.entry);
  return {turn.number, stop_reason, said.take()};
}

}  // namespace viaduct::sessions
