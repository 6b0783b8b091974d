#include <viaduct/testing/fake_delivery.hpp>

#include <algorithm>
#include <utility>

#include "core.hpp"

namespace viaduct::testing {
namespace {

constexpr std::size_t kLongestKey = 512;
constexpr std::size_t kMostKeys = 8;
constexpr std::size_t kLargest = std::size_t{1} << 20;
constexpr std::uint64_t kDay = 24 * 3600 * 1000;
constexpr std::uint64_t kRetry = 10;  // ms, where the plugin names no time

bool is_open(const OutboxParcel& parcel) {
  return parcel.state == "ready" || parcel.state == "sending";
}

FakeParcel seen(const OutboxParcel& parcel) {
  FakeParcel seen = parcel;
  seen.under_way = parcel.call != 0;
  return seen;
}

OutboxParcel* parcel_of(Core& core, std::uint64_t number) {
  for (auto& parcel : core.delivery.parcels)
    if (parcel.number == number) return &parcel;
  return nullptr;
}

FakeEvent* event_of(Core& core, std::string_view key) {
  for (auto& event : core.delivery.events)
    if (std::find(event.keys.begin(), event.keys.end(), key) != event.keys.end()) return &event;
  return nullptr;
}

viaduct_parcel raw_of(const OutboxParcel& parcel) {
  return {
      sizeof(viaduct_parcel), parcel.edit ? static_cast<std::uint32_t>(VIADUCT_PARCEL_EDIT) : 0u,
      view(parcel.key),       view(parcel.target),
      view(parcel.payload),   0,
      parcel.attempts};
}

// ---------------------------------------------------------------- sending

void again(Core& core, OutboxParcel& parcel, std::uint64_t wait) {
  parcel.due = core.now() + milliseconds(wait);
  core.timers[{true, parcel.number}] = parcel.due;
}

// Lock held.
void give_up(Core& core, OutboxParcel& parcel, const char* state, viaduct_code code,
             const std::string& why) {
  parcel.state = state;
  parcel.reason = why;
  core.push([&core, parcel, code, of = core.generation] {
    {
      const std::lock_guard lock(core.mutex);
      if (core.instance == nullptr || of != core.generation || core.phase == Phase::kStopped)
        return;
    }
    const auto* table = static_cast<const viaduct_sender*>(core.interface_of(VIADUCT_SENDER));
    if (!VIADUCT_HAS(table, undelivered)) return;
    const viaduct_parcel raw = raw_of(parcel);
    const viaduct_status status{sizeof(viaduct_status), code, view(parcel.reason)};
    call_plugin(core, "undelivered", table->undelivered, core.instance, &raw, view(parcel.state),
                &status);
  });
}

// Lock held: nobody knows what became of its sending.
void cut(Core& core, OutboxParcel& parcel) {
  parcel.call = 0;
  if (parcel.edit) {
    parcel.state = "ready";
    parcel.renewed = false;
  } else {
    parcel.asked = true;
  }
  delivery_wake(core);
}

// Lock held.
void sent(Core& core, OutboxParcel& parcel, const Answer& answer) {
  parcel.call = 0;
  const bool asked = std::exchange(parcel.asked, false);
  const bool later = answer.code == VIADUCT_E_UNAVAILABLE || answer.code == VIADUCT_E_BUSY;
  const auto wait = answer.json()["retry_after_ms"].as_int();
  parcel.retry_after_ms = wait > 0 ? static_cast<std::uint64_t>(wait) : 0;
  if (std::exchange(parcel.renewed, false)) {
    parcel.state = "ready";
    parcel.attempts = 0;
    if (later) again(core, parcel, parcel.retry_after_ms != 0 ? parcel.retry_after_ms : kRetry);
  } else if (answer.code == VIADUCT_OK) {
    parcel.state = "sent";
    parcel.result = answer.result;
  } else if (later || (asked && answer.code == VIADUCT_E_TIMEOUT)) {
    parcel.asked = asked;
    if (!asked) parcel.state = "ready";
    again(core, parcel, parcel.retry_after_ms != 0 ? parcel.retry_after_ms : kRetry);
  } else if (asked && answer.code == VIADUCT_E_NOT_FOUND) {
    parcel.state = "ready";
  } else if (asked) {
    give_up(core, parcel, "ambiguous", answer.code, answer.message);
  } else if (answer.code == VIADUCT_E_TIMEOUT) {
    if (parcel.edit) again(core, parcel, kRetry);
    cut(core, parcel);
  } else {
    give_up(core, parcel, "failed", answer.code, answer.message);
  }
  delivery_wake(core);
}

// Lock held. `ignored`: as if the answer had not come.
void answered(Core& core, std::uint64_t number, std::uint64_t call, bool ignored,
              const Answer& answer) {
  core.push([&core, call] {
    const std::lock_guard lock(core.mutex);
    core.calls.erase(call);
  });
  OutboxParcel* const one = parcel_of(core, number);
  if (one == nullptr || one->call != call) return;
  if (ignored) return cut(core, *one);
  sent(core, *one, answer);
}

// Lock held.
void begin(Core& core, OutboxParcel& parcel, const viaduct_sender* table) {
  const bool ask = parcel.asked;
  if (ask && !VIADUCT_HAS(table, reconcile)) {
    parcel.asked = false;
    give_up(core, parcel, "ambiguous", VIADUCT_E_UNSUPPORTED,
            "the plugin cannot find out whether it arrived");
    return delivery_wake(core);
  }
  parcel.state = "sending";
  ++(ask ? parcel.reconciled : parcel.attempts);
  auto& cuts = core.delivery.cuts;
  bool ignored = false;
  if (!ask && !cuts.empty()) {
    const auto where = cuts.front();
    cuts.erase(cuts.begin());
    if (where == FakeDelivery::CutOff::kBefore) return cut(core, parcel);
    ignored = true;
  }
  const std::uint64_t number = parcel.number;
  const std::uint64_t call = core.next_call++;
  parcel.call = call;
  core.push([&core, number, ask, call, table, ignored, of = core.generation] {
    OutboxParcel given;
    {
      const std::lock_guard lock(core.mutex);
      OutboxParcel* const one = parcel_of(core, number);
      if (one == nullptr || one->call != call) return;
      if (core.instance == nullptr || of != core.generation || core.phase != Phase::kStarted) {
        one->call = 0;  // it never heard of it
        if (!ask) one->state = "ready";
        --(ask ? one->reconciled : one->attempts);
        return;
      }
      core.calls[call] = {ask ? "reconcile" : "send",
                          false,
                          {},
                          [&core, number, call, ignored](const Answer& answer) {
                            answered(core, number, call, ignored, answer);
                          }};
      given = *one;
      core.thrown.clear();
    }
    const viaduct_parcel raw = raw_of(given);
    if (ask)
      call_plugin(core, "reconcile", table->reconcile, core.instance, call, &raw);
    else
      call_plugin(core, "send", table->send, core.instance, call, &raw);
  });
}

// On the plugin's thread: everything that is due.
void pump(Core& core) {
  {
    const std::lock_guard lock(core.mutex);
    if (core.phase != Phase::kStarted) return;
  }
  const auto* table = static_cast<const viaduct_sender*>(core.interface_of(VIADUCT_SENDER));
  const std::lock_guard lock(core.mutex);
  if (core.phase != Phase::kStarted || core.delivery.held || !VIADUCT_HAS(table, send)) return;
  std::set<std::string> busy;
  for (auto& parcel : core.delivery.parcels) {
    if (!is_open(parcel) || !busy.insert(parcel.target).second || parcel.call != 0) continue;
    if (parcel.state == "ready" && core.now() >= parcel.expires) {
      give_up(core, parcel, "expired", VIADUCT_E_TIMEOUT, "it was not sent in time");
      delivery_wake(core);
    } else if (core.now() >= parcel.due) {
      begin(core, parcel, table);
    } else {
      core.timers[{true, parcel.number}] = parcel.due;
    }
  }
}

// ---------------------------------------------------------------- the table

// The beginning of a call: false when it is answered already.
bool begins(HostEntry& entry, std::uint64_t call, const char* operation) {
  return !entry.refused && entry.core.begin_plugin_call(call, operation) &&
         !entry.core.take_failure(operation, call);
}

bool refuse(HostEntry& entry, std::uint64_t call, const char* why) {
  entry.core.fault("bad-argument", why);
  entry.core.answer_plugin(call, VIADUCT_E_INVALID_ARGUMENT, why, "");
  return false;
}

bool good_key(HostEntry& entry, std::uint64_t call, viaduct_str key, const char* what) {
  if (entry.core.check_text(key, what) && key.size > 0 && key.size <= kLongestKey) return true;
  return refuse(entry, call, "a key, a target and a credential have 1 to 512 bytes of UTF-8");
}

bool good_payload(HostEntry& entry, std::uint64_t call, viaduct_str payload) {
  if (payload.size <= kLargest && Json::parse(text_of(payload))) return true;
  return refuse(entry, call, "a payload is JSON of at most 1 MiB");
}

void receive(const viaduct_host* host, std::uint64_t call, const viaduct_str* keys,
             std::size_t key_count, viaduct_str payload) noexcept {
  HostEntry entry(host, "delivery.receive");
  if (!begins(entry, call, "delivery.receive")) return;
  if (key_count < 1 || key_count > kMostKeys) {
    refuse(entry, call, "an event has 1 to 8 keys");
    return;
  }
  for (std::size_t i = 0; i < key_count; ++i)
    if (!good_key(entry, call, keys[i], "an event's key")) return;
  if (!good_payload(entry, call, payload)) return;
  FakeEvent* known = nullptr;
  for (std::size_t i = 0; i < key_count && known == nullptr; ++i)
    known = event_of(entry.core, text_of(keys[i]));
  const bool fresh = known == nullptr;
  if (fresh) {
    auto& events = entry.core.delivery.events;
    events.push_back({++entry.core.delivery.last, {}, std::string(text_of(payload)), false});
    known = &events.back();
  }
  for (std::size_t i = 0; i < key_count; ++i)
    if (const std::string key(text_of(keys[i])); event_of(entry.core, key) == nullptr)
      known->keys.push_back(key);
  entry.core.answer_plugin(call, VIADUCT_OK, "", fresh ? R"({"new":true})" : R"({"new":false})");
  entry.core.changed.notify_all();
}

void handled(const viaduct_host* host, std::uint64_t call, viaduct_str key) noexcept {
  HostEntry entry(host, "delivery.handled");
  if (!begins(entry, call, "delivery.handled") || !good_key(entry, call, key, "an event's key"))
    return;
  FakeEvent* event = event_of(entry.core, text_of(key));
  if (event == nullptr)
    return entry.core.answer_plugin(call, VIADUCT_E_NOT_FOUND, "no such event", "");
  event->handled = true;
  entry.core.answer_plugin(call, VIADUCT_OK, "", "{}");
  entry.core.changed.notify_all();
}

void unhandled(const viaduct_host* host, std::uint64_t call, std::uint64_t after,
               std::uint32_t limit) noexcept {
  HostEntry entry(host, "delivery.unhandled");
  if (!begins(entry, call, "delivery.unhandled")) return;
  if (limit < 1 || limit > 1000) {
    refuse(entry, call, "limit is from 1 to 1000");
    return;
  }
  Json events = Json::array();
  bool more = false;
  for (const auto& event : entry.core.delivery.events) {
    if (event.handled || event.number <= after) continue;
    more = events.size() == limit;
    if (more) break;
    events.push_back(Json::object({{"number", event.number},
                                   {"key", event.keys.front()},
                                   {"payload", Json::parse(event.payload).value_or(Json())},
                                   {"age_ms", 0}}));
  }
  entry.core.answer_plugin(call, VIADUCT_OK, "",
                           Json::object({{"events", events}, {"more", more}}).dump());
}

std::string posted(const OutboxParcel& parcel, bool fresh) {
  return std::string(R"({"new":)") + (fresh ? "true" : "false") + R"(,"state":")" + parcel.state +
         R"(","result":)" + (parcel.result.empty() ? "null" : parcel.result) + "}";
}

