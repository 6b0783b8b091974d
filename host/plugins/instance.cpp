#include "host/plugins/instance.hpp"

#include "host/plugins/delivery_service.hpp"
#include "host/plugins/sessions_service.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define VIADUCT_LEAK_CHECKED 1
#endif
#endif

namespace viaduct::plugins {
namespace {

namespace asio = boost::asio;

// What may wait for the plugin in requests and WebSocket messages.
constexpr std::size_t kQueuedBytes = 64 << 20;
constexpr std::size_t kRequestOverhead = 512;
constexpr std::size_t kMaxTimers = 10'000;
constexpr std::size_t kMaxFailure = 64 << 10;  // what comes with a failure
constexpr std::size_t kMaxResult = 64 << 20;   // a whole conversation, from read

HostHandle& handle_of(const viaduct_host* host) {
  // Only ever made as part of a HostHandle that is not const.
  return const_cast<HostHandle&>(*static_cast<const HostHandle*>(host));
}

const void* host_service(const viaduct_host* host, const char* id) noexcept {
  const HostCall in(host, "service");
  return in && id != nullptr ? find_service(*in, id) : nullptr;
}

void host_complete(const viaduct_host* host, std::uint64_t call, const viaduct_status* status,
                   viaduct_str result) noexcept {
  if (const HostCall in(host, "complete"); in) in->complete(call, status, result);
}

void host_post(const viaduct_host* host, std::uint64_t token) noexcept {
  const HostCall in(host, "post");
  if (!in) return;
  if (!VIADUCT_HAS(&in->api(), posted)) {
    in->fault("it calls post() but has no function posted");
    return;
  }
  in->dispatch("posted", [instance = &*in, token] {
    may_throw(instance->api().posted)(instance->self(), token);
  });
}

void host_fail(const viaduct_host* host, const viaduct_status* status) noexcept {
  if (const HostCall in(host, "fail"); in) in->refused(status);
}

void host_drain(const viaduct_host* host) noexcept {
  // No HostCall: calls that are on their way when it answers stop still end here.
  if (host != nullptr) handle_of(host).instance->drain();
}

template <class Table>
const Table* table(const viaduct_instance_api& api, viaduct_instance* self, const char* id) {
  return static_cast<const Table*>(may_throw(api.interface)(self, id));
}

}  // namespace

HostCall::HostCall(const viaduct_host* host, const char* what) {
  if (host == nullptr) return;
  Instance* instance = handle_of(host).instance;
  if (!instance->gate().enter()) return;
  if (instance->silenced()) {
    instance->fault(fmt::format("it calls {} after it has stopped", what));
    instance->gate().leave();
    return;
  }
  instance_ = instance;
}

// ---------------------------------------------------------------- life

std::shared_ptr<Instance> Instance::make(const Surroundings& around, PluginInfo info,
                                         config::Instance config) {
  std::shared_ptr<Instance> instance(new Instance(around, std::move(info), std::move(config)));
  instance->make_dispatcher();
  return instance;
}

Instance::Instance(const Surroundings& around, PluginInfo info, config::Instance config)
    : around_(around),
      info_(std::move(info)),
      config_(std::move(config)),
      log_(around.services.logs, "plugin." + config_.name) {
  handle_.struct_size = sizeof(viaduct_host);
  handle_.abi_major = VIADUCT_ABI_MAJOR;
  handle_.abi_minor = VIADUCT_ABI_MINOR;
  handle_.instance_name = str(config_.name);
  handle_.service = host_service;
  handle_.complete = host_complete;
  handle_.post = host_post;
  handle_.fail = host_fail;
  handle_.drain = host_drain;
  handle_.instance = this;
}

void Instance::make_dispatcher() {
  // Owned by the dispatcher, which the instance outlives or leaks with.
  auto slow = [this](const char* what, Milliseconds took, bool still) {
    around_.services.metrics.count("viaduct_plugin_slow_calls_total",
                                   {{"instance", name()}, {"function", what}});
    log_.warn("{} instance={} function={} ms={}",
              still              ? "plugin does not return from a call"
              : info_.concurrent ? "plugin held up the host's loop"
                                 : "plugin was slow to return from a call",
              name(), what, took.count());
  };
  auto threw = [this](const char* what) { fault(exception_error(what).message); };
  Loop& loop = around_.services.loop;
  dispatcher_ = info_.concurrent
                    ? Dispatcher::on_loop(loop, std::move(slow), std::move(threw))
                    : Dispatcher::on_thread(loop, name(), std::move(slow), std::move(threw));
}

Instance::~Instance() = default;

void Instance::create(Done<> done) {
  // Not by call(): there is no instance yet that could answer.
  struct Attempt {
    Done<> done;
    asio::steady_timer deadline;
  };
  auto attempt = std::make_shared<Attempt>(
      Attempt{std::move(done), asio::steady_timer(around_.services.loop.context())});
  attempt->deadline.expires_after(around_.deadlines.start);
  attempt->deadline.async_wait([self = shared_from_this(), attempt](const auto& error) {
    if (error || !attempt->done) return;
    self->error_ =
        Error{Errc::timeout,
              fmt::format(
                  "create does not return within {} s",
                  std::chrono::ceil<std::chrono::seconds>(self->around_.deadlines.start).count())};
    self->abandon(self->error_->message);
    std::exchange(attempt->done, nullptr)(std::unexpected(*self->error_));
  });
  dispatch("create", [this, attempt] {
    Result<> result;
    try {
      self_ = may_throw(info_.descriptor->create)(&handle_, str(config_.config));
      if (self_ == nullptr)
        result = std::unexpected(refusal_.value_or(
            Error{Errc::internal, "create returned nothing and did not say why"}));
      else
        result = read_tables();
      if (result && tables_.loop != nullptr) give_loop();
    } catch (...) {
      result = std::unexpected(exception_error("create"));
    }
    if (!gate_.enter()) return;
    around_.services.loop.post([self = shared_from_this(), attempt, result]() mutable {
      if (!attempt->done) return;
      attempt->deadline.cancel();
      self->created_ = self->self_ != nullptr;
      if (!result) {
        self->state_ = InstanceState::failed;
        self->error_ = result.error();
      }
      std::exchange(attempt->done, nullptr)(std::move(result));
    });
    gate_.leave();
  });
}

Result<> Instance::read_tables() {
  const auto& functions = api();
  tables_.backend = table<viaduct_backend>(functions, self_, VIADUCT_BACKEND);
  tables_.http = table<viaduct_http_handler>(functions, self_, VIADUCT_HTTP_HANDLER);
  tables_.subscriber = table<viaduct_subscriber>(functions, self_, VIADUCT_SUBSCRIBER);
  tables_.tool = table<viaduct_tool>(functions, self_, VIADUCT_TOOL);
  if (info_.is_surface) tables_.sender = table<viaduct_sender>(functions, self_, VIADUCT_SENDER);
  const auto wrong = [](const char* id, const char* what) {
    return fail(Errc::failed_precondition, fmt::format("its table {} {}", id, what));
  };
  if (const auto* t = tables_.http) {
    if (t->struct_size < VIADUCT_SIZE_WITH(viaduct_http_handler, closed))
      return wrong(VIADUCT_HTTP_HANDLER, "is too short");
    if (t->request == nullptr) return wrong(VIADUCT_HTTP_HANDLER, "has no function request");
  }
  if (const auto* t = tables_.subscriber) {
    if (t->struct_size < VIADUCT_SIZE_WITH(viaduct_subscriber, unsubscribed))
      return wrong(VIADUCT_SUBSCRIBER, "is too short");
    if (t->change == nullptr || t->unsubscribed == nullptr)
      return wrong(VIADUCT_SUBSCRIBER, "lacks change or unsubscribed");
  }
  if (const auto* t = tables_.tool;
      t != nullptr && t->struct_size < VIADUCT_SIZE_WITH(viaduct_tool, doctor))
    return wrong(VIADUCT_TOOL, "is too short");
  if (const auto* t = tables_.sender) {
    if (t->struct_size < VIADUCT_SIZE_WITH(viaduct_sender, undelivered))
      return wrong(VIADUCT_SENDER, "is too short");
    if (t->send == nullptr) return wrong(VIADUCT_SENDER, "has no function send");
  }
  if (auto loop = read_loop(); !loop) return loop;
  if (info_.is_surface) return {};

  const auto* t = tables_.backend;
  if (t == nullptr)
    return fail(Errc::failed_precondition, "it is a backend but does not offer " VIADUCT_BACKEND);
  if (t->struct_size < VIADUCT_SIZE_WITH(viaduct_backend, purge))
    return wrong(VIADUCT_BACKEND, "is too short");
  struct Need {
    const char* function;
    bool there;
    std::uint64_t can;  // 0: always
  };
  const Need needs[] = {{"open", t->open != nullptr, 0},
                        {"prompt", t->prompt != nullptr, 0},
                        {"close", t->close != nullptr, 0},
                        {"restore", t->restore != nullptr, VIADUCT_CAN_RESTORE},
                        {"inject", t->inject != nullptr, VIADUCT_CAN_INJECT},
                        {"cancel", t->cancel != nullptr, VIADUCT_CAN_CANCEL},
                        {"answer", t->answer != nullptr, VIADUCT_CAN_ASK},
                        {"compact", t->compact != nullptr, VIADUCT_CAN_COMPACT},
                        {"fork", t->fork != nullptr, VIADUCT_CAN_FORK},
                        {"discover", t->discover != nullptr, VIADUCT_CAN_DISCOVER},
                        {"set_option", t->set_option != nullptr, VIADUCT_CAN_OPTIONS}};
  for (const Need& need : needs) {
    if (need.there) continue;
    if (need.can == 0)
      return wrong(VIADUCT_BACKEND, fmt::format("has no function {}", need.function).c_str());
    if ((t->can & need.can) != 0)
      return wrong(VIADUCT_BACKEND,
                   fmt::format("says that it can, but has no function {}", need.function).c_str());
  }
  return {};
}

Result<> Instance::read_loop() {
  if (info_.concurrent) return {};
  const auto* t = table<viaduct_loop>(api(), self_, VIADUCT_LOOP);
  if (t == nullptr) return {};
  if (t == may_throw(api().interface)(self_, "viaduct.no-such/1")) {
    fault("it offers one table by every id");
    return {};
  }
  if (!VIADUCT_HAS(t, run) || !VIADUCT_HAS(t, wake) || !VIADUCT_HAS(t, quit))
    return fail(Errc::failed_precondition, "its table " VIADUCT_LOOP " lacks run, wake or quit");
  tables_.loop = t;
  return {};
}

void Instance::give_loop() {
  const auto caught = [this](const char* what, void (*function)(viaduct_instance*)) {
    return [this, what, function] {
      try {
        function(self_);
      } catch (...) {
        if (!gate_.enter()) return;
        fault(exception_error(what).message);
        gate_.leave();
      }
    };
  };
  auto run = [this, function = caught("run", may_throw(tables_.loop->run))] {
    function();
    if (dispatcher_->finishing() || !gate_.enter()) return;
    fault("its loop returned before quit");
    gate_.leave();
  };
  dispatcher_->set_loop({.run = std::move(run),
                         .wake = caught("wake", may_throw(tables_.loop->wake)),
                         .quit = caught("quit", may_throw(tables_.loop->quit))});
}

void Instance::drain() {
  if (dispatcher_->drain() || !gate_.enter()) return;
  fault("it calls drain outside of run, on another thread, or in a call of the host");
  gate_.leave();
}

void Instance::start(Done<> done) {
  if (info_.is_surface || tables_.http != nullptr) {
    auto mount = around_.services.http.mount(name(), *this);
    const std::lock_guard lock(mount_mutex_);
    mount_ = std::move(mount);
  }
  accepting_ = true;
  call(
      "start", around_.deadlines.start,
      [this](std::uint64_t id) { may_throw(api().start)(self_, id); },
      [self = shared_from_this(), done = std::move(done)](Result<std::string> result) mutable {
        if (self->gone_ || self->stopping_) {
          done(fail(Errc::unavailable, "stopped while it was starting"));
          return;
        }
        if (!result) {
          self->state_ = InstanceState::failed;
          self->error_ = result.error();
          done(std::unexpected(result.error()));
          return;
        }
        self->state_ = InstanceState::running;
        self->error_.reset();
        self->begin_sending();
        done({});
      });
}

void Instance::reload(config::Instance config, Done<> done) {
  auto text = config.config;
  call(
      "reload", around_.deadlines.start,
      [this, text = std::move(text)](std::uint64_t id) {
        if (can_reload())
          may_throw(api().reload)(self_, id, str(text));
        else
          finish_call(
              id,
              {fail(Errc::unsupported, "it has no function reload"), {}, Completion::By::nobody});
      },
      [self = shared_from_this(), config = std::move(config),
       done = std::move(done)](Result<std::string> result) mutable {
        if (!result) {
          done(std::unexpected(result.error()));
          return;
        }
        self->config_.config = std::move(config.config);
        self->config_.references = std::move(config.references);
        self->config_.line = config.line;
        self->error_.reset();
        done({});
      });
}

void Instance::health(Done<> done) {
  if (!VIADUCT_HAS(&api(), health) || state_ != InstanceState::running) {
    around_.services.loop.post([done = std::move(done)]() mutable { done({}); });
    return;
  }
  call(
      "health", around_.deadlines.health,
      [this](std::uint64_t id) { may_throw(api().health)(self_, id); },
      [self = shared_from_this(), done = std::move(done)](Result<std::string> result) mutable {
        if (result) {
          self->error_.reset();
          done({});
        } else {
          self->error_ = result.error();
          done(std::unexpected(result.error()));
        }
      });
}

void Instance::stop(Milliseconds limit, Done<bool> done) {
  stop_waiters_.push_back(std::move(done));
  if (gone_) {
    around_.services.loop.post([self = shared_from_this()] { self->stopped(); });
    return;
  }
  if (std::exchange(stopping_, true)) return;
  accepting_ = false;
  end_sending();
  if (!created_) {
    destroy(limit);
    return;
  }
  answer_open_calls(/*only_waiting=*/true);
  const auto began = std::chrono::steady_clock::now();
  call(
      "stop", limit, [this](std::uint64_t id) { may_throw(api().stop)(self_, id); },
      [self = shared_from_this(), limit, began](Result<std::string> result) {
        if (self->gone_) return;
        if (!result && result.error().code == Errc::timeout) {
          self->abandon(fmt::format("it did not stop within {} ms", limit.count()));
          return;
        }
        if (!result)
          self->log_.warn("plugin says that it could not stop cleanly instance={} error=\"{}\"",
                          self->name(), result.error().message);
        const auto used =
            std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - began);
        self->destroy(std::max(limit - used, Milliseconds(1000)));
      });
}

