// What the backend says: taken from the sink, put into the log; and the permissions that it asks
// for.
#include "host/sessions/content_json.hpp"
#include "host/sessions/conversation.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::sessions {
namespace {

constexpr std::chrono::seconds kOutsideGrows{1};  // a text without a turn, after its last piece
constexpr std::size_t kMostKnown =
    1000;  // tools and contents that may still be heard of outside of a turn

}  // namespace

void Conversation::wake(Handle handle) {
  if (handle == handle_ || handle == opening_) take_events();
}

// True when everything that waited has been taken.
bool Conversation::take_events() {
  while (!locked_ && (sink_ || !events_.empty())) {
    if (events_.empty()) {
      bool was_busy = false;
      std::vector<BackendEvent> taken = sink_->take(was_busy);
      if (was_busy)
        if (Backend* from = backend()) from->writable(handle_ ? handle_ : opening_);
      if (taken.empty()) return true;
      std::ranges::move(taken, std::back_inserter(events_));
    }
    while (!locked_ && !events_.empty()) {
      BackendEvent event = std::move(events_.front());
      events_.pop_front();
      apply(std::move(event));
    }
  }
  return !locked_;
}

void Conversation::after_events(Task task) {
  run([self = shared_from_this(), task = std::move(task)]() mutable {
    if (!self->take_events()) {
      self->deferred_.push_front(
          [self, task = std::move(task)]() mutable { self->after_events(std::move(task)); });
      return;
    }
    task();
  });
}

void Conversation::apply(BackendEvent event) {
  if (event.turn != 0 && (!running_ || event.turn != running_->number)) return late_text(event);
  if (event.turn != 0 && event.kind != VIADUCT_EVENT_NATIVE_ID) running_->said_something = true;
  switch (event.kind) {
    case VIADUCT_EVENT_TEXT: return stream_text(event, "text");
    case VIADUCT_EVENT_THOUGHT: return stream_text(event, "thought");
    case VIADUCT_EVENT_CONTENT: return say_content(std::move(event));
    case VIADUCT_EVENT_TOOL_CALL: return update_tool(event);
    case VIADUCT_EVENT_PLAN:
    case VIADUCT_EVENT_USAGE: return update_single(event);
    case VIADUCT_EVENT_PERMISSION: return ask_permission(std::move(event));
    case VIADUCT_EVENT_PERMISSION_GONE:
      if (running_) close_permission(event.item, "expired", event.text);
      return;
    case VIADUCT_EVENT_NOTICE: {
      store::Entry entry = next_entry("notice", event.turn);
      entry.text = std::move(event.text);
      publish_entry(add(std::move(entry)).entry);
      return flush_soon();
    }
    case VIADUCT_EVENT_COMMANDS:
      commands_ = array_member(event.json, "availableCommands");
      return publish_state();
    case VIADUCT_EVENT_OPTIONS:
      options_ = array_member(event.json, "options");
      return publish_state();
    case VIADUCT_EVENT_TITLE:
      record_.title = title_from(event.text);
      record_dirty_ = true;
      flush_soon();
      return publish_state();
    case VIADUCT_EVENT_NATIVE_ID: return keep_native_id(event.text);
    case VIADUCT_EVENT_LOST: {
      drop_handle(false, false);
      if (!running_ || !running_->prompted) return;
      // The session may have been lost before it had the prompt: the answer says whether it ran.
      if (event.turn == 0 && !running_->said_something) {
        running_->lost = event.text;
        return;
      }
      return finish_turn("interrupted", Error{Errc::unavailable, event.text});
    }
    default: return;  // of a newer header
  }
}

void Conversation::stream_text(const BackendEvent& event, const char* type) {
  if (event.text.empty()) return;
  if (event.turn == 0) return outside_text(event, type);
  if (!event.item.empty()) return grow(running_->items[type + event.item], event, type);
  const bool is_text = event.kind == VIADUCT_EVENT_TEXT;
  std::uint64_t& other = is_text ? running_->thought_entry : running_->text_entry;
  if (other) complete(std::exchange(other, 0));
  grow(is_text ? running_->text_entry : running_->thought_entry, event, type);
}