void post(const viaduct_host* host, std::uint64_t call, const viaduct_parcel* raw) noexcept {
  HostEntry entry(host, "delivery.post");
  if (!begins(entry, call, "delivery.post")) return;
  Core& core = entry.core;
  if (raw == nullptr || raw->struct_size < sizeof(viaduct_parcel)) {
    refuse(entry, call, "the parcel is null or too short");
    return;
  }
  if (!good_key(entry, call, raw->key, "a parcel's key") ||
      !good_key(entry, call, raw->target, "a parcel's target") ||
      !good_payload(entry, call, raw->payload_json))
    return;
  OutboxParcel parcel;
  parcel.number = ++core.delivery.last;
  parcel.key = text_of(raw->key);
  parcel.target = text_of(raw->target);
  parcel.payload = text_of(raw->payload_json);
  parcel.edit = (raw->flags & VIADUCT_PARCEL_EDIT) != 0;
  const auto expires = std::min(raw->expires_in_ms == 0 ? kDay : raw->expires_in_ms, 30 * kDay);
  parcel.expires = core.now() + milliseconds(expires);
  auto& all = core.delivery.parcels;
  const auto old =
      std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.key == parcel.key; });
  if (old != all.end() && (!parcel.edit || !old->edit))
    return core.answer_plugin(call, VIADUCT_OK, "", posted(*old, false));
  if (old != all.end() && is_open(*old) && old->target == parcel.target) {
    old->payload = parcel.payload;
    old->expires = parcel.expires;
    old->renewed = old->call != 0;
    return core.answer_plugin(call, VIADUCT_OK, "", posted(*old, true));
  }
  if (old != all.end()) all.erase(old);
  all.push_back(std::move(parcel));
  core.answer_plugin(call, VIADUCT_OK, "", posted(all.back(), true));
  delivery_wake(core);
  core.changed.notify_all();
}

