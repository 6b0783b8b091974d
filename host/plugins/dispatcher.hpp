// Where an instance is called: its own thread, or the loop for one that declares itself concurrent.
// One task at a time, in the order in which they were posted, never inside post().
#pragma once

#include "host/loop.hpp"
#include "host/plugins/gate.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace viaduct::plugins {

class Dispatcher : public std::enable_shared_from_this<Dispatcher> {
 public:
  using Task = std::move_only_function<void()>;
  // Told of a call that takes too long: `what` is the function's name; `still` when it has not
  // returned yet. [any-thread]
  using Slow = std::function<void(const char* what, std::chrono::milliseconds took, bool still)>;
  // Told of a call that an exception left, while that is being handled. [any-thread]
  using Threw = std::function<void(const char* what)>;

  // A loop of the instance's own. run() returns after quit(); wake() and quit() are for any thread.
  // None of them throws.
  struct OwnLoop {
    std::function<void()> run, wake, quit;
  };

  // With a thread of its own (named after the instance), 1 s is too long; on the loop 50 ms.
  static std::shared_ptr<Dispatcher> on_thread(Loop& loop, std::string name, Slow slow,
                                               Threw threw);
  static std::shared_ptr<Dispatcher> on_loop(Loop& loop, Slow slow, Threw threw);

  // [any-thread] `what` is a C string for good. Dropped after finish() or abandon().
  void post(const char* what, Task task);

  // [in a task, with a thread of its own] `own` has the thread from the end of this task until
  // finish() or abandon(); what is posted meanwhile waits for drain().
  void set_loop(OwnLoop own);
  // By the loop: runs what is queued. False: not on its thread, not in run(), or inside a task.
  bool drain();

  // [on the loop] Runs `last` behind what is queued, drops what comes later, then runs `done` on
  // the loop, when the thread has ended.
  void finish(const char* what, Task last, Task done);
  // [on the loop] Gives the thread up, wherever it is. Nothing of this touches the host any more.
  void abandon();
  // What it is in at the moment, or null. [any-thread]
  const char* current() const { return current_.load(); }
  // Whether finish() or abandon() was called. [any-thread]
  bool finishing();

 private:
  struct Item {
    const char* what;
    Task task;
  };
  Dispatcher(Loop& loop, std::string name, bool own_thread, Slow slow, Threw threw);
  void run_thread();
  void run_loop();
  void quit_loop();
  void run(Item& item);
  void watch();

  Loop& loop_;
  const std::string name_;
  const bool own_thread_;
  const std::chrono::milliseconds too_long_;
  const Slow slow_;
  const Threw threw_;
  Gate gate_;  // closed: the host is not to be touched

  OwnLoop own_;    // set once, by the thread
  Gate own_gate_;  // closed when run() has returned
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> queue_;
  std::vector<Item> last_;  // what finish() was given; never run inside run()
  bool waiting_ = false;
  bool finishing_ = false;  // takes nothing more
  bool looping_ = false;    // run() has the thread, or is about to
  bool woken_ = false;      // wake() was called and drain() has not begun
  std::int64_t woken_at_ = 0;
  bool draining_ = false;  // the thread's alone
  std::thread::id thread_id_;
  Task ended_;

  std::atomic<const char*> current_{nullptr};
  std::atomic<std::int64_t> since_{0};  // when the current call began
  std::atomic<bool> watched_{false};
  std::int64_t reported_ = 0;  // loop only: `since_` of the call that was last reported
  boost::asio::steady_timer timer_;
  std::jthread thread_;
};

}  // namespace viaduct::plugins
