// The host as a plugin sees it, and its small services. `Host` and the services are handles: cheap
// to copy, usable from any thread, but not before the plugin's constructor has returned. Callbacks
// run on the plugin's thread, never inside the call that they answer. Once the instance has
// answered stop, calls do nothing and callbacks that are still open are dropped.
#pragma once

#include "viaduct/sdk/base.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace viaduct::sdk {

class Request;
class Exchange;
class Connection;
class Subscriber;

namespace detail {

struct SessionOut;
using RouteHandler = Function<void(const Request&, Exchange)>;

// The call that the host is making on this thread. A Reply or Exchange of this very call that dies
// while an exception flies past leaves the answer to the trampoline, which can say what was thrown.
struct InCall {
  const void* core = nullptr;
  std::uint64_t id = 0;
  bool is_exchange = false;
  bool dropped = false;
};
inline thread_local InCall* in_call = nullptr;

// True if the answer to `id` is the trampoline's business.
inline bool left_to_trampoline(const void* core, std::uint64_t id, bool is_exchange) {
  InCall* const now = in_call;
  if (now == nullptr || now->core != core || now->id != id || now->is_exchange != is_exchange ||
      std::uncaught_exceptions() == 0)
    return false;
  now->dropped = true;
  return true;
}

// What all handles of one instance share. Any thread.
class Core {
 public:
  explicit Core(const viaduct_host* raw)
      : raw_(raw),
        name_(view(raw->instance_name)),
        log_(static_cast<const viaduct_log*>(raw->service(raw, VIADUCT_LOG))) {}
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const std::string& name() const { return name_; }

  // [plugin-thread, in EventLoop::run] Not by with_host: it makes calls, and one of them may be
  // stop.
  void drain() { raw_->drain(raw_); }

  // Runs f(host) unless the instance has stopped; while it runs the instance cannot stop.
  template <class F>
  bool with_host(F&& f) {
    const std::shared_lock lock(gate_);
    if (closed_) return false;
    f(raw_);
    return true;
  }

  template <class Table>
  const Table* service(const char* id) {
    const void* table = nullptr;
    with_host([&](const viaduct_host* host) { table = host->service(host, id); });
    return static_cast<const Table*>(table);
  }

  // Calls the host: start(host, call). `done` gets the answer.
  template <class Start>
  void ask(const void* table, const char* service_id, Callback done, Start&& start) {
    if (table == nullptr) {
      post([callback = std::move(done), service_id]() mutable {
        if (callback)
          callback(Answer{Code::kUnsupported, std::string("this host has no ") + service_id, {}});
      });
      return;
    }
    const std::uint64_t call = keep(kept_.calls, std::move(done));
    if (call == 0) return;
    if (!with_host([&](const viaduct_host* host) { start(host, call); })) take(kept_.calls, call);
  }
  void completed(std::uint64_t call, Answer answer) {
    if (Callback done = take(kept_.calls, call)) done(std::move(answer));
  }

  void post(Function<void()> work) {
    const std::uint64_t token = keep(kept_.posts, std::move(work));
    if (token != 0) with_host([&](const viaduct_host* host) { host->post(host, token); });
  }
  void posted(std::uint64_t token) {
    if (Function<void()> work = take(kept_.posts, token)) work();
  }

  std::uint64_t set_timer(const viaduct_timer* table, std::chrono::milliseconds delay,
                          Function<void()> work) {
    if (table == nullptr) return 0;
    const std::uint64_t token = keep(kept_.timers, std::move(work));
    const auto wait = delay.count() < 0 ? 0 : static_cast<std::uint64_t>(delay.count());
    if (token != 0) with_host([&](const viaduct_host* host) { table->set(host, token, wait); });
    return token;
  }
  void cancel_timer(const viaduct_timer* table, std::uint64_t token) {
    if (table == nullptr || !take(kept_.timers, token)) return;
    with_host([&](const viaduct_host* host) { table->cancel(host, token); });
  }
  void timer(std::uint64_t token) {
    if (Function<void()> work = take(kept_.timers, token)) work();
  }

