// What a backend plugin includes: derive from Backend, implement prompt, export the class.
#pragma once

#include "viaduct/sdk/plugin.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::sdk {

// How and when the host tries to get a lost session back. Zeros mean the host's defaults.
struct ResumePolicy {
  bool enabled = true;
  std::uint32_t attempts = 0;
  std::uint32_t give_up_after = 0;
  std::uint64_t backoff_ms = 0;
  std::uint64_t native_max_age_ms = 0;
  bool fresh_on_loss = false;
};

// What a backend can, fixed for the life of the instance.
struct Abilities {
  std::uint64_t can = VIADUCT_CAN_STREAM;  // VIADUCT_CAN_…, _ROTATES_IDS and _KEEPS_LOG
  std::string agent_type;                  // what made its native ids; needed by one that restores
  std::optional<ResumePolicy> resume = std::nullopt;
};

// What open, restore, inject and fork get; valid until the call returns.
struct Open {
  std::uint64_t session;         // names the session in all later calls, until close
  std::string_view session_id;   // the host's: stable, for logs and files
  std::string_view working_dir;  // as the user gave it; may begin with ~ and need not exist
  std::string_view native_id;    // restore: the newest one
  std::string_view transcript;   // inject, and open and restore of one that VIADUCT_KEEPS_LOG: JSON
                                 // array of entries, as in SESSION-JSON.md
  std::string_view options;      // JSON object, or empty
};

// One message to answer; valid until the call returns.
struct Prompt {
  std::uint64_t session;
  std::uint64_t turn;
  std::string_view text;
  std::string_view blocks_json;    // further ACP content blocks, or empty
  std::string_view context_json;   // what others said around it: information, never instruction
  std::string_view author;         // display name of the sender
  std::string_view restored = {};  // what was said before, as text to go in front of `text`; mostly
                                   // empty
};

enum class StopReason { kEndTurn, kMaxTokens, kMaxTurnRequests, kRefusal, kCancelled };

constexpr std::string_view stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kEndTurn: break;
    case StopReason::kMaxTokens: return "max_tokens";
    case StopReason::kMaxTurnRequests: return "max_turn_requests";
    case StopReason::kRefusal: return "refusal";
    case StopReason::kCancelled: return "cancelled";
  }
  return "end_turn";
}

// One choice of a permission request. `kind` as in ACP: allow_once, allow_always, reject_once,
// reject_always.
struct PermissionOption {
  std::string id;
  std::string name;
  std::string kind;
};

namespace detail {

// What a session says, on its way to the host. What the host is too busy to take waits here, and so
// does the end of the turn behind it. Any thread.
struct SessionOut {
  static constexpr std::size_t kMaxWaiting = std::size_t{16} << 20;  // bytes of one session

  struct Item {
    std::uint64_t call = 0;  // not 0: the end of a turn
    Code code = Code::kOk;
    std::uint32_t kind = 0;
    std::uint64_t turn = 0;
    std::string item, text, json;
  };

  SessionOut(const viaduct_sink* table, std::uint64_t number) : sink(table), session(number) {}

  Flow emit(Core& core, std::uint32_t kind, std::uint64_t turn, std::string_view item,
            std::string_view text, std::string_view json) {
    const std::lock_guard lock(mutex);
    if (turn != 0 && turn == overflown) return Flow::kGone;
    if (waiting.empty()) {
      const Flow flow = send(core, kind, turn, item, text, json);
      if (flow != Flow::kBusy) return flow;
    }
    if (closing) return Flow::kGone;
    const std::size_t size = sizeof(Item) + item.size() + text.size() + json.size();
    if (bytes + size > kMaxWaiting) {
      overflown = turn;
      return Flow::kGone;
    }
    bytes += size;
    waiting.push_back(
        Item{0, Code::kOk, kind, turn, std::string(item), std::string(text), std::string(json)});
    return Flow::kBusy;
  }