// The end of an instance that answered stop, or never was created.
void Instance::destroy(Milliseconds limit) {
  silenced_.store(true);
  let_go();
  fail_pending({Errc::unavailable, name() + " has stopped"});
  answer_open_calls(/*only_waiting=*/false);
  auto deadline = std::make_shared<asio::steady_timer>(around_.services.loop.context(), limit);
  deadline->async_wait([self = shared_from_this(), deadline](const auto& error) {
    if (!error && !self->gone_) self->abandon("destroy did not return in time");
  });
  dispatcher_->finish(
      "destroy",
      [this] {
        if (self_ != nullptr) may_throw(api().destroy)(self_);
        self_ = nullptr;
      },
      [self = shared_from_this(), deadline] {
        if (self->gone_) return;
        deadline->cancel();
        self->gate_.close();
        self->gone_ = true;
        if (self->state_ != InstanceState::failed) self->state_ = InstanceState::stopped;
        self->stopped();
      });
}

void Instance::stopped() {
  for (auto& done : std::exchange(stop_waiters_, {})) done(leaked_ == nullptr);
}

void Instance::abandon(const std::string& why) {
  if (gone_) return;
  gone_ = true;
  accepting_ = false;
  end_sending();
  silenced_.store(true);
  const char* in = dispatcher_->current();
  log_.error("plugin instance abandoned instance={} plugin={} reason=\"{}\" function={}", name(),
             info_.name, why, in != nullptr ? in : "none");
  around_.services.metrics.count("viaduct_plugin_abandoned_total", {{"instance", name()}});
  state_ = InstanceState::failed;
  error_ = Error{Errc::timeout, "abandoned: " + why};
  let_go();
  gate_.close();
  dispatcher_->abandon();
  fail_pending({Errc::unavailable, name() + " does not answer any more"});
  leaked_ = shared_from_this();  // its thread, or its plugin, may still come by
#ifdef VIADUCT_LEAK_CHECKED
  __lsan_ignore_object(this);
#endif
  around_.services.loop.post([self = shared_from_this()] { self->stopped(); });
}

