// The log of a conversation: numbers, durable writes, and what subscribers are told.
#include "host/sessions/conversation.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::sessions {
namespace {

constexpr std::chrono::milliseconds kFlushAfter{250};
constexpr std::chrono::seconds kRetryWrite{1};
constexpr std::size_t kWindow = 400;           // entries kept in memory before it is trimmed …
constexpr std::size_t kWindowTrimmed = 200;    // … to this many
constexpr std::size_t kWindowBytes = 4 << 20;  // the same for their texts …
constexpr std::size_t kWindowBytesTrimmed = 1 << 20;  // … to this many
constexpr std::size_t kReplayEntries = 100;
constexpr std::size_t kReplayBytes = 512 << 10;

}  // namespace

store::Micros now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void Conversation::run(Task task) {
  if (locked_)
    deferred_.push_back(std::move(task));
  else
    task();
}

void Conversation::run_next() {
  while (!locked_ && !deferred_.empty()) {
    Task task = std::move(deferred_.front());
    deferred_.pop_front();
    task();
  }
  if (!locked_) take_events();
}

void Conversation::commit(std::vector<store::Write> extra, Done<> done) {
  locked_ = true;
  auto go = [this, extra = std::move(extra), done = std::move(done)]() mutable {
    std::vector<store::Write> writes = collect();
    std::ranges::move(extra, std::back_inserter(writes));
    write(std::move(writes), [this, done = std::move(done)](Result<> result) mutable {
      done(std::move(result));
      locked_ = false;
      run_next();
    });
  };
  if (writing_)
    after_write_ = std::move(go);
  else
    go();
}

void Conversation::write(std::vector<store::Write> writes, Done<> done) {
  writing_ = true;
  unflushed_bytes_ = 0;
  shared_.store.write(std::move(writes),
                      [self = shared_from_this(), done = std::move(done)](Result<> result) mutable {
                        self->writing_ = false;
                        if (result) {
                          self->refuse_shared_native_id();
                          self->marks_.clear();
                          self->owed_in_flight_.clear();
                        } else {
                          self->restore_dirt();
                        }
                        const bool failed = !result;
                        done(std::move(result));
                        // What is said between turns does not pile up.
                        if (!self->running_ && !self->locked_) self->trim();
                        // Unless `done` began another: what waits, waits for that.
                        if (self->writing_) return;
                        if (self->after_write_) {
                          std::exchange(self->after_write_, nullptr)();
                        } else if (self->has_dirt()) {
                          if (!failed && self->unflushed_bytes_ >= kFlushBytes)
                            self->flush();
                          else
                            self->flush_soon(failed);
                        }
                      });
}

bool Conversation::has_dirt() const {
  return record_dirty_ || !dirty_.empty() || !owed_.empty();
}

void Conversation::flush_soon(bool failed) {
  if (std::exchange(flush_armed_, true)) return;
  flush_timer_.expires_after(failed ? kRetryWrite : kFlushAfter);
  flush_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self) return;
    self->flush_armed_ = false;
    if (!error) self->flush();
  });
}

void Conversation::flush() {
  if (locked_ || writing_ || !has_dirt()) return;
  write(collect(), [this](Result<> result) {
    if (!result)
      shared_.log.error("log not written, trying again session={} reason={}", record_.id,
                        result.error().message);
  });
}

std::vector<store::Write> Conversation::collect() {
  std::vector<store::Write> writes = owed_;
  owed_in_flight_ = std::exchange(owed_, {});
  std::ranges::sort(dirty_);
  const auto repeated = std::ranges::unique(dirty_);
  dirty_.erase(repeated.begin(), repeated.end());
  for (const std::uint64_t number : std::exchange(dirty_, {})) {
    LogEntry* item = find(number);
    if (!item) continue;
    marks_.push_back({number, item->stored, item->stored_bytes, item->data_dirty});
    store::Entry& entry = item->entry;
    if (!item->stored) {
      writes.push_back(store::AddEntry{entry});
    } else {
      if (entry.text.size() > item->stored_bytes)
        writes.push_back(store::AppendText{record_.id, number, entry.seq, item->stored_bytes,
                                           entry.text.substr(item->stored_bytes)});
      if (item->data_dirty)
        writes.push_back(
            store::SetEntry{record_.id, number, entry.seq, entry.complete, entry.data});
    }
    item->stored = true;
    item->stored_bytes = entry.text.size();
    item->data_dirty = false;
  }
  writes.push_back(store::PutSession{record_});
  written_native_id_ = record_.native_id;
  record_dirty_ = false;
  return writes;
}