  // The end of a turn, after all that it said.
  void finish(Core& core, std::uint64_t call, std::uint64_t turn, Code code,
              std::string_view message, std::string_view result) {
    const std::lock_guard lock(mutex);
    if (turn == overflown) {
      code = Code::kBusy;
      message = "the answer came faster than it could be stored";
    }
    if (waiting.empty()) {
      core.answer(call, code, message, code == Code::kOk ? result : std::string_view{});
      return;
    }
    waiting.push_back(Item{call, code, 0, turn, {}, std::string(message), std::string(result)});
  }

  // Sends what waits. True when nothing does any more.
  bool flush(Core& core) {
    const std::lock_guard lock(mutex);
    while (!waiting.empty()) {
      const Item& next = waiting.front();
      if (next.call != 0) {
        core.answer(next.call, next.code, next.text,
                    next.code == Code::kOk ? std::string_view(next.json) : std::string_view{});
      } else {
        if (send(core, next.kind, next.turn, next.item, next.text, next.json) == Flow::kBusy)
          return false;
        bytes -= sizeof(Item) + next.item.size() + next.text.size() + next.json.size();
      }
      waiting.pop_front();
    }
    return true;
  }

  // The session closes: what still waits is lost, and the turn says so.
  void close(Core& core) {
    const std::lock_guard lock(mutex);
    closing = true;
    for (const Item& item : waiting)
      if (item.call != 0)
        core.answer(item.call, Code::kCancelled,
                    "the session was closed before its answer was stored", {});
    waiting.clear();
    bytes = 0;
  }

  Flow send(Core& core, std::uint32_t kind, std::uint64_t turn, std::string_view item,
            std::string_view text, std::string_view json) const {
    if (sink == nullptr) return Flow::kGone;
    const viaduct_event event{sizeof(viaduct_event), kind, turn, str(item), str(text), str(json)};
    viaduct_flow flow = VIADUCT_FLOW_GONE;
    core.with_host([&](const viaduct_host* host) { flow = sink->emit(host, session, &event); });
    return static_cast<Flow>(flow);
  }

  const viaduct_sink* const sink;
  const std::uint64_t session;
  std::mutex mutex;  // held while the host is called, which keeps the order
  std::deque<Item> waiting;
  std::size_t bytes = 0;
  std::uint64_t overflown = 0;  // the turn that said more than kMaxWaiting
  bool closing = false;
};

}  // namespace detail

// Where a session speaks, in a turn or between turns. Every function says one thing, in order:
// kOk; kBusy: taken, but stored by the SDK until the host has room (16 MiB at most), so hold back
// until Backend::writable; kCancelled: not taken, end the turn soon; kGone: not taken, nobody
// hears.
class Sink {
 public:
  // Between turns. A session that is not open says nothing.
  Sink(const Host& host, std::uint64_t session) : Sink(host.core(), session, 0) {}
  // For a text that comes late: within 250 ms of the end of `turn`, it still joins its answer.
  Sink(const Host& host, std::uint64_t session, std::uint64_t turn)
      : Sink(host.core(), session, turn) {}

  std::uint64_t session() const { return session_; }