// Pieces that follow each other are one text, which ends with the next thing or after a moment.
void Conversation::outside_text(const BackendEvent& event, const char* type) {
  const LogEntry* last = window_.empty() ? nullptr : &window_.back();
  const bool goes_on = last && last->entry.number == outside_entry_ && last->entry.type == type &&
                       outside_item_ == event.item;
  if (!goes_on && outside_entry_ != 0) complete(std::exchange(outside_entry_, 0));
  outside_item_ = event.item;
  grow(outside_entry_, event, type);
  outside_timer_.expires_after(kOutsideGrows);
  outside_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self) return;
    self->run([self] { self->complete(std::exchange(self->outside_entry_, 0)); });
  });
}

void Conversation::grow(std::uint64_t& present, const BackendEvent& event, const char* type) {
  if (LogEntry* item = present ? find(present) : nullptr) {
    if (!event.json.empty()) {
      // Of the last piece that had any. Kept with the text, not told with every piece of it.
      item->entry.data = merge_fields(item->entry.data, event.json);
      item->data_dirty = true;
    }
    return append_text(*item, event.text);
  }
  store::Entry entry = next_entry(type, event.turn);
  entry.text = event.text;
  if (!event.json.empty()) entry.data = merge_fields("", event.json);
  entry.complete = false;
  present = entry.number;
  unflushed_bytes_ += entry.text.size();
  publish_entry(add(std::move(entry)).entry);
  if (unflushed_bytes_ >= kFlushBytes) flush();
  flush_soon();
}

// A text that came just after its turn's end joins the last one of that turn, which is complete.
void Conversation::late_text(const BackendEvent& event) {
  if (event.kind != VIADUCT_EVENT_TEXT || event.text.empty()) return;
  const auto last = std::find_if(window_.rbegin(), window_.rend(), [&](const LogEntry& item) {
    return item.entry.turn == event.turn && item.entry.type == "text";
  });
  if (last == window_.rend()) {  // it said nothing in time, and its end is the last of a turn
    BackendEvent outside = event;
    outside.turn = 0;
    return outside_text(outside, "text");
  }
  store::Entry& entry = last->entry;
  const std::uint64_t offset = entry.text.size();
  entry.text += event.text;
  entry.seq = ++record_.last_seq;
  if (last->stored && last->stored_bytes == offset && !last->data_dirty) {
    owed_.push_back(store::SetEntry{record_.id, entry.number, entry.seq, false, entry.data});
    owed_.push_back(store::AppendText{record_.id, entry.number, entry.seq, offset, event.text});
    owed_.push_back(store::SetEntry{record_.id, entry.number, entry.seq, true, entry.data});
    last->stored_bytes = entry.text.size();
  } else {
    dirty_.push_back(entry.number);  // its end is not on disk either
  }
  publish_entry(entry);
  flush_soon();
}

// The next text after something else is a new entry, in its place.
void Conversation::close_streams() {
  if (!running_) return;
  for (std::uint64_t* number : {&running_->text_entry, &running_->thought_entry})
    if (*number) complete(std::exchange(*number, 0));
}

// An image, a sound or a file, in its place; without one, its words as a text of their own.
void Conversation::say_content(BackendEvent event) {
  const bool outside = event.turn == 0;
  if (!event.item.empty()) {
    forget_evicted(contents_);
    std::uint64_t& known =
        outside ? contents_[event.item] : running_->items["content" + event.item];
    if (known != 0) return;
    known = contents_[event.item] = record_.last_entry + 1;
  }
  close_streams();
  if (outside_entry_ != 0) complete(std::exchange(outside_entry_, 0));
  if (running_) {  // what has an id goes on behind it, too
    std::erase_if(running_->items, [this](const auto& item) {
      const bool said = item.first.starts_with("text") || item.first.starts_with("thought");
      if (said) complete(item.second);
      return said;
    });
  }
  if (!outside && !event.json.empty()) {
    running_->content_bytes += event.json.size();
    if (running_->content_bytes > shared_.limits.content_bytes) {
      event.json.clear();
      event.text = only_words(event.text, "this answer has too many images and files");
    }
  }
  store::Entry entry = next_entry(event.json.empty() ? "text" : "content", event.turn);
  entry.text = std::move(event.text);
  entry.data = std::move(event.json);
  publish_entry(add(std::move(entry)).entry);
  flush();
  flush_soon();
}

