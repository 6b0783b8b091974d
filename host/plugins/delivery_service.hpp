// viaduct.delivery/1, and a plugin's viaduct.sender/1 as the delivery service sees it.
#pragma once

#include "host/delivery/delivery.hpp"
#include "host/plugins/instance.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace viaduct::plugins {

// Of an instance that offers viaduct.sender/1. On the loop.
class PluginSender final : public delivery::Sender {
 public:
  explicit PluginSender(std::shared_ptr<Instance> instance)
      : instance_(std::move(instance)), table_(*instance_->tables().sender) {}

  void send(const store::Parcel& parcel, delivery::SendDone done) override;
  void reconcile(const store::Parcel& parcel, delivery::SendDone done) override;
  bool reconciles() const override;
  void undelivered(const store::Parcel& parcel, const Error& why) override;

 private:
  using Function = void (*)(viaduct_instance*, std::uint64_t, const viaduct_parcel*);
  void call(const char* what, Function function, const store::Parcel& parcel,
            delivery::SendDone done);

  const std::shared_ptr<Instance> instance_;
  const viaduct_sender& table_;
};

// delivery_json.cpp
std::string received_json(bool fresh);
std::string to_json(const delivery::Delivery::Unhandled& unhandled);
std::string to_json(const store::Posted& posted);
std::string found_json(const store::Parcel& parcel);
// "retry_after_ms" of what a plugin gave with a failure; 0: there is none.
std::chrono::milliseconds parse_retry_after(std::string_view json);

}  // namespace viaduct::plugins