void Conversation::restore_dirt() {
  for (const Mark& mark : std::exchange(marks_, {})) {
    LogEntry* item = find(mark.number);
    if (!item) continue;
    item->stored = mark.stored;
    item->stored_bytes = mark.stored_bytes;
    item->data_dirty = item->data_dirty || mark.data_dirty;
    dirty_.push_back(mark.number);
  }
  owed_.insert(owed_.begin(), std::make_move_iterator(owed_in_flight_.begin()),
               std::make_move_iterator(owed_in_flight_.end()));
  owed_in_flight_.clear();
  record_dirty_ = true;
}

store::Entry Conversation::next_entry(std::string type, std::uint64_t turn) {
  store::Entry entry;
  entry.session_id = record_.id;
  entry.number = ++record_.last_entry;
  entry.seq = ++record_.last_seq;
  entry.turn = turn;
  entry.type = std::move(type);
  entry.at = now();
  return entry;
}

Conversation::LogEntry& Conversation::add(store::Entry entry) {
  dirty_.push_back(entry.number);
  window_.push_back({std::move(entry)});
  return window_.back();
}

Conversation::LogEntry* Conversation::find(std::uint64_t number) {
  if (window_.empty() || number < window_.front().entry.number) return nullptr;
  const std::size_t index = number - window_.front().entry.number;
  return index < window_.size() ? &window_[index] : nullptr;
}

void Conversation::append_text(LogEntry& item, std::string_view text) {
  const std::uint64_t offset = item.entry.text.size();
  item.entry.text += text;
  item.entry.seq = ++record_.last_seq;
  dirty_.push_back(item.entry.number);
  unflushed_bytes_ += text.size();
  if (!watchers_.empty())
    publish(ChangeKind::delta, cursor(), item.entry.number, offset, std::string(text),
            delta_change(cursor(), item.entry.number, offset, text, false));
  if (unflushed_bytes_ >= kFlushBytes) flush();
  flush_soon();
}

void Conversation::set_data(LogEntry& item, std::string data, bool complete) {
  item.entry.data = std::move(data);
  item.entry.complete = complete;
  item.entry.seq = ++record_.last_seq;
  item.data_dirty = true;
  dirty_.push_back(item.entry.number);
  publish_entry(item.entry);
  flush_soon();
}

void Conversation::complete(std::uint64_t number) {
  LogEntry* item = find(number);
  if (!item || item->entry.complete) return;
  item->entry.complete = true;
  item->entry.seq = ++record_.last_seq;
  item->data_dirty = true;
  dirty_.push_back(number);
  if (!watchers_.empty())
    publish(ChangeKind::delta, cursor(), number, item->entry.text.size(), "",
            delta_change(cursor(), number, item->entry.text.size(), "", true));
  flush_soon();
}

void Conversation::trim() {
  if (has_dirt() || writing_) return;
  const auto weight = [](const LogEntry& item) {
    return item.entry.text.size() + item.entry.data.size();
  };
  std::size_t bytes = 0;
  for (const LogEntry& item : window_) bytes += weight(item);
  if (window_.size() <= kWindow && bytes <= kWindowBytes) return;
  while ((window_.size() > kWindowTrimmed || bytes > kWindowBytesTrimmed) && window_.size() > 1 &&
         window_.front().entry.complete) {
    evicted_seq_ = std::max(evicted_seq_, window_.front().entry.seq);
    bytes -= weight(window_.front());
    window_.pop_front();
  }
}

// ---------------------------------------------------------------- subscribers

