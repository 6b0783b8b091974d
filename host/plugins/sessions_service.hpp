// viaduct.sessions/1, and what a surface sees of a session it watches.
#pragma once

#include "host/plugins/instance.hpp"
#include "host/sessions/sessions.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

namespace viaduct::plugins {

// One subscription of a plugin. Changes come from the sessions service on the loop, wait here, and
// are taken by the plugin on its own thread. At most kMaxChanges or kMaxBytes wait once it is live;
// a subscriber that falls behind further is told so and dropped. The replay before it is not
// counted.
class Subscription final : public sessions::Subscriber,
                           public std::enable_shared_from_this<Subscription> {
 public:
  static constexpr std::size_t kMaxChanges = 10'000;
  static constexpr std::size_t kMaxBytes = 16 << 20;

  Subscription(std::shared_ptr<Instance> instance, std::uint64_t id)
      : instance_(std::move(instance)), id_(id) {}

  // On the loop: the service has it under this id.
  void subscribed(sessions::SubscriptionId id);
  bool change(const sessions::ChangePtr& change) override;
  void ended(const Error& why) override;
  void drop();  // on the loop: the instance has gone

  // [any-thread] The plugin's wishes.
  void unsubscribe();
  void proceed();

 private:
  void schedule();  // under the lock
  void drain();     // on the plugin's thread
  void leave_service();

  const std::shared_ptr<Instance> instance_;
  const std::uint64_t id_;  // the plugin's
  // Loop only.
  sessions::SubscriptionId service_id_ = 0;  // 0: the service does not know it (any more)
  std::shared_ptr<Subscription> held_;       // while the service may call

  std::mutex mutex_;
  std::deque<sessions::ChangePtr> queue_;
  std::size_t replayed_ = 0;  // how many at the front are of the replay
  std::size_t live_bytes_ = 0;
  bool live_ = false;
  bool scheduled_ = false;
  bool blocked_ = false;  // the plugin said BUSY
  bool proceed_ = false;  // and go on, before we knew
  bool closed_ = false;   // nothing more goes to the plugin
  std::optional<Error> end_;
};

}  // namespace viaduct::plugins