void Instance::begin_sending() {
  if (tables_.sender == nullptr) return;
  auto sender = std::make_shared<PluginSender>(shared_from_this());
  sender_ = sender.get();
  around_.services.delivery.attach(name(), std::move(sender));
}

void Instance::end_sending() {
  if (const auto* sender = std::exchange(sender_, nullptr))
    around_.services.delivery.detach(name(), sender);
}

void Instance::let_go() {
  std::unique_ptr<http::Mount> mount;
  {
    const std::lock_guard lock(mount_mutex_);
    mount = std::move(mount_);
  }
  mount.reset();
  around_.services.delivery.release(this);
  timers_.clear();
  std::unordered_map<std::uint64_t, std::shared_ptr<Subscription>> subscriptions;
  {
    const std::lock_guard lock(subscriptions_mutex_);
    subscriptions.swap(subscriptions_);
  }
  for (auto& [id, subscription] : subscriptions) subscription->drop();
}

InstanceStatus Instance::status() const {
  InstanceStatus status;
  status.name = name();
  status.plugin = info_.name;
  status.version = info_.version;
  status.is_surface = info_.is_surface;
  status.state = state_;
  status.error = error_;
  status.summary = info_.summary;
  if (!uses_http_ || gone_) return status;
  status.mount = "/apps/" + name() + "/";
  const std::lock_guard lock(mount_mutex_);
  if (!page_.empty()) status.page = "/apps/" + name() + page_;
  return status;
}

