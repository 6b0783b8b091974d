#include "host/delivery/delivery.hpp"

#include <algorithm>
#include <iterator>

namespace viaduct::delivery {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using store::Micros;

constexpr milliseconds kLongestLife = hours(30 * 24);
constexpr std::size_t kPageBytes = 8 << 20;

Micros micros(milliseconds time) {
  return microseconds(time).count();
}

}  // namespace

Delivery::Delivery(store::Mail& mail, Metrics& metrics, const Logger& log,
                   std::unique_ptr<Alarm> alarm, DeliveryOptions options)
    : mail_(mail),
      metrics_(metrics),
      log_(log),
      alarm_(std::move(alarm)),
      options_(options),
      next_tidy_(alarm_->now() + micros(options.tidy)) {
  wake();
}

Delivery::~Delivery() {
  alarm_->clear();
  for (const auto& [instance, one] : outboxes_) one.second->stop();
}

// ---------------------------------------------------------------- inbox

void Delivery::receive(const std::string& instance, std::vector<std::string> keys,
                       std::string payload, Done<bool> done) {
  mail_.receive(instance, std::move(keys), std::move(payload), alarm_->now(),
                [this, alive = std::weak_ptr(alive_), instance,
                 done = std::move(done)](Result<bool> fresh) mutable {
                  if (!alive.expired())
                    metrics_.count("viaduct_inbox_events_total", {{"instance", instance},
                                                                  {"outcome", !fresh   ? "failed"
                                                                              : *fresh ? "new"
                                                                                       : "known"}});
                  done(std::move(fresh));
                });
}

void Delivery::handled(const std::string& instance, std::string key, Done<> done) {
  mail_.handled(instance, std::move(key), std::move(done));
}

void Delivery::unhandled(const std::string& instance, std::uint64_t after, std::uint32_t limit,
                         Done<Unhandled> done) {
  mail_.unhandled(
      instance, after, limit, kPageBytes,
      [now = alarm_->now(), done = std::move(done)](Result<store::InboxPage> page) mutable {
        if (!page) return done(std::unexpected(page.error()));
        done(Unhandled{std::move(*page), now});
      });
}

// ---------------------------------------------------------------- outbox

void Delivery::post(const std::string& instance, NewParcel given, Done<store::Posted> done) {
  const auto life =
      given.expires_in.count() > 0 ? std::min(given.expires_in, kLongestLife) : options_.expires;
  store::Parcel parcel;
  parcel.space = instance;
  parcel.key = std::move(given.key);
  parcel.target = std::move(given.target);
  parcel.payload = std::move(given.payload);
  parcel.edit = given.edit;
  parcel.posted_at = parcel.due_at = alarm_->now();
  parcel.expires_at = parcel.posted_at + micros(life);
  std::string target = parcel.target;
  mail_.post(std::move(parcel),
             [this, alive = std::weak_ptr(alive_), instance, target = std::move(target),
              done = std::move(done)](Result<store::Posted> posted) mutable {
               const bool fresh = posted && posted->fresh;
               done(std::move(posted));
               if (!fresh || alive.expired()) return;
               metrics_.count("viaduct_delivery_posted_total", {{"instance", instance}});
               if (const auto found = outboxes_.find(instance); found != outboxes_.end())
                 found->second.second->poke(target, /*first=*/false);
             });
}

void Delivery::find(const std::string& instance, std::string key, Done<store::Parcel> done) {
  mail_.find(instance, std::move(key), std::move(done));
}

void Delivery::attach(const std::string& instance, std::shared_ptr<Sender> sender) {
  auto& [known, outbox] = outboxes_[instance];
  if (outbox) outbox->stop();
  outbox = std::make_shared<Outbox>(instance, sender, mail_, *alarm_, metrics_, log_,
                                    options_.outbox, [this] { wake(); });
  known = std::move(sender);
  outbox->start();
  wake();
}

void Delivery::detach(const std::string& instance, const Sender* sender) {
  const auto found = outboxes_.find(instance);
  if (found == outboxes_.end() || found->second.first.get() != sender) return;
  found->second.second->stop();
  outboxes_.erase(found);
  wake();
}

