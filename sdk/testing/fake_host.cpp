#include <viaduct/testing/fake_host.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <cassert>
#include <cctype>
#include <cstring>
#include <utility>

#include "core.hpp"
#include "services.hpp"

namespace viaduct::testing {
namespace {

Answer refuse(viaduct_code code, std::string message) {
  return {true, code, std::move(message), ""};
}
Answer fine() {
  return {true, VIADUCT_OK, "", ""};
}

// One segment of a path against one of a pattern.
bool is_param(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> result;
  std::size_t begin = 1;
  for (;;) {
    const std::size_t end = path.find('/', begin);
    result.push_back(path.substr(begin, end == path.npos ? path.npos : end - begin));
    if (end == path.npos) return result;
    begin = end + 1;
  }
}

bool match(std::string_view pattern, std::string_view path, Headers& params) {
  const auto wanted = segments(pattern);
  const auto given = segments(path);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (is_param(wanted[i]) && wanted[i][1] == '*') {
      std::string_view rest = path;
      for (std::size_t skip = 0; skip <= i; ++skip) {
        const auto slash = rest.find('/');
        if (slash == rest.npos) return false;
        rest.remove_prefix(slash + 1);
      }
      params.emplace_back(wanted[i].substr(2, wanted[i].size() - 3), rest);
      return true;
    }
    if (i >= given.size()) return false;
    if (is_param(wanted[i])) {
      if (given[i].empty()) return false;
      params.emplace_back(wanted[i].substr(1, wanted[i].size() - 2), given[i]);
    } else if (wanted[i] != given[i]) {
      return false;
    }
  }
  return wanted.size() == given.size();
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      out += path[i];
      continue;
    }
    if (i + 2 >= path.size() || hex(path[i + 1]) < 0 || hex(path[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(hex(path[i + 1]) * 16 + hex(path[i + 2]));
    i += 2;
  }
  if (!is_utf8(out) || out.empty() || out[0] != '/') return std::nullopt;
  return out;
}

Response host_response(int status, std::string_view error) {
  Response response;
  response.answered = true;
  response.complete = true;
  response.status = status;
  response.headers.emplace_back("content-type", "application/json");
  response.body = Json::object({{"error", error}}).dump();
  return response;
}

// What the plugin's thread runs next, when it has a loop of its own. Plugin thread, no lock.
void find_loop(Core& core) {
  if (core.instance == nullptr || (core.plugin->flags & VIADUCT_PLUGIN_CONCURRENT) != 0) return;
  if (!VIADUCT_HAS(core.host, drain)) return;  // a host that knows of no loop
  const auto* loop = static_cast<const viaduct_loop*>(core.interface_of(VIADUCT_LOOP));
  // Whoever has the same table for everything has no loop.
  if (!VIADUCT_HAS(loop, run) || !VIADUCT_HAS(loop, wake) || !VIADUCT_HAS(loop, quit) ||
      loop == core.interface_of("viaduct.no-such/1")) {
    return;
  }
  const std::lock_guard lock(core.mutex);
  core.loop = loop;
}

// A request as the handler gets it, with what its views point to.
struct Delivery {
  Request request;
  Route route;
  std::string path, query, request_id;
  Headers params;
};

}  // namespace

const char* code_name(viaduct_code code) {
  switch (code) {
    case VIADUCT_OK: return "ok";
    case VIADUCT_E_INVALID_ARGUMENT: return "invalid_argument";
    case VIADUCT_E_NOT_FOUND: return "not_found";
    case VIADUCT_E_PERMISSION_DENIED: return "permission_denied";
    case VIADUCT_E_UNAUTHENTICATED: return "unauthenticated";
    case VIADUCT_E_FAILED_PRECONDITION: return "failed_precondition";
    case VIADUCT_E_SESSION_DEAD: return "session_dead";
    case VIADUCT_E_UNAVAILABLE: return "unavailable";
    case VIADUCT_E_BUSY: return "busy";
    case VIADUCT_E_CANCELLED: return "cancelled";
    case VIADUCT_E_TIMEOUT: return "timeout";
    case VIADUCT_E_UNSUPPORTED: return "unsupported";
    case VIADUCT_E_CONFLICT: return "conflict";
    case VIADUCT_E_INTERNAL: return "internal";
    default: return "unknown";
  }
}

std::string Response::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() &&
        std::equal(key.begin(), key.end(), name.begin(), [](char a, char b) {
          return std::tolower(static_cast<unsigned char>(a)) ==
                 std::tolower(static_cast<unsigned char>(b));
        })) {
      return value;
    }
  }
  return {};
}

// ---------------------------------------------------------------- life

FakeHost::FakeHost(HostOptions options) : core_(std::make_shared<Core>(std::move(options))) {
  sessions_.reset(new FakeSessions(core_));
  delivery_.reset(new FakeDelivery(core_));
  core_->start_thread();
}

FakeHost::~FakeHost() {
  if (created()) {
    bool stopped = false;
    {
      const std::lock_guard lock(core_->mutex);
      stopped = core_->phase == Phase::kStopped;
    }
    if (!stopped) stop();
    destroy();
  }
  std::unique_lock lock(core_->mutex);
  core_->quit = true;
  core_->work.notify_all();
  const bool stuck = core_->abandoned;
  lock.unlock();
  if (stuck) {
    core_->thread.detach();  // its thread keeps the core
    // An instance that may still call must find its host: leaked on purpose, as the real host does.
    new std::shared_ptr<Core>(core_);
  } else {
    core_->thread.join();
  }
}