  // Appended to the answer. `item` tells several texts apart; empty: the present one.
  Flow text(std::string_view piece, std::string_view item = {}) const {
    return emit(VIADUCT_EVENT_TEXT, item, piece, {});
  }
  Flow thought(std::string_view piece, std::string_view item = {}) const {
    return emit(VIADUCT_EVENT_THOUGHT, item, piece, {});
  }
  // An image, a sound or a file: an ACP ContentBlock of up to 8 MiB, and words for where it cannot
  // be shown.
  Flow content(std::string_view block_json, std::string_view words,
               std::string_view item = {}) const {
    return emit(VIADUCT_EVENT_CONTENT, item, words, block_json);
  }
  // ACP ToolCall or ToolCallUpdate, merged by field.
  Flow tool_call(std::string_view id, std::string_view json) const {
    return emit(VIADUCT_EVENT_TOOL_CALL, id, {}, json);
  }
  // {"entries":[{"content","priority","status"}]}
  Flow plan(std::string_view json) const { return emit(VIADUCT_EVENT_PLAN, {}, {}, json); }
  // {"title","toolCall"?,"options":[{"optionId","name","kind"}],"timeout_ms"?}; the choice comes to
  // Backend::answer.
  Flow permission(std::string_view id, std::string_view json) const {
    return emit(VIADUCT_EVENT_PERMISSION, id, {}, json);
  }
  Flow permission(std::string_view id, std::string_view title,
                  const std::vector<PermissionOption>& options) const {
    std::string json = "{\"title\":" + json_string(title) + ",\"options\":[";
    for (const PermissionOption& option : options) {
      if (&option != options.data()) json += ',';
      json += "{\"optionId\":" + json_string(option.id) + ",\"name\":" + json_string(option.name) +
              ",\"kind\":" + json_string(option.kind) + "}";
    }
    return permission(id, json + "]}");
  }
  // The request needs no answer any more.
  Flow permission_gone(std::string_view id, std::string_view why) const {
    return emit(VIADUCT_EVENT_PERMISSION_GONE, id, why, {});
  }
  Flow usage(std::string_view json) const { return emit(VIADUCT_EVENT_USAGE, {}, {}, json); }
  // A line for the user that is not the agent's.
  Flow notice(std::string_view line) const { return emit(VIADUCT_EVENT_NOTICE, {}, line, {}); }
  Flow commands(std::string_view json) const { return emit(VIADUCT_EVENT_COMMANDS, {}, {}, json); }
  Flow options(std::string_view json) const { return emit(VIADUCT_EVENT_OPTIONS, {}, {}, json); }
  Flow title(std::string_view title) const { return emit(VIADUCT_EVENT_TITLE, {}, title, {}); }
  Flow native_id(std::string_view id) const { return emit(VIADUCT_EVENT_NATIVE_ID, {}, id, {}); }
  // The native session is gone; the host restores it at the next message.
  Flow lost(std::string_view why) const { return emit(VIADUCT_EVENT_LOST, {}, why, {}); }

  // Any VIADUCT_EVENT_….
  Flow emit(std::uint32_t kind, std::string_view item, std::string_view text,
            std::string_view json) const {
    if (!core_ || !out_) return Flow::kGone;
    return out_->emit(*core_, kind, turn_, item, text, json);
  }

 protected:
  Sink(std::shared_ptr<detail::Core> core, std::uint64_t session, std::uint64_t turn)
      : core_(std::move(core)), out_(core_->session(session)), session_(session), turn_(turn) {}

  std::shared_ptr<detail::Core> core_;
  std::shared_ptr<detail::SessionOut> out_;
  std::uint64_t session_;
  std::uint64_t turn_;
};

// One turn: a Sink, and its one end. Any thread, one at a time. A turn that is dropped ends as a
// failure, and one that is still open when the instance stops ends as kUnavailable.
class Turn : public Sink {
 public:
  Turn(std::shared_ptr<detail::Core> core, std::uint64_t call, std::uint64_t session,
       std::uint64_t turn)
      : Sink(std::move(core), session, turn), call_(call) {}
  Turn(Turn&&) noexcept = default;
  Turn& operator=(Turn&& other) noexcept {
    Turn old(std::move(*this));
    Sink::operator=(std::move(other));
    call_ = other.call_;
    return *this;
  }
  ~Turn() {
    if (core_ && !detail::left_to_trampoline(core_.get(), call_, false))
      fail(Code::kInternal, "the plugin dropped the turn without an end");
  }

  // False once ended.
  explicit operator bool() const { return core_ != nullptr; }
  std::uint64_t number() const { return turn_; }

