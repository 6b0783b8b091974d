// The state behind a FakeHost, shared with the objects that it hands out. One mutex guards all of
// it; the plugin is never called with it held.
#pragma once

#include <viaduct/abi.h>

#include <atomic>
#include <compare>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <viaduct/testing/fake_delivery.hpp>
#include <viaduct/testing/fake_host.hpp>
#include <viaduct/testing/fake_sessions.hpp>

namespace viaduct::testing {

using Clock = std::chrono::steady_clock;

inline viaduct_str view(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view text_of(viaduct_str text) {
  return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.size);
}

// Bytes that end where readable memory ends.
class GuardedBytes {
 public:
  GuardedBytes(const void* bytes, std::size_t size, std::size_t front);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  void* data() const { return data_; }
  void* front() const { return front_; }

 private:
  void* pages_ = nullptr;
  std::size_t mapped_ = 0;
  void* data_ = nullptr;
  void* front_ = nullptr;
};

// A text of which can be told whether anybody has looked at it, since its pages come with the first
// look.
class WatchedText {
 public:
  explicit WatchedText(std::string_view text);
  ~WatchedText();
  WatchedText(const WatchedText&) = delete;
  WatchedText& operator=(const WatchedText&) = delete;
  std::string_view text() const { return {static_cast<const char*>(pages_), pages_ ? size_ : 0}; }
  std::optional<bool> was_read() const;  // nothing: it cannot be told here

 private:
  void* pages_ = nullptr;
  std::size_t size_;
};

enum class Phase { kNone, kCreating, kCreated, kStarting, kStarted, kStopping, kStopped };

struct ExchangeState {
  enum class State { kWaiting, kStreaming, kDone, kSocket, kClosed };
  State state = State::kWaiting;
  bool websocket = false;
  Response response;
  std::deque<std::string> messages;
  std::optional<std::size_t> room;  // bytes of a stream, messages of a socket; nothing: no limit
  bool busy_told = false;
  bool closed_told = false;
  std::optional<Close> close;
  std::size_t gone = 0;
};

struct BackendSession {
  bool open = false;
  std::set<std::uint64_t> turns;  // running
  std::uint64_t newest_turn = 0;
  std::uint64_t ended_turn = 0;  // the last that was answered, and when
  std::chrono::steady_clock::time_point ended_at;
  std::set<std::uint64_t> cancelled;
  std::vector<Event> events;
  std::optional<std::size_t> room;
  bool busy_told = false;
  std::size_t refused = 0;
  std::size_t gone = 0;
};

struct HostCall {
  std::string what;
  bool answered = false;
  Answer answer;
  std::function<void(const Answer&)> on_answer;  // with the lock held
};

struct Failure {
  viaduct_code code = VIADUCT_E_INTERNAL;
  std::string message;
  int times = 1;
};

// ---- the sessions service

struct LogEntry {
  std::uint64_t number = 0, seq = 0, turn = 0;
  std::string type, at, text;
  Json data = Json::object();
  bool complete = true;
};

struct Turn {
  std::uint64_t number = 0;
  std::string key;
  Reply reply;
  std::string text;                  // of the answer
  std::vector<std::uint64_t> asked;  // calls of ask that wait for its end
  bool ended = false;
  viaduct_code code = VIADUCT_OK;
  std::string message, stop_reason;
};

struct Session {
  std::string id;
  Principal owner;
  std::string title, description, working_dir = "~", backend, created_at, last_active;
  std::uint64_t activity = 0;
  bool ended = false, dead = false;
  std::uint64_t seq = 0;
  std::vector<LogEntry> entries;
  std::vector<Turn> turns;
  std::uint64_t running = 0;
  std::deque<std::uint64_t> waiting;
  std::uint64_t growing = 0;  // the text entry that grows
};

struct QueuedChange {
  std::uint32_t kind = 0;
  viaduct_cursor cursor{};
  std::uint64_t entry = 0, offset = 0;
  std::string text, json;
};

struct Subscription {
  std::string session;
  std::deque<QueuedChange> queue;
  bool busy = false;          // waits for proceed
  bool delivering = false;    // a task for it is on its way
  bool proceed_came = false;  // inside the call of change
};

struct LeftBehind {
  std::string native_id, title, working_dir, backend;
  std::string session;  // that it is now
};

struct SessionsState {
  std::vector<LeftBehind> left_behind;  // newest last
  std::map<std::string, Session> sessions;
  std::vector<std::string> order;
  std::map<std::uint64_t, Subscription> subscriptions;
  std::vector<SessionCall> calls;
  std::set<std::string> held;
  std::vector<std::pair<std::string, std::function<void()>>> waiting;
  std::function<Reply(const std::string&)> agent;
  std::uint64_t epoch = 1;
  std::uint64_t activity = 0;
  std::uint64_t minted = 0;
};

// ---- the delivery service

struct OutboxParcel : FakeParcel {
  std::uint64_t number = 0;
  Clock::duration due{};      // not before
  Clock::duration expires{};  // not later
  std::uint64_t call = 0;     // that is under way; 0: none
  bool renewed = false;       // replaced while it was being sent
  bool asked = false;         // its sending was cut off: to be reconciled
};

struct DeliveryState {
  std::vector<FakeEvent> events;
  std::vector<OutboxParcel> parcels;  // in order
  std::vector<FakeDelivery::CutOff> cuts;
  std::set<std::string> taken;  // credentials of others
  std::uint64_t last = 0;
  bool held = false;
};

struct Document {
  std::uint64_t version = 0;
  std::string json;
};

struct Core : std::enable_shared_from_this<Core> {
  // In front of each viaduct_host that was given out; never freed before the core.
  struct Slot {
    Core* core = nullptr;
    std::uint64_t generation = 0;
  };

