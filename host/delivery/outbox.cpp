#include "host/delivery/outbox.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viaduct::delivery {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using store::Micros;
using store::Parcel;
using store::ParcelState;

constexpr std::size_t kTargetsAtOnce = 500;
constexpr milliseconds kStoreRetry{1000};
constexpr Micros kLongestWait = microseconds(std::chrono::hours(24)).count();

Micros micros(milliseconds time) {
  return microseconds(time).count();
}

}  // namespace

Outbox::Outbox(std::string space, std::shared_ptr<Sender> sender, store::Mail& mail, Alarm& alarm,
               Metrics& metrics, const Logger& log, OutboxLimits limits, std::function<void()> wake)
    : space_(std::move(space)),
      sender_(std::move(sender)),
      mail_(mail),
      alarm_(alarm),
      metrics_(metrics),
      log_(log),
      limits_(limits),
      wake_(std::move(wake)),
      random_(std::random_device{}()) {}

void Outbox::start() {
  list({});
}

void Outbox::stop() {
  stopped_ = true;
  queue_.clear();
  later_.clear();
}

Outbox::Moment Outbox::later(Micros when, std::function<void()> work) {
  const Moment moment(when, ++last_moment_);
  if (stopped_) return moment;
  later_.emplace(moment, std::move(work));
  wake_();
  return moment;
}

Micros Outbox::due() const {
  return later_.empty() ? 0 : later_.begin()->first.first;
}

void Outbox::tick() {
  const Micros now = alarm_.now();
  while (!later_.empty() && later_.begin()->first.first <= now)
    later_.extract(later_.begin()).mapped()();
  pump();
}

// ---------------------------------------------------------------- targets

void Outbox::list(std::string after) {
  listing_ = true;
  unlisted_ = false;
  const std::size_t most = std::min(kTargetsAtOnce, std::max<std::size_t>(limits_.targets, 1));
  mail_.open_targets(space_, std::move(after), static_cast<std::uint32_t>(most),
                     [self = shared_from_this(), most](Result<std::vector<std::string>> found) {
                       self->listing_ = false;
                       if (self->stopped_) return;
                       if (!found) {
                         self->log_.warn("deliveries cannot be read instance={} reason={}",
                                         self->space_, found.error().message);
                         self->unlisted_ = true;
                         self->later(self->alarm_.now() + micros(kStoreRetry), [raw = self.get()] {
                           if (!raw->listing_) raw->list({});
                         });
                         return;
                       }
                       for (const std::string& target : *found)
                         if (!self->add(target)) break;
                       self->pump();
                       if (found->size() == most && !self->unlisted_)
                         return self->list(found->back());
                       self->look_for_more();
                     });
}

// False: there is no room.
bool Outbox::add(const std::string& target) {
  if (targets_.contains(target)) return true;
  if (targets_.size() >= limits_.targets) {
    unlisted_ = true;
    return false;
  }
  queue(target);
  return true;
}

void Outbox::queue(const std::string& target) {
  targets_[target].state = Target::State::queued;
  queue_.push_back(target);
}

void Outbox::wait(const std::string& target, Micros until) {
  Target& one = targets_[target];
  one.state = Target::State::waiting;
  one.alarm = later(until, [this, target] { queue(target); });
}

void Outbox::forget(const std::string& target) {
  targets_.erase(target);
  look_for_more();
}

void Outbox::look_for_more() {
  if (unlisted_ && !listing_ && targets_.size() <= limits_.targets / 2) list({});
}

void Outbox::poke(const std::string& target, bool first) {
  if (stopped_) return;
  const auto found = targets_.find(target);
  if (found == targets_.end()) {
    add(target);
  } else if (found->second.state == Target::State::busy) {
    found->second.again = true;
  } else if (found->second.state == Target::State::waiting && first) {
    later_.erase(found->second.alarm);
    queue(target);
  }
  pump();
}

void Outbox::pump() {
  while (!stopped_ && busy_ < limits_.parallel && !queue_.empty()) {
    const std::string target = std::move(queue_.front());
    queue_.pop_front();
    claim(target);
  }
}

// ---------------------------------------------------------------- one parcel

