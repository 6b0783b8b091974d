// One running instance of a plugin: its host table, its dispatcher, the calls that are open in
// either direction, its mount, timers and subscriptions. Owned by Plugins; functions are on the
// loop unless marked.
#pragma once

#include "host/plugins/abi_text.hpp"
#include "host/plugins/dispatcher.hpp"
#include "host/plugins/gate.hpp"
#include "host/plugins/plugins.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace viaduct::plugins {

class Instance;
class Subscription;

// What the plugin gets as `viaduct_host`; lives as long as the Instance.
struct HostHandle : viaduct_host {
  Instance* instance = nullptr;
};

// What an instance needs of its surroundings; outlives it, but for an abandoned one, which touches
// it no more.
struct Surroundings {
  Services services;
  Deadlines deadlines;
  std::string folder;  // of the YAML file
  // For viaduct.overview/1.
  std::function<void(Done<std::string>)> overview{};
  std::function<void(const std::string& instance, Done<std::string>)> check{};
};

// Tables that the plugin offers; null where it does not.
struct Tables {
  const viaduct_backend* backend = nullptr;
  const viaduct_http_handler* http = nullptr;
  const viaduct_subscriber* subscriber = nullptr;
  const viaduct_tool* tool = nullptr;
  const viaduct_sender* sender = nullptr;
  const viaduct_loop* loop = nullptr;  // with a thread of its own only
};

// How a call of the host ended.
struct Completion {
  // Nobody: the plugin never heard of it. The host: it was too late, or the instance came to its
  // end.
  enum class By { plugin, host, nobody };
  Result<std::string> result;
  std::string with_failure;  // what the plugin gave with a failure
  By by = By::plugin;
};

class Instance final : public std::enable_shared_from_this<Instance>, public http::Handler {
 public:
  using Milliseconds = std::chrono::milliseconds;

  static std::shared_ptr<Instance> make(const Surroundings& around, PluginInfo info,
                                        config::Instance config);
  ~Instance() override;

  // Lifecycle; each is answered once, never inside the call.
  void create(Done<> done);
  void accept_calls() { accepting_ = true; }  // of one that is never started
  void start(Done<> done);
  void reload(config::Instance config, Done<> done);  // unsupported: create it anew
  void health(Done<> done);
  // Stops, destroys and ends the thread, all within `limit`; false: it was abandoned. A second stop
  // waits for the first.
  void stop(Milliseconds limit, Done<bool> done);
  // Gives it up at once; its memory is leaked, since its thread may be anywhere.
  void abandon(const std::string& why);

  const std::string& name() const { return config_.name; }
  const PluginInfo& info() const { return info_; }
  const config::Instance& config() const { return config_; }
  const Tables& tables() const { return tables_; }
  const viaduct_instance_api& api() const { return *info_.descriptor->api; }
  viaduct_instance* self() const { return self_; }  // on the plugin's thread
  InstanceStatus status() const;
  void set_error(std::optional<Error> error) { error_ = std::move(error); }
  bool gone() const { return gone_; }  // stopped and destroyed, or abandoned
  bool abandoned() const { return leaked_ != nullptr; }
  bool accepting() const { return accepting_ && !gone_; }  // calls of the host
  bool can_reload() const { return VIADUCT_HAS(&api(), reload); }

  // Calls the plugin: `invoke` runs on its thread and passes the id on; `done` gets what it
  // completes with. `what` is a C string for good. A call that misses `limit` fails with timeout.
  using Invoke = std::move_only_function<void(std::uint64_t call)>;
  void call(const char* what, std::optional<Milliseconds> limit, Invoke invoke,
            Done<std::string> done);
  using Completed = std::move_only_function<void(Completion)>;
  void call_fully(const char* what, std::optional<Milliseconds> limit, Invoke invoke,
                  Completed done);

  // [any-thread] Runs on the plugin's thread while the instance is there.
  void dispatch(const char* what, Dispatcher::Task task) {
    dispatcher_->post(what, std::move(task));
  }

  // ---- for the services, [any-thread]
  const Services& services() const { return around_.services; }
  const Surroundings& around() const { return around_; }
  const Logger& log() const { return log_; }
  Gate& gate() { return gate_; }
  bool silenced() const { return silenced_.load(std::memory_order_relaxed); }
  // The plugin does what the contract forbids: logged (less and less often) and counted.
  void fault(std::string_view what);
  // The plugin completes a call of the host.
  void complete(std::uint64_t call, const viaduct_status* status, viaduct_str result);
  void refused(const viaduct_status* status);  // create: why not
  void drain();                                // the plugin's loop has time for calls
  // The plugin's own calls. `waits`: may take as long as a turn, so that stop() answers it first.
  void open_call(std::uint64_t call, bool waits);
  void answer(std::uint64_t call, Result<std::string> result);