Answer FakeHost::load(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return refuse(VIADUCT_E_INVALID_ARGUMENT, why == nullptr ? "cannot load " + path : why);
  }
  const void* symbol = ::dlsym(library, VIADUCT_PLUGIN_SYMBOL);
  if (symbol == nullptr) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT,
                  path + ": not a plugin: it has no symbol " VIADUCT_PLUGIN_SYMBOL);
  }
  Answer answer = load(static_cast<const viaduct_plugin*>(symbol));
  if (!answer.ok()) answer.message = path + ": " + answer.message;
  return answer;
}

Answer FakeHost::load(const viaduct_plugin* plugin) {
  if (plugin == nullptr) return refuse(VIADUCT_E_INVALID_ARGUMENT, "no descriptor");
  if (plugin->struct_size < offsetof(viaduct_plugin, kind)) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT,
                  "the descriptor's struct_size is " + std::to_string(plugin->struct_size));
  }
  if (plugin->abi_major != VIADUCT_ABI_MAJOR) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT,
                  "the plugin was built for ABI " + std::to_string(plugin->abi_major) + "." +
                      std::to_string(plugin->abi_minor) + ", this host has " +
                      std::to_string(VIADUCT_ABI_MAJOR) + "." + std::to_string(VIADUCT_ABI_MINOR));
  }
  constexpr std::size_t kPlugin01 = offsetof(viaduct_plugin, create) + sizeof(void*);
  if (plugin->struct_size < kPlugin01) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT, "the descriptor's struct_size is " +
                                                  std::to_string(plugin->struct_size) +
                                                  ", the least is " + std::to_string(kPlugin01));
  }
  if (plugin->kind != VIADUCT_KIND_SURFACE && plugin->kind != VIADUCT_KIND_BACKEND) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT, "unknown kind " + std::to_string(plugin->kind));
  }
  if (plugin->id == nullptr || plugin->version == nullptr || plugin->summary == nullptr ||
      plugin->config_schema == nullptr || plugin->config_example == nullptr) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT, "a string of the descriptor is null");
  }
  if (plugin->create == nullptr || plugin->api == nullptr) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT, "the descriptor has no api or no create");
  }
  const auto& api = *plugin->api;
  constexpr std::size_t kApi01 = offsetof(viaduct_instance_api, health) + sizeof(void*);
  if (api.struct_size < kApi01) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT, "the instance table's struct_size is " +
                                                  std::to_string(api.struct_size) +
                                                  ", the least is " + std::to_string(kApi01));
  }
  if (api.start == nullptr || api.stop == nullptr || api.destroy == nullptr ||
      api.interface == nullptr || api.completed == nullptr) {
    return refuse(VIADUCT_E_INVALID_ARGUMENT,
                  "one of start, stop, destroy, interface, completed is null");
  }
  const std::lock_guard lock(core_->mutex);
  core_->plugin = plugin;
  return fine();
}

const viaduct_plugin* FakeHost::plugin() const {
  const std::lock_guard lock(core_->mutex);
  return core_->plugin;
}

bool FakeHost::created() const {
  const std::lock_guard lock(core_->mutex);
  return core_->instance != nullptr;
}

viaduct_instance* FakeHost::instance() const {
  const std::lock_guard lock(core_->mutex);
  return core_->instance;
}

Answer FakeHost::create(std::string_view config_json, milliseconds deadline) {
  if (plugin() == nullptr) return refuse(VIADUCT_E_INVALID_ARGUMENT, "no plugin is loaded");
  if (created()) return refuse(VIADUCT_E_INVALID_ARGUMENT, "there is an instance already");
  {
    const std::lock_guard lock(core_->mutex);
    viaduct_host host = host_table();
    const auto wanted = core_->options.table_sizes.find("host");
    if (wanted != core_->options.table_sizes.end()) {
      host.struct_size = std::min(host.struct_size, wanted->second);
    }
    host.abi_minor = core_->options.abi_minor;
    host.instance_name = view(core_->options.instance_name);
    core_->slots.push_back(
        std::make_unique<GuardedBytes>(&host, host.struct_size, sizeof(Core::Slot)));
    new (core_->slots.back()->front()) Core::Slot{core_.get(), ++core_->generation};
    core_->host = static_cast<const viaduct_host*>(core_->slots.back()->data());
    core_->phase = Phase::kCreating;
    core_->create_failure = {};
    core_->thrown.clear();
    core_->interfaces.clear();
    core_->loop_quits = false;
  }
  const std::string config(config_json);
  auto core = core_;
  const bool returned = on_plugin_thread(
      [core, config] {
        viaduct_instance* instance =
            call_plugin(*core, "create", core->plugin->create, core->host, view(config));
        {
          const std::lock_guard lock(core->mutex);
          core->instance = instance;
        }
        find_loop(*core);
      },
      deadline);
  const std::lock_guard lock(core_->mutex);
  if (!returned) {
    core_->abandoned = true;
    return {false, VIADUCT_E_TIMEOUT, "create did not return", ""};
  }
  if (core_->instance != nullptr) {
    core_->phase = Phase::kCreated;
    return fine();
  }
  core_->phase = Phase::kNone;
  if (!core_->thrown.empty()) {
    return refuse(VIADUCT_E_INTERNAL,
                  "an exception left the plugin: " + std::exchange(core_->thrown, {}));
  }
  if (core_->create_failure.answered) return core_->create_failure;
  return refuse(VIADUCT_E_INTERNAL, "create returned null and did not say why");
}