  void log(std::int32_t level, std::string_view message) {
    if (log_ == nullptr) return;
    with_host([&](const viaduct_host* host) { log_->write(host, level, str(message)); });
  }

  // A call of the host begins; if it fails, `session` is forgotten, and if it is open when the
  // instance stops, it fails with `cut`. False: it has been answered, because the instance has
  // stopped.
  bool opened(std::uint64_t call, std::uint64_t session = 0, Code cut = Code::kUnavailable) {
    {
      const std::lock_guard lock(mutex_);
      if (!stopping_) {
        open_.emplace(call, Open{session, cut});
        return true;
      }
    }
    complete(call, Code::kUnavailable, "the plugin has stopped", {});
    return false;
  }
  // stop begins. False: it has been answered, because it is not the first.
  bool stop_opened(std::uint64_t call) {
    {
      const std::lock_guard lock(mutex_);
      if (stop_call_ == 0) {
        stop_call_ = call;
        open_.emplace(call, Open{});
        return true;
      }
    }
    complete(call, Code::kOk, {}, {});
    return false;
  }
  // Answers a call of the host. Only the first answer counts.
  void answer(std::uint64_t call, Code code, std::string_view message, std::string_view result) {
    bool is_stop = false;
    {
      const std::lock_guard lock(mutex_);
      if (!open_.contains(call)) return;
      is_stop = call == stop_call_;
      if (is_stop) open_.erase(call);
    }
    if (is_stop) {
      close();
      complete(call, code, message, result);
      return;
    }
    with_host([&](const viaduct_host*) {
      {
        const std::lock_guard lock(mutex_);
        const auto found = open_.find(call);
        if (found == open_.end()) return;
        if (code != Code::kOk) kept_.sessions.erase(found->second.session);
        open_.erase(found);
      }
      complete(call, code, message, result);
    });
  }

  // Drops every callback, answers every open call, and lets nothing through to the host any more.
  void close() {
    {
      Kept kept;  // dies outside of the lock: it may own Replies and Exchanges
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      std::swap(kept, kept_);
    }
    const std::unique_lock gate(gate_);  // so that no other thread says more in between
    closed_ = true;
    Map<Open> open;
    {
      const std::lock_guard lock(mutex_);
      std::swap(open, open_);
    }
    for (const auto& [call, one] : open) complete(call, one.cut, "the plugin has stopped", {});
  }
  bool stopping() {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

  // Routes, connections and subscriptions: found by the ids that the host hands back.
  std::uint64_t add_route(RouteHandler handler) {
    return keep(kept_.routes, std::make_shared<RouteHandler>(std::move(handler)));
  }
  std::shared_ptr<RouteHandler> route(std::uint64_t token) { return find(kept_.routes, token); }
  void remove_route(std::uint64_t token) { take(kept_.routes, token); }

  void add_connection(std::uint64_t exchange, std::shared_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    if (!stopping_) kept_.connections[exchange] = std::move(connection);
  }
  std::shared_ptr<Connection> connection(std::uint64_t exchange) {
    return find(kept_.connections, exchange);
  }
  std::shared_ptr<Connection> remove_connection(std::uint64_t exchange) {
    return take(kept_.connections, exchange);
  }

  std::uint64_t add_subscriber(std::shared_ptr<Subscriber> subscriber) {
    return keep(kept_.subscribers, std::move(subscriber));
  }
  std::shared_ptr<Subscriber> subscriber(std::uint64_t id) { return find(kept_.subscribers, id); }
  std::shared_ptr<Subscriber> remove_subscriber(std::uint64_t id) {
    return take(kept_.subscribers, id);
  }

  void add_session(std::uint64_t session, std::shared_ptr<SessionOut> out) {
    const std::lock_guard lock(mutex_);
    if (!stopping_) kept_.sessions.emplace(session, std::move(out));
  }
  std::shared_ptr<SessionOut> session(std::uint64_t id) { return find(kept_.sessions, id); }
  std::shared_ptr<SessionOut> remove_session(std::uint64_t id) { return take(kept_.sessions, id); }

 private:
  template <class T>
  using Map = std::unordered_map<std::uint64_t, T>;
  struct Open {
    std::uint64_t session = 0;  // that it would open
    Code cut = Code::kUnavailable;
  };
  struct Kept {
    Map<Callback> calls;
    Map<Function<void()>> posts;
    Map<Function<void()>> timers;
    Map<std::shared_ptr<RouteHandler>> routes;
    Map<std::shared_ptr<Connection>> connections;
    Map<std::shared_ptr<Subscriber>> subscribers;
    Map<std::shared_ptr<SessionOut>> sessions;
  };

  // The id of the kept value; 0 once the instance stops.
  template <class T>
  std::uint64_t keep(Map<T>& map, T value) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return 0;
    map.emplace(++last_id_, std::move(value));
    return last_id_;
  }
  template <class T>
  T take(Map<T>& map, std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = map.find(id);
    if (found == map.end()) return T{};
    T value = std::move(found->second);
    map.erase(found);
    return value;
  }
  template <class T>
  T find(Map<T>& map, std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = map.find(id);
    return found == map.end() ? T{} : found->second;
  }