  Result<> add_route(std::string method, std::string pattern, std::uint32_t flags,
                     std::uint64_t token);
  Result<> add_files(std::span<const http::File> files);

  void set_timer(std::uint64_t token, Milliseconds after);  // on the loop
  void cancel_timer(std::uint64_t token);                   // on the loop

  // Subscriptions by the plugin's own id.
  bool add_subscription(std::uint64_t id, std::shared_ptr<Subscription> subscription);
  std::shared_ptr<Subscription> subscription(std::uint64_t id);
  // Only if it is still this one.
  void remove_subscription(std::uint64_t id, const Subscription* subscription);

  // ---- http::Handler
  void request(http::Request request) override;
  void message(http::ExchangeId exchange, std::string text) override;
  void writable(http::ExchangeId exchange) override;
  void closed(http::ExchangeId exchange, std::uint16_t code, std::string reason) override;

 private:
  struct Pending {
    const char* what;
    Completed done;
    std::unique_ptr<boost::asio::steady_timer> deadline;
  };
  struct Timer {
    boost::asio::steady_timer timer;
    std::uint64_t generation = 0;
  };

  Instance(const Surroundings& around, PluginInfo info, config::Instance config);
  void make_dispatcher();
  Result<> read_tables();  // plugin's thread
  Result<> read_loop();    // plugin's thread
  void give_loop();        // plugin's thread
  void finish_call(std::uint64_t call, Completion completion);
  void fail_pending(const Error& error);
  void let_go();  // mount, timers, subscriptions, credentials
  void begin_sending();
  void end_sending();
  void answer_open_calls(bool only_waiting);
  void destroy(Milliseconds limit);
  void stopped();
  bool take_bytes(std::size_t bytes);

  const Surroundings& around_;
  const PluginInfo info_;
  config::Instance config_;
  const Logger log_;
  HostHandle handle_{};
  std::shared_ptr<Dispatcher> dispatcher_;
  Gate gate_;
  std::atomic<bool> silenced_{false};  // after stop: it has nothing more to say
  std::atomic<std::uint64_t> faults_{0};

  // Loop only.
  InstanceState state_ = InstanceState::starting;
  std::optional<Error> error_;
  bool created_ = false;
  bool accepting_ = false;  // calls of the host but stop
  bool stopping_ = false;
  bool gone_ = false;
  std::vector<Done<bool>> stop_waiters_;
  std::unordered_map<std::uint64_t, Timer> timers_;
  std::uint64_t timer_generation_ = 0;
  std::shared_ptr<Instance> leaked_;
  const delivery::Sender* sender_ = nullptr;  // the delivery service has it

  // The plugin's thread, then whoever it handed it to.
  viaduct_instance* self_ = nullptr;
  Tables tables_;
  std::optional<Error> refusal_;

  std::mutex calls_mutex_;
  std::uint64_t next_call_ = 1;
  std::unordered_map<std::uint64_t, Pending> pending_;
  std::unordered_multimap<std::uint64_t, bool> open_calls_;  // → waits

  mutable std::mutex mount_mutex_;
  std::unique_ptr<http::Mount> mount_;
  std::string page_;  // of its static files, where people begin
  std::atomic<bool> uses_http_{false};
  std::atomic<std::size_t> queued_bytes_{0};  // of requests and messages on their way

  std::mutex subscriptions_mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Subscription>> subscriptions_;
};

// A call of the plugin into the host: false when there is nobody to serve it (the instance has
// stopped, the pointer is null). Keeps the gate while it lives.
class HostCall {
 public:
  HostCall(const viaduct_host* host, const char* what);
  ~HostCall() {
    if (instance_ != nullptr) instance_->gate().leave();
  }
  HostCall(const HostCall&) = delete;
  HostCall& operator=(const HostCall&) = delete;
  explicit operator bool() const { return instance_ != nullptr; }
  Instance* operator->() const { return instance_; }
  Instance& operator*() const { return *instance_; }

 private:
  Instance* instance_ = nullptr;
};

// The table of the service with this id for this instance, or null. Any thread.
const void* find_service(const Instance& instance, std::string_view id);

}  // namespace viaduct::plugins