Answer FakeHost::start(milliseconds deadline) {
  auto core = core_;
  {
    const std::lock_guard lock(core->mutex);
    if (core->instance == nullptr) return refuse(VIADUCT_E_INVALID_ARGUMENT, "no instance");
    core->phase = Phase::kStarting;
  }
  const auto call = core->begin_call(
      "start",
      [core](std::uint64_t id) {
        call_plugin(*core, "start", core->plugin->api->start, core->instance, id);
      },
      [core = core.get()](const Answer& answer) {
        if (core->phase == Phase::kStarting) {
          core->phase = answer.ok() ? Phase::kStarted : Phase::kCreated;
          delivery_wake(*core);
        }
      });
  return core->wait_call(call, deadline);
}

Answer FakeHost::reload(std::string_view config_json, milliseconds deadline) {
  auto core = core_;
  if (!VIADUCT_HAS(plugin()->api, reload)) return refuse(VIADUCT_E_UNSUPPORTED, "no reload");
  const auto call =
      core->begin_call("reload", [core, config = std::string(config_json)](std::uint64_t id) {
        call_plugin(*core, "reload", core->plugin->api->reload, core->instance, id, view(config));
      });
  return core->wait_call(call, deadline);
}

Answer FakeHost::health(milliseconds deadline) {
  auto core = core_;
  if (!VIADUCT_HAS(plugin()->api, health)) return fine();
  const auto call = core->begin_call("health", [core](std::uint64_t id) {
    call_plugin(*core, "health", core->plugin->api->health, core->instance, id);
  });
  return core->wait_call(call, deadline);
}

std::uint64_t FakeHost::start_stop() {
  auto core = core_;
  return core->begin_call(
      "stop",
      [core](std::uint64_t id) {
        {
          const std::lock_guard lock(core->mutex);
          if (core->phase != Phase::kStopped) core->phase = Phase::kStopping;
        }
        call_plugin(*core, "stop", core->plugin->api->stop, core->instance, id);
      },
      [core = core.get()](const Answer&) {
        core->phase = Phase::kStopped;
        for (const auto& [id, call] : core->calls) {
          if (!call.answered && call.what != "stop") {
            core->fault("unanswered-at-stop", call.what + " was open when stop was answered");
          }
        }
        for (auto& [id, exchange] : core->exchanges) {
          if (exchange.state == ExchangeState::State::kSocket) {
            exchange.close = Close{1001, "the host stops"};
          }
          exchange.state = ExchangeState::State::kClosed;
        }
        for (auto& [handle, session] : core->backend_sessions) {
          session.open = false;
          session.turns.clear();
        }
        core->timers.clear();
        core->plugin_calls.clear();
        sessions_stopped(*core);
        delivery_cut(*core);
      });
}

Answer FakeHost::stop(milliseconds deadline) {
  if (!created()) return refuse(VIADUCT_E_INVALID_ARGUMENT, "no instance");
  return core_->wait_call(start_stop(), deadline);
}

void FakeHost::destroy(milliseconds deadline) {
  auto core = core_;
  {
    const std::lock_guard lock(core->mutex);
    if (core->instance == nullptr) return;
    if (core->phase != Phase::kStopped && core->phase != Phase::kCreated) {
      core->abandoned = true;  // as the real host: never destroyed
      core->instance = nullptr;
      return;
    }
    core->loop_quits = true;
    core->work.notify_all();
  }
  const bool returned = on_plugin_thread(
      [core] {
        viaduct_instance* instance = std::exchange(core->instance, nullptr);
        call_plugin(*core, "destroy", core->plugin->api->destroy, instance);
      },
      deadline);
  const std::lock_guard lock(core->mutex);
  if (!returned) {
    core->abandoned = true;
    core->fault("destroy-hangs",
                core->looping ? "its loop does not return after quit" : "destroy did not return");
  }
  core->phase = Phase::kNone;
  core->routes.clear();
  core->files.clear();
  core->interfaces.clear();
  core->timers.clear();
  core->backend_sessions.clear();
  core->plugin_calls.clear();
}

Answer FakeHost::run(std::string_view config_json) {
  Answer answer = create(config_json);
  return answer.ok() ? start() : answer;
}

const void* FakeHost::interface(const std::string& id) {
  const void* found = nullptr;
  auto core = core_;
  on_plugin_thread([core, id, &found] { found = core->interface_of(id.c_str()); });
  return found;
}

// ---------------------------------------------------------------- what it did

std::vector<Fault> FakeHost::faults() const {
  const std::lock_guard lock(core_->mutex);
  return core_->faults;
}
bool FakeHost::has_fault(std::string_view id) const {
  const std::lock_guard lock(core_->mutex);
  return std::any_of(core_->faults.begin(), core_->faults.end(),
                     [&](const Fault& fault) { return fault.id == id; });
}
void FakeHost::forget_faults() {
  const std::lock_guard lock(core_->mutex);
  core_->faults.clear();
}
std::vector<LogLine> FakeHost::log() const {
  const std::lock_guard lock(core_->mutex);
  return core_->log;
}
bool FakeHost::wait_log(std::string_view part, milliseconds deadline) const {
  std::unique_lock lock(core_->mutex);
  return core_->wait(lock, deadline, [&] {
    return std::any_of(core_->log.begin(), core_->log.end(), [&](const LogLine& line) {
      return line.message.find(part) != std::string::npos;
    });
  });
}
double FakeHost::metric(const std::string& name) const {
  const std::lock_guard lock(core_->mutex);
  const auto found = core_->metrics.find(name);
  return found == core_->metrics.end() ? 0 : found->second;
}
std::vector<std::string> FakeHost::redacted() const {
  const std::lock_guard lock(core_->mutex);
  return core_->redacted;
}
std::uint64_t FakeHost::host_calls() const {
  const std::lock_guard lock(core_->mutex);
  return core_->host_calls;
}