  explicit Core(HostOptions host_options);
  ~Core();

  // [any thread]
  void start_thread();
  void push(std::function<void()> work);         // lock held
  void drain();                                  // by the plugin
  void fault(std::string id, std::string text);  // lock held
  bool wait(std::unique_lock<std::mutex>& lock, milliseconds deadline,
            const std::function<bool()>& condition) const;
  Clock::duration now() const;  // lock held
  bool idle() const;            // lock held
  std::uint64_t begin_call(std::string what, std::function<void(std::uint64_t call)> invoke,
                           std::function<void(const Answer&)> on_answer = nullptr);
  Answer wait_call(std::uint64_t call, milliseconds deadline);
  // The plugin's own call `call`, of this operation; false: the id is in use, do not carry it out.
  bool begin_plugin_call(std::uint64_t call, const char* operation);              // lock held
  void answer_plugin(std::uint64_t call, viaduct_code code, std::string message,  // lock held
                     std::string result);
  bool take_failure(const std::string& operation, std::uint64_t call);  // lock held
  bool check_text(viaduct_str text, const char* what);                  // lock held
  std::optional<Principal> principal_of(const viaduct_principal* who, std::uint64_t call);
  const void* interface_of(const char* id);  // plugin thread, no lock
  void threw(const char* what, const char* text);
  void close_exchange(std::uint64_t id, Close close);  // lock held
  const void* table(const std::string& id, const void* full, std::uint32_t size);

  HostOptions options;
  mutable std::mutex mutex;
  mutable std::condition_variable changed;

  // the plugin's thread
  std::condition_variable work;
  std::thread thread;
  std::deque<std::function<void()>> tasks;
  bool busy = false, quit = false, abandoned = false;
  const viaduct_loop* loop = nullptr;  // to be run next, or running
  bool looping = false, loop_quits = false, woken = false, draining = false;
  Clock::duration slowest{};  // of the calls into the plugin
  struct TimerId {
    bool host = false;  // of the fake host itself
    std::uint64_t token = 0;
    auto operator<=>(const TimerId&) const = default;
  };
  std::map<TimerId, Clock::duration> timers;
  Clock::duration manual_now{};

  // the instance
  const viaduct_plugin* plugin = nullptr;
  viaduct_instance* instance = nullptr;
  std::uint64_t generation = 0;
  Phase phase = Phase::kNone;
  const viaduct_host* host = nullptr;
  Answer create_failure;
  std::map<std::string, const void*> interfaces;
  std::vector<std::unique_ptr<GuardedBytes>> slots;
  std::map<std::string, std::unique_ptr<GuardedBytes>> tables;

  std::optional<bool> restored_was_read;  // of the last prompt that had any
  std::string thrown;                     // by the plugin, in the call that is being made

  std::map<std::uint64_t, HostCall> calls;
  std::uint64_t next_call = 1;
  std::map<std::uint64_t, std::string> plugin_calls;
  std::uint64_t host_calls = 0;

  std::vector<Fault> faults;
  std::vector<LogLine> log;
  std::map<std::string, double> metrics;
  std::vector<std::string> redacted;
  std::map<std::string, std::string> secrets;
  std::string overview;
  std::map<std::string, std::string> checks;  // by instance
  std::map<std::string, Failure> failures;
  std::map<std::string, Document> documents;
  std::uint64_t document_version = 0;
  std::function<std::string(std::string_view)> memory_agent;
  std::map<std::string, std::vector<std::string>> memories;
  std::map<std::string, std::string> work_logs;

  std::vector<Route> routes;
  std::vector<viaduct_file> files;
  std::map<std::uint64_t, ExchangeState> exchanges;
  std::uint64_t next_exchange = 1;

  std::map<std::uint64_t, BackendSession> backend_sessions;

  SessionsState sessions;
  DeliveryState delivery;

 private:
  using Lock = std::unique_lock<std::mutex>;
  void run();
  void run_loop(Lock& lock);
  // One task or timer that is due; false: there is none. Plugin thread.
  bool step(Lock& lock);
  void wait_for_work(Lock& lock);
  Clock::time_point next_due() const;  // lock held
};

// Calls the plugin; what it throws ends here. The pointer loses its noexcept on the way, so that
// the compiler keeps the handler.
template <class R, class... A>
R call_plugin(Core& core, const char* what, R (*function)(A...), std::type_identity_t<A>... given) {
  try {
    return function(given...);
  } catch (const std::exception& error) {
    core.threw(what, error.what());
  } catch (...) {
    core.threw(what, "something that is no std::exception");
  }
  if constexpr (!std::is_void_v<R>) return R{};
}

// What every function of the host begins with: the lock, and whether the plugin may call now.
struct HostEntry {
  HostEntry(const viaduct_host* host, const char* function, bool in_create = false);
  Core& core;
  std::unique_lock<std::mutex> lock;
  bool refused = false;  // recorded as a fault; do nothing
};
Core& core_of(const viaduct_host* host);

const viaduct_sessions& sessions_table();
// Ends all turns and subscriptions of a stopped instance. Lock held.
void sessions_stopped(Core& core);

const viaduct_delivery& delivery_table();
// Sends what is due, soon. Lock held.
void delivery_wake(Core& core);
// Whatever is being sent is cut off. Lock held.
void delivery_cut(Core& core);

}  // namespace viaduct::testing
