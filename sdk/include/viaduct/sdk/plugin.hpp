// What surfaces and backends have in common, and the way from the C tables to C++ objects. A plugin
// includes surface.hpp or backend.hpp instead.
#pragma once

#include "viaduct/sdk/delivery.hpp"
#include "viaduct/sdk/host.hpp"
#include "viaduct/sdk/http.hpp"
#include "viaduct/sdk/sessions.hpp"

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#define VIADUCT_EXPORT __attribute__((visibility("default")))

namespace viaduct::sdk {

// What a plugin says of itself. Strings must be constants.
struct Descriptor {
  const char* id;              // reverse DNS: "com.example.echo"
  const char* version;         // semantic
  const char* summary;         // one line
  const char* config_schema;   // JSON Schema (draft 4) of `config:`
  const char* config_example;  // JSON that satisfies it and needs no network
  bool concurrent = false;     // called on the host's threads, in order for each session and
                               // connection, instead of on a thread of its own
};

// An event loop of the plugin's own, which shares the plugin's thread with the host. sdk/net has
// one (viaduct/net/loop.hpp). None of its functions throws.
class EventLoop {
 public:
  EventLoop() = default;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  virtual ~EventLoop() = default;
  // [plugin-thread] Once, after the plugin's constructor. Runs until quit, whatever is still open
  // in it; after each wake it calls `drain`, which makes the calls of the host, not inside one of
  // them.
  virtual void run(Function<void()> drain) = 0;
  // [any-thread] Also before run. Neither blocks nor calls the host.
  virtual void wake() = 0;
  // [any-thread] Once, when stop was answered or the host gave up; maybe before run.
  virtual void quit() = 0;
};

// One instance. The constructor parses the configuration and allocates; it throws to refuse, and
// does not call the host yet. Everything here is on the plugin's thread.
class Plugin {
 public:
  Plugin() = default;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  virtual ~Plugin() = default;