milliseconds FakeHost::slowest() const {
  const std::lock_guard lock(core_->mutex);
  return std::chrono::duration_cast<milliseconds>(core_->slowest);
}

bool FakeHost::on_plugin_thread(const std::function<void()>& work, milliseconds deadline) {
  struct Shared {
    std::function<void()> work;
    bool begun = false, given_up = false, done = false;
  };
  auto shared = std::make_shared<Shared>();
  shared->work = work;
  std::unique_lock lock(core_->mutex);
  core_->push([core = core_.get(), shared] {
    {
      const std::lock_guard inner(core->mutex);
      if (shared->given_up) return;
      shared->begun = true;
    }
    shared->work();
    const std::lock_guard inner(core->mutex);
    shared->done = true;
    core->changed.notify_all();
  });
  if (core_->wait(lock, deadline, [&] { return shared->done; })) return true;
  shared->given_up = true;
  core_->abandoned = true;
  return false;
}

bool FakeHost::settle(milliseconds deadline) {
  std::unique_lock lock(core_->mutex);
  return core_->wait(lock, deadline, [&] { return core_->idle(); });
}

bool FakeHost::wait_until(const std::function<bool()>& condition, milliseconds deadline) const {
  const auto end = Clock::now() + deadline;
  for (;;) {
    if (condition()) return true;
    if (Clock::now() >= end) return false;
    std::unique_lock lock(core_->mutex);
    core_->changed.wait_for(lock, milliseconds(5));
  }
}

void FakeHost::advance(milliseconds time) {
  std::unique_lock lock(core_->mutex);
  assert(core_->options.manual_clock);
  const auto end = core_->manual_now + time;
  for (;;) {
    core_->wait(lock, kPatience, [&] { return core_->idle(); });
    auto next = end;
    for (const auto& [token, due] : core_->timers) next = std::min(next, due);
    core_->manual_now = std::max(core_->manual_now, next);
    core_->work.notify_all();
    core_->wait(lock, kPatience, [&] { return core_->idle(); });
    if (core_->manual_now >= end) return;
  }
}

std::size_t FakeHost::timers() const {
  const std::lock_guard lock(core_->mutex);
  return static_cast<std::size_t>(
      std::count_if(core_->timers.begin(), core_->timers.end(),
                    [](const auto& timer) { return !timer.first.host; }));
}

// ---------------------------------------------------------------- a surface

Exchange FakeHost::start_request(Request request) {
  Exchange result;
  result.core_ = core_;
  auto delivery = std::make_shared<Delivery>();
  const std::lock_guard lock(core_->mutex);
  const std::uint64_t id = core_->next_exchange++;
  result.id_ = id;
  ExchangeState& exchange = core_->exchanges[id];
  const auto reject = [&](Response response) {
    exchange.response = std::move(response);
    exchange.state = ExchangeState::State::kDone;
  };
  const auto question = request.path.find('?');
  if (question != std::string::npos) delivery->query = request.path.substr(question + 1);
  const auto path = decode(std::string_view(request.path).substr(0, question));
  if (!path) {
    reject(host_response(400, "the path is not one"));
    return result;
  }
  if (core_->instance == nullptr || core_->phase == Phase::kStopped) {
    reject(host_response(503, "the surface is not running"));
    return result;
  }
  delivery->path = *path;
  const bool upgrade = std::any_of(request.headers.begin(), request.headers.end(),
                                   [](const auto& header) { return header.first == "upgrade"; });
  bool other_method = false;
  const Route* route = nullptr;
  for (const auto& candidate : core_->routes) {
    Headers params;
    if (!match(candidate.pattern, *path, params)) continue;
    if (candidate.method != request.method ||
        ((candidate.flags & VIADUCT_ROUTE_WEBSOCKET) != 0) != upgrade) {
      other_method = true;
      continue;
    }
    if (route != nullptr && params.size() >= delivery->params.size()) continue;
    route = &candidate;
    delivery->params = std::move(params);
  }
  if (route == nullptr && !upgrade) {
    for (const auto& file : core_->files) {
      if (text_of(file.path) != *path) continue;
      if (request.method != "GET") {
        other_method = true;
        continue;
      }
      Response response = host_response(200, "");
      response.headers = {{"content-type", std::string(text_of(file.content_type))}};
      response.body = text_of(file.data);
      reject(std::move(response));
      return result;
    }
  }
  if (route == nullptr) {
    reject(other_method ? host_response(405, "method not allowed")
                        : host_response(404, "not found"));
    return result;
  }
  exchange.websocket = upgrade;
  delivery->route = *route;
  delivery->request = std::move(request);
  delivery->request_id = "r" + std::to_string(id);
  core_->push([core = core_.get(), id, delivery] {
    {
      const std::lock_guard inner(core->mutex);
      if (core->instance == nullptr || core->phase == Phase::kStopped) return;
    }
    const auto* handler =
        static_cast<const viaduct_http_handler*>(core->interface_of(VIADUCT_HTTP_HANDLER));
    if (!VIADUCT_HAS(handler, request)) {
      const std::lock_guard inner(core->mutex);
      core->fault("bad-argument", "there are routes, but no viaduct.http-handler/1");
      return;
    }
    const auto pairs = [](const Headers& headers) {
      std::vector<viaduct_pair> views;
      for (const auto& [name, value] : headers) views.push_back({view(name), view(value)});
      return views;
    };
    const auto headers = pairs(delivery->request.headers);
    const auto params = pairs(delivery->params);
    const Principal& who = delivery->request.who;
    const viaduct_principal principal{sizeof(viaduct_principal), who.flags,
                                      view(who.user_id),         view(who.display_name),
                                      view(who.tenant),          view(who.place)};
    viaduct_http_request message{};
    message.struct_size = sizeof message;
    message.flags = delivery->route.flags;
    message.route = delivery->route.token;
    message.method = view(delivery->request.method);
    message.path = view(delivery->path);
    message.query = view(delivery->query);
    message.body = view(delivery->request.body);
    message.headers = headers.data();
    message.header_count = headers.size();
    message.params = params.data();
    message.param_count = params.size();
    message.who = (delivery->route.flags & VIADUCT_ROUTE_PUBLIC) != 0 ? nullptr : &principal;
    message.request_id = view(delivery->request_id);
    call_plugin(*core, "request", handler->request, core->instance, id, &message);
  });
  return result;
}