  // `native_id` as it is now, where there is one; `usage_json` an object, or empty; `options_json`
  // the options (ids and values) that were chosen in it, for all later times, or empty. Not
  // `had_restored`: the agent was not given Prompt::restored, which comes with the next one again.
  void end(StopReason reason = StopReason::kEndTurn, std::string_view native_id = {},
           std::string_view usage_json = {}, std::string_view options_json = {},
           bool had_restored = true) {
    std::string result = "{\"stop_reason\":\"" + std::string(stop_reason_name(reason)) + "\"";
    if (!native_id.empty()) result += ",\"native_id\":" + json_string(native_id);
    if (!usage_json.empty()) result.append(",\"usage\":").append(usage_json);
    if (!options_json.empty()) result.append(",\"options\":").append(options_json);
    if (!had_restored) result += ",\"restored\":false";
    finish(Code::kOk, {}, result + "}");
  }
  // What was said is kept. kNotFound: holds no such session, and nothing ran.
  void fail(Code code, std::string_view message) {
    finish(code == Code::kOk ? Code::kInternal : code, message, {});
  }
  void fail(const Status& status) { fail(status.code, status.message); }

 private:
  void finish(Code code, std::string_view message, std::string_view result) {
    const auto core = std::exchange(core_, nullptr);
    if (!core) return;
    if (out_)
      out_->finish(*core, call_, turn_, code, message, result);
    else
      core->answer(call_, code, message, result);
  }

  std::uint64_t call_;
};

// What answers. On the plugin's thread; a concurrent one: on the host's threads, in order for each
// session. Everything but prompt has a default; override what abilities() claims.
class Backend : public Plugin {
 public:
  // Asked once, after the constructor.
  virtual Abilities abilities() const { return {}; }

  // A new native session. Answer with Reply::native, or ok() where there is no such id.
  virtual void open(const Open& open, Reply reply) {
    (void)open;
    reply.ok();
  }
  // The one with open.native_id. kNotFound or kSessionDead: it cannot be had; kUnavailable: later.
  virtual void restore(const Open& open, Reply reply) { lacks(open, reply); }
  // A new one that knows the transcript, without making the agent work.
  virtual void inject(const Open& open, Reply reply) { lacks(open, reply); }
  // The user asked for a resume while the session is held.
  virtual void resumed(const Open& open, Reply reply) {
    (void)open;
    reply.ok();
  }

  virtual void prompt(const Prompt& prompt, Turn turn) = 0;
  // Asks that the turn end soon with kCancelled; prompt's Turn still ends. Idempotent.
  virtual void cancel(std::uint64_t session, std::uint64_t turn, Reply reply) {
    lacks(std::pair(session, turn), reply);
  }
  // A person's choice; empty: nobody answered.
  virtual void answer(std::uint64_t session, std::string_view item, std::string_view option_id,
                      Reply reply) {
    lacks(std::pair(session, item.size() + option_id.size()), reply);
  }
  // Lets go of the session, after ending its turn. `ended`: for good. Unknown ones are fine.
  virtual void close(std::uint64_t session, bool ended, Reply reply) {
    (void)session;
    (void)ended;
    reply.ok();
  }
  // There is room again after a kBusy.
  virtual void writable(std::uint64_t session) { (void)session; }

  virtual void compact(std::uint64_t session, Reply reply) { lacks(session, reply); }
  virtual void fork(std::uint64_t session, const Open& open, Reply reply) {
    (void)session;
    lacks(open, reply);
  }
  // → {"options":[…]} as in ACP's configuration options.
  virtual void set_option(std::uint64_t session, std::string_view option_id, std::string_view value,
                          Reply reply) {
    lacks(std::pair(session, option_id.size() + value.size()), reply);
  }
  // Sessions that other programs left, of one folder or (empty) of all
  // → {"sessions":[{"native_id","working_dir","title","updated_at"}]}
  virtual void discover(std::string_view working_dir, Reply reply) { lacks(working_dir, reply); }
  // What was said in one of those → {"native_id"?,"working_dir","title"?,"entries":[ENTRY…]}, as
  // abi.h says; native_id there: what restore can go on with. kNotFound: there is none.
  virtual void read(std::string_view native_id, Reply reply) { lacks(native_id, reply); }
  // The session is deleted for good: removes what is kept of it outside of the host. It is closed;
  // unknown ones are fine. Failing, the host keeps it.
  virtual void purge(const Open& open, Reply reply) {
    (void)open;
    reply.ok();
  }