void find(const viaduct_host* host, std::uint64_t call, viaduct_str key) noexcept {
  HostEntry entry(host, "delivery.find");
  if (!begins(entry, call, "delivery.find") || !good_key(entry, call, key, "a parcel's key"))
    return;
  for (const auto& parcel : entry.core.delivery.parcels) {
    if (parcel.key != text_of(key)) continue;
    auto answer = Json::object({{"state", parcel.state},
                                {"result", Json::parse(parcel.result).value_or(Json())},
                                {"reason", parcel.reason}});
    return entry.core.answer_plugin(call, VIADUCT_OK, "", answer.dump());
  }
  entry.core.answer_plugin(call, VIADUCT_E_NOT_FOUND, "no such parcel", "");
}

void claim(const viaduct_host* host, std::uint64_t call, viaduct_str credential) noexcept {
  HostEntry entry(host, "delivery.claim");
  if (!begins(entry, call, "delivery.claim") ||
      !good_key(entry, call, credential, "a claimed credential"))
    return;
  if (entry.core.delivery.taken.count(std::string(text_of(credential))) != 0)
    return entry.core.answer_plugin(call, VIADUCT_E_CONFLICT, "the instance other uses it", "");
  entry.core.answer_plugin(call, VIADUCT_OK, "", "{}");
}