Response FakeHost::request(Request request, milliseconds deadline) {
  const std::string what = request.method + " " + request.path;
  Exchange exchange = start_request(std::move(request));
  Response response = exchange.response(deadline);
  if (response.answered && response.complete) return response;
  const std::lock_guard lock(core_->mutex);
  auto& state = core_->exchanges.at(exchange.id_);
  if (!response.answered && state.state != ExchangeState::State::kClosed) {
    core_->fault("no-response",
                 what + " got no answer within " + std::to_string(deadline.count()) + " ms");
    state.state = ExchangeState::State::kDone;
  }
  return response;
}

Response FakeHost::request(std::string_view method, std::string_view path, std::string_view body,
                           Headers headers, Principal who, milliseconds deadline) {
  return request({std::string(method), std::string(path), std::string(body), std::move(headers),
                  std::move(who)},
                 deadline);
}

Response Exchange::response(milliseconds deadline) const {
  std::unique_lock lock(core_->mutex);
  const auto& exchange = core_->exchanges.at(id_);
  core_->wait(lock, deadline, [&] {
    return exchange.state != ExchangeState::State::kWaiting &&
           exchange.state != ExchangeState::State::kStreaming;
  });
  return exchange.response;
}

Response Exchange::at_least(std::size_t bytes, milliseconds deadline) const {
  std::unique_lock lock(core_->mutex);
  const auto& exchange = core_->exchanges.at(id_);
  core_->wait(lock, deadline, [&] {
    return exchange.response.body.size() >= bytes ||
           (exchange.state != ExchangeState::State::kWaiting &&
            exchange.state != ExchangeState::State::kStreaming);
  });
  return exchange.response;
}

namespace {

void pause_exchange(Core& core, std::uint64_t id, std::size_t room) {
  const std::lock_guard lock(core.mutex);
  core.exchanges.at(id).room = room;
}

void proceed_exchange(Core& core, std::uint64_t id) {
  const std::lock_guard lock(core.mutex);
  auto& exchange = core.exchanges.at(id);
  exchange.room.reset();
  if (!std::exchange(exchange.busy_told, false)) return;
  core.push([&core, id] {
    {
      const std::lock_guard inner(core.mutex);
      const auto state = core.exchanges.at(id).state;
      if (core.instance == nullptr || core.phase == Phase::kStopped ||
          (state != ExchangeState::State::kStreaming && state != ExchangeState::State::kSocket)) {
        return;
      }
    }
    const auto* handler =
        static_cast<const viaduct_http_handler*>(core.interface_of(VIADUCT_HTTP_HANDLER));
    if (VIADUCT_HAS(handler, writable))
      call_plugin(core, "writable", handler->writable, core.instance, id);
  });
}

}  // namespace

void Exchange::pause(std::size_t bytes) {
  pause_exchange(*core_, id_, bytes);
}
void Exchange::proceed() {
  proceed_exchange(*core_, id_);
}
void Exchange::disconnect() {
  constexpr std::uint16_t kAbnormal = 1006;
  const std::lock_guard lock(core_->mutex);
  if (core_->exchanges.at(id_).state != ExchangeState::State::kDone) {
    core_->close_exchange(id_, {kAbnormal, ""});
  }
}

WebSocket FakeHost::websocket(std::string_view path, Headers headers, Principal who,
                              milliseconds deadline) {
  headers.emplace_back("upgrade", "websocket");
  Exchange exchange =
      start_request({"GET", std::string(path), "", std::move(headers), std::move(who)});
  WebSocket socket;
  socket.core_ = core_;
  socket.id_ = exchange.id_;
  socket.response_ = exchange.response(deadline);
  if (!socket.response_.answered) {
    const std::lock_guard lock(core_->mutex);
    core_->fault("no-response", "the WebSocket " + std::string(path) + " got no answer");
  }
  return socket;
}

bool WebSocket::send(std::string_view text) {
  const std::lock_guard lock(core_->mutex);
  if (core_->exchanges.at(id_).state != ExchangeState::State::kSocket) return false;
  if (!is_utf8(text)) {
    constexpr std::uint16_t kBadData = 1007;
    core_->close_exchange(id_, {kBadData, "not UTF-8"});
    return false;
  }
  core_->push([core = core_.get(), id = id_, text = std::string(text)] {
    {
      const std::lock_guard inner(core->mutex);
      if (core->instance == nullptr || core->phase == Phase::kStopped ||
          core->exchanges.at(id).state != ExchangeState::State::kSocket) {
        return;
      }
    }
    const auto* handler =
        static_cast<const viaduct_http_handler*>(core->interface_of(VIADUCT_HTTP_HANDLER));
    if (VIADUCT_HAS(handler, message))
      call_plugin(*core, "message", handler->message, core->instance, id, view(text));
  });
  return true;
}

std::optional<std::string> WebSocket::next(milliseconds deadline) {
  return next_where([](const std::string&) { return true; }, deadline);
}