  void complete(std::uint64_t call, Code code, std::string_view message, std::string_view result) {
    const viaduct_status answer_status = status(code, message);
    raw_->complete(raw_, call, &answer_status, str(result));
  }

  const viaduct_host* const raw_;
  const std::string name_;
  const viaduct_log* const log_;

  std::shared_mutex gate_;  // held shared during every call to the host; taken before mutex_
  bool closed_ = false;     // guarded by gate_

  std::mutex mutex_;  // the rest
  bool stopping_ = false;
  std::uint64_t stop_call_ = 0;
  std::uint64_t last_id_ = 0;
  Map<Open> open_;  // calls of the host
  Kept kept_;
};

}  // namespace detail

// One instance's way to the host.
class Host {
 public:
  explicit Host(std::shared_ptr<detail::Core> core) : core_(std::move(core)) {}

  // The instance's name in the YAML.
  const std::string& name() const { return core_->name(); }

  // Runs `work` on the plugin's thread, soon.
  void post(Function<void()> work) const { core_->post(std::move(work)); }

  const std::shared_ptr<detail::Core>& core() const { return core_; }

 private:
  std::shared_ptr<detail::Core> core_;
};

// The answer to one call of the host. Answer once, from any thread; one that is dropped answers
// that it was, and one that is still open when the instance stops answers kUnavailable.
class Reply {
 public:
  Reply(std::shared_ptr<detail::Core> core, std::uint64_t call, const char* nothing)
      : core_(std::move(core)), call_(call), nothing_(nothing) {}
  Reply(Reply&&) noexcept = default;
  Reply& operator=(Reply&& other) noexcept {
    Reply old(std::move(*this));
    core_ = std::move(other.core_);
    call_ = other.call_;
    nothing_ = other.nothing_;
    return *this;
  }
  ~Reply() {
    if (core_ && !detail::left_to_trampoline(core_.get(), call_, false))
      fail(Code::kInternal, "the plugin dropped the call without an answer");
  }

  // False once answered.
  explicit operator bool() const { return core_ != nullptr; }

  // `result` is JSON text as the call says.
  void ok(std::string_view result = {}) {
    answer(Code::kOk, {}, result.empty() ? std::string_view(nothing_) : result);
  }
  // For what a backend answers: the native id of the session as it is now.
  void native(std::string_view native_id) { ok("{\"native_id\":" + json_string(native_id) + "}"); }
  void fail(Code code, std::string_view message) {
    answer(code == Code::kOk ? Code::kInternal : code, message, {});
  }
  void fail(const Status& status) { fail(status.code, status.message); }

 private:
  void answer(Code code, std::string_view message, std::string_view result) {
    if (const auto core = std::exchange(core_, nullptr)) core->answer(call_, code, message, result);
  }

  std::shared_ptr<detail::Core> core_;
  std::uint64_t call_;
  const char* nothing_;
};