void Instance::fault(std::string_view what) {
  const std::uint64_t count = ++faults_;
  around_.services.metrics.count("viaduct_plugin_faults_total", {{"instance", name()}});
  if (count <= 10 || std::has_single_bit(count))
    log_.warn("misbehaving plugin instance={} plugin={} fault=\"{}\" count={}", name(), info_.name,
              what, count);
}

// ---------------------------------------------------------------- calls of the host

void Instance::call(const char* what, std::optional<Milliseconds> limit, Invoke invoke,
                    Done<std::string> done) {
  call_fully(what, limit, std::move(invoke),
             [done = std::move(done)](Completion ended) mutable { done(std::move(ended.result)); });
}

void Instance::call_fully(const char* what, std::optional<Milliseconds> limit, Invoke invoke,
                          Completed done) {
  const bool open = !gone_ && !silenced_ && (accepting_ || std::string_view(what) == "stop");
  if (!open) {
    around_.services.loop.post([name = name(), done = std::move(done)]() mutable {
      done({fail(Errc::unavailable, name + " is not running"), {}, Completion::By::nobody});
    });
    return;
  }
  std::unique_ptr<asio::steady_timer> deadline;
  if (limit)
    deadline = std::make_unique<asio::steady_timer>(around_.services.loop.context(), *limit);
  asio::steady_timer* const timer = deadline.get();
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(calls_mutex_);
    id = next_call_++;
    pending_.emplace(id, Pending{what, std::move(done), std::move(deadline)});
  }
  if (timer != nullptr)
    timer->async_wait([self = shared_from_this(), id, what, ms = *limit](const auto& error) {
      if (error) return;
      std::optional<Pending> late;
      {
        const std::lock_guard lock(self->calls_mutex_);
        if (const auto found = self->pending_.find(id); found != self->pending_.end()) {
          late = std::move(found->second);
          self->pending_.erase(found);
        }
      }
      if (late)
        late->done(
            {fail(Errc::timeout, fmt::format("{} was not answered within {} ms", what, ms.count())),
             {},
             Completion::By::host});
    });
  dispatch(what, [this, what, id, invoke = std::move(invoke)]() mutable {
    try {
      invoke(id);
    } catch (...) {
      bool unanswered = false;
      {
        const std::lock_guard lock(calls_mutex_);
        unanswered = pending_.contains(id);
      }
      if (unanswered)
        finish_call(id, {std::unexpected(exception_error(what)), {}, Completion::By::host});
      throw;
    }
  });
}

