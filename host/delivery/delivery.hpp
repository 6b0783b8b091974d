// The delivery service: what comes in over somebody else's network is on disk before it is
// acknowledged and known when it comes again; what goes out is on disk before it is sent, in order
// for each target, and is never posted twice blindly. On the loop unless marked. Owned by the host;
// stands on the store's mail.
#pragma once

#include "host/delivery/alarm.hpp"
#include "host/delivery/outbox.hpp"
#include "host/delivery/sender.hpp"
#include "host/store/mail.hpp"
#include "host/telemetry/log.hpp"
#include "host/telemetry/metrics.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace viaduct::delivery {

struct DeliveryOptions {
  OutboxLimits outbox;
  std::chrono::milliseconds tidy{3'600'000};
  std::chrono::milliseconds expires{86'400'000};  // where it is not said
};

struct NewParcel {
  std::string key, target, payload;
  bool edit = false;
  std::chrono::milliseconds expires_in{0};  // 0: as in the options; at most 30 days
};

class Delivery {
 public:
  // The references outlive it; the alarm is its own.
  Delivery(store::Mail& mail, Metrics& metrics, const Logger& log, std::unique_ptr<Alarm> alarm,
           DeliveryOptions options = {});
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // ---- inbox [any-thread]; answered on the loop
  void receive(const std::string& instance, std::vector<std::string> keys, std::string payload,
               Done<bool> done);
  void handled(const std::string& instance, std::string key, Done<> done);
  struct Unhandled {
    store::InboxPage page;
    store::Micros now = 0;
  };
  void unhandled(const std::string& instance, std::uint64_t after, std::uint32_t limit,
                 Done<Unhandled> done);

  // ---- outbox [any-thread]
  void post(const std::string& instance, NewParcel parcel, Done<store::Posted> done);
  void find(const std::string& instance, std::string key, Done<store::Parcel> done);

  // An instance runs, and posts by `sender`: what is open of it is sent from now on.
  void attach(const std::string& instance, std::shared_ptr<Sender> sender);
  // It is about to stop: nothing more is begun. What is under way is stored when it is answered,
  // and else found out at the next attach. Only if it is still this sender.
  void detach(const std::string& instance, const Sender* sender);

  // One owner for one credential, until release(owner). conflict: another one has it.
  Result<> claim(const void* owner, const std::string& instance, const std::string& credential);
  void release(const void* owner);

  // ---- for people
  void list(store::ParcelQuery query, Done<std::vector<store::Parcel>> done);
  void retry(std::uint64_t number, Done<store::Parcel> done);
  void drop(std::uint64_t number, Done<store::Parcel> done);
  // Puts what waits into the metrics; `then` when that is done.
  void measure(std::function<void()> then = nullptr);
  // How many may not have arrived, as of the last measure().
  std::uint64_t missing() const { return missing_; }

 private:
  void wake();
  void tick();

  store::Mail& mail_;
  Metrics& metrics_;
  const Logger log_;
  const std::unique_ptr<Alarm> alarm_;
  const DeliveryOptions options_;
  store::Micros next_tidy_;
  bool tidying_ = false;
  std::map<std::string, std::pair<std::shared_ptr<Sender>, std::shared_ptr<Outbox>>> outboxes_;
  struct Claim {
    const void* owner;
    std::string instance;
  };
  std::map<std::string, Claim> claims_;  // by credential
  std::uint64_t missing_ = 0;
  std::set<std::pair<std::string, std::string>> measured_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace viaduct::delivery