namespace detail {

// Runs f(), which owns the answer to `id`; fail(status) gives the answer that f threw away.
template <class F, class Fail>
void run_owning(const Core& core, std::uint64_t id, bool is_exchange, F&& f, Fail&& fail) noexcept {
  InCall here{&core, id, is_exchange, false};
  InCall* const outer = std::exchange(in_call, &here);
  Status thrown;
  try {
    f();
  } catch (...) {
    thrown = current_exception_status();
  }
  in_call = outer;
  if (!thrown.ok())
    fail(thrown, here.dropped);
  else if (here.dropped)
    fail(Status{Code::kInternal, "the plugin dropped the call without an answer"}, true);
}

// Makes a call of the host on the plugin: f(Reply). What it throws becomes the answer.
template <class F>
void run_call(const std::shared_ptr<Core>& core, std::uint64_t call, const char* nothing,
              F&& f) noexcept {
  run_owning(
      *core, call, false, [&] { f(Reply(core, call, nothing)); },
      [&](const Status& why, bool) { core->answer(call, why.code, why.message, {}); });
}

// Runs what has no answer; what it throws goes to the log.
template <class F>
void run_event(Core& core, const char* where, F&& f) noexcept {
  try {
    f();
  } catch (...) {
    const Status thrown = current_exception_status();
    core.log(VIADUCT_LOG_ERROR,
             std::string("the plugin threw in ") + where + ": " + thrown.message);
  }
}

}  // namespace detail

// viaduct.log/1. A fixed phrase, then key=value pairs.
class Log {
 public:
  explicit Log(const Host& host) : core_(host.core()) {}
  void debug(std::string_view line) const { core_->log(VIADUCT_LOG_DEBUG, line); }
  void info(std::string_view line) const { core_->log(VIADUCT_LOG_INFO, line); }
  void warn(std::string_view line) const { core_->log(VIADUCT_LOG_WARN, line); }
  void error(std::string_view line) const { core_->log(VIADUCT_LOG_ERROR, line); }

 private:
  std::shared_ptr<detail::Core> core_;
};

namespace detail {

// What the handles below have in common.
template <class Table>
class Service {
 public:
  Service(const Host& host, const char* id)
      : core_(host.core()), id_(id), table_(core_->template service<Table>(id)) {}

  explicit operator bool() const { return table_ != nullptr; }

 protected:
  // f(table, host) if there is such a service and the instance runs.
  template <class F>
  void call(F&& f) const {
    if (table_ != nullptr) core_->with_host([&](const viaduct_host* host) { f(table_, host); });
  }
  // f(table, host, call), answered to `done`.
  template <class F>
  void ask(Callback done, F&& f) const {
    core_->ask(table_, id_, std::move(done),
               [&](const viaduct_host* host, std::uint64_t call) { f(table_, host, call); });
  }

  std::shared_ptr<Core> core_;
  const char* id_;
  const Table* table_;
};

}  // namespace detail

// viaduct.timer/1.
class Timers : public detail::Service<viaduct_timer> {
 public:
  explicit Timers(const Host& host) : Service(host, VIADUCT_TIMER) {}
  // Runs `work` once on the plugin's thread, after at least `delay` → its id, never 0 while the
  // instance runs.
  std::uint64_t after(std::chrono::milliseconds delay, Function<void()> work) const {
    return core_->set_timer(table_, delay, std::move(work));
  }
  // After this, `work` does not start. Unknown ids and those that ran are fine.
  void cancel(std::uint64_t id) const { core_->cancel_timer(table_, id); }
};

// viaduct.metrics/1. `labels` is a JSON object of strings, or empty.
class Metrics : public detail::Service<viaduct_metrics> {
 public:
  explicit Metrics(const Host& host) : Service(host, VIADUCT_METRICS) {}
  void count(std::string_view name, double by = 1, std::string_view labels = {}) const {
    call([&](auto* t, auto* h) { t->count(h, detail::str(name), detail::str(labels), by); });
  }
  void gauge(std::string_view name, double value, std::string_view labels = {}) const {
    call([&](auto* t, auto* h) { t->gauge(h, detail::str(name), detail::str(labels), value); });
  }
  void observe(std::string_view name, std::chrono::duration<double> time,
               std::string_view labels = {}) const {
    call([&](auto* t, auto* h) {
      t->observe(h, detail::str(name), detail::str(labels), time.count());
    });
  }
};