void Instance::complete(std::uint64_t call, const viaduct_status* status, viaduct_str result) {
  const auto said = from_abi(status);
  const std::string_view text = view(result);
  if (!said) {
    if (status == nullptr || status->struct_size < VIADUCT_SIZE_WITH(viaduct_status, message))
      fault("it completes a call with a status that is null or too short");
    finish_call(call,
                {std::unexpected(said.error()), text.size() <= kMaxFailure ? std::string(text) : "",
                 Completion::By::plugin});
  } else if (text.size() > kMaxResult) {
    fault("it completes a call with more than 64 MiB");
    finish_call(
        call, {fail(Errc::internal, "the plugin's answer is too long"), {}, Completion::By::host});
  } else if (!valid_utf8(text)) {
    fault("it completes a call with text that is no UTF-8");
    finish_call(
        call, {fail(Errc::internal, "the plugin's answer is no UTF-8"), {}, Completion::By::host});
  } else {
    finish_call(call, {std::string(text), {}, Completion::By::plugin});
  }
}

void Instance::finish_call(std::uint64_t call, Completion completion) {
  std::optional<Pending> found;
  bool known = false;
  {
    const std::lock_guard lock(calls_mutex_);
    known = call != 0 && call < next_call_;
    if (auto node = pending_.extract(call)) found = std::move(node.mapped());
  }
  if (!found) {
    fault(known ? fmt::format("it completes call {} twice, or too late", call)
                : fmt::format("it completes call {}, which was never made", call));
    return;
  }
  // The deadline is the loop's, too.
  around_.services.loop.post(
      [pending = std::move(*found), completion = std::move(completion)]() mutable {
        pending.deadline.reset();
        pending.done(std::move(completion));
      });
}

