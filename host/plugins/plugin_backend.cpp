#include "host/plugins/plugin_backend.hpp"

#include "host/plugins/abi_text.hpp"
#include "host/plugins/plugins_json.hpp"
#include "host/plugins/service_tables.hpp"

#include <fmt/format.h>

#include <utility>

namespace viaduct::plugins {
namespace {

sessions::ResumePolicy policy_of(const viaduct_resume_policy* raw) {
  sessions::ResumePolicy policy;
  if (raw == nullptr || raw->struct_size < VIADUCT_SIZE_WITH(viaduct_resume_policy, fresh_on_loss))
    return policy;
  policy.enabled = raw->disabled == 0;
  if (raw->attempts != 0) policy.attempts = raw->attempts;
  if (raw->give_up_after != 0) policy.give_up_after = raw->give_up_after;
  constexpr std::uint64_t kLongest = 365ull * 24 * 3600 * 1000 * 100;
  if (raw->backoff_ms != 0)
    policy.backoff = std::chrono::milliseconds(std::min(raw->backoff_ms, kLongest));
  policy.native_max_age = std::chrono::milliseconds(std::min(raw->native_max_age_ms, kLongest));
  policy.fresh_on_loss = raw->fresh_on_loss != 0;
  return policy;
}

viaduct_open raw_open(const sessions::OpenRequest& request) {
  return {.struct_size = sizeof(viaduct_open),
          .reserved = 0,
          .session = request.session,
          .session_id = str(request.session_id),
          .working_dir = str(request.working_dir),
          .native_id = str(request.native_id),
          .transcript_json = str(request.transcript),
          .options_json = str(request.options)};
}

}  // namespace

PluginBackend::PluginBackend(std::shared_ptr<Instance> instance)
    : instance_(std::move(instance)), table_(*instance_->tables().backend) {
  info_.agent_type = repaired_utf8(view(table_.agent_type));
  if (info_.agent_type.empty()) info_.agent_type = instance_->info().id;
  info_.can = table_.can;
  info_.policy = policy_of(table_.policy);
}

void PluginBackend::call(const char* what, bool offered, Instance::Invoke invoke, Answer done) {
  if (!offered) {
    instance_->services().loop.post(
        [what, name = instance_->name(), done = std::move(done)]() mutable {
          done(fail(Errc::unsupported, fmt::format("{} cannot {}", name, what)));
        });
    return;
  }
  instance_->call(
      what, std::nullopt, std::move(invoke),
      [instance = instance_, what, done = std::move(done)](Result<std::string> result) mutable {
        if (!result) {
          done(std::unexpected(std::move(result.error())));
          return;
        }
        auto answer = parse_backend_answer(std::move(*result));
        if (!answer) {
          instance->fault(fmt::format("{}: {}", what, answer.error().message));
          answer.error().message =
              fmt::format("{}: {}: {}", instance->name(), what, answer.error().message);
        }
        done(std::move(answer));
      });
}

void PluginBackend::call_for_text(const char* what, bool offered, Instance::Invoke invoke,
                                  Answer done) {
  if (!offered) return call(what, false, std::move(invoke), std::move(done));
  instance_->call(what, std::nullopt, std::move(invoke),
                  [done = std::move(done)](Result<std::string> result) mutable {
                    if (!result) return done(std::unexpected(std::move(result.error())));
                    sessions::BackendAnswer answer;
                    answer.json = std::move(*result);
                    done(std::move(answer));
                  });
}

void PluginBackend::call_open(const char* what, OpenFunction function,
                              sessions::OpenRequest request, Answer done) {
  call(
      what, function != nullptr,
      [this, function, request = std::move(request)](std::uint64_t id) {
        const viaduct_open raw = raw_open(request);
        function(instance_->self(), id, &raw);
      },
      std::move(done));
}

void PluginBackend::open(sessions::OpenRequest request, Answer done) {
  call_open("open", table_.open, std::move(request), std::move(done));
}
void PluginBackend::restore(sessions::OpenRequest request, Answer done) {
  call_open("restore", table_.restore, std::move(request), std::move(done));
}
void PluginBackend::inject(sessions::OpenRequest request, Answer done) {
  call_open("inject", table_.inject, std::move(request), std::move(done));
}
void PluginBackend::resumed(sessions::OpenRequest request, Answer done) {
  call_open("resumed", table_.resumed, std::move(request), std::move(done));
}

void PluginBackend::prompt(sessions::PromptRequest request, Answer done) {
  call(
      "prompt", true,
      [this, request = std::move(request)](std::uint64_t id) {
        const viaduct_prompt raw{.struct_size = sizeof(viaduct_prompt),
                                 .reserved = 0,
                                 .session = request.session,
                                 .turn = request.turn,
                                 .text = str(request.text),
                                 .blocks_json = str(request.blocks),
                                 .context_json = str(request.context),
                                 .author = str(request.author),
                                 .restored = str(request.restored)};
        may_throw(table_.prompt)(instance_->self(), id, &raw);
      },
      std::move(done));
}

void PluginBackend::cancel(Handle session, std::uint64_t turn, Answer done) {
  call(
      "cancel", table_.cancel != nullptr,
      [this, session, turn](std::uint64_t id) {
        may_throw(table_.cancel)(instance_->self(), id, session, turn);
      },
      std::move(done));
}

void PluginBackend::answer(Handle session, std::string item, std::string option, Answer done) {
  call(
      "answer", table_.answer != nullptr,
      [this, session, item = std::move(item), option = std::move(option)](std::uint64_t id) {
        may_throw(table_.answer)(instance_->self(), id, session, str(item), str(option));
      },
      std::move(done));
}

void PluginBackend::compact(Handle session, Answer done) {
  call(
      "compact", table_.compact != nullptr,
      [this, session](std::uint64_t id) {
        may_throw(table_.compact)(instance_->self(), id, session);
      },
      std::move(done));
}

void PluginBackend::fork(Handle session, sessions::OpenRequest target, Answer done) {
  call(
      "fork", table_.fork != nullptr,
      [this, session, target = std::move(target)](std::uint64_t id) {
        const viaduct_open raw = raw_open(target);
        may_throw(table_.fork)(instance_->self(), id, session, &raw);
      },
      std::move(done));
}

void PluginBackend::set_option(Handle session, std::string option, std::string value, Answer done) {
  call(
      "set_option", table_.set_option != nullptr,
      [this, session, option = std::move(option), value = std::move(value)](std::uint64_t id) {
        may_throw(table_.set_option)(instance_->self(), id, session, str(option), str(value));
      },
      std::move(done));
}

void PluginBackend::discover(std::string working_dir, Answer done) {
  call_for_text(
      "discover", table_.discover != nullptr,
      [this, working_dir = std::move(working_dir)](std::uint64_t id) {
        may_throw(table_.discover)(instance_->self(), id, str(working_dir));
      },
      std::move(done));
}

void PluginBackend::read(std::string native_id, Answer done) {
  call_for_text(
      "read", VIADUCT_HAS(&table_, read),
      [this, native_id = std::move(native_id)](std::uint64_t id) {
        may_throw(table_.read)(instance_->self(), id, str(native_id));
      },
      std::move(done));
}

void PluginBackend::purge(sessions::OpenRequest request, Answer done) {
  call_open("purge", VIADUCT_HAS(&table_, purge) ? table_.purge : nullptr, std::move(request),
            std::move(done));
}

void PluginBackend::close(Handle session, bool ended, Answer done) {
  call(
      "close", true,
      [this, session, ended](std::uint64_t id) {
        may_throw(table_.close)(instance_->self(), id, session, ended ? 1 : 0);
      },
      std::move(done));
}

void PluginBackend::writable(Handle session) {
  if (table_.writable == nullptr) return;
  instance_->dispatch("writable", [instance = instance_.get(), &table = table_, session] {
    may_throw(table.writable)(instance->self(), session);
  });
}

// ---------------------------------------------------------------- viaduct.sink/1

namespace {

std::string clean(viaduct_str raw) {
  const std::string_view text = view(raw);
  return valid_utf8(text) ? std::string(text) : repaired_utf8(text);
}

viaduct_flow sink_emit(const viaduct_host* host, std::uint64_t session,
                       const viaduct_event* event) noexcept {
  const HostCall in(host, "sink.emit");
  if (!in) return VIADUCT_FLOW_GONE;
  if (event == nullptr || event->struct_size < VIADUCT_SIZE_WITH(viaduct_event, json)) {
    in->fault("it emits an event that is null or too short");
    return VIADUCT_FLOW_GONE;
  }
  // Of a newer ABI: ignored.
  if (event->kind < VIADUCT_EVENT_TEXT || event->kind > VIADUCT_EVENT_CONTENT)
    return VIADUCT_FLOW_OK;
  return in->services().sessions.emit(session, {.kind = event->kind,
                                                .turn = event->turn,
                                                .item = clean(event->item),
                                                .text = clean(event->text),
                                                .json = clean(event->json)});
}

constexpr viaduct_sink kSink{sizeof(viaduct_sink), 0, sink_emit};

}  // namespace

const viaduct_sink& sink_table() {
  return kSink;
}

}  // namespace viaduct::plugins