 private:
  template <class Ignored>
  static void lacks(const Ignored&, Reply& reply) {
    reply.fail(Code::kUnsupported, "this backend cannot do that");
  }
};

namespace detail {

struct BackendTable {
  Abilities abilities;
  viaduct_resume_policy policy{};
  viaduct_backend raw{};
};

inline Open open_view(const viaduct_open& open) {
  return Open{open.session,         view(open.session_id),      view(open.working_dir),
              view(open.native_id), view(open.transcript_json), view(open.options_json)};
}

template <class F>
void backend_call(viaduct_instance* self, std::uint64_t call, F&& f,
                  std::uint64_t session = 0) noexcept {
  host_call(
      self, call, "{}", [&](Instance& i, Reply reply) { f(*i.backend, std::move(reply)); },
      session);
}

inline void add_session(Instance& here, std::uint64_t session) {
  here.core->add_session(session, std::make_shared<SessionOut>(here.sink, session));
}

using OpenMember = void (Backend::*)(const Open&, Reply);

template <OpenMember member>
void opening(viaduct_instance* self, std::uint64_t call, const viaduct_open* open) noexcept {
  add_session(instance(self), open->session);
  backend_call(
      self, call, [&](Backend& b, Reply reply) { (b.*member)(open_view(*open), std::move(reply)); },
      open->session);
}
inline void resumed(viaduct_instance* self, std::uint64_t call, const viaduct_open* open) noexcept {
  backend_call(self, call,
               [&](Backend& b, Reply reply) { b.resumed(open_view(*open), std::move(reply)); });
}
inline void fork(viaduct_instance* self, std::uint64_t call, std::uint64_t session,
                 const viaduct_open* open) noexcept {
  add_session(instance(self), open->session);
  backend_call(
      self, call,
      [&](Backend& b, Reply reply) { b.fork(session, open_view(*open), std::move(reply)); },
      open->session);
}
inline void prompt(viaduct_instance* self, std::uint64_t call,
                   const viaduct_prompt* given) noexcept {
  Instance& here = instance(self);
  if (!here.core->opened(call)) return;
  const auto turn = [&] { return Turn(here.core, call, given->session, given->turn); };
  run_owning(
      *here.core, call, false,
      [&] {
        here.backend->prompt(
            Prompt{given->session, given->turn, view(given->text), view(given->blocks_json),
                   view(given->context_json), view(given->author), view(given->restored)},
            turn());
      },
      [&](const Status& why, bool) { turn().fail(why); });
}
inline void cancel(viaduct_instance* self, std::uint64_t call, std::uint64_t session,
                   std::uint64_t turn) noexcept {
  Core& core = *instance(self).core;
  if (const auto out = core.session(session)) out->flush(core);
  backend_call(self, call,
               [&](Backend& b, Reply reply) { b.cancel(session, turn, std::move(reply)); });
}
inline void answer(viaduct_instance* self, std::uint64_t call, std::uint64_t session,
                   viaduct_str item, viaduct_str option_id) noexcept {
  backend_call(self, call, [&](Backend& b, Reply reply) {
    b.answer(session, view(item), view(option_id), std::move(reply));
  });
}
inline void compact(viaduct_instance* self, std::uint64_t call, std::uint64_t session) noexcept {
  backend_call(self, call, [&](Backend& b, Reply reply) { b.compact(session, std::move(reply)); });
}
inline void set_option(viaduct_instance* self, std::uint64_t call, std::uint64_t session,
                       viaduct_str option_id, viaduct_str value) noexcept {
  backend_call(self, call, [&](Backend& b, Reply reply) {
    b.set_option(session, view(option_id), view(value), std::move(reply));
  });
}
inline void discover(viaduct_instance* self, std::uint64_t call, viaduct_str folder) noexcept {
  backend_call(self, call,
               [&](Backend& b, Reply reply) { b.discover(view(folder), std::move(reply)); });
}
inline void read(viaduct_instance* self, std::uint64_t call, viaduct_str native_id) noexcept {
  backend_call(self, call,
               [&](Backend& b, Reply reply) { b.read(view(native_id), std::move(reply)); });
}
inline void purge(viaduct_instance* self, std::uint64_t call, const viaduct_open* open) noexcept {
  backend_call(self, call,
               [&](Backend& b, Reply reply) { b.purge(open_view(*open), std::move(reply)); });
}
inline void close(viaduct_instance* self, std::uint64_t call, std::uint64_t session,
                  std::uint32_t ended) noexcept {
  Core& core = *instance(self).core;
  if (const auto out = core.remove_session(session)) out->close(core);
  backend_call(self, call,
               [&](Backend& b, Reply reply) { b.close(session, ended != 0, std::move(reply)); });
}
inline void writable(viaduct_instance* self, std::uint64_t session) noexcept {
  Instance& here = instance(self);
  run_event(*here.core, "Backend::writable", [&] {
    const auto out = here.core->session(session);
    if (out && out->flush(*here.core)) here.backend->writable(session);
  });
}

inline void finish_backend(Instance& made, Backend& backend) {
  auto table = std::make_shared<BackendTable>();
  table->abilities = backend.abilities();
  const Abilities& abilities = table->abilities;
  if ((abilities.can & VIADUCT_CAN_RESTORE) != 0 && abilities.agent_type.empty())
    throw Error(Code::kInternal, "a backend that restores needs an agent_type");
  if (abilities.resume) {
    const ResumePolicy& resume = *abilities.resume;
    table->policy = viaduct_resume_policy{sizeof(viaduct_resume_policy),
                                          resume.enabled ? 0u : 1u,
                                          resume.attempts,
                                          resume.give_up_after,
                                          resume.backoff_ms,
                                          resume.native_max_age_ms,
                                          resume.fresh_on_loss ? 1u : 0u,
                                          0};
  }
  table->raw = viaduct_backend{sizeof(viaduct_backend),
                               0,
                               abilities.can,
                               str(abilities.agent_type),
                               abilities.resume ? &table->policy : nullptr,
                               opening<&Backend::open>,
                               opening<&Backend::restore>,
                               opening<&Backend::inject>,
                               prompt,
                               cancel,
                               answer,
                               compact,
                               fork,
                               set_option,
                               discover,
                               close,
                               writable,
                               resumed,
                               read,
                               purge};
  made.backend = &backend;
  made.kind_id = VIADUCT_BACKEND;
  made.kind_table = &table->raw;
  made.kind_data = std::move(table);
}

template <class T>
viaduct_instance* create_backend(const viaduct_host* host, viaduct_str config) noexcept {
  static_assert(std::is_base_of_v<Backend, T>);
  return create<T>(host, config, [](Instance& made, T& backend) { finish_backend(made, backend); });
}

}  // namespace detail

// The descriptor of a backend class T, constructible from (Host, std::string_view config_json).
template <class T>
constexpr viaduct_plugin backend_plugin(const Descriptor& descriptor) {
  return detail::plugin(descriptor, VIADUCT_KIND_BACKEND, detail::create_backend<T>);
}

}  // namespace viaduct::sdk

// VIADUCT_EXPORT_BACKEND(MyBackend, viaduct::sdk::Descriptor{"com.example.mine", "1.0.0", …})
#define VIADUCT_EXPORT_BACKEND(Type, ...) \
  VIADUCT_EXPORT_PLUGIN(::viaduct::sdk::backend_plugin<Type>(__VA_ARGS__))