void Instance::fail_pending(const Error& error) {
  std::unordered_map<std::uint64_t, Pending> left;
  {
    const std::lock_guard lock(calls_mutex_);
    left.swap(pending_);
  }
  if (left.empty()) return;
  if (!gone_) fault(fmt::format("it stops with {} calls unanswered", left.size()));
  for (auto& [id, one] : left)
    around_.services.loop.post([pending = std::move(one), error]() mutable {
      pending.deadline.reset();
      pending.done({std::unexpected(error), {}, Completion::By::host});
    });
}

void Instance::refused(const viaduct_status* status) {
  auto said = from_abi(status);
  refusal_ = said ? Error{Errc::internal, "create failed but its status is ok"} : said.error();
}

// ---------------------------------------------------------------- calls of the plugin

void Instance::open_call(std::uint64_t call, bool waits) {
  bool repeated = false;
  {
    const std::lock_guard lock(calls_mutex_);
    repeated = open_calls_.contains(call);
    open_calls_.emplace(call, waits);
  }
  if (repeated) fault(fmt::format("it uses call id {} twice at the same time", call));
}

void Instance::answer(std::uint64_t call, Result<std::string> result) {
  {
    const std::lock_guard lock(calls_mutex_);
    const auto found = open_calls_.find(call);
    if (found == open_calls_.end()) return;  // answered when the instance stopped
    open_calls_.erase(found);
  }
  dispatch("completed", [this, call, result = std::move(result)] {
    if (result) {
      const viaduct_status status = ok_status();
      may_throw(api().completed)(self_, call, &status, str(*result));
    } else {
      const viaduct_status status = to_abi(result.error());
      may_throw(api().completed)(self_, call, &status, {nullptr, 0});
    }
  });
}