Result<> Delivery::claim(const void* owner, const std::string& instance,
                         const std::string& credential) {
  const auto [found, fresh] = claims_.try_emplace(credential, Claim{owner, instance});
  if (fresh || found->second.owner == owner) return {};
  return fail(Errc::conflict, "the instance " + found->second.instance +
                                  " uses the same credential already; two would take each other's "
                                  "events");
}

void Delivery::release(const void* owner) {
  std::erase_if(claims_, [&](const auto& claim) { return claim.second.owner == owner; });
}

// ---------------------------------------------------------------- time

// The alarm is for whoever is due first.
void Delivery::wake() {
  Micros due = next_tidy_;
  for (const auto& [instance, one] : outboxes_) {
    const Micros its = one.second->due();
    if (its != 0 && its < due) due = its;
  }
  alarm_->set(due, [this] { tick(); });
}

void Delivery::tick() {
  std::vector<std::shared_ptr<Outbox>> all;
  for (const auto& [instance, one] : outboxes_) all.push_back(one.second);
  for (const auto& outbox : all) outbox->tick();
  const Micros now = alarm_->now();
  if (now >= next_tidy_) {
    next_tidy_ = now + micros(options_.tidy);
    if (!std::exchange(tidying_, true))
      mail_.tidy(now, [this, alive = std::weak_ptr(alive_)](Result<> done) {
        if (alive.expired()) return;
        tidying_ = false;
        if (!done)
          log_.warn("what need not be known any longer is still stored reason={}",
                    done.error().message);
      });
  }
  wake();
}

// ---------------------------------------------------------------- for people

void Delivery::list(store::ParcelQuery query, Done<std::vector<store::Parcel>> done) {
  mail_.parcels(std::move(query), std::move(done));
}

void Delivery::retry(std::uint64_t number, Done<store::Parcel> done) {
  const Micros now = alarm_->now();
  mail_.retry(number, now, now + micros(options_.expires),
              [this, alive = std::weak_ptr(alive_),
               done = std::move(done)](Result<store::Parcel> parcel) mutable {
                if (parcel && !alive.expired()) {
                  log_.info("delivery is tried again by an operator instance={} number={}",
                            parcel->space, parcel->number);
                  if (const auto found = outboxes_.find(parcel->space); found != outboxes_.end())
                    found->second.second->poke(parcel->target, /*first=*/true);
                }
                done(std::move(parcel));
              });
}

void Delivery::drop(std::uint64_t number, Done<store::Parcel> done) {
  mail_.drop(number, alarm_->now(),
             [this, alive = std::weak_ptr(alive_),
              done = std::move(done)](Result<store::Parcel> parcel) mutable {
               if (parcel && !alive.expired()) {
                 log_.info("delivery is dropped by an operator instance={} number={}",
                           parcel->space, parcel->number);
                 if (const auto found = outboxes_.find(parcel->space); found != outboxes_.end())
                   found->second.second->poke(parcel->target, /*first=*/true);
               }
               done(std::move(parcel));
             });
}

void Delivery::measure(std::function<void()> then) {
  mail_.counts([this, alive = std::weak_ptr(alive_),
                then = std::move(then)](Result<store::MailCounts> counts) {
    if (alive.expired()) return;
    if (!counts) return then ? then() : void();
    missing_ = 0;
    const auto show = [&](const std::string& instance, const std::string& state, double count,
                          double age) {
      const Metrics::Labels labels{{"instance", instance}, {"state", state}};
      metrics_.gauge("viaduct_delivery_waiting", labels, count);
      metrics_.gauge("viaduct_delivery_oldest_seconds", labels, age);
    };
    const Micros now = alarm_->now();
    auto before = std::exchange(measured_, {});
    for (const auto& one : counts->waiting) {
      show(one.space, one.state, static_cast<double>(one.count),
           static_cast<double>(std::max<Micros>(now - one.oldest, 0)) / 1e6);
      if (one.state == "ambiguous" || one.state == "failed" || one.state == "expired")
        missing_ += one.count;
      measured_.emplace(one.space, one.state);
      before.erase({one.space, one.state});
    }
    for (const auto& [instance, state] : before) show(instance, state, 0, 0);
    for (const auto& [instance, state] : before) measured_.emplace(instance, state);
    if (then) then();
  });
}

}  // namespace viaduct::delivery