std::optional<std::string> WebSocket::next_where(
    const std::function<bool(const std::string&)>& wanted, milliseconds deadline) {
  const auto end = Clock::now() + deadline;
  std::unique_lock lock(core_->mutex);
  auto& exchange = core_->exchanges.at(id_);
  for (;;) {
    core_->changed.wait_until(lock, end, [&] {
      return !exchange.messages.empty() || exchange.state != ExchangeState::State::kSocket;
    });
    if (exchange.messages.empty()) return std::nullopt;
    std::string message = std::move(exchange.messages.front());
    exchange.messages.pop_front();
    if (wanted(message)) return message;
  }
}

std::size_t WebSocket::waiting() const {
  const std::lock_guard lock(core_->mutex);
  return core_->exchanges.at(id_).messages.size();
}

void WebSocket::close(std::uint16_t code, std::string_view reason) {
  const std::lock_guard lock(core_->mutex);
  if (core_->exchanges.at(id_).state == ExchangeState::State::kSocket) {
    core_->close_exchange(id_, {code, std::string(reason)});
  }
}

std::optional<Close> WebSocket::closed(milliseconds deadline) {
  std::unique_lock lock(core_->mutex);
  const auto& exchange = core_->exchanges.at(id_);
  core_->wait(lock, deadline, [&] { return exchange.close.has_value(); });
  return exchange.close;
}

void WebSocket::pause(std::size_t messages) {
  pause_exchange(*core_, id_, messages);
}
void WebSocket::proceed() {
  proceed_exchange(*core_, id_);
}

std::vector<Route> FakeHost::routes() const {
  const std::lock_guard lock(core_->mutex);
  return core_->routes;
}
std::vector<std::string> FakeHost::files() const {
  const std::lock_guard lock(core_->mutex);
  std::vector<std::string> result;
  for (const auto& file : core_->files) result.emplace_back(text_of(file.path));
  return result;
}

FakeSessions& FakeHost::sessions() {
  return *sessions_;
}

FakeDelivery& FakeHost::delivery() {
  return *delivery_;
}

std::optional<std::string> FakeHost::document(const std::string& key) const {
  const std::lock_guard lock(core_->mutex);
  const auto found = core_->documents.find(key);
  if (found == core_->documents.end()) return std::nullopt;
  return found->second.json;
}
std::uint64_t FakeHost::put_document(const std::string& key, std::string value_json) {
  const std::lock_guard lock(core_->mutex);
  core_->documents[key] = {++core_->document_version, std::move(value_json)};
  return core_->document_version;
}
std::map<std::string, std::string> FakeHost::documents() const {
  const std::lock_guard lock(core_->mutex);
  std::map<std::string, std::string> result;
  for (const auto& [key, document] : core_->documents) result[key] = document.json;
  return result;
}
void FakeHost::fail_next(const std::string& operation, viaduct_code code, std::string message,
                         int times) {
  const std::lock_guard lock(core_->mutex);
  core_->failures[operation] = {code, std::move(message), times};
}
void FakeHost::on_memory_message(std::function<std::string(std::string_view text)> answer) {
  const std::lock_guard lock(core_->mutex);
  core_->memory_agent = std::move(answer);
}
void FakeHost::set_secret(const std::string& reference, std::string value) {
  const std::lock_guard lock(core_->mutex);
  core_->secrets[reference] = std::move(value);
}
void FakeHost::set_overview(std::string json) {
  const std::lock_guard lock(core_->mutex);
  core_->overview = std::move(json);
}
void FakeHost::set_checks(const std::string& instance, std::string json) {
  const std::lock_guard lock(core_->mutex);
  core_->checks[instance] = std::move(json);
}

// ---------------------------------------------------------------- a backend

const viaduct_backend* FakeHost::backend() {
  return static_cast<const viaduct_backend*>(interface(VIADUCT_BACKEND));
}

namespace {

using BackendCall =
    std::function<bool(Core&, const viaduct_backend&, viaduct_instance*, std::uint64_t)>;

// `invoke` answers false where the plugin has no such function.
std::uint64_t call_backend(const std::shared_ptr<Core>& core, std::string what, BackendCall invoke,
                           std::function<void(const Answer&)> on_answer = nullptr) {
  return core->begin_call(
      std::move(what),
      [core = core.get(), invoke = std::move(invoke)](std::uint64_t call) {
        const auto* table =
            static_cast<const viaduct_backend*>(core->interface_of(VIADUCT_BACKEND));
        if (core->instance != nullptr && table != nullptr &&
            invoke(*core, *table, core->instance, call)) {
          return;
        }
        const std::lock_guard lock(core->mutex);
        HostCall& open = core->calls.at(call);
        open.answered = true;
        open.answer = refuse(VIADUCT_E_UNSUPPORTED, open.what + ": no such function");
        if (open.on_answer) open.on_answer(open.answer);
        core->changed.notify_all();
      },
      std::move(on_answer));
}

using OpenFunction = void (*viaduct_backend::*)(viaduct_instance*, std::uint64_t,
                                                const viaduct_open*) VIADUCT_NOEXCEPT;

viaduct_open open_of(std::uint64_t session, const OpenOptions& options) {
  viaduct_open open{};
  open.struct_size = sizeof open;
  open.session = session;
  open.session_id = view(options.session_id);
  open.working_dir = view(options.working_dir);
  open.native_id = view(options.native_id);
  open.transcript_json = view(options.transcript);
  open.options_json = view(options.options);
  return open;
}

void begin_session(Core& core, std::uint64_t session, OpenOptions& options) {
  if (options.session_id.empty()) options.session_id = "s_" + std::to_string(session);
  const std::lock_guard lock(core.mutex);
  core.backend_sessions[session].open = true;
}

std::function<void(const Answer&)> session_opened(const std::shared_ptr<Core>& core,
                                                  std::uint64_t session) {
  return [core = core.get(), session](const Answer& answer) {
    if (!answer.ok()) core->backend_sessions[session].open = false;
  };
}

template <auto kFunction>
std::uint64_t open_with(const std::shared_ptr<Core>& core, const char* what, std::uint64_t session,
                        OpenOptions options) {
  begin_session(*core, session, options);
  return call_backend(
      core, what,
      [session, options](Core& host, const viaduct_backend& table, viaduct_instance* self,
                         std::uint64_t call) {
        const auto function = table.*kFunction;
        if (function == nullptr) return false;
        const viaduct_open open = open_of(session, options);
        call_plugin(host, "open", function, self, call, &open);
        return true;
      },
      session_opened(core, session));
}

}  // namespace

