// Carries what backends say of their sessions from any thread to the loop, in order and bounded.
#pragma once

#include "host/loop.hpp"
#include "host/sessions/backend.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace viaduct::sessions {

// What one handle has said and the loop has not yet taken. `take` and the setters are the loop's;
// emit() is anybody's.
class Sink {
 public:
  static constexpr std::size_t kLimit = 256 << 10;  // bytes waiting; beyond it emit() answers BUSY
  // So long a text may still name a turn that has ended.
  static constexpr std::chrono::milliseconds kLate{250};

  // [any-thread] OK: the caller must see to it that the loop takes it, if `wake` was set.
  viaduct_flow emit(BackendEvent event, bool& wake);

  // All that waits, in order; `was_busy` says that the backend waits for room.
  std::vector<BackendEvent> take(bool& was_busy);
  void open_turn(std::uint64_t turn);  // 0: none is open
  void cancel_turn();                  // what it says is not taken any more
  void close();

 private:
  std::mutex mutex_;
  std::vector<BackendEvent> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t turn_ = 0;
  std::uint64_t late_turn_ = 0;  // the last one that has ended
  std::chrono::steady_clock::time_point late_until_;
  bool cancelled_ = false;
  bool closed_ = false;
  bool woken_ = false;
  bool busy_ = false;
};

// Finds the sink of a handle. [any-thread]
class Sinks {
 public:
  // `wake` is called on the loop for a handle whose sink has something to take.
  Sinks(Loop& loop, std::function<void(Handle)> wake);

  viaduct_flow emit(Handle handle, BackendEvent event);
  std::shared_ptr<Sink> open(Handle handle);
  void close(Handle handle);

 private:
  Loop& loop_;
  std::shared_ptr<std::function<void(Handle)>>
      wake_;  // shared with what is posted, which may outlive this
  std::mutex mutex_;
  std::unordered_map<Handle, std::shared_ptr<Sink>> sinks_;
};

}  // namespace viaduct::sessions
