// What posts the parcels of one surface instance. Implemented by host/plugins; called on the loop.
#pragma once

#include "host/error.hpp"
#include "host/store/mail.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace viaduct::delivery {

// How a send or a reconcile was answered. Errc::timeout: nobody knows.
struct SendAnswer {
  Result<std::string> result;                // JSON
  std::chrono::milliseconds retry_after{0};  // 0: not said
};
using SendDone = std::move_only_function<void(SendAnswer)>;

class Sender {
 public:
  virtual ~Sender() = default;
  // Both answer once, on the loop, not inside the call.
  virtual void send(const store::Parcel& parcel, SendDone done) = 0;
  virtual void reconcile(const store::Parcel& parcel, SendDone done) = 0;
  virtual bool reconciles() const = 0;
  // It is ambiguous, failed or expired for good.
  virtual void undelivered(const store::Parcel& parcel, const Error& why) = 0;
};

}  // namespace viaduct::delivery