std::uint64_t FakeHost::start_open(std::uint64_t session, OpenOptions options) {
  return open_with<&viaduct_backend::open>(core_, "open", session, std::move(options));
}
Answer FakeHost::open(std::uint64_t session, OpenOptions options, milliseconds deadline) {
  return wait(start_open(session, std::move(options)), deadline);
}
Answer FakeHost::restore(std::uint64_t session, OpenOptions options, milliseconds deadline) {
  return wait(open_with<&viaduct_backend::restore>(core_, "restore", session, std::move(options)),
              deadline);
}
Answer FakeHost::inject(std::uint64_t session, OpenOptions options, milliseconds deadline) {
  return wait(open_with<&viaduct_backend::inject>(core_, "inject", session, std::move(options)),
              deadline);
}
Answer FakeHost::resumed(std::uint64_t session, OpenOptions options, milliseconds deadline) {
  if (options.session_id.empty()) options.session_id = "s_" + std::to_string(session);
  return wait(call_backend(core_, "resumed",
                           [session, options](Core& host, const viaduct_backend& table,
                                              viaduct_instance* self, std::uint64_t call) {
                             if (!VIADUCT_HAS(&table, resumed)) return false;
                             const viaduct_open open = open_of(session, options);
                             call_plugin(host, "resumed", table.resumed, self, call, &open);
                             return true;
                           }),
              deadline);
}

std::uint64_t FakeHost::start_prompt(std::uint64_t session, std::uint64_t turn,
                                     std::string_view text, std::string_view restored) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->restored_was_read.reset();
    auto& state = core_->backend_sessions[session];
    state.turns.insert(turn);
    state.newest_turn = std::max(state.newest_turn, turn);
  }
  return call_backend(
      core_, "prompt",
      [session, turn, text = std::string(text), restored = std::string(restored)](
          Core& host, const viaduct_backend& table, viaduct_instance* self, std::uint64_t call) {
        if (table.prompt == nullptr) return false;
        const WatchedText before(restored);  // gone when the call has returned
        viaduct_prompt prompt{};
        prompt.struct_size = sizeof prompt;
        prompt.session = session;
        prompt.turn = turn;
        prompt.text = view(text);
        prompt.author = view("local");
        prompt.restored = view(before.text());
        call_plugin(host, "prompt", table.prompt, self, call, &prompt);
        const std::lock_guard lock(host.mutex);
        host.restored_was_read = before.was_read();
        return true;
      },
      [core = core_.get(), session, turn](const Answer&) {
        BackendSession& state = core->backend_sessions[session];
        state.turns.erase(turn);
        state.ended_turn = turn;
        state.ended_at = std::chrono::steady_clock::now();
      });
}
Answer FakeHost::prompt(std::uint64_t session, std::uint64_t turn, std::string_view text,
                        milliseconds deadline) {
  return wait(start_prompt(session, turn, text), deadline);
}

Answer FakeHost::prompt_restored(std::uint64_t session, std::uint64_t turn,
                                 std::string_view restored, std::string_view text,
                                 milliseconds deadline) {
  return wait(start_prompt(session, turn, text, restored), deadline);
}
std::optional<bool> FakeHost::restored_was_read(milliseconds deadline) {
  settle(deadline);
  const std::lock_guard lock(core_->mutex);
  return core_->restored_was_read;
}

std::uint64_t FakeHost::start_cancel(std::uint64_t session, std::uint64_t turn) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->backend_sessions[session].cancelled.insert(turn);
  }
  return call_backend(core_, "cancel",
                      [session, turn](Core& host, const viaduct_backend& table,
                                      viaduct_instance* self, std::uint64_t call) {
                        if (table.cancel == nullptr) return false;
                        call_plugin(host, "cancel", table.cancel, self, call, session, turn);
                        return true;
                      });
}
Answer FakeHost::cancel(std::uint64_t session, std::uint64_t turn, milliseconds deadline) {
  return wait(start_cancel(session, turn), deadline);
}

Answer FakeHost::answer(std::uint64_t session, std::string_view item, std::string_view option_id,
                        milliseconds deadline) {
  return wait(call_backend(core_, "answer",
                           [session, item = std::string(item), option = std::string(option_id)](
                               Core& host, const viaduct_backend& table, viaduct_instance* self,
                               std::uint64_t call) {
                             if (table.answer == nullptr) return false;
                             call_plugin(host, "answer", table.answer, self, call, session,
                                         view(item), view(option));
                             return true;
                           }),
              deadline);
}

