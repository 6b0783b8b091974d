// Lets calls through until it is closed, and knows when the last one has left: so that a plugin's
// stray thread never meets what the host has taken down. Any thread.
#pragma once

#include <atomic>
#include <thread>

namespace viaduct::plugins {

class Gate {
 public:
  // False once closed. After true, leave() is due.
  bool enter() {
    inside_.fetch_add(1);
    if (!closed_.load()) return true;
    inside_.fetch_sub(1);
    return false;
  }
  void leave() { inside_.fetch_sub(1, std::memory_order_release); }

  // Returns when nobody is inside any more; calls through the gate are short and never wait.
  void close() {
    closed_.store(true);
    while (inside_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  }
  bool closed() const { return closed_.load(); }

 private:
  std::atomic<bool> closed_{false};
  std::atomic<int> inside_{0};
};

}  // namespace viaduct::plugins
