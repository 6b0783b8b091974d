// What every instance owes, whatever its kind.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <thread>

#include "checks.hpp"

namespace viaduct::testing {

void Probe::require_answered(const Answer& answer, std::string_view what) const {
  if (!answer.answered) {
    fail(answer.message.empty() ? std::string(what) + " was not answered" : answer.message);
  }
}

void Probe::require_ok(const Answer& answer, std::string_view what) const {
  require_answered(answer, what);
  if (!answer.ok()) {
    fail(std::string(what) + " failed: " + code_name(answer.code) +
         (answer.message.empty() ? " (it does not say why)" : ": " + answer.message));
  }
}

std::unique_ptr<FakeHost> Probe::loaded(HostOptions host_options) const {
  auto host = std::make_unique<FakeHost>(std::move(host_options));
  const Answer answer = host->load(file());
  if (!answer.ok()) fail(answer.message);
  return host;
}

std::unique_ptr<FakeHost> Probe::running(HostOptions host_options) const {
  auto host = loaded(std::move(host_options));
  require_ok(host->create(config(*host), patience()), "create");
  require_ok(host->start(patience()), "start");
  return host;
}

void Probe::no_faults(const FakeHost& host) const {
  const auto faults = host.faults();
  if (faults.empty()) return;
  std::string text = faults[0].id + ": " + faults[0].text;
  if (faults.size() > 1) text += " (and " + std::to_string(faults.size() - 1) + " more)";
  fail(text);
}

void Probe::no_faults_of(const FakeHost& host, const std::vector<std::string_view>& ids) const {
  for (const auto& fault : host.faults()) {
    for (const auto id : ids) {
      if (fault.id == id) fail(fault.id + ": " + fault.text);
    }
  }
}

void Probe::finish(FakeHost& host) const {
  if (!host.settle(patience())) fail("its thread does not come to rest");
  require_ok(host.stop(patience()), "stop");
  host.settle(patience());
  host.destroy(patience());
  no_faults(host);
}

namespace {

const std::vector<std::string_view> kCompletions{
    "double-completion", "unknown-call", "bad-status", "bad-result", "threw", "destroy-hangs"};

void create_destroy(Probe& probe) {
  const auto host = probe.loaded();
  constexpr int kTimes = 100;
  for (int i = 0; i < kTimes; ++i) {
    probe.require_ok(host->create(probe.config(*host), probe.patience()), "create");
    host->destroy(probe.patience());
    probe.no_faults_of(*host, {"destroy-hangs", "threw"});
  }
}

void create_calls_no_host(Probe& probe) {
  const auto host = probe.loaded();
  probe.require_ok(host->create(probe.config(*host), probe.patience()), "create");
  probe.no_faults(*host);
  if (host->slowest() > milliseconds(100)) {
    probe.warn("create took " + std::to_string(host->slowest().count()) + " ms");
  }
  host->destroy(probe.patience());
}

void create_rejects_bad_config(Probe& probe) {
  const auto host = probe.loaded();
  const char* bad[] = {"",    "{",    "[]",   "null",       "3",  "\"text\"", "{\"\xff\":1}",
                       "{}}", "{{}}", "true", "{\"a\":}",   "\\", "[1,",      "{\"a\":1,}",
                       "}{",  " ",    "nul",  "{\"a\":\"\\"};
  std::string accepted;
  for (const char* config : bad) {
    const Answer answer = host->create(config, probe.patience());
    probe.require_answered(answer, "create");
    probe.no_faults(*host);
    if (answer.ok()) {
      // The host checks `config:` before; whoever takes these has not looked at all.
      for (const char* plain : {"{", "[]", "null", "3"}) {
        if (accepted.empty() && std::strcmp(plain, config) == 0) accepted = Json(config).dump();
      }
      host->destroy(probe.patience());
    } else if (answer.message.empty() ||
               answer.message == "create returned null and did not say why") {
      probe.fail("create refused \"" + std::string(config) + "\" and did not say why");
    }
  }
  // Every member of the example with a value of another type, and an unknown one.
  const auto example = Json::parse(probe.config(*host)).value_or(Json::object());
  auto keys = example.keys();
  keys.push_back("viaduct_no_such_key");
  const Json values[] = {Json(),       Json(true),    Json(-1),      Json(1e300),
                         Json("text"), Json::array(), Json::object()};
  for (const auto& key : keys) {
    for (const auto& value : values) {
      Json config = example;
      config.set(key, value);
      const Answer answer = host->create(config.dump(), probe.patience());
      probe.require_answered(answer, "create");
      probe.no_faults(*host);
      if (answer.ok()) host->destroy(probe.patience());
      if (!answer.ok() && answer.message.empty()) {
        probe.fail("create refused " + config.dump() + " and did not say why");
      }
    }
  }
  if (host->create("{}{}", probe.patience()).ok()) host->destroy(probe.patience());
  // Where there is nothing to configure there is nothing to read.
  const auto schema = Json::parse(host->plugin()->config_schema).value_or(Json());
  if (schema["properties"].size() == 0) accepted.clear();
  if (!accepted.empty()) probe.warn("create takes " + accepted + " for a configuration");
}

void start_answers_once(Probe& probe) {
  const auto host = probe.running();
  probe.require(host->settle(probe.patience()), "its thread does not come to rest");
  probe.no_faults_of(*host, kCompletions);
  probe.pass();  // whether it stops is another check
}

void stop_answers_once(Probe& probe) {
  const auto host = probe.running();
  probe.require_ok(host->stop(probe.patience()), "stop");
  probe.require(host->settle(probe.patience()), "its thread does not come to rest");
  host->destroy(probe.patience());
  probe.no_faults_of(*host, kCompletions);
}

void interface_is_there(Probe& probe) {
  const auto host = probe.running();
  if (host->plugin()->kind == VIADUCT_KIND_SURFACE) {
    const auto* surface = static_cast<const viaduct_surface*>(host->interface(VIADUCT_SURFACE));
    probe.require(surface != nullptr, "a surface that does not offer " VIADUCT_SURFACE);
    probe.require(surface->struct_size >= 8, "its " VIADUCT_SURFACE " has no struct_size");
  } else {
    const viaduct_backend* backend = host->backend();
    probe.require(backend != nullptr, "a backend that does not offer " VIADUCT_BACKEND);
    constexpr std::size_t kBackend01 = offsetof(viaduct_backend, resumed) + sizeof(void*);
    probe.require(backend->struct_size >= kBackend01,
                  "the struct_size of its " VIADUCT_BACKEND " is " +
                      std::to_string(backend->struct_size) + ", the least is " +
                      std::to_string(kBackend01));
    probe.require(
        backend->open != nullptr && backend->prompt != nullptr && backend->close != nullptr,
        "one of open, prompt, close is null");
    const struct {
      std::uint64_t can;
      bool has;
      const char* name;
    } claims[] = {{VIADUCT_CAN_RESTORE, backend->restore != nullptr, "restore"},
                  {VIADUCT_CAN_INJECT, backend->inject != nullptr, "inject"},
                  {VIADUCT_CAN_CANCEL, backend->cancel != nullptr, "cancel"},
                  {VIADUCT_CAN_ASK, backend->answer != nullptr, "answer"},
                  {VIADUCT_CAN_COMPACT, backend->compact != nullptr, "compact"},
                  {VIADUCT_CAN_FORK, backend->fork != nullptr, "fork"},
                  {VIADUCT_CAN_DISCOVER, backend->discover != nullptr, "discover"},
                  {VIADUCT_CAN_OPTIONS, backend->set_option != nullptr, "set_option"}};
    for (const auto& claim : claims) {
      probe.require((backend->can & claim.can) == 0 || claim.has,
                    std::string("it says that it can ") + claim.name + ", but that is null");
    }
    const std::string_view agent(
        backend->agent_type.data == nullptr ? "" : backend->agent_type.data,
        backend->agent_type.data == nullptr ? 0 : backend->agent_type.size);
    probe.require(is_utf8(agent), "its agent_type is not UTF-8");
    if (agent.empty() && (backend->can & VIADUCT_CAN_RESTORE) != 0) {
      probe.fail("it can restore, but has no agent_type");
    }
  }
  probe.pass();
}

void unknown_interface_is_null(Probe& probe) {
  const auto host = probe.running();
  const auto ask = [&](const char* id) {
    const void* found = nullptr;
    probe.require(host->on_plugin_thread(
                      [&] {
                        // Not by FakeHost::interface, which remembers.
                        found = host->plugin()->api->interface(host->instance(), id);
                      },
                      probe.patience()),
                  "interface did not return");
    return found;
  };
  for (const char* id : {"", "viaduct", "viaduct.no-such/1", "viaduct.backend/2",
                         "viaduct.backend/1 ", "viaduct.backend/", "viaduct.surface/11",
                         "viaduct.surface", "viaduct.http-handler/1x", "\xff"}) {
    probe.require(ask(id) == nullptr, std::string("it offers \"") + id + "\"");
  }
  for (const char* id : {VIADUCT_SURFACE, VIADUCT_BACKEND, VIADUCT_HTTP_HANDLER, VIADUCT_SUBSCRIBER,
                         VIADUCT_LOOP, VIADUCT_TOOL}) {
    probe.require(ask(id) == ask(id),
                  std::string("it gives another table for ") + id + " each time");
  }
  probe.finish(*host);
}

void loop_keeps_the_rules(Probe& probe) {
  const auto host = probe.loaded();
  probe.require_ok(host->create(probe.config(*host), probe.patience()), "create");
  const void* found = nullptr;
  probe.require(host->on_plugin_thread(
                    [&] { found = host->plugin()->api->interface(host->instance(), VIADUCT_LOOP); },
                    probe.patience()),
                "its loop does not call drain after wake");
  if (found == nullptr) probe.skip("it has no loop of its own");
  const auto* loop = static_cast<const viaduct_loop*>(found);
  probe.require(VIADUCT_HAS(loop, run) && VIADUCT_HAS(loop, wake) && VIADUCT_HAS(loop, quit),
                "one of run, wake, quit is null, or its " VIADUCT_LOOP " is too short");
  probe.require((host->plugin()->flags & VIADUCT_PLUGIN_CONCURRENT) == 0,
                "it is concurrent, so that its loop never runs");
  probe.require_ok(host->start(probe.patience()), "start");
  // Calls that come one by one and all at once, from several threads.
  constexpr int kThreads = 4;
  constexpr int kCalls = 50;
  std::atomic<int> made{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < kThreads; ++i) {
    callers.emplace_back([&] {
      for (int k = 0; k < kCalls; ++k) {
        if (!host->on_plugin_thread([&] { ++made; }, probe.patience())) return;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  probe.require(made == kThreads * kCalls, "its loop does not call drain after wake");
  probe.finish(*host);
  // One that is asked to quit before it has begun, or just then.
  for (int i = 0; i < 20; ++i) {
    probe.require_ok(host->create(probe.config(*host), probe.patience()), "create");
    host->destroy(probe.patience());
  }
  probe.no_faults(*host);
}

void stop_without_start(Probe& probe) {
  const auto host = probe.loaded();
  probe.require_ok(host->create(probe.config(*host), probe.patience()), "create");
  probe.require_ok(host->stop(probe.patience()), "stop");
  host->destroy(probe.patience());
  probe.no_faults(*host);
}

void double_stop(Probe& probe) {
  const auto host = probe.running();
  probe.require_ok(host->stop(probe.patience()), "stop");
  probe.require_ok(host->stop(probe.patience()), "the second stop");
  host->destroy(probe.patience());
  probe.no_faults(*host);
}

void two_stops_together(Probe& probe) {
  // Two stops on their way at once: both are answered.
  const auto host = probe.running();
  const auto first = host->start_stop();
  const auto second = host->start_stop();
  probe.require_answered(host->wait(first, probe.patience()), "stop");
  probe.require_answered(host->wait(second, probe.patience()), "the second stop");
  host->destroy(probe.patience());
  probe.no_faults(*host);
}

void silent_after_stop(Probe& probe) {
  const auto host = probe.running();
  probe.require_ok(host->stop(probe.patience()), "stop");
  // What its own threads still do would come now.
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(200));
  host->destroy(probe.patience());
  host->wait_until([&] { return !host->faults().empty(); }, milliseconds(50));
  probe.no_faults(*host);
}

void two_instances(Probe& probe) {
  HostOptions first_options;
  first_options.instance_name = "first";
  HostOptions second_options;
  second_options.instance_name = "second";
  const auto first = probe.running(first_options);
  const auto second = probe.running(second_options);
  probe.require(first->instance() != second->instance(), "both instances are the same");
  const bool backend = first->plugin()->kind == VIADUCT_KIND_BACKEND;
  const auto works = [&](FakeHost& host, std::uint64_t session) {
    if (!backend) return;
    probe.require_ok(host.open(session, {}, probe.patience()), "open");
    probe.require_answered(host.prompt(session, 1, "hello", probe.patience()), "prompt");
  };
  works(*first, 1);
  works(*second, 1);
  probe.finish(*first);
  // The other one lives on.
  works(*second, 2);
  probe.require_answered(second->health(probe.patience()), "health");
  probe.finish(*second);
}

void threads_and_fds_return(Probe& probe) {
  const auto host = probe.loaded();
  const auto cycle = [&] {
    probe.require_ok(host->create(probe.config(*host), probe.patience()), "create");
    probe.require_ok(host->start(probe.patience()), "start");
    if (host->plugin()->kind == VIADUCT_KIND_BACKEND) {
      probe.require_ok(host->open(1, {}, probe.patience()), "open");
      probe.require_answered(host->prompt(1, 1, "hello", probe.patience()), "prompt");
      probe.require_answered(host->close(1, true, probe.patience()), "close");
    }
    probe.require_answered(host->stop(probe.patience()), "stop");
    host->destroy(probe.patience());
    probe.no_faults(*host);
  };
  cycle();  // what is made once and kept is fine
  const std::size_t threads = count_threads();
  const std::size_t descriptors = count_descriptors();
  constexpr int kCycles = 20;
  for (int i = 0; i < kCycles; ++i) cycle();
  host->wait_until([&] { return count_threads() <= threads && count_descriptors() <= descriptors; },
                   milliseconds(2000));
  const std::size_t more_threads = count_threads();
  const std::size_t more_descriptors = count_descriptors();
  probe.require(more_threads <= threads,
                "20 lives left " + std::to_string(more_threads - threads) + " threads behind");
  probe.require(
      more_descriptors <= descriptors,
      "20 lives left " + std::to_string(more_descriptors - descriptors) + " open files behind");
}

void health_and_reload(Probe& probe) {
  const auto host = probe.running();
  const auto& api = *host->plugin()->api;
  if (!VIADUCT_HAS(&api, health) && !VIADUCT_HAS(&api, reload)) {
    probe.finish(*host);
    probe.skip("it has neither");
  }
  for (int i = 0; i < 3; ++i) probe.require_answered(host->health(probe.patience()), "health");
  if (VIADUCT_HAS(&api, reload)) {
    const Answer answer = host->reload(probe.config(*host), probe.patience());
    probe.require_answered(answer, "reload");
    probe.require(answer.ok() || answer.code == VIADUCT_E_UNSUPPORTED,
                  "reload with the same configuration failed: " + answer.message);
    for (const char* bad : {"", "{", "[]", "null"}) {
      probe.require_answered(host->reload(bad, probe.patience()), "reload");
    }
    probe.require_answered(host->health(probe.patience()), "health");
  }
  probe.finish(*host);
}

// One life in a host that lacks something; refusing with a reason is fine.
void live_poorly(Probe& probe, HostOptions options, const std::string& what) {
  const auto host = probe.loaded(std::move(options));
  const Answer created = host->create(probe.config(*host), probe.patience());
  probe.require_answered(created, "create");
  if (!created.ok()) {
    probe.require(
        !created.message.empty() && created.message != "create returned null and did not say why",
        "create failed " + what + " and did not say why");
    probe.no_faults(*host);
    return;
  }
  const Answer started = host->start(probe.patience());
  probe.require_answered(started, "start " + what);
  probe.require(started.ok() || !started.message.empty(),
                "start failed " + what + " and did not say why");
  if (started.ok() && host->plugin()->kind == VIADUCT_KIND_BACKEND) {
    const Answer opened = host->open(1, {}, probe.patience());
    probe.require_answered(opened, "open " + what);
    if (opened.ok()) {
      probe.require_answered(host->prompt(1, 1, "hello", probe.patience()), "prompt " + what);
    }
  } else if (started.ok()) {
    for (const auto& route : host->routes()) {
      if ((route.flags & VIADUCT_ROUTE_WEBSOCKET) != 0 ||
          route.pattern.find('{') != std::string::npos) {
        continue;
      }
      host->request(route.method, route.pattern, "{}", {{"content-type", "application/json"}}, {},
                    probe.patience());
    }
  }
  probe.finish(*host);
}

void poor_host(Probe& probe) {
  for (const char* service :
       {VIADUCT_LOG, VIADUCT_TIMER, VIADUCT_METRICS, VIADUCT_DOCUMENTS, VIADUCT_SECRETS,
        VIADUCT_MEMORY, VIADUCT_OVERVIEW, VIADUCT_HTTP, VIADUCT_SESSIONS, VIADUCT_SINK}) {
    HostOptions options;
    options.without = {service};
    live_poorly(probe, options, std::string("without ") + service);
  }
}

void bare_host(Probe& probe) {
  HostOptions options;
  options.without = {VIADUCT_LOG,      VIADUCT_TIMER,  VIADUCT_METRICS,  VIADUCT_DOCUMENTS,
                     VIADUCT_SECRETS,  VIADUCT_MEMORY, VIADUCT_OVERVIEW, VIADUCT_HTTP,
                     VIADUCT_SESSIONS, VIADUCT_SINK};
  live_poorly(probe, options, "without any service");
}

void old_host(Probe& probe) {
  // The sizes of 1.0; what lies behind cannot be read.
  HostOptions options;
  options.abi_minor = 0;
  options.table_sizes = {{"host", 64},
                         {VIADUCT_LOG, 16},
                         {VIADUCT_TIMER, 24},
                         {VIADUCT_METRICS, 32},
                         {VIADUCT_DOCUMENTS, 40},
                         {VIADUCT_SECRETS, 24},
                         {VIADUCT_MEMORY, 48},
                         {VIADUCT_OVERVIEW, 24},
                         {VIADUCT_HTTP, 80},
                         {VIADUCT_SESSIONS, 160},
                         {VIADUCT_DELIVERY, 56},
                         {VIADUCT_SINK, 16}};
  live_poorly(probe, options, "in a host of ABI 1.0");
}

}  // namespace

void add_instance_checks(std::vector<CheckEntry>& checks) {
  constexpr const char* kGroup = "instance";
  const auto add = [&](const char* id, const char* description, void (*run)(Probe&),
                       bool gate = false) {
    checks.push_back({id, kGroup, description, For::kAll, gate, run});
  };
  add("create-destroy-100-times", "can be created and destroyed 100 times without being started",
      create_destroy, true);
  add("create-calls-no-host", "calls nothing but service and fail in create", create_calls_no_host);
  add("create-rejects-bad-config", "refuses a configuration that is none, in words",
      create_rejects_bad_config);
  add("start-answers-once", "answers start exactly once", start_answers_once, true);
  add("stop-answers-once", "answers stop exactly once, and can then be destroyed",
      stop_answers_once, true);
  add("interface-is-there", "offers the interface of its kind, with all that it says it can",
      interface_is_there, true);
  add("unknown-interface-is-null", "offers no interface that it does not know, and always the same",
      unknown_interface_is_null);
  add("loop-keeps-the-rules", "its loop, if it has one, heeds wake and quit", loop_keeps_the_rules);
  add("stop-without-start", "can be stopped without being started", stop_without_start);
  add("double-stop", "answers a second stop at once", double_stop);
  add("two-stops-together", "answers two stops that come together", two_stops_together);
  add("silent-after-stop", "calls the host no more after stop was answered", silent_after_stop);
  add("two-instances-independent", "two instances do not know of each other", two_instances);
  add("threads-and-fds-return", "20 lives leave no thread and no open file behind",
      threads_and_fds_return);
  add_process_check(checks);
  add("health-and-reload", "answers health and reload, also with bad configuration",
      health_and_reload);
  add("poor-host", "works, or says why not, in a host that lacks a service", poor_host);
  add("bare-host", "works, or says why not, in a host without services", bare_host);
  add("old-host", "works in a host of the first header", old_host);
}

}  // namespace viaduct::testing
