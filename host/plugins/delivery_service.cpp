#include "host/plugins/delivery_service.hpp"

#include "host/plugins/plugin_call.hpp"
#include "host/plugins/plugins_json.hpp"
#include "host/plugins/service_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace viaduct::plugins {
namespace {

constexpr std::size_t kMaxKey = 512;
constexpr std::size_t kMaxKeys = 8;
constexpr std::size_t kMaxPayload = 1 << 20;
constexpr std::chrono::milliseconds kMaxSending = std::chrono::minutes(2);
constexpr std::uint64_t kMaxLife = 366ull * 24 * 3600 * 1000;

// ---------------------------------------------------------------- the service

std::string key_of(PluginCall& in, viaduct_str raw, const char* name) {
  in.require(raw.size >= 1 && raw.size <= kMaxKey, fmt::format("{} has 1 to 512 bytes", name));
  return in ? in.text(raw, name) : std::string();
}

void receive(const viaduct_host* host, std::uint64_t call, const viaduct_str* keys,
             std::size_t key_count, viaduct_str payload) noexcept {
  PluginCall in(host, call, "delivery.receive");
  in.require(keys != nullptr && key_count >= 1 && key_count <= kMaxKeys,
             "an event has 1 to 8 keys");
  std::vector<std::string> names;
  for (std::size_t i = 0; in && i < key_count; ++i) names.push_back(key_of(in, keys[i], "a key"));
  std::string body = in.json(payload, "the payload", kMaxPayload);
  if (!in) return;
  in.instance().services().delivery.receive(in.instance().name(), std::move(names), std::move(body),
                                            as_json<bool>(in.done(), received_json));
}

void handled(const viaduct_host* host, std::uint64_t call, viaduct_str raw) noexcept {
  PluginCall in(host, call, "delivery.handled");
  std::string key = key_of(in, raw, "the key");
  if (!in) return;
  in.instance().services().delivery.handled(in.instance().name(), std::move(key),
                                            as_text(in.done(), "{}"));
}

void unhandled(const viaduct_host* host, std::uint64_t call, std::uint64_t after,
               std::uint32_t limit) noexcept {
  PluginCall in(host, call, "delivery.unhandled");
  in.require(limit >= 1 && limit <= 1000, "limit is from 1 to 1000");
  if (!in) return;
  in.instance().services().delivery.unhandled(
      in.instance().name(), std::min<std::uint64_t>(after, INT64_MAX), limit,
      as_json<delivery::Delivery::Unhandled>(in.done(),
                                             [](const auto& page) { return to_json(page); }));
}

void post(const viaduct_host* host, std::uint64_t call, const viaduct_parcel* raw) noexcept {
  PluginCall in(host, call, "delivery.post");
  const bool there =
      raw != nullptr && raw->struct_size >= VIADUCT_SIZE_WITH(viaduct_parcel, attempt);
  in.require(there, "the parcel is null or too short");
  if (!in) return;
  in.require(in.instance().tables().sender != nullptr, "it does not offer " VIADUCT_SENDER);
  delivery::NewParcel parcel;
  parcel.key = key_of(in, raw->key, "the key");
  parcel.target = key_of(in, raw->target, "the target");
  parcel.payload = in.json(raw->payload_json, "the payload", kMaxPayload);
  parcel.edit = (raw->flags & VIADUCT_PARCEL_EDIT) != 0;
  parcel.expires_in = std::chrono::milliseconds(std::min(raw->expires_in_ms, kMaxLife));
  if (!in) return;
  in.instance().services().delivery.post(
      in.instance().name(), std::move(parcel),
      as_json<store::Posted>(in.done(), [](const auto& posted) { return to_json(posted); }));
}

void find(const viaduct_host* host, std::uint64_t call, viaduct_str raw) noexcept {
  PluginCall in(host, call, "delivery.find");
  std::string key = key_of(in, raw, "the key");
  if (!in) return;
  in.instance().services().delivery.find(in.instance().name(), std::move(key),
                                         as_json<store::Parcel>(in.done(), found_json));
}

void claim(const viaduct_host* host, std::uint64_t call, viaduct_str raw) noexcept {
  PluginCall in(host, call, "delivery.claim");
  std::string credential = key_of(in, raw, "the credential");
  if (!in) return;
  in.on_loop([credential = std::move(credential)](Instance& instance, Done<std::string> done) {
    as_text(std::move(done),
            "{}")(instance.services().delivery.claim(&instance, instance.name(), credential));
  });
}

constexpr viaduct_delivery kDelivery{
    sizeof(viaduct_delivery), 0, receive, handled, unhandled, post, find, claim};

// ---------------------------------------------------------------- the sender

viaduct_parcel raw_parcel(const store::Parcel& parcel) {
  return {.struct_size = sizeof(viaduct_parcel),
          .flags = parcel.edit ? static_cast<std::uint32_t>(VIADUCT_PARCEL_EDIT) : 0u,
          .key = str(parcel.key),
          .target = str(parcel.target),
          .payload_json = str(parcel.payload),
          .expires_in_ms = 0,
          .attempt = parcel.attempt};
}

}  // namespace

const viaduct_delivery& delivery_table() {
  return kDelivery;
}

void PluginSender::call(const char* what, Function function, const store::Parcel& parcel,
                        delivery::SendDone done) {
  instance_->call_fully(
      what, kMaxSending,
      [instance = instance_.get(), function, parcel](std::uint64_t id) {
        const viaduct_parcel raw = raw_parcel(parcel);
        function(instance->self(), id, &raw);
      },
      [instance = instance_, what, done = std::move(done)](Completion completion) mutable {
        using By = Completion::By;
        delivery::SendAnswer answer{std::move(completion.result), {}};
        if (answer.result) {
          if (answer.result->empty()) {
            *answer.result = "{}";
          } else if (answer.result->size() > kMaxPayload || !is_json_object(*answer.result)) {
            instance->fault(
                fmt::format("{} is answered with what is no JSON object of at most 1 "
                            "MiB",
                            what));
            *answer.result = "{}";  // it arrived all the same
          }
        } else if (completion.by == By::plugin) {
          answer.retry_after = parse_retry_after(completion.with_failure);
        } else {
          answer.result.error().code =
              completion.by == By::nobody ? Errc::unavailable : Errc::timeout;
        }
        done(std::move(answer));
      });
}

void PluginSender::send(const store::Parcel& parcel, delivery::SendDone done) {
  call("send", may_throw(table_.send), parcel, std::move(done));
}

void PluginSender::reconcile(const store::Parcel& parcel, delivery::SendDone done) {
  call("reconcile", may_throw(table_.reconcile), parcel, std::move(done));
}

bool PluginSender::reconciles() const {
  return VIADUCT_HAS(&table_, reconcile);
}

void PluginSender::undelivered(const store::Parcel& parcel, const Error& why) {
  if (!VIADUCT_HAS(&table_, undelivered) || !instance_->accepting()) return;
  instance_->dispatch("undelivered", [instance = instance_.get(), &table = table_, parcel, why] {
    const viaduct_parcel raw = raw_parcel(parcel);
    const viaduct_status status = to_abi(why);
    may_throw(table.undelivered)(instance->self(), &raw, str(name(parcel.state)), &status);
  });
}

}  // namespace viaduct::plugins
