// The delivery service of the fake host: in memory, with everything that can go wrong at hand. What
// it has survives FakeHost::destroy, as it would a restart. For the thread of the test.
#pragma once

#include <viaduct/abi.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::testing {

struct Core;

struct FakeEvent {
  std::uint64_t number = 0;
  std::vector<std::string> keys;
  std::string payload;
  bool handled = false;
};

struct FakeParcel {
  std::string key, target, payload;
  bool edit = false;
  std::string state = "ready";
  std::string result, reason;
  std::uint64_t attempts = 0;
  std::uint64_t reconciled = 0;      // how often it was asked about
  std::uint64_t retry_after_ms = 0;  // what the plugin said last
  bool under_way = false;            // sent or reconciled at the moment
};

class FakeDelivery {
 public:
  // ---- looking
  std::vector<FakeEvent> events() const;
  std::vector<FakeParcel> parcels() const;  // in the order of their posting
  std::optional<FakeParcel> parcel(std::string_view key) const;
  // Waits until the parcel is in this state.
  bool wait_state(std::string_view key, std::string_view state,
                  std::chrono::milliseconds deadline = std::chrono::milliseconds(10'000)) const;

  // ---- what goes wrong. (FakeHost::fail_next knows "delivery.post" and so on.)
  // Nothing is sent until release.
  void hold();
  void release();
  // The next sending is cut off, as when the host is killed: before the plugin hears of it, or
  // before its answer is known. Edits are then sent again, others reconciled.
  enum class CutOff { kBefore, kAfter };
  void cut_off_next(CutOff where);
  // As after a kill of the host alone: all that is being sent is cut off; late answers are ignored.
  void restart();
  // Received before, and not handled.
  void add_event(std::vector<std::string> keys, std::string payload);
  // Posted before; `interrupted`: its sending was cut off.
  void add_parcel(std::string key, std::string target, std::string payload, bool edit = false,
                  bool interrupted = false);
  // Another instance has claimed it.
  void take(std::string credential);

 private:
  friend class FakeHost;
  explicit FakeDelivery(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;
};

}  // namespace viaduct::testing