void Instance::answer_open_calls(bool only_waiting) {
  std::vector<std::uint64_t> calls;
  {
    const std::lock_guard lock(calls_mutex_);
    for (const auto& [call, waits] : open_calls_)
      if (waits || !only_waiting) calls.push_back(call);
  }
  for (const std::uint64_t call : calls)
    answer(call, fail(Errc::unavailable, name() + " is being stopped"));
}

// ---------------------------------------------------------------- timers

void Instance::set_timer(std::uint64_t token, Milliseconds after) {
  if (gone_ || silenced_) return;
  auto found = timers_.find(token);
  if (found == timers_.end()) {
    if (timers_.size() >= kMaxTimers) {
      fault(fmt::format("it sets more than {} timers", kMaxTimers));
      return;
    }
    found =
        timers_.emplace(token, Timer{asio::steady_timer(around_.services.loop.context()), 0}).first;
  }
  Timer& timer = found->second;
  timer.generation = ++timer_generation_;
  timer.timer.expires_after(after);
  timer.timer.async_wait(
      [self = weak_from_this(), token, generation = timer.generation](const auto& error) {
        const auto instance = self.lock();
        if (error || !instance) return;
        const auto now = instance->timers_.find(token);
        if (now == instance->timers_.end() || now->second.generation != generation) return;
        instance->timers_.erase(now);
        instance->dispatch(
            "timer", [i = instance.get(), token] { may_throw(i->api().timer)(i->self(), token); });
      });
}

void Instance::cancel_timer(std::uint64_t token) {
  timers_.erase(token);
}

// ---------------------------------------------------------------- subscriptions

bool Instance::add_subscription(std::uint64_t id, std::shared_ptr<Subscription> subscription) {
  const std::lock_guard lock(subscriptions_mutex_);
  return subscriptions_.try_emplace(id, std::move(subscription)).second;
}

std::shared_ptr<Subscription> Instance::subscription(std::uint64_t id) {
  const std::lock_guard lock(subscriptions_mutex_);
  const auto found = subscriptions_.find(id);
  return found == subscriptions_.end() ? nullptr : found->second;
}

void Instance::remove_subscription(std::uint64_t id, const Subscription* subscription) {
  const std::lock_guard lock(subscriptions_mutex_);
  const auto found = subscriptions_.find(id);
  if (found != subscriptions_.end() && found->second.get() == subscription)
    subscriptions_.erase(found);
}

// ---------------------------------------------------------------- HTTP

Result<> Instance::add_route(std::string method, std::string pattern, std::uint32_t flags,
                             std::uint64_t token) {
  if (tables_.http == nullptr)
    return fail(Errc::failed_precondition,
                "it has routes but does not offer " VIADUCT_HTTP_HANDLER);
  const std::lock_guard lock(mount_mutex_);
  if (!mount_) return fail(Errc::failed_precondition, "it adds routes before start or after stop");
  constexpr std::uint32_t kKnown =
      VIADUCT_ROUTE_PUBLIC | VIADUCT_ROUTE_WEBSOCKET | VIADUCT_ROUTE_ALIAS;
  auto added = mount_->route(std::move(method), std::move(pattern), flags & kKnown, token);
  if (added) uses_http_ = true;
  return added;
}

