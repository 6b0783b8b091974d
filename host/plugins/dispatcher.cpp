#include "host/plugins/dispatcher.hpp"

#include <pthread.h>

namespace viaduct::plugins {
namespace {

constexpr std::chrono::milliseconds kTooLongOnThread{1000};
constexpr std::chrono::milliseconds kTooLongOnLoop{50};

std::int64_t ticks() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

std::chrono::milliseconds since(std::int64_t then) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::duration(ticks() - then));
}

}  // namespace

Dispatcher::Dispatcher(Loop& loop, std::string name, bool own_thread, Slow slow, Threw threw)
    : loop_(loop),
      name_(std::move(name)),
      own_thread_(own_thread),
      too_long_(own_thread ? kTooLongOnThread : kTooLongOnLoop),
      slow_(std::move(slow)),
      threw_(std::move(threw)),
      timer_(loop.context()) {}

std::shared_ptr<Dispatcher> Dispatcher::on_thread(Loop& loop, std::string name, Slow slow,
                                                  Threw threw) {
  std::shared_ptr<Dispatcher> self(
      new Dispatcher(loop, std::move(name), true, std::move(slow), std::move(threw)));
  // The thread holds the dispatcher: an abandoned one lives as long as it needs it.
  self->thread_ = std::jthread([self] { self->run_thread(); });
  return self;
}

std::shared_ptr<Dispatcher> Dispatcher::on_loop(Loop& loop, Slow slow, Threw threw) {
  return std::shared_ptr<Dispatcher>(
      new Dispatcher(loop, {}, false, std::move(slow), std::move(threw)));
}

void Dispatcher::post(const char* what, Task task) {
  if (!own_thread_) {
    {
      const std::lock_guard lock(mutex_);
      if (finishing_) return;
    }
    loop_.post([self = shared_from_this(), item = Item{what, std::move(task)}]() mutable {
      if (!self->gate_.closed()) self->run(item);
    });
    return;
  }
  bool wake = false;
  bool wake_loop = false;
  {
    const std::lock_guard lock(mutex_);
    if (finishing_) return;
    queue_.push_back({what, std::move(task)});
    wake = waiting_;
    if (looping_ && !woken_) {
      wake_loop = woken_ = true;
      woken_at_ = ticks();
    }
  }
  if (wake) wake_.notify_one();
  // Not under the mutex: this is the plugin's code.
  if (wake_loop && own_gate_.enter()) {
    own_.wake();
    own_gate_.leave();
  }
  if (!watched_.exchange(true)) loop_.post([self = shared_from_this()] { self->watch(); });
}

void Dispatcher::run(Item& item) {
  const std::int64_t start = ticks();
  since_.store(start);
  current_.store(item.what);
  try {
    item.task();
  } catch (...) {
    if (gate_.enter()) {
      threw_(item.what);
      gate_.leave();
    }
  }
  item.task = nullptr;  // what it holds goes while the instance is still there
  current_.store(nullptr);
  if (const auto took = since(start); took > too_long_ && gate_.enter()) {
    slow_(item.what, took, false);
    gate_.leave();
  }
}

void Dispatcher::run_thread() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  thread_id_ = std::this_thread::get_id();
  std::vector<Item> batch;
  for (;;) {
    bool last = false;
    {
      std::unique_lock lock(mutex_);
      waiting_ = true;
      wake_.wait(lock, [&] { return !queue_.empty() || finishing_; });
      waiting_ = false;
      batch.swap(queue_);
      last = finishing_;
    }
    for (Item& item : batch) {
      if (gate_.closed()) break;  // abandoned: the rest is nobody's
      run(item);
    }
    batch.clear();
    if (last) break;
    if (looping_) run_loop();  // the thread set it itself
  }
  for (Item& item : last_)
    if (!gate_.closed()) run(item);
  last_.clear();
  if (gate_.enter()) {
    loop_.post([self = shared_from_this()] {
      if (self->gate_.closed()) return;
      self->thread_.join();
      self->gate_.close();
      self->timer_.cancel();
      if (auto ended = std::exchange(self->ended_, nullptr)) ended();
    });
    gate_.leave();
  }
}

void Dispatcher::set_loop(OwnLoop own) {
  const std::lock_guard lock(mutex_);
  own_ = std::move(own);
  looping_ = true;
}

void Dispatcher::run_loop() {
  bool wake = false;
  bool finishing = false;
  {
    const std::lock_guard lock(mutex_);
    wake = !queue_.empty() && !std::exchange(woken_, true);
    if (wake) woken_at_ = ticks();
    finishing = finishing_;
  }
  if (!finishing) {
    if (wake) own_.wake();
    own_.run();
  }
  {
    const std::lock_guard lock(mutex_);
    looping_ = false;
  }
  own_gate_.close();
}

bool Dispatcher::drain() {
  if (!own_thread_ || std::this_thread::get_id() != thread_id_ || draining_) return false;
  std::vector<Item> batch;
  {
    const std::lock_guard lock(mutex_);
    if (!looping_) return false;
    woken_ = false;
    batch.swap(queue_);
  }
  draining_ = true;
  for (Item& item : batch) {
    if (gate_.closed()) break;
    run(item);
  }
  draining_ = false;
  return true;
}

void Dispatcher::finish(const char* what, Task last, Task done) {
  if (!own_thread_) {
    post(what, std::move(last));
    loop_.post([self = shared_from_this(), done = std::move(done)]() mutable {
      if (self->gate_.closed()) return;
      self->gate_.close();
      done();
    });
    const std::lock_guard lock(mutex_);
    finishing_ = true;
    return;
  }
  ended_ = std::move(done);
  {
    const std::lock_guard lock(mutex_);
    if (finishing_) return;
    last_.push_back({what, std::move(last)});
    finishing_ = true;
  }
  wake_.notify_one();
  quit_loop();
}

void Dispatcher::quit_loop() {
  {
    const std::lock_guard lock(mutex_);
    if (!looping_) return;
  }
  if (!own_gate_.enter()) return;
  own_.quit();
  own_gate_.leave();
}

bool Dispatcher::finishing() {
  const std::lock_guard lock(mutex_);
  return finishing_;
}

void Dispatcher::abandon() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  gate_.close();
  wake_.notify_one();
  quit_loop();
  timer_.cancel();
  ended_ = nullptr;
  if (thread_.joinable()) thread_.detach();
}

// Runs once a second while there is something to do, and looks for a call that does not return.
void Dispatcher::watch() {
  if (gate_.closed()) return;
  timer_.expires_after(too_long_);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || self->gate_.closed()) return;
    const char* what = self->current_.load();
    if (what == nullptr) {
      self->watched_.store(false);
      // A post that came in between has seen `watched_` set: look whether it left something.
      std::unique_lock lock(self->mutex_);
      if (self->queue_.empty() || self->watched_.exchange(true)) return;
      const std::int64_t woken = self->looping_ && self->woken_ ? self->woken_at_ : 0;
      lock.unlock();
      if (woken != 0 && since(woken) >= self->too_long_ && woken != self->reported_) {
        self->reported_ = woken;
        self->slow_("run", since(woken), true);
      }
    } else if (const std::int64_t start = self->since_.load();
               since(start) >= self->too_long_ && start != self->reported_) {
      self->reported_ = start;
      self->slow_(what, since(start), true);
    }
    self->watch();
  });
}

}  // namespace viaduct::plugins