  // Opens what it needs.
  virtual void start(Reply reply) { reply.ok(); }
  // Ends what is open, within 10 s. Its answer is the last thing that the host hears: what is still
  // open then, the SDK answers. Called once, also when start was not.
  virtual void stop(Reply reply) { reply.ok(); }
  // New configuration. kUnsupported: the host makes the instance anew.
  virtual void reload(std::string_view config_json, Reply reply) {
    (void)config_json;
    reply.fail(Code::kUnsupported, "does not reload in place");
  }
  // Whether it works now; if not, what to do.
  virtual void health(Reply reply) { reply.ok(); }
  // A member that lives as long as the plugin, or null. Asked once, after the constructor; ignored
  // with `concurrent`.
  virtual EventLoop* loop() { return nullptr; }
};

// viaduct.tool/1, for a plugin class that derives from it, too. On the plugin's thread.
class Tool {
 public:
  Tool() = default;
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;
  virtual ~Tool() = default;
  // `viaduct <instance name> arguments…`; a JSON array of strings →
  // {"exit_code","output","files"?:[{"path","base64"}]}
  virtual void run(std::string_view arguments_json, Reply reply) {
    (void)arguments_json;
    reply.fail(Code::kUnsupported, "has no subcommands");
  }
  // → {"checks":[{"name","ok","message"}]}; also of an instance that was never started.
  virtual void doctor(Reply reply) { reply.ok(R"({"checks":[]})"); }
};

class Backend;

namespace detail {

struct Instance {
  std::shared_ptr<Core> core;
  const viaduct_http* http = nullptr;
  const viaduct_sink* sink = nullptr;
  std::unique_ptr<Plugin> plugin;
  EventLoop* loop = nullptr;   // the plugin's, or null
  Tool* tool = nullptr;        // the plugin's own other side, or null
  Sender* sender = nullptr;    // the same
  Backend* backend = nullptr;  // the same
  const void* kind_table = nullptr;
  const char* kind_id = "";
  std::shared_ptr<void> kind_data;  // what kind_table points into
};

inline Instance& instance(viaduct_instance* self) {
  return *reinterpret_cast<Instance*>(self);
}

// The host calls; f(instance, Reply) answers.
template <class F>
void host_call(viaduct_instance* self, std::uint64_t call, const char* nothing, F&& f,
               std::uint64_t session = 0) noexcept {
  Instance& here = instance(self);
  if (!here.core->opened(call, session)) return;
  run_call(here.core, call, nothing, [&](Reply reply) { f(here, std::move(reply)); });
}

inline void start(viaduct_instance* self, std::uint64_t call) noexcept {
  host_call(self, call, "", [](Instance& i, Reply reply) { i.plugin->start(std::move(reply)); });
}
inline void stop(viaduct_instance* self, std::uint64_t call) noexcept {
  Instance& here = instance(self);
  if (!here.core->stop_opened(call)) return;
  run_call(here.core, call, "", [&](Reply reply) { here.plugin->stop(std::move(reply)); });
}
inline void destroy(viaduct_instance* self) noexcept {
  const std::unique_ptr<Instance> here(&instance(self));
  here->core->close();
}
inline void completed(viaduct_instance* self, std::uint64_t call, const viaduct_status* given,
                      viaduct_str result) noexcept {
  Core& core = *instance(self).core;
  run_event(core, "a callback", [&] {
    Status answer = status(given);
    core.completed(call, Answer{answer.code, std::move(answer.message), std::string(view(result))});
  });
}
inline void posted(viaduct_instance* self, std::uint64_t token) noexcept {
  Core& core = *instance(self).core;
  run_event(core, "posted work", [&] { core.posted(token); });
}
inline void timer(viaduct_instance* self, std::uint64_t token) noexcept {
  Core& core = *instance(self).core;
  run_event(core, "a timer", [&] { core.timer(token); });
}
inline void reload(viaduct_instance* self, std::uint64_t call, viaduct_str config) noexcept {
  host_call(self, call, "",
            [&](Instance& i, Reply reply) { i.plugin->reload(view(config), std::move(reply)); });
}
inline void health(viaduct_instance* self, std::uint64_t call) noexcept {
  host_call(self, call, "", [](Instance& i, Reply reply) { i.plugin->health(std::move(reply)); });
}

inline void http_request(viaduct_instance* self, std::uint64_t exchange,
                         const viaduct_http_request* request) noexcept {
  Instance& here = instance(self);
  const auto make = [&] {
    return Exchange(here.core, here.http, exchange, std::string(view(request->request_id)));
  };
  run_owning(
      *here.core, exchange, true,
      [&] {
        Exchange answer = make();
        const auto handler = here.core->route(request->route);
        if (!handler) throw std::runtime_error("no handler for this route");
        (*handler)(Request(*request), std::move(answer));
      },
      [&](const Status& why, bool dropped) {
        if (!dropped) {
          here.core->log(VIADUCT_LOG_ERROR, "the plugin threw after a request: " + why.message);
        } else if (why.code == Code::kInternal) {
          make().fail_internal(why.message);
        } else {
          make().respond(Response::json(http_status(why.code),
                                        "{\"error\":" + json_string(why.message) + "}"));
        }
      });
}
inline void http_message(viaduct_instance* self, std::uint64_t exchange,
                         viaduct_str text) noexcept {
  Core& core = *instance(self).core;
  run_event(core, "Connection::message", [&] {
    if (const auto connection = core.connection(exchange)) connection->message(view(text));
  });
}
inline void http_writable(viaduct_instance* self, std::uint64_t exchange) noexcept {
  Core& core = *instance(self).core;
  run_event(core, "Connection::writable", [&] {
    if (const auto connection = core.connection(exchange)) connection->writable();
  });
}
inline void http_closed(viaduct_instance* self, std::uint64_t exchange, std::uint16_t code,
                        viaduct_str reason) noexcept {
  Core& core = *instance(self).core;
  run_event(core, "Connection::closed", [&] {
    if (const auto connection = core.remove_connection(exchange))
      connection->closed(code, view(reason));
  });
}

inline viaduct_flow change(viaduct_instance* self, std::uint64_t subscription,
                           const viaduct_change* given) noexcept {
  Core& core = *instance(self).core;
  viaduct_flow flow = VIADUCT_FLOW_OK;
  run_event(core, "Subscriber::change", [&] {
    const auto subscriber = core.subscriber(subscription);
    if (!subscriber) return;  // unsubscribed while it was on its way
    flow = static_cast<viaduct_flow>(subscriber->change(
        Change{static_cast<ChangeKind>(given->kind), Cursor{given->cursor.epoch, given->cursor.seq},
               given->entry, given->offset, view(given->text), view(given->json)}));
  });
  return flow;
}
inline void unsubscribed(viaduct_instance* self, std::uint64_t subscription,
                         const viaduct_status* why) noexcept {
  Core& core = *instance(self).core;
  run_event(core, "Subscriber::unsubscribed", [&] {
    if (const auto subscriber = core.remove_subscriber(subscription))
      subscriber->unsubscribed(status(why));
  });
}

inline void tool_run(viaduct_instance* self, std::uint64_t call, viaduct_str arguments) noexcept {
  host_call(self, call, "{}",
            [&](Instance& i, Reply reply) { i.tool->run(view(arguments), std::move(reply)); });
}
inline void tool_doctor(viaduct_instance* self, std::uint64_t call) noexcept {
  host_call(self, call, "{}", [](Instance& i, Reply reply) { i.tool->doctor(std::move(reply)); });
}

inline void sender_send(viaduct_instance* self, std::uint64_t call,
                        const viaduct_parcel* given) noexcept {
  Instance& here = instance(self);
  run_sending(here.core, call,
              [&](Sending sending) { here.sender->send(parcel(*given), std::move(sending)); });
}
inline void sender_reconcile(viaduct_instance* self, std::uint64_t call,
                             const viaduct_parcel* given) noexcept {
  Instance& here = instance(self);
  run_sending(here.core, call,
              [&](Sending sending) { here.sender->reconcile(parcel(*given), std::move(sending)); });
}
inline void sender_undelivered(viaduct_instance* self, const viaduct_parcel* given,
                               viaduct_str state, const viaduct_status* why) noexcept {
  Instance& here = instance(self);
  run_event(*here.core, "Sender::undelivered",
            [&] { here.sender->undelivered(parcel(*given), view(state), status(why)); });
}

inline void loop_run(viaduct_instance* self) noexcept {
  Instance& here = instance(self);
  here.loop->run([core = here.core.get()] { core->drain(); });
}
inline void loop_wake(viaduct_instance* self) noexcept {
  instance(self).loop->wake();
}
inline void loop_quit(viaduct_instance* self) noexcept {
  instance(self).loop->quit();
}

inline constexpr viaduct_http_handler kHttpHandler{
    sizeof(viaduct_http_handler), 0, http_request, http_message, http_writable, http_closed};
inline constexpr viaduct_subscriber kSubscriber{sizeof(viaduct_subscriber), 0, change,
                                                unsubscribed};
inline constexpr viaduct_tool kTool{sizeof(viaduct_tool), 0, tool_run, tool_doctor};
inline constexpr viaduct_sender kSender{sizeof(viaduct_sender), 0, sender_send, sender_reconcile,
                                        sender_undelivered};

inline constexpr viaduct_loop kLoop{sizeof(viaduct_loop), 0, loop_run, loop_wake, loop_quit};

inline const void* find_interface(viaduct_instance* self, const char* id) noexcept {
  const Instance& here = instance(self);
  if (std::strcmp(id, here.kind_id) == 0) return here.kind_table;
  if (std::strcmp(id, VIADUCT_HTTP_HANDLER) == 0) return &kHttpHandler;
  if (std::strcmp(id, VIADUCT_SUBSCRIBER) == 0) return &kSubscriber;
  if (std::strcmp(id, VIADUCT_LOOP) == 0 && here.loop != nullptr) return &kLoop;
  if (std::strcmp(id, VIADUCT_TOOL) == 0 && here.tool != nullptr) return &kTool;
  if (std::strcmp(id, VIADUCT_SENDER) == 0 && here.sender != nullptr) return &kSender;
  return nullptr;
}

inline constexpr viaduct_instance_api kInstanceApi{sizeof(viaduct_instance_api),
                                                   0,
                                                   start,
                                                   stop,
                                                   destroy,
                                                   find_interface,
                                                   completed,
                                                   posted,
                                                   timer,
                                                   reload,
                                                   health};

// Makes a T. `finish(instance, object)` adds what its kind needs.
template <class T, class Finish>
viaduct_instance* create(const viaduct_host* host, viaduct_str config, Finish finish) noexcept {
  Status thrown;
  try {
    auto made = std::make_unique<Instance>();
    made->core = std::make_shared<Core>(host);
    made->http = static_cast<const viaduct_http*>(host->service(host, VIADUCT_HTTP));
    made->sink = static_cast<const viaduct_sink*>(host->service(host, VIADUCT_SINK));
    auto object = std::make_unique<T>(Host(made->core), view(config));
    if constexpr (std::is_base_of_v<Tool, T>) made->tool = object.get();
    if constexpr (std::is_base_of_v<Sender, T>) made->sender = object.get();
    made->loop = object->loop();
    finish(*made, *object);
    made->plugin = std::move(object);
    return reinterpret_cast<viaduct_instance*>(made.release());
  } catch (...) {
    thrown = current_exception_status();
  }
  const viaduct_status why = status(thrown.code, thrown.message);
  host->fail(host, &why);
  return nullptr;
}

constexpr viaduct_plugin plugin(const Descriptor& descriptor, std::uint32_t kind,
                                viaduct_instance* (*make)(const viaduct_host*,
                                                          viaduct_str) noexcept) {
  return viaduct_plugin{
      sizeof(viaduct_plugin),
      VIADUCT_ABI_MAJOR,
      VIADUCT_ABI_MINOR,
      kind,
      descriptor.concurrent ? static_cast<std::uint32_t>(VIADUCT_PLUGIN_CONCURRENT) : 0u,
      descriptor.id,
      descriptor.version,
      descriptor.summary,
      descriptor.config_schema,
      descriptor.config_example,
      &kInstanceApi,
      make};
}

}  // namespace detail
}  // namespace viaduct::sdk

// Defines the plugin's one exported symbol; once, at global scope.
#define VIADUCT_EXPORT_PLUGIN(...)                              \
  extern "C" {                                                  \
  VIADUCT_EXPORT extern const viaduct_plugin viaduct_plugin_v1; \
  }                                                             \
  constinit const viaduct_plugin viaduct_plugin_v1 = __VA_ARGS__;
