// A backend plugin as the sessions service sees it. On the loop.
#pragma once

#include "host/plugins/instance.hpp"
#include "host/sessions/backend.hpp"

#include <memory>
#include <string>

namespace viaduct::plugins {

class PluginBackend final : public sessions::Backend {
 public:
  // Of an instance that was created and offers viaduct.backend/1.
  explicit PluginBackend(std::shared_ptr<Instance> instance);

  const sessions::BackendInfo& info() const override { return info_; }

  using Handle = sessions::Handle;
  using Answer = Done<sessions::BackendAnswer>;
  void open(sessions::OpenRequest request, Answer done) override;
  void restore(sessions::OpenRequest request, Answer done) override;
  void inject(sessions::OpenRequest request, Answer done) override;
  void resumed(sessions::OpenRequest request, Answer done) override;
  void prompt(sessions::PromptRequest request, Answer done) override;
  void cancel(Handle session, std::uint64_t turn, Answer done) override;
  void answer(Handle session, std::string item, std::string option, Answer done) override;
  void compact(Handle session, Answer done) override;
  void fork(Handle session, sessions::OpenRequest target, Answer done) override;
  void set_option(Handle session, std::string option, std::string value, Answer done) override;
  void discover(std::string working_dir, Answer done) override;
  void read(std::string native_id, Answer done) override;
  void purge(sessions::OpenRequest request, Answer done) override;
  void close(Handle session, bool ended, Answer done) override;
  void writable(Handle session) override;

 private:
  using OpenFunction = void (*)(viaduct_instance*, std::uint64_t, const viaduct_open*);
  void call_open(const char* what, OpenFunction function, sessions::OpenRequest request,
                 Answer done);
  void call(const char* what, bool offered, Instance::Invoke invoke, Answer done);
  // The same for an answer that may be long: it is handed on as it is, not read on the loop.
  void call_for_text(const char* what, bool offered, Instance::Invoke invoke, Answer done);

  const std::shared_ptr<Instance> instance_;
  const viaduct_backend& table_;
  sessions::BackendInfo info_;
};

}  // namespace viaduct::plugins