// Of what may still be heard of outside of a turn.
void Conversation::forget_evicted(std::unordered_map<std::string, std::uint64_t>& known) {
  if (known.size() > kMostKnown)
    std::erase_if(known, [this](const auto& one) { return !find(one.second); });
  if (known.size() > kMostKnown) known.clear();
}

// Outside of any turn: of the newest call that has this id, whichever turn that was in.
void Conversation::update_tool(const BackendEvent& event) {
  const bool outside = event.turn == 0;
  forget_evicted(tools_);
  std::uint64_t& number = outside ? tools_[event.item] : running_->items["tool" + event.item];
  LogEntry* item = number ? find(number) : nullptr;
  std::string data = merge_fields(item ? item->entry.data : "", event.json);
  if (!item) {
    close_streams();
    data = merge_fields("{\"toolCallId\":" + quote(event.item) + ",\"status\":\"pending\"}", data);
  }
  const std::string status = tool_status(data);
  const bool done =
      status == "completed" || status == "failed" || (outside && (!item || item->entry.complete));
  if (item) return set_data(*item, std::move(data), done);
  store::Entry entry = next_entry("tool_call", event.turn);
  entry.data = std::move(data);
  entry.complete = done;
  number = entry.number;
  if (!outside) tools_[event.item] = number;
  publish_entry(add(std::move(entry)).entry);
  flush_soon();
}

void Conversation::update_single(const BackendEvent& event) {
  const bool is_plan = event.kind == VIADUCT_EVENT_PLAN;
  // Outside of any turn what comes one after the other is one.
  const char* type = is_plan ? "plan" : "usage";
  const bool goes_on =
      !window_.empty() && window_.back().entry.turn == 0 && window_.back().entry.type == type;
  std::uint64_t outside = goes_on ? window_.back().entry.number : 0;
  std::uint64_t& number = event.turn == 0 ? outside
                          : is_plan       ? running_->plan_entry
                                          : running_->usage_entry;
  if (LogEntry* item = number ? find(number) : nullptr)
    return set_data(
        *item, is_plan ? merge_fields("", event.json) : merge_fields(item->entry.data, event.json),
        !is_plan || event.turn == 0);
  if (is_plan) close_streams();
  store::Entry entry = next_entry(type, event.turn);
  entry.data = merge_fields("", event.json);
  entry.complete = !is_plan || event.turn == 0;
  number = entry.number;
  if (!is_plan && event.turn == 0) count_usage(entry.data);  // that of a turn: when it ends
  publish_entry(add(std::move(entry)).entry);
  flush_soon();
}

// ---------------------------------------------------------------- permission requests

void Conversation::ask_permission(BackendEvent event) {
  const auto decline = [&] {
    if (Backend* from = backend())
      from->answer(handle_, event.item, "", [](Result<BackendAnswer>) {});
  };
  PermissionRequest request;
  auto data = permission_data(event.json, request);
  if (!data || event.turn == 0 || running_->cancelled ||
      running_->permissions.contains(event.item)) {
    if (!data) shared_.log.warn("permission request without options session={}", record_.id);
    return decline();
  }
  close_streams();
  store::Entry entry = next_entry("permission", event.turn);
  entry.data = std::move(*data);
  entry.complete = false;
  const std::uint64_t number = entry.number;
  running_->permissions.emplace(event.item, number);
  add(std::move(entry));
  commit({}, [self = shared_from_this(), number, item = event.item, request](Result<> stored) {
    if (!stored)
      self->shared_.log.error("permission request not written, trying again session={} reason={}",
                              self->record_.id, stored.error().message);
    if (LogEntry* shown = self->find(number)) self->publish_entry(shown->entry);
    self->publish_state();
    if (request.timeout_ms == 0) return;
    auto& timer = self->permission_timers_
                      .emplace(number, boost::asio::steady_timer(
                                           self->shared_.loop.context(),
                                           std::chrono::milliseconds(request.timeout_ms)))
                      .first->second;
    timer.async_wait([weak = self->weak_from_this(), item](boost::system::error_code error) {
      const auto alive = weak.lock();
      if (error || !alive) return;
      alive->run([alive, item] {
        if (alive->running_) alive->close_permission(item, "expired", "nobody answered in time");
      });
    });
  });
}

