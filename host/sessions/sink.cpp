#include "host/sessions/sink.hpp"

#include <utility>

namespace viaduct::sessions {

viaduct_flow Sink::emit(BackendEvent event, bool& wake) {
  wake = false;
  const std::scoped_lock lock(mutex_);
  if (closed_) return VIADUCT_FLOW_GONE;
  if (event.turn != 0 && event.turn != turn_) {
    const bool late = event.kind == VIADUCT_EVENT_TEXT && event.turn == late_turn_ &&
                      std::chrono::steady_clock::now() < late_until_;
    if (!late) return VIADUCT_FLOW_GONE;
  }
  const bool streams = event.kind == VIADUCT_EVENT_TEXT || event.kind == VIADUCT_EVENT_THOUGHT ||
                       event.kind == VIADUCT_EVENT_CONTENT;
  if (streams && cancelled_ && event.turn != 0 && event.turn == turn_)
    return VIADUCT_FLOW_CANCELLED;
  if (bytes_ >= kLimit) {
    busy_ = true;
    return VIADUCT_FLOW_BUSY;
  }
  bytes_ += sizeof(BackendEvent) + event.item.size() + event.text.size() + event.json.size();
  waiting_.push_back(std::move(event));
  wake = !std::exchange(woken_, true);
  return VIADUCT_FLOW_OK;
}

std::vector<BackendEvent> Sink::take(bool& was_busy) {
  const std::scoped_lock lock(mutex_);
  woken_ = false;
  bytes_ = 0;
  was_busy = std::exchange(busy_, false);
  return std::exchange(waiting_, {});
}

void Sink::open_turn(std::uint64_t turn) {
  const std::scoped_lock lock(mutex_);
  if (turn_ != 0) {
    late_turn_ = turn_;
    late_until_ = std::chrono::steady_clock::now() + kLate;
  }
  turn_ = turn;
  cancelled_ = false;
}

void Sink::cancel_turn() {
  const std::scoped_lock lock(mutex_);
  cancelled_ = true;
}

void Sink::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
}

Sinks::Sinks(Loop& loop, std::function<void(Handle)> wake)
    : loop_(loop), wake_(std::make_shared<std::function<void(Handle)>>(std::move(wake))) {}

viaduct_flow Sinks::emit(Handle handle, BackendEvent event) {
  std::shared_ptr<Sink> sink;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = sinks_.find(handle);
    if (found == sinks_.end()) return VIADUCT_FLOW_GONE;
    sink = found->second;
  }
  bool wake = false;
  const viaduct_flow flow = sink->emit(std::move(event), wake);
  if (wake) {
    loop_.post([weak = std::weak_ptr(wake_), handle] {
      if (const auto call = weak.lock()) (*call)(handle);
    });
  }
  return flow;
}

std::shared_ptr<Sink> Sinks::open(Handle handle) {
  auto sink = std::make_shared<Sink>();
  const std::scoped_lock lock(mutex_);
  sinks_.emplace(handle, sink);
  return sink;
}

void Sinks::close(Handle handle) {
  const std::scoped_lock lock(mutex_);
  const auto found = sinks_.find(handle);
  if (found == sinks_.end()) return;
  found->second->close();
  sinks_.erase(found);
}

}  // namespace viaduct::sessions