Answer FakeHost::compact(std::uint64_t session, milliseconds deadline) {
  return wait(call_backend(core_, "compact",
                           [session](Core& host, const viaduct_backend& table,
                                     viaduct_instance* self, std::uint64_t call) {
                             if (table.compact == nullptr) return false;
                             call_plugin(host, "compact", table.compact, self, call, session);
                             return true;
                           }),
              deadline);
}

Answer FakeHost::fork(std::uint64_t session, std::uint64_t copy, OpenOptions options,
                      milliseconds deadline) {
  begin_session(*core_, copy, options);
  return wait(call_backend(
                  core_, "fork",
                  [session, copy, options](Core& host, const viaduct_backend& table,
                                           viaduct_instance* self, std::uint64_t call) {
                    if (table.fork == nullptr) return false;
                    const viaduct_open open = open_of(copy, options);
                    call_plugin(host, "fork", table.fork, self, call, session, &open);
                    return true;
                  },
                  session_opened(core_, copy)),
              deadline);
}

Answer FakeHost::set_option(std::uint64_t session, std::string_view option_id,
                            std::string_view value, milliseconds deadline) {
  return wait(call_backend(core_, "set_option",
                           [session, id = std::string(option_id), text = std::string(value)](
                               Core& host, const viaduct_backend& table, viaduct_instance* self,
                               std::uint64_t call) {
                             if (table.set_option == nullptr) return false;
                             call_plugin(host, "set_option", table.set_option, self, call, session,
                                         view(id), view(text));
                             return true;
                           }),
              deadline);
}

Answer FakeHost::discover(std::string_view working_dir, milliseconds deadline) {
  return wait(
      call_backend(core_, "discover",
                   [folder = std::string(working_dir)](Core& host, const viaduct_backend& table,
                                                       viaduct_instance* self, std::uint64_t call) {
                     if (table.discover == nullptr) return false;
                     call_plugin(host, "discover", table.discover, self, call, view(folder));
                     return true;
                   }),
      deadline);
}

Answer FakeHost::read(std::string_view native_id, milliseconds deadline) {
  return wait(
      call_backend(core_, "read",
                   [id = std::string(native_id)](Core& host, const viaduct_backend& table,
                                                 viaduct_instance* self, std::uint64_t call) {
                     if (!VIADUCT_HAS(&table, read)) return false;
                     call_plugin(host, "read", table.read, self, call, view(id));
                     return true;
                   }),
      deadline);
}

Answer FakeHost::purge(OpenOptions options, milliseconds deadline) {
  return wait(call_backend(core_, "purge",
                           [options](Core& host, const viaduct_backend& table,
                                     viaduct_instance* self, std::uint64_t call) {
                             if (!VIADUCT_HAS(&table, purge)) return false;
                             const viaduct_open open = open_of(0, options);
                             call_plugin(host, "purge", table.purge, self, call, &open);
                             return true;
                           }),
              deadline);
}

std::uint64_t FakeHost::start_close(std::uint64_t session, bool ended) {
  return call_backend(
      core_, "close",
      [session, ended](Core& host, const viaduct_backend& table, viaduct_instance* self,
                       std::uint64_t call) {
        if (table.close == nullptr) return false;
        call_plugin(host, "close", table.close, self, call, session, ended ? 1 : 0);
        return true;
      },
      [core = core_.get(), session](const Answer&) {
        core->backend_sessions[session].open = false;
      });
}
Answer FakeHost::close(std::uint64_t session, bool ended, milliseconds deadline) {
  return wait(start_close(session, ended), deadline);
}

Answer FakeHost::wait(std::uint64_t call, milliseconds deadline) {
  return core_->wait_call(call, deadline);
}

std::vector<Event> FakeHost::events(std::uint64_t session) const {
  const std::lock_guard lock(core_->mutex);
  const auto found = core_->backend_sessions.find(session);
  return found == core_->backend_sessions.end() ? std::vector<Event>() : found->second.events;
}

std::string FakeHost::text(std::uint64_t session, std::uint64_t turn) const {
  std::string result;
  for (const auto& event : events(session)) {
    if (event.kind == VIADUCT_EVENT_TEXT && (turn == 0 || event.turn == turn)) result += event.text;
  }
  return result;
}

bool FakeHost::wait_event(std::uint64_t session, const std::function<bool(const Event&)>& wanted,
                          milliseconds deadline) const {
  std::unique_lock lock(core_->mutex);
  return core_->wait(lock, deadline, [&] {
    const auto found = core_->backend_sessions.find(session);
    return found != core_->backend_sessions.end() &&
           std::any_of(found->second.events.begin(), found->second.events.end(), wanted);
  });
}

void FakeHost::pause(std::uint64_t session, std::size_t events) {
  const std::lock_guard lock(core_->mutex);
  core_->backend_sessions[session].room = events;
}

void FakeHost::proceed(std::uint64_t session) {
  const std::lock_guard lock(core_->mutex);
  auto& state = core_->backend_sessions[session];
  state.room.reset();
  if (!std::exchange(state.busy_told, false)) return;
  core_->push([core = core_.get(), session] {
    {
      const std::lock_guard inner(core->mutex);
      if (core->instance == nullptr || core->phase == Phase::kStopped ||
          !core->backend_sessions[session].open) {
        return;
      }
    }
    const auto* table = static_cast<const viaduct_backend*>(core->interface_of(VIADUCT_BACKEND));
    if (VIADUCT_HAS(table, writable))
      call_plugin(*core, "writable", table->writable, core->instance, session);
  });
}

std::size_t FakeHost::refused(std::uint64_t session) const {
  const std::lock_guard lock(core_->mutex);
  const auto found = core_->backend_sessions.find(session);
  return found == core_->backend_sessions.end() ? 0 : found->second.refused;
}

}  // namespace viaduct::testing