// A request that needs no answer any more, or gets none.
void Conversation::close_permission(std::string item, std::string status, std::string reason) {
  const auto found = running_->permissions.find(item);
  if (found == running_->permissions.end()) return;
  const std::uint64_t number = found->second;
  running_->permissions.erase(found);
  permission_timers_.erase(number);
  if (LogEntry* entry = find(number))
    set_data(*entry, decided_permission(entry->entry.data, status, "", "", reason), true);
  publish_state();
  Backend* from = backend();
  if (from && handle_) from->answer(handle_, item, "", [](Result<BackendAnswer>) {});
}

void Conversation::answer(Principal who, std::uint64_t number, std::string option,
                          Done<PermissionAnswer> done) {
  run([self = shared_from_this(), who = std::move(who), number, option = std::move(option),
       done = std::move(done)]() mutable {
    self->decide(std::move(who), number, std::move(option), std::move(done));
  });
}

void Conversation::decide(Principal who, std::uint64_t number, std::string option,
                          Done<PermissionAnswer> done) {
  LogEntry* entry = find(number);
  if (!entry || entry->entry.type != "permission") {
    // It may be older than what is in memory: then it was decided long ago.
    return shared_.store.entries(
        record_.id, number + 1, 1, SIZE_MAX,
        [number, done = std::move(done)](Result<store::EntryPage> page) mutable {
          if (!page) return done(std::unexpected(page.error()));
          if (page->entries.empty() || page->entries.back().number != number ||
              page->entries.back().type != "permission")
            return done(fail(Errc::not_found, "There is no such permission request"));
          answer_decided(permission_state(page->entries.back().data), std::move(done));
        });
  }
  const PermissionState state = permission_state(entry->entry.data);
  if (state.status != "pending") return answer_decided(state, std::move(done));
  const auto pending =
      running_ ? std::ranges::find_if(running_->permissions,
                                      [&](const auto& request) { return request.second == number; })
               : std::map<std::string, std::uint64_t>::iterator{};
  if (!running_ || pending == running_->permissions.end())
    return done(fail(Errc::failed_precondition, "The request has expired"));
  const bool same_person = who.surface == running_->who.surface &&
                           who.tenant == running_->who.tenant &&
                           who.user_id == running_->who.user_id;
  if (!same_person && !who.is_operator)
    return done(fail(Errc::permission_denied, "Only " + running_->who.display_name +
                                                  " or an operator may answer this request"));
  PermissionRequest request;
  permission_data(entry->entry.data, request);
  if (std::ranges::find(request.option_ids, option) == request.option_ids.end())
    return done(fail(Errc::invalid_argument, "The request has no option " + quote(option)));

  const std::string item = pending->first;
  running_->permissions.erase(pending);
  permission_timers_.erase(number);
  const std::string by = who.display_name.empty() ? who.user_id : who.display_name;
  entry->entry.data = decided_permission(entry->entry.data, "selected", option, by, "");
  entry->entry.complete = true;
  entry->entry.seq = ++record_.last_seq;
  entry->data_dirty = true;
  dirty_.push_back(number);
  store::AuditRecord audit{now(), record_.id, "permission", entry->entry.data};
  commit({store::AddAudit{std::move(audit)}}, [self = shared_from_this(), number, item, option, by,
                                               done = std::move(done)](Result<>) mutable {
    if (LogEntry* shown = self->find(number)) self->publish_entry(shown->entry);
    self->publish_state();
    if (Backend* from = self->backend(); from && self->handle_)
      from->answer(self->handle_, item, option, [](Result<BackendAnswer>) {});
    done(PermissionAnswer{option, by});
  });
}

}  // namespace viaduct::sessions
