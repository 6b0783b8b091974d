// A host for one instance of one plugin, so that the plugin can be unit-tested alone: it has a
// plugin thread as the real one, all services in memory, and records what the plugin does wrong.
//
// Everything here is for the thread of the test (any thread will do, one at a time for each object)
// and waits with a deadline, never longer. The plugin is called on the fake host's own thread.
// FakeHost must outlive what it handed out.
#pragma once

#include <viaduct/abi.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <viaduct/testing/fake_delivery.hpp>
#include <viaduct/testing/fake_sessions.hpp>
#include <viaduct/testing/json.hpp>

namespace viaduct::testing {

using std::chrono::milliseconds;

inline constexpr milliseconds kPatience{10'000};

// How a call of the host to the plugin was answered.
struct Answer {
  bool answered = false;  // false: not within the deadline; then the code is VIADUCT_E_TIMEOUT
  viaduct_code code = VIADUCT_E_TIMEOUT;
  std::string message;
  std::string result;  // JSON text

  bool ok() const { return answered && code == VIADUCT_OK; }
  explicit operator bool() const { return ok(); }
  Json json() const { return Json::parse(result).value_or(Json()); }
};

const char* code_name(viaduct_code code);

// Something that the plugin did against the contract. Ids: double-completion, unknown-call,
// bad-status, bad-result, call-in-create, call-after-stop, call-after-destroy, call-id-reused,
// fail-outside-create, unanswered-at-stop, bad-argument, invalid-utf8, oversized, route-repeated,
// unknown-exchange, double-response, gone-ignored, unknown-session, event-after-turn, no-response,
// threw, destroy-hangs, loop-returned, drain-misused.
struct Fault {
  std::string id;
  std::string text;
};

struct LogLine {
  std::int32_t level = 0;
  std::string message;
};

struct HostOptions {
  std::string instance_name = "test";
  // Time stands still but for FakeHost::advance.
  bool manual_clock = false;
  // Ids of services that this host does not have.
  std::set<std::string> without;
  // Pretends an older header: the struct_size of the service by this id ("host" for viaduct_host).
  // What lies behind is not readable: who reads it crashes.
  std::map<std::string, std::uint32_t> table_sizes;
  std::uint16_t abi_minor = VIADUCT_ABI_MINOR;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string path = "/";  // below the mount; may have a query
  std::string body;
  Headers headers;  // names in lower case
  Principal who;
};

struct Response {
  bool answered = false;  // false: not within the deadline; then the status is 504
  int status = 504;
  Headers headers;
  std::string body;
  bool complete = false;  // a streamed answer was finished

  std::string header(std::string_view name) const;  // empty when there is none
  Json json() const { return Json::parse(body).value_or(Json()); }
};

struct Core;  // the host behind all of it

// One HTTP request that is under way. Copyable: a name for it.
class Exchange {
 public:
  // The whole answer; for a streamed one, what came until the deadline.
  Response response(milliseconds deadline = kPatience) const;
  // Waits until the body has `bytes` or the answer is over.
  Response at_least(std::size_t bytes, milliseconds deadline = kPatience) const;
  // A slow reader: takes `bytes` more of a streamed answer, then the plugin is told BUSY.
  void pause(std::size_t bytes = 0);
  void proceed();
  // The peer goes away.
  void disconnect();

 private:
  friend class FakeHost;
  std::shared_ptr<Core> core_;
  std::uint64_t id_ = 0;
};

struct Close {
  std::uint16_t code = 0;
  std::string reason;
};

// The client's end of a WebSocket. Copyable: a name for it.
class WebSocket {
 public:
  bool accepted() const { return response_.answered && response_.status == 101; }
  const Response& response() const { return response_; }  // of the refusal, when not accepted

  // False when it is closed. Text that is not UTF-8 closes it with 1007, as the host does.
  bool send(std::string_view text);
  // The next message; nothing when none came or it was closed.
  std::optional<std::string> next(milliseconds deadline = kPatience);
  // The next message for which `wanted` holds; those before it are dropped.
  std::optional<std::string> next_where(const std::function<bool(const std::string&)>& wanted,
                                        milliseconds deadline = kPatience);
  // Messages that have come and were not taken yet.
  std::size_t waiting() const;
  void close(std::uint16_t code = 1000, std::string_view reason = "");
  // How the plugin (or the host) closed it; nothing when it is open at the deadline.
  std::optional<Close> closed(milliseconds deadline = kPatience);
  // A slow reader: takes `messages` more, then the plugin is told BUSY.
  void pause(std::size_t messages = 0);
  void proceed();

 private:
  friend class FakeHost;
  std::shared_ptr<Core> core_;
  std::uint64_t id_ = 0;
  Response response_;
};

struct Route {
  std::string method, pattern;
  std::uint32_t flags = 0;
  std::uint64_t token = 0;
};

struct Event {
  std::uint64_t turn = 0;
  std::uint32_t kind = 0;
  std::string item, text, json;
};

struct OpenOptions {
  std::string session_id;  // empty: made from the number
  std::string working_dir = "~";
  std::string native_id;
  std::string transcript;
  std::string options;
};

class FakeHost {
 public:
  explicit FakeHost(HostOptions options = {});
  // Stops and destroys what is left. An instance that does not stop is abandoned with its thread.
  ~FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // Takes the plugin from a file, or one that is linked in: load(&viaduct_plugin_v1). Says in words
  // why not. The library is never unloaded.
  Answer load(const std::string& path);
  Answer load(const viaduct_plugin* plugin);
  const viaduct_plugin* plugin() const;

  // The life of the instance. After destroy it may be created again: documents, sessions and
  // memories are still there.
  Answer create(std::string_view config_json, milliseconds deadline = kPatience);
  Answer create_example() { return create(plugin()->config_example); }
  Answer start(milliseconds deadline = kPatience);
  Answer reload(std::string_view config_json, milliseconds deadline = kPatience);
  Answer health(milliseconds deadline = kPatience);
  Answer stop(milliseconds deadline = kPatience);
  void destroy(milliseconds deadline = kPatience);
  bool created() const;
  viaduct_instance* instance() const;
  // All of it in one; the first that fails is the answer.
  Answer run(std::string_view config_json);

  // The table by this id, asked on the plugin's thread; null when there is none.
  const void* interface(const std::string& id);

  // ---- what it did
  std::vector<Fault> faults() const;
  bool has_fault(std::string_view id) const;
  void forget_faults();
  std::vector<LogLine> log() const;
  // Waits for a line that contains `part`.
  bool wait_log(std::string_view part, milliseconds deadline = kPatience) const;
  // By "name" or "name{labels}": the sum of a counter, the last value of a gauge, the number of
  // observations.
  double metric(const std::string& name) const;
  std::vector<std::string> redacted() const;
  // How many calls of the plugin to the host were made in all.
  std::uint64_t host_calls() const;
  // The longest that a call held the plugin's thread.
  milliseconds slowest() const;

  // Runs something on the plugin's thread and waits for it. False: not within the deadline.
  bool on_plugin_thread(const std::function<void()>& work, milliseconds deadline = kPatience);
  // Until the plugin's thread has nothing to do. False: not within the deadline.
  bool settle(milliseconds deadline = kPatience);
  // Waits until it holds; looks again whenever the plugin has done something, and every few
  // milliseconds.
  bool wait_until(const std::function<bool()>& condition, milliseconds deadline = kPatience) const;
  // Manual clock: lets time pass, firing timers in order.
  void advance(milliseconds time);
  std::size_t timers() const;

  // ---- driving a surface
  Response request(Request request, milliseconds deadline = kPatience);
  Response request(std::string_view method, std::string_view path, std::string_view body = "",
                   Headers headers = {}, Principal who = {}, milliseconds deadline = kPatience);
  Response get(std::string_view path) { return request("GET", path); }
  Response post(std::string_view path, std::string_view body) {
    return request("POST", path, body, {{"content-type", "application/json"}});
  }
  Exchange start_request(Request request);
  WebSocket websocket(std::string_view path, Headers headers = {}, Principal who = {},
                      milliseconds deadline = kPatience);
  std::vector<Route> routes() const;
  std::vector<std::string> files() const;

  FakeSessions& sessions();
  FakeDelivery& delivery();

  // Documents, as the plugin sees them.
  std::optional<std::string> document(const std::string& key) const;
  std::uint64_t put_document(const std::string& key, std::string value_json);
  std::map<std::string, std::string> documents() const;
  // The next `times` calls of this operation ("documents.put", "memory.message", "secrets.resolve",
  // "overview.get", "overview.check", "delivery.receive"; those of sessions are in FakeSessions)
  // fail so.
  void fail_next(const std::string& operation, viaduct_code code, std::string message,
                 int times = 1);
  // What memory.message answers (JSON text, "{}": not for the memory); null: remembers and recalls
  // simply. Must not call the fake host.
  void on_memory_message(std::function<std::string(std::string_view text)> answer);
  void set_secret(const std::string& reference, std::string value);
  void set_overview(std::string json);
  // What status.check answers for this instance; those without are not there.
  void set_checks(const std::string& instance, std::string json);

  // ---- driving a backend. `session` is the handle, any number but 0.
  Answer open(std::uint64_t session, OpenOptions options = {}, milliseconds deadline = kPatience);
  Answer restore(std::uint64_t session, OpenOptions options, milliseconds deadline = kPatience);
  Answer inject(std::uint64_t session, OpenOptions options, milliseconds deadline = kPatience);
  Answer resumed(std::uint64_t session, OpenOptions options = {},
                 milliseconds deadline = kPatience);
  Answer prompt(std::uint64_t session, std::uint64_t turn, std::string_view text,
                milliseconds deadline = kPatience);
  // With what was said before; in front of the text for a plugin that was built before 0.4.
  Answer prompt_restored(std::uint64_t session, std::uint64_t turn, std::string_view restored,
                         std::string_view text, milliseconds deadline = kPatience);
  // Whether the plugin looked at it before its prompt returned; nothing: nobody knows.
  std::optional<bool> restored_was_read(milliseconds deadline = kPatience);
  Answer cancel(std::uint64_t session, std::uint64_t turn, milliseconds deadline = kPatience);
  Answer answer(std::uint64_t session, std::string_view item, std::string_view option_id,
                milliseconds deadline = kPatience);
  Answer compact(std::uint64_t session, milliseconds deadline = kPatience);
  Answer fork(std::uint64_t session, std::uint64_t copy, OpenOptions options = {},
              milliseconds deadline = kPatience);
  Answer set_option(std::uint64_t session, std::string_view option_id, std::string_view value,
                    milliseconds deadline = kPatience);
  Answer discover(std::string_view working_dir, milliseconds deadline = kPatience);
  Answer read(std::string_view native_id, milliseconds deadline = kPatience);
  Answer purge(OpenOptions options, milliseconds deadline = kPatience);
  Answer close(std::uint64_t session, bool ended = false, milliseconds deadline = kPatience);
  const viaduct_backend* backend();

  // The same without waiting: the number goes to wait().
  std::uint64_t start_open(std::uint64_t session, OpenOptions options = {});
  std::uint64_t start_prompt(std::uint64_t session, std::uint64_t turn, std::string_view text,
                             std::string_view restored = {});
  std::uint64_t start_cancel(std::uint64_t session, std::uint64_t turn);
  std::uint64_t start_close(std::uint64_t session, bool ended = false);
  std::uint64_t start_stop();
  Answer wait(std::uint64_t call, milliseconds deadline = kPatience);

  // What was emitted for the session, in order.
  std::vector<Event> events(std::uint64_t session) const;
  // The texts of one turn (0: of all), joined.
  std::string text(std::uint64_t session, std::uint64_t turn = 0) const;
  bool wait_event(std::uint64_t session, const std::function<bool(const Event&)>& wanted,
                  milliseconds deadline = kPatience) const;
  // The sink takes `events` more of this session, then says BUSY until proceed.
  void pause(std::uint64_t session, std::size_t events = 0);
  void proceed(std::uint64_t session);
  std::size_t refused(std::uint64_t session) const;  // how often it said BUSY

 private:
  std::shared_ptr<Core> core_;
  std::unique_ptr<FakeSessions> sessions_;
  std::unique_ptr<FakeDelivery> delivery_;
};

}  // namespace viaduct::testing
