// Sends the parcels of one running surface instance: those of a target one after the other, several
// targets at a time. On the loop. Everything is on disk; in memory are the names of the targets
// that have something to send, and the parcels that are being sent.
//
// A parcel is "sending" on disk before its sender hears of it. What was cut off in that state is
// sent again if it is an edit, else the sender is asked what became of it, and is never sent again
// unless it says that it did not arrive.
#pragma once

#include "host/delivery/alarm.hpp"
#include "host/delivery/sender.hpp"
#include "host/store/mail.hpp"
#include "host/telemetry/log.hpp"
#include "host/telemetry/metrics.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>

namespace viaduct::delivery {

struct OutboxLimits {
  std::size_t parallel = 16;     // sendings at a time
  std::size_t targets = 10'000;  // in memory; those beyond are looked up when there is room
  std::chrono::milliseconds backoff{1000};  // after the first failure; doubles
  std::chrono::milliseconds longest_backoff{60'000};
  // What a sending that was cut off has set off may still be under way for so long: only then is it
  // asked about.
  std::chrono::milliseconds in_flight{2000};
};

class Outbox final : public std::enable_shared_from_this<Outbox> {
 public:
  // The references outlive it.
  Outbox(std::string space, std::shared_ptr<Sender> sender, store::Mail& mail, Alarm& alarm,
         Metrics& metrics, const Logger& log, OutboxLimits limits, std::function<void()> wake);

  // Takes up what is open. Once.
  void start();
  // Begins no sending any more; what is under way is still stored when it is answered.
  void stop();
  // Something was posted. `first`: it goes in front of what is being waited for.
  void poke(const std::string& target, bool first);
  // When tick() has something to do; 0: nothing.
  store::Micros due() const;
  void tick();

  std::size_t sending() const { return busy_; }

 private:
  using Moment = std::pair<store::Micros, std::uint64_t>;
  struct Target {
    enum class State { queued, busy, waiting };
    State state = State::queued;
    bool again = false;        // poked while it was busy
    Moment alarm;              // waiting
    std::uint32_t asked = 0;   // reconciled in vain, one after the other
    std::uint32_t failed = 0;  // the store, one after the other
  };

  Moment later(store::Micros when, std::function<void()> work);
  void list(std::string after);
  bool add(const std::string& target);
  void queue(const std::string& target);
  void wait(const std::string& target, store::Micros until);
  void forget(const std::string& target);
  void look_for_more();
  void pump();
  void claim(const std::string& target);
  void claimed(const std::string& target, Result<store::NextParcel> next);
  void send(const std::string& target, store::Parcel parcel);
  void sent(const std::string& target, store::Parcel parcel, SendAnswer answer);
  void reconcile(const std::string& target, store::Parcel parcel);
  void reconciled(const std::string& target, store::Parcel parcel, SendAnswer answer);
  // The end of a sending, or of an attempt. Stored until the store takes it.
  void settle(const std::string& target, store::Parcel parcel, store::ParcelState state,
              std::string result, Error why, store::Micros due = 0);
  void store_outcome(const std::string& target, store::Parcel parcel, store::ParcelOutcome outcome,
                     Error why);
  void settled(const std::string& target, const store::Parcel& parcel,
               const store::ParcelOutcome& outcome, const Error& why, store::ParcelState state);
  void tell(const store::Parcel& parcel, const Error& why);
  void release(const std::string& target);  // its turn is over
  void count(std::string_view outcome);
  store::Micros backoff(std::uint64_t failures);
  store::Micros retry_at(const SendAnswer& answer, std::uint64_t failures);

  const std::string space_;
  const std::shared_ptr<Sender> sender_;
  store::Mail& mail_;
  Alarm& alarm_;
  Metrics& metrics_;
  const Logger log_;
  const OutboxLimits limits_;
  const std::function<void()> wake_;  // due() has changed
  bool stopped_ = false;
  std::unordered_map<std::string, Target> targets_;
  std::deque<std::string> queue_;
  std::map<Moment, std::function<void()>> later_;
  std::uint64_t last_moment_ = 0;
  std::size_t busy_ = 0;
  bool unlisted_ = false;  // there may be targets that are not in memory
  bool listing_ = false;
  std::minstd_rand random_;
};

}  // namespace viaduct::delivery
