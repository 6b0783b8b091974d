// viaduct.delivery/1 and viaduct.sender/1: for a surface on somebody else's network, what comes in
// and what goes out, neither lost nor doubled. Any thread; callbacks and Sender on the plugin's.
#pragma once

#include "viaduct/sdk/host.hpp"

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::sdk {

// Something that goes out; borrowed during the call.
struct Parcel {
  std::string_view key;
  std::string_view target;  // those of one target are sent one after the other
  std::string_view payload_json;
  bool edit = false;                        // idempotent: may be repeated, the last one counts
  std::chrono::milliseconds expires_in{0};  // post: not sent later than that; 0: a day
  std::uint64_t attempt = 0;                // of this sending, from 1
};

// Results are JSON as abi.h says.
class Delivery : public detail::Service<viaduct_delivery> {
 public:
  explicit Delivery(const Host& host) : Service(host, VIADUCT_DELIVERY) {}

  // Whether what receive or post was given had not come before.
  static bool is_new(const Answer& answer) {
    return answer.ok() && answer.result.compare(0, 11, R"({"new":true)") == 0;
  }

  // An event with every key under which it may come again; acknowledge it when this has answered,
  // and drop it unless is_new(answer).
  template <class Keys>
  void receive(const Keys& keys, std::string_view payload_json, Callback done) const {
    std::vector<viaduct_str> raw;
    for (const std::string_view key : keys) raw.push_back(detail::str(key));
    ask(std::move(done), [&](auto* t, auto* h, auto c) {
      t->receive(h, c, raw.data(), raw.size(), detail::str(payload_json));
    });
  }
  void receive(std::initializer_list<std::string_view> keys, std::string_view payload_json,
               Callback done) const {
    receive<std::initializer_list<std::string_view>>(keys, payload_json, std::move(done));
  }
  void handled(std::string_view key, Callback done = {}) const {
    ask(std::move(done), [&](auto* t, auto* h, auto c) { t->handled(h, c, detail::str(key)); });
  }
  // Oldest first, behind the event numbered `after`.
  void unhandled(std::uint64_t after, std::uint32_t limit, Callback done) const {
    ask(std::move(done), [&](auto* t, auto* h, auto c) { t->unhandled(h, c, after, limit); });
  }

  // Answered when it is on disk; Sender::send gets it after that.
  void post(const Parcel& parcel, Callback done) const {
    const auto wait = parcel.expires_in.count();
    const viaduct_parcel raw{sizeof(viaduct_parcel),
                             parcel.edit ? static_cast<std::uint32_t>(VIADUCT_PARCEL_EDIT) : 0u,
                             detail::str(parcel.key),
                             detail::str(parcel.target),
                             detail::str(parcel.payload_json),
                             wait < 0 ? 0 : static_cast<std::uint64_t>(wait),
                             0};
    ask(std::move(done), [&](auto* t, auto* h, auto c) { t->post(h, c, &raw); });
  }
  void find(std::string_view key, Callback done) const {
    ask(std::move(done), [&](auto* t, auto* h, auto c) { t->find(h, c, detail::str(key)); });
  }

  // kConflict: another instance of this host uses it.
  void claim(std::string_view credential, Callback done) const {
    ask(std::move(done),
        [&](auto* t, auto* h, auto c) { t->claim(h, c, detail::str(credential)); });
  }
};

// The answer to one Sender::send or reconcile. Answer once, from any thread. One that is dropped,
// or is still open when the instance stops, says that nobody knows whether the parcel arrived.
class Sending {
 public:
  Sending(std::shared_ptr<detail::Core> core, std::uint64_t call)
      : core_(std::move(core)), call_(call) {}
  Sending(Sending&&) noexcept = default;
  Sending& operator=(Sending&& other) noexcept {
    Sending old(std::move(*this));
    core_ = std::move(other.core_);
    call_ = other.call_;
    return *this;
  }
  ~Sending() {
    if (core_ && !detail::left_to_trampoline(core_.get(), call_, false))
      unknown("the plugin dropped it without an answer");
  }

  // False once answered.
  explicit operator bool() const { return core_ != nullptr; }

  // `result` is kept: a JSON object, where it is now, say.
  void arrived(std::string_view result_json = {}) {
    answer(Code::kOk, {}, result_json.empty() ? std::string_view("{}") : result_json);
  }
  // Nothing was posted for certain: again, after `wait` if that is not 0.
  void later(std::string_view message, std::chrono::milliseconds wait = {}) {
    const std::string result =
        wait.count() > 0 ? "{\"retry_after_ms\":" + std::to_string(wait.count()) + "}" : "";
    answer(Code::kUnavailable, message, result);
  }
  // Nobody knows whether it arrived.
  void unknown(std::string_view message) { answer(Code::kTimeout, message, {}); }
  // It never will arrive; of reconcile: it cannot be found out.
  void fail(Code code, std::string_view message) {
    answer(code == Code::kOk ? Code::kInternal : code, message, {});
  }
  void fail(const Status& status) { fail(status.code, status.message); }
  // Of reconcile: it did not arrive for certain.
  void not_there() { answer(Code::kNotFound, "it did not arrive", {}); }

 private:
  void answer(Code code, std::string_view message, std::string_view result) {
    if (const auto core = std::exchange(core_, nullptr)) core->answer(call_, code, message, result);
  }

  std::shared_ptr<detail::Core> core_;
  std::uint64_t call_;
};

// viaduct.sender/1, for a surface class that derives from it, too. On the plugin's thread; parcels
// are borrowed during the call. An Error that is thrown is the answer; whatever else is thrown says
// that nobody knows.
class Sender {
 public:
  Sender() = default;
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  virtual ~Sender() = default;
  // Answers within 2 minutes.
  virtual void send(const Parcel& parcel, Sending sending) = 0;
  // Whether a parcel whose sending was cut off has arrived.
  virtual void reconcile(const Parcel& parcel, Sending sending) {
    (void)parcel;
    sending.fail(Code::kUnsupported, "nobody can find out whether it arrived");
  }
  // It is "ambiguous", "failed" or "expired" for good.
  virtual void undelivered(const Parcel& parcel, std::string_view state, const Status& why) {
    (void)parcel;
    (void)state;
    (void)why;
  }
};

namespace detail {

inline Parcel parcel(const viaduct_parcel& raw) {
  return Parcel{view(raw.key),
                view(raw.target),
                view(raw.payload_json),
                (raw.flags & VIADUCT_PARCEL_EDIT) != 0,
                std::chrono::milliseconds(raw.expires_in_ms),
                raw.attempt};
}

// The host calls send or reconcile: f(Sending).
template <class F>
void run_sending(const std::shared_ptr<Core>& core, std::uint64_t call, F&& f) noexcept {
  if (!core->opened(call, 0, Code::kTimeout)) return;
  run_owning(
      *core, call, false,
      [&] {
        try {
          f(Sending(core, call));
        } catch (const Error&) {
          throw;
        } catch (...) {
          throw Error(Code::kTimeout, current_exception_status().message);
        }
      },
      [&](const Status& why, bool) { core->answer(call, why.code, why.message, {}); });
}

}  // namespace detail
}  // namespace viaduct::sdk