void Conversation::publish(ChangeKind kind, Cursor at, std::uint64_t entry, std::uint64_t offset,
                           std::string text, std::string json) {
  if (watchers_.empty()) return;
  const auto change = std::make_shared<const Change>(
      Change{kind, at, entry, offset, std::move(text), std::move(json)});
  // By index: a subscriber may subscribe or leave while it is told.
  for (std::size_t i = 0; i < watchers_.size();) {
    const SubscriptionId id = watchers_[i].id;
    const bool taken = watchers_[i].subscriber->change(change);
    if (i < watchers_.size() && watchers_[i].id == id) {
      if (taken) {
        ++i;
      } else {
        watchers_.erase(watchers_.begin() + static_cast<std::ptrdiff_t>(i));
        shared_.forget_subscription(id);
        shared_.metrics.count("viaduct_subscribers_too_slow_total");
      }
    }
  }
}

void Conversation::publish_entry(const store::Entry& entry) {
  if (watchers_.empty()) return;
  // Its own: entries of one write are shown one after the other, and a cut may come in between.
  const Cursor at{shared_.epoch, entry.seq};
  publish(ChangeKind::entry, at, entry.number, 0, "", entry_change(at, entry));
}

void Conversation::publish_state() {
  if (!watchers_.empty())
    publish(ChangeKind::state, cursor(), 0, 0, "", state_change(cursor(), state_facts()));
}

State Conversation::state() const {
  if (!running_) return State::idle;
  return running_->permissions.empty() ? State::running : State::waiting;
}

SessionView Conversation::view() const {
  return {record_, state(), static_cast<std::uint32_t>(queue_.size())};
}

StateFacts Conversation::state_facts() const {
  StateFacts facts{view(), running_ ? running_->number : 0, {}, commands_, options_};
  for (const auto& turn : queue_) facts.waiting_turns.push_back(turn->number);
  return facts;
}

void Conversation::subscribe(SubscriptionId id, Cursor from, Subscriber& subscriber,
                             Done<SubscriptionId> done) {
  run([self = shared_from_this(), id, from, &subscriber, done = std::move(done)]() mutable {
    done(id);
    if (self->replay(from, subscriber))
      self->watchers_.push_back({id, &subscriber});
    else
      self->shared_.forget_subscription(id);
  });
}

bool Conversation::replay(Cursor from, Subscriber& subscriber) {
  const bool known =
      from.epoch == shared_.epoch && from.seq <= record_.last_seq && from.seq >= evicted_seq_;
  // The cursor stays where the viewer was until all has been sent, so that a cut in between loses
  // nothing.
  const Cursor meanwhile = known ? from : Cursor{shared_.epoch, 0};
  const auto tell = [&](ChangeKind kind, std::uint64_t entry, Cursor at, std::string json) {
    return subscriber.change(
        std::make_shared<const Change>(Change{kind, at, entry, 0, "", std::move(json)}));
  };

  if (!tell(ChangeKind::state, 0, meanwhile, state_change(meanwhile, state_facts()))) return false;
  std::size_t first = 0;
  if (!known) {
    std::size_t bytes = 0;
    first = window_.size();
    while (first > 0 && window_.size() - first < kReplayEntries && bytes < kReplayBytes) {
      --first;
      bytes += window_[first].entry.text.size() + window_[first].entry.data.size();
    }
    const std::uint64_t number =
        first < window_.size() ? window_[first].entry.number : record_.last_entry + 1;
    if (!tell(ChangeKind::reset, 0, meanwhile, reset_change(meanwhile, number))) return false;
  }
  for (std::size_t i = first; i < window_.size(); ++i) {
    const store::Entry& entry = window_[i].entry;
    if (known && entry.seq <= from.seq) continue;
    if (!tell(ChangeKind::entry, entry.number, meanwhile, entry_change(meanwhile, entry)))
      return false;
  }
  return tell(ChangeKind::live, 0, cursor(), live_change(cursor()));
}

void Conversation::unsubscribe(SubscriptionId id) {
  std::erase_if(watchers_, [id](const Watcher& watcher) { return watcher.id == id; });
}

}  // namespace viaduct::sessions