Result<> Instance::add_files(std::span<const http::File> files) {
  const std::lock_guard lock(mount_mutex_);
  if (!mount_) return fail(Errc::failed_precondition, "it adds files before start or after stop");
  auto added = mount_->files(files);
  if (!added) return added;
  uses_http_ = true;
  // The page of a folder, the outermost one.
  for (const http::File& file : files)
    if (file.path.ends_with('/') && file.content_type.starts_with("text/html") &&
        (page_.empty() || file.path.size() < page_.size()))
      page_ = file.path;
  return added;
}

bool Instance::take_bytes(std::size_t bytes) {
  if (queued_bytes_.load() + bytes > kQueuedBytes) return false;
  queued_bytes_ += bytes;
  return true;
}

void Instance::request(http::Request request) {
  const std::size_t bytes = request.body.size() + kRequestOverhead;
  const bool ready = accepting_ && !gone_ && tables_.http != nullptr;
  if (!ready || !take_bytes(bytes)) {
    http::Response response;
    response.status = 503;
    response.headers = {{"content-type", "application/json"}, {"retry-after", "2"}};
    response.body = ready ? R"({"error":"too many requests are waiting"})"
                          : R"({"error":"not running at the moment"})";
    around_.services.http.respond(request.id, std::move(response));
    return;
  }
  dispatch("request", [this, bytes, request = std::move(request)] {
    queued_bytes_ -= bytes;
    std::vector<viaduct_pair> pairs;
    pairs.reserve(request.headers.size() + request.params.size());
    for (const auto& header : request.headers)
      pairs.push_back({str(header.name), str(header.value)});
    for (const auto& param : request.params) pairs.push_back({str(param.name), str(param.value)});
    viaduct_principal who{};
    if (request.who)
      who = {.struct_size = sizeof who,
             .flags = request.who->is_operator ? VIADUCT_PRINCIPAL_OPERATOR : 0u,
             .user_id = str(request.who->user_id),
             .display_name = str(request.who->display_name),
             .tenant = str(request.who->tenant),
             .place = str(request.who->place)};
    const viaduct_http_request raw{.struct_size = sizeof raw,
                                   .flags = request.flags,
                                   .route = request.route,
                                   .method = str(request.method),
                                   .path = str(request.path),
                                   .query = str(request.query),
                                   .body = str(request.body),
                                   .headers = pairs.data(),
                                   .header_count = request.headers.size(),
                                   .params = pairs.data() + request.headers.size(),
                                   .param_count = request.params.size(),
                                   .who = request.who ? &who : nullptr,
                                   .request_id = str(request.request_id)};
    may_throw(tables_.http->request)(self_, request.id, &raw);
  });
}

void Instance::message(http::ExchangeId exchange, std::string text) {
  const std::size_t bytes = text.size() + kRequestOverhead;
  if (tables_.http == nullptr || tables_.http->message == nullptr) {
    around_.services.http.close(exchange, 1003, "no messages are read here");
    return;
  }
  if (!take_bytes(bytes)) {
    around_.services.http.close(exchange, 1013, "too many messages are waiting");
    return;
  }
  dispatch("message", [this, bytes, exchange, text = std::move(text)] {
    queued_bytes_ -= bytes;
    may_throw(tables_.http->message)(self_, exchange, str(text));
  });
}

void Instance::writable(http::ExchangeId exchange) {
  if (tables_.http == nullptr || tables_.http->writable == nullptr) return;
  dispatch("writable", [this, exchange] { may_throw(tables_.http->writable)(self_, exchange); });
}

void Instance::closed(http::ExchangeId exchange, std::uint16_t code, std::string reason) {
  if (tables_.http == nullptr || tables_.http->closed == nullptr) return;
  dispatch("closed", [this, exchange, code, reason = std::move(reason)] {
    may_throw(tables_.http->closed)(self_, exchange, code, str(reason));
  });
}

}  // namespace viaduct::plugins