// viaduct.documents/1: the instance's own small durable JSON documents. Results as in abi.h.
class Documents : public detail::Service<viaduct_documents> {
 public:
  static constexpr std::uint64_t kAnyVersion = VIADUCT_VERSION_ANY;

  explicit Documents(const Host& host) : Service(host, VIADUCT_DOCUMENTS) {}
  void get(std::string_view key, Callback done) const {
    ask(std::move(done), [&](auto* t, auto* h, auto c) { t->get(h, c, detail::str(key)); });
  }
  // Stores if the present version is `version` (0: there is none), else kConflict.
  void put(std::string_view key, std::string_view value_json, std::uint64_t version,
           Callback done) const {
    ask(std::move(done), [&](auto* t, auto* h, auto c) {
      t->put(h, c, detail::str(key), detail::str(value_json), version);
    });
  }
  void remove(std::string_view key, std::uint64_t version, Callback done) const {
    ask(std::move(done),
        [&](auto* t, auto* h, auto c) { t->remove(h, c, detail::str(key), version); });
  }
  // Keys from <= key < to, in byte order; empty `to`: no end.
  void scan(std::string_view from, std::string_view to, std::uint32_t limit, Callback done) const {
    ask(std::move(done), [&](auto* t, auto* h, auto c) {
      t->scan(h, c, detail::str(from), detail::str(to), limit);
    });
  }
};

// viaduct.secrets/1.
class Secrets : public detail::Service<viaduct_secrets> {
 public:
  explicit Secrets(const Host& host) : Service(host, VIADUCT_SECRETS) {}
  void redact(std::string_view secret) const {
    call([&](auto* t, auto* h) { t->redact(h, detail::str(secret)); });
  }
  void resolve(std::string_view reference, Callback done) const {
    ask(std::move(done),
        [&](auto* t, auto* h, auto c) { t->resolve(h, c, detail::str(reference)); });
  }
};

// viaduct.memory/1: what people asked to be remembered. Results as in abi.h.
class Memory : public detail::Service<viaduct_memory> {
 public:
  explicit Memory(const Host& host) : Service(host, VIADUCT_MEMORY) {}
  // {} when the message is for the backend.
  void message(const Principal& who, std::string_view text, Callback done) const {
    text_call(&viaduct_memory::message, who, text, std::move(done));
  }
  void remember(const Principal& who, std::string_view text, Callback done) const {
    text_call(&viaduct_memory::remember, who, text, std::move(done));
  }
  void recall(const Principal& who, std::string_view query, Callback done) const {
    text_call(&viaduct_memory::recall, who, query, std::move(done));
  }
  void work_status(const Principal& who, Callback done) const {
    const viaduct_principal principal = detail::principal(who);
    ask(std::move(done), [&](auto* t, auto* h, auto c) { t->work_status(h, c, &principal); });
  }
  void work_log(const Principal& who, std::string_view items_json, Callback done) const {
    text_call(&viaduct_memory::work_log, who, items_json, std::move(done));
  }

 private:
  template <class Member>
  void text_call(Member member, const Principal& who, std::string_view text, Callback done) const {
    const viaduct_principal principal = detail::principal(who);
    ask(std::move(done),
        [&](auto* t, auto* h, auto c) { (t->*member)(h, c, &principal, detail::str(text)); });
  }
};

// viaduct.overview/1: what the operator sees of the host.
class Overview : public detail::Service<viaduct_overview> {
 public:
  explicit Overview(const Host& host) : Service(host, VIADUCT_OVERVIEW) {}
  void get(Callback done) const {
    ask(std::move(done), [&](auto* t, auto* h, auto c) { t->get(h, c); });
  }
  // What `viaduct doctor` asks of a running instance.
  void check(std::string_view instance, Callback done) const {
    ask(std::move(done), [&](auto* t, auto* h, auto c) { t->check(h, c, detail::str(instance)); });
  }
};

}  // namespace viaduct::sdk