void Outbox::claim(const std::string& target) {
  ++busy_;
  Target& one = targets_[target];
  one.state = Target::State::busy;
  one.again = false;
  mail_.next(space_, target, alarm_.now(),
             [self = shared_from_this(), target](Result<store::NextParcel> next) {
               self->claimed(target, std::move(next));
             });
}

void Outbox::claimed(const std::string& target, Result<store::NextParcel> next) {
  if (!next) {
    --busy_;
    if (stopped_) return;
    Target& one = targets_[target];
    if (one.failed++ == 0)
      log_.warn("delivery cannot begin instance={} reason={}", space_, next.error().message);
    wait(target, alarm_.now() + micros(kStoreRetry));
    return pump();
  }
  if (const auto found = targets_.find(target); found != targets_.end()) found->second.failed = 0;
  if (!next->parcel) {
    --busy_;
    if (stopped_) return;
    if (next->due != 0)
      wait(target, next->due);
    else if (targets_[target].again)
      queue(target);
    else
      forget(target);
    return pump();
  }
  Parcel& parcel = *next->parcel;
  if (parcel.state == ParcelState::expired) {
    count("expired");
    tell(parcel, {Errc::timeout, parcel.reason});
    return release(target);
  }
  if (next->interrupted && !parcel.edit) return reconcile(target, std::move(parcel));
  if (!stopped_) return send(target, std::move(parcel));
  // Nobody has heard of it yet: as if it had not been claimed.
  settle(target, std::move(parcel), ParcelState::ready, {}, {});
}

void Outbox::send(const std::string& target, Parcel parcel) {
  log_.debug("delivery is sent instance={} number={} attempt={}", space_, parcel.number,
             parcel.attempt);
  auto copy = std::make_shared<Parcel>(std::move(parcel));
  sender_->send(*copy, [self = shared_from_this(), target, copy](SendAnswer answer) {
    self->sent(target, std::move(*copy), std::move(answer));
  });
}

void Outbox::sent(const std::string& target, Parcel parcel, SendAnswer answer) {
  if (answer.result)
    return settle(target, std::move(parcel), ParcelState::sent, std::move(*answer.result), {});
  Error why = std::move(answer.result.error());
  const bool unknown = why.code == Errc::timeout;
  if (why.code == Errc::unavailable || why.code == Errc::busy || (unknown && parcel.edit)) {
    const Micros when = retry_at(answer, parcel.attempt);
    return settle(target, std::move(parcel), ParcelState::ready, {}, std::move(why), when);
  }
  if (!unknown) return settle(target, std::move(parcel), ParcelState::failed, {}, std::move(why));
  log_.warn("delivery was cut off instance={} number={} attempt={} reason={}", space_,
            parcel.number, parcel.attempt, why.message);
  // Its row says that it is being sent, as it would after a restart.
  reconcile(target, std::move(parcel));
}

void Outbox::reconcile(const std::string& target, Parcel parcel) {
  if (stopped_) {
    --busy_;
    return;
  }
  if (!sender_->reconciles())
    return settle(target, std::move(parcel), ParcelState::ambiguous, {},
                  {Errc::timeout, "it was cut off, and nobody can find out whether it arrived"});
  const Micros from = parcel.changed_at + micros(limits_.in_flight);
  if (alarm_.now() < from) {
    --busy_;
    wait(target, from);
    return pump();
  }
  auto copy = std::make_shared<Parcel>(std::move(parcel));
  sender_->reconcile(*copy, [self = shared_from_this(), target, copy](SendAnswer answer) {
    self->reconciled(target, std::move(*copy), std::move(answer));
  });
}

void Outbox::reconciled(const std::string& target, Parcel parcel, SendAnswer answer) {
  if (answer.result) {
    count("reconciled");
    return settle(target, std::move(parcel), ParcelState::sent, std::move(*answer.result), {});
  }
  Error why = std::move(answer.result.error());
  if (why.code == Errc::not_found)
    return settle(target, std::move(parcel), ParcelState::ready, {},
                  {Errc::not_found, "it was cut off, and did not arrive"});
  const bool later =
      why.code == Errc::unavailable || why.code == Errc::busy || why.code == Errc::timeout;
  if (later && stopped_) {
    --busy_;
    return;
  }
  if (later && alarm_.now() < parcel.expires_at) {
    const Micros when = retry_at(answer, ++targets_[target].asked);
    --busy_;
    wait(target, std::min(when, parcel.expires_at));
    return pump();
  }
  settle(target, std::move(parcel), ParcelState::ambiguous, {}, std::move(why));
}