constexpr viaduct_delivery kDelivery{
    sizeof(viaduct_delivery), 0, receive, handled, unhandled, post, find, claim};

}  // namespace

const viaduct_delivery& delivery_table() {
  return kDelivery;
}

void delivery_wake(Core& core) {
  core.push([&core] { pump(core); });
}

void delivery_cut(Core& core) {
  for (auto& parcel : core.delivery.parcels)
    if (parcel.call != 0 && core.calls.count(parcel.call) != 0) cut(core, parcel);
}

// ---------------------------------------------------------------- for the test

std::vector<FakeEvent> FakeDelivery::events() const {
  const std::lock_guard lock(core_->mutex);
  return core_->delivery.events;
}
std::vector<FakeParcel> FakeDelivery::parcels() const {
  const std::lock_guard lock(core_->mutex);
  std::vector<FakeParcel> list;
  for (const auto& parcel : core_->delivery.parcels) list.push_back(seen(parcel));
  return list;
}
std::optional<FakeParcel> FakeDelivery::parcel(std::string_view key) const {
  const std::lock_guard lock(core_->mutex);
  for (const auto& parcel : core_->delivery.parcels)
    if (parcel.key == key) return seen(parcel);
  return std::nullopt;
}
bool FakeDelivery::wait_state(std::string_view key, std::string_view state,
                              milliseconds deadline) const {
  std::unique_lock lock(core_->mutex);
  return core_->wait(lock, deadline, [&] {
    for (const auto& parcel : core_->delivery.parcels)
      if (parcel.key == key) return parcel.state == state;
    return false;
  });
}

void FakeDelivery::hold() {
  const std::lock_guard lock(core_->mutex);
  core_->delivery.held = true;
}
void FakeDelivery::release() {
  const std::lock_guard lock(core_->mutex);
  core_->delivery.held = false;
  delivery_wake(*core_);
}
void FakeDelivery::cut_off_next(CutOff where) {
  const std::lock_guard lock(core_->mutex);
  core_->delivery.cuts.push_back(where);
}
void FakeDelivery::restart() {
  const std::lock_guard lock(core_->mutex);
  delivery_cut(*core_);
}
void FakeDelivery::add_event(std::vector<std::string> keys, std::string payload) {
  const std::lock_guard lock(core_->mutex);
  core_->delivery.events.push_back(
      {++core_->delivery.last, std::move(keys), std::move(payload), false});
}
void FakeDelivery::add_parcel(std::string key, std::string target, std::string payload, bool edit,
                              bool interrupted) {
  const std::lock_guard lock(core_->mutex);
  OutboxParcel parcel;
  parcel.number = ++core_->delivery.last;
  parcel.key = std::move(key);
  parcel.target = std::move(target);
  parcel.payload = std::move(payload);
  parcel.edit = edit;
  parcel.expires = core_->now() + milliseconds(kDay);
  if (interrupted && !edit) {
    parcel.state = "sending";
    parcel.attempts = 1;
    parcel.asked = true;
  }
  core_->delivery.parcels.push_back(std::move(parcel));
  delivery_wake(*core_);
}
void FakeDelivery::take(std::string credential) {
  const std::lock_guard lock(core_->mutex);
  core_->delivery.taken.insert(std::move(credential));
}

}  // namespace viaduct::testing