void Outbox::settle(const std::string& target, Parcel parcel, ParcelState state, std::string result,
                    Error why, Micros due) {
  store::ParcelOutcome outcome{parcel.number, state, std::move(result),
                               why.message,   due,   alarm_.now()};
  parcel.state = state;
  store_outcome(target, std::move(parcel), std::move(outcome), std::move(why));
}

void Outbox::store_outcome(const std::string& target, Parcel parcel, store::ParcelOutcome outcome,
                           Error why) {
  auto copy = outcome;
  mail_.settle(std::move(copy), [self = shared_from_this(), target, parcel = std::move(parcel),
                                 outcome = std::move(outcome),
                                 why = std::move(why)](Result<ParcelState> now) mutable {
    if (now) return self->settled(target, parcel, outcome, why, *now);
    self->log_.warn("what became of a delivery cannot be stored instance={} number={} reason={}",
                    self->space_, parcel.number, now.error().message);
    if (now.error().code != Errc::unavailable || self->stopped_) return self->release(target);
    // It is known: better than to find it out again after a restart.
    self->later(self->alarm_.now() + micros(kStoreRetry),
                [raw = self.get(), target, parcel, outcome, why] {
                  raw->store_outcome(target, parcel, outcome, why);
                });
  });
}

void Outbox::settled(const std::string& target, const Parcel& parcel,
                     const store::ParcelOutcome& outcome, const Error& why, ParcelState state) {
  switch (outcome.state) {
    case ParcelState::sent:
      count("sent");
      metrics_.observe("viaduct_delivery_seconds", {{"instance", space_}},
                       static_cast<double>(outcome.now - parcel.posted_at) / 1e6);
      break;
    case ParcelState::ready: count("put_off"); break;
    default:
      count(name(outcome.state));
      if (state == outcome.state) tell(parcel, why);
  }
  if (const auto found = targets_.find(target); found != targets_.end()) found->second.asked = 0;
  if (state == ParcelState::ready && outcome.due_at > alarm_.now() && !stopped_) {
    --busy_;
    wait(target, std::min(outcome.due_at, parcel.expires_at));
    return pump();
  }
  release(target);
}

void Outbox::tell(const Parcel& parcel, const Error& why) {
  log_.warn(
      "delivery is not known to have arrived instance={} number={} state={} attempt={} "
      "reason={}",
      space_, parcel.number, name(parcel.state), parcel.attempt, why.message);
  sender_->undelivered(parcel, why);
}

void Outbox::release(const std::string& target) {
  --busy_;
  if (stopped_) return;
  queue(target);
  pump();
}

void Outbox::count(std::string_view outcome) {
  metrics_.count("viaduct_delivery_outcomes_total",
                 {{"instance", space_}, {"outcome", std::string(outcome)}});
}

Micros Outbox::backoff(std::uint64_t failures) {
  const auto doubled = limits_.backoff.count() << std::min<std::uint64_t>(failures - 1, 20);
  const auto wait = std::min<std::int64_t>(doubled, limits_.longest_backoff.count());
  // By up to a quarter more or less, so that not all come at once.
  std::uniform_real_distribution<double> jitter(0.75, 1.25);
  return micros(
      milliseconds(1 + static_cast<std::int64_t>(static_cast<double>(wait) * jitter(random_))));
}

Micros Outbox::retry_at(const SendAnswer& answer, std::uint64_t failures) {
  const Micros wait = answer.retry_after.count() > 0
                          ? micros(answer.retry_after)
                          : backoff(std::max<std::uint64_t>(failures, 1));
  return alarm_.now() + std::min(wait, kLongestWait);
}

}  // namespace viaduct::delivery
