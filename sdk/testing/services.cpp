#include "services.hpp"

#include <algorithm>
#include <cstring>

#include "core.hpp"

namespace viaduct::testing {
namespace {

constexpr std::size_t kLargest = std::size_t{4} << 20;  // of one text that a plugin hands over
constexpr std::size_t kLargestContent = std::size_t{8} << 20;
constexpr std::size_t kLargestRead = std::size_t{64} << 20;  // of a whole conversation

std::string quoted(std::string_view text) {
  return Json(text).dump();
}

// ---------------------------------------------------------------- host

void host_complete(const viaduct_host* host, std::uint64_t call, const viaduct_status* status,
                   viaduct_str result) noexcept {
  Core& core = core_of(host);
  {
    // A call that is open may be answered at any time, so also a second stop.
    const std::lock_guard lock(core.mutex);
    const auto found = core.calls.find(call);
    if (found != core.calls.end() && !found->second.answered) {
      ++core.host_calls;
      HostCall& open = found->second;
      Answer answer{true, VIADUCT_OK, "", ""};
      if (status == nullptr || status->struct_size < sizeof(viaduct_status)) {
        core.fault("bad-status", open.what + " was answered without a status");
        answer.code = VIADUCT_E_INTERNAL;
      } else {
        answer.code = status->code;
        if (status->code < VIADUCT_OK || status->code > VIADUCT_E_INTERNAL) {
          core.fault("bad-status",
                     open.what + " was answered with code " + std::to_string(status->code));
        }
        if (core.check_text(status->message, "a status message")) {
          answer.message = text_of(status->message);
        }
      }
      if (core.check_text(result, "a result")) answer.result = text_of(result);
      const std::size_t largest = open.what == "read" ? kLargestRead : kLargest;
      if (result.size > largest)
        core.fault("oversized",
                   open.what + " has a result over " + std::to_string(largest >> 20) + " MiB");
      if (!answer.result.empty()) {
        const auto json = Json::parse(answer.result);
        if (!json || !json->is_object()) {
          core.fault("bad-result", open.what + " was answered with what is no JSON object");
        }
      }
      open.answered = true;
      open.answer = answer;
      if (open.on_answer) open.on_answer(answer);
      core.changed.notify_all();
      return;
    }
  }
  HostEntry entry(host, "complete");
  if (entry.refused) return;
  const bool issued = call != 0 && call < core.next_call;
  core.fault(issued ? "double-completion" : "unknown-call",
             "complete for call " + std::to_string(call) +
                 (issued ? ", which was answered before" : ", which was never made"));
}

void host_post(const viaduct_host* host, std::uint64_t token) noexcept {
  HostEntry entry(host, "post");
  if (entry.refused) return;
  Core& core = entry.core;
  core.push([&core, token, of = core.generation] {
    {
      const std::lock_guard lock(core.mutex);
      if (core.instance == nullptr || of != core.generation || core.phase == Phase::kStopped) {
        return;
      }
    }
    if (VIADUCT_HAS(core.plugin->api, posted)) {
      call_plugin(core, "posted", core.plugin->api->posted, core.instance, token);
    }
  });
}

void host_fail(const viaduct_host* host, const viaduct_status* status) noexcept {
  HostEntry entry(host, "fail", true);
  if (entry.refused) return;
  Core& core = entry.core;
  if (core.phase != Phase::kCreating) {
    core.fault("fail-outside-create", "fail was called outside of create");
    return;
  }
  if (status == nullptr || status->struct_size < sizeof(viaduct_status)) {
    core.fault("bad-status", "fail was called without a status");
    return;
  }
  core.create_failure = {true, status->code, "", ""};
  if (core.check_text(status->message, "a status message")) {
    core.create_failure.message = text_of(status->message);
  }
}

const void* host_service(const viaduct_host* host, const char* id) noexcept {
  HostEntry entry(host, "service", true);
  if (entry.refused || id == nullptr) return nullptr;
  if (entry.core.options.without.count(id) != 0) return nullptr;
  return service_table(entry.core, id);
}

// ---------------------------------------------------------------- log, timer, metrics

void log_write(const viaduct_host* host, std::int32_t level, viaduct_str message) noexcept {
  HostEntry entry(host, "log");
  if (entry.refused) return;
  entry.core.check_text(message, "a log line");
  if (message.size > kLargest) entry.core.fault("oversized", "a log line is over 4 MiB");
  entry.core.log.push_back({level, std::string(text_of(message))});
  entry.core.changed.notify_all();
}

void timer_set(const viaduct_host* host, std::uint64_t token, std::uint64_t ms) noexcept {
  HostEntry entry(host, "timer.set");
  if (entry.refused) return;
  constexpr std::uint64_t kLongest = std::uint64_t{1000} * 3600 * 24 * 365;
  entry.core.timers[{false, token}] = entry.core.now() + milliseconds(std::min(ms, kLongest));
  entry.core.work.notify_all();
}

void timer_cancel(const viaduct_host* host, std::uint64_t token) noexcept {
  HostEntry entry(host, "timer.cancel");
  if (entry.refused) return;
  entry.core.timers.erase({false, token});
}

std::string metric_key(HostEntry& entry, viaduct_str name, viaduct_str labels) {
  const auto text = text_of(name);
  const bool good = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!good) entry.core.fault("bad-argument", "a metric has the name " + quoted(text));
  if (labels.size != 0) {
    const auto json = Json::parse(text_of(labels));
    if (!json || !json->is_object()) {
      entry.core.fault("bad-argument", "the labels of a metric are no JSON object");
    }
  }
  return std::string(text) + std::string(text_of(labels));
}

void metrics_count(const viaduct_host* host, viaduct_str name, viaduct_str labels,
                   double by) noexcept {
  HostEntry entry(host, "metrics.count");
  if (entry.refused) return;
  if (!(by >= 0)) entry.core.fault("bad-argument", "a counter went down");
  entry.core.metrics[metric_key(entry, name, labels)] += by;
}
void metrics_gauge(const viaduct_host* host, viaduct_str name, viaduct_str labels,
                   double value) noexcept {
  HostEntry entry(host, "metrics.gauge");
  if (entry.refused) return;
  entry.core.metrics[metric_key(entry, name, labels)] = value;
}
void metrics_observe(const viaduct_host* host, viaduct_str name, viaduct_str labels,
                     double) noexcept {
  HostEntry entry(host, "metrics.observe");
  if (entry.refused) return;
  entry.core.metrics[metric_key(entry, name, labels)] += 1;
}

// ---------------------------------------------------------------- documents, secrets, status

// Begins a call of the plugin; false: it is answered already, or not to be carried out.
bool begins(HostEntry& entry, std::uint64_t call, const char* operation) {
  return !entry.refused && entry.core.begin_plugin_call(call, operation) &&
         !entry.core.take_failure(operation, call);
}

bool good_key(HostEntry& entry, std::uint64_t call, viaduct_str key) {
  constexpr std::size_t kLongestKey = 512;
  if (entry.core.check_text(key, "a document's key") && key.size > 0 && key.size <= kLongestKey) {
    return true;
  }
  entry.core.answer_plugin(call, VIADUCT_E_INVALID_ARGUMENT, "a key has 1 to 512 bytes of UTF-8",
                           "");
  return false;
}

void documents_get(const viaduct_host* host, std::uint64_t call, viaduct_str key) noexcept {
  HostEntry entry(host, "documents.get");
  if (!begins(entry, call, "documents.get") || !good_key(entry, call, key)) return;
  const auto found = entry.core.documents.find(std::string(text_of(key)));
  if (found == entry.core.documents.end()) {
    entry.core.answer_plugin(call, VIADUCT_E_NOT_FOUND, "no such document", "");
    return;
  }
  entry.core.answer_plugin(call, VIADUCT_OK, "",
                           "{\"version\":" + std::to_string(found->second.version) +
                               ",\"value\":" + found->second.json + "}");
}

// Compare; false: a conflict, which is answered.
bool version_holds(HostEntry& entry, std::uint64_t call, const std::string& key,
                   std::uint64_t version) {
  const auto found = entry.core.documents.find(key);
  const std::uint64_t present = found == entry.core.documents.end() ? 0 : found->second.version;
  if (version == VIADUCT_VERSION_ANY || version == present) return true;
  entry.core.answer_plugin(call, VIADUCT_E_CONFLICT,
                           "the document has version " + std::to_string(present), "");
  return false;
}

void documents_put(const viaduct_host* host, std::uint64_t call, viaduct_str key, viaduct_str value,
                   std::uint64_t version) noexcept {
  HostEntry entry(host, "documents.put");
  if (!begins(entry, call, "documents.put") || !good_key(entry, call, key)) return;
  Core& core = entry.core;
  constexpr std::size_t kLargestDocument = std::size_t{1} << 20;
  if (value.size > kLargestDocument || !Json::parse(text_of(value))) {
    core.fault("bad-argument", "documents.put: the value is no JSON, or over 1 MiB");
    core.answer_plugin(call, VIADUCT_E_INVALID_ARGUMENT, "the value is no JSON, or over 1 MiB", "");
    return;
  }
  const std::string name(text_of(key));
  if (!version_holds(entry, call, name, version)) return;
  core.documents[name] = {++core.document_version, std::string(text_of(value))};
  core.answer_plugin(call, VIADUCT_OK, "",
                     "{\"version\":" + std::to_string(core.document_version) + "}");
}

void documents_remove(const viaduct_host* host, std::uint64_t call, viaduct_str key,
                      std::uint64_t version) noexcept {
  HostEntry entry(host, "documents.remove");
  if (!begins(entry, call, "documents.remove") || !good_key(entry, call, key)) return;
  const std::string name(text_of(key));
  if (!version_holds(entry, call, name, version)) return;
  entry.core.documents.erase(name);
  entry.core.answer_plugin(call, VIADUCT_OK, "", "");
}

void documents_scan(const viaduct_host* host, std::uint64_t call, viaduct_str from, viaduct_str to,
                    std::uint32_t limit) noexcept {
  HostEntry entry(host, "documents.scan");
  if (!begins(entry, call, "documents.scan")) return;
  constexpr std::uint32_t kMost = 1000;
  if (limit == 0 || limit > kMost) {
    entry.core.answer_plugin(call, VIADUCT_E_INVALID_ARGUMENT, "the limit is 1 to 1000", "");
    return;
  }
  std::string list;
  std::uint32_t count = 0;
  bool more = false;
  const std::string end(text_of(to));
  for (auto at = entry.core.documents.lower_bound(std::string(text_of(from)));
       at != entry.core.documents.end() && (end.empty() || at->first < end); ++at) {
    if (count == limit) {
      more = true;
      break;
    }
    if (count++ > 0) list += ',';
    list += "{\"key\":" + quoted(at->first) + ",\"version\":" + std::to_string(at->second.version) +
            ",\"value\":" + at->second.json + "}";
  }
  entry.core.answer_plugin(
      call, VIADUCT_OK, "",
      "{\"documents\":[" + list + "],\"more\":" + (more ? "true" : "false") + "}");
}

void secrets_redact(const viaduct_host* host, viaduct_str secret) noexcept {
  HostEntry entry(host, "secrets.redact");
  if (entry.refused) return;
  constexpr std::size_t kShortest = 6;
  if (secret.size < kShortest) entry.core.fault("bad-argument", "a secret has at least 6 bytes");
  entry.core.redacted.emplace_back(text_of(secret));
}

void secrets_resolve(const viaduct_host* host, std::uint64_t call, viaduct_str reference) noexcept {
  HostEntry entry(host, "secrets.resolve");
  if (!begins(entry, call, "secrets.resolve")) return;
  const auto found = entry.core.secrets.find(std::string(text_of(reference)));
  if (found == entry.core.secrets.end()) {
    entry.core.answer_plugin(call, VIADUCT_E_NOT_FOUND, "no such reference in the configuration",
                             "");
  } else {
    entry.core.answer_plugin(call, VIADUCT_OK, "", "{\"value\":" + quoted(found->second) + "}");
  }
}

void status_get(const viaduct_host* host, std::uint64_t call) noexcept {
  HostEntry entry(host, "overview.get");
  if (!begins(entry, call, "overview.get")) return;
  entry.core.answer_plugin(
      call, VIADUCT_OK, "",
      entry.core.overview.empty()
          ? R"({"version":"0.1.0","uptime_seconds":1,"instances":[{"name":)" +
                quoted(entry.core.options.instance_name) +
                R"(,"kind":"surface","plugin":"test","version":"1.0.0","state":"running","error":null,"mount":null}],)"
                R"("configuration":[{"path":"server.listen","value":"127.0.0.1:8410","origin":"default","secret":false}],)"
                R"("sessions":0,"memories":0})"
          : entry.core.overview);
}

void status_check(const viaduct_host* host, std::uint64_t call, viaduct_str instance) noexcept {
  HostEntry entry(host, "overview.check");
  if (!begins(entry, call, "overview.check")) return;
  const auto found = entry.core.checks.find(std::string(text_of(instance)));
  if (found == entry.core.checks.end())
    entry.core.answer_plugin(call, VIADUCT_E_NOT_FOUND, "there is no such instance", "");
  else
    entry.core.answer_plugin(call, VIADUCT_OK, "", found->second);
}

// ---------------------------------------------------------------- memory

std::string owner_of(const Principal& who) {
  return who.tenant + '\n' + who.user_id;
}

std::string memory_json(std::size_t number, const std::string& content) {
  std::string id = std::to_string(number);
  if (id.size() < 3) id.insert(0, 3 - id.size(), '0');
  return "{\"id\":\"mem-" + id +
         "\",\"timestamp\":\"2026-01-31T12:00:00.000001Z\",\"category\":\"general\",\"content\":" +
         quoted(content) + ",\"tags\":[]}";
}

std::string remember(Core& core, const Principal& who, std::string_view text) {
  auto& kept = core.memories[owner_of(who)];
  kept.emplace_back(text);
  return memory_json(kept.size(), kept.back());
}

std::string recall(Core& core, const Principal& who, std::string_view query) {
  const auto& kept = core.memories[owner_of(who)];
  std::string matches;
  std::size_t count = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i].find(query) == std::string::npos) continue;
    if (count++ > 0) matches += ',';
    matches += memory_json(i + 1, kept[i]);
  }
  return "{\"matches\":[" + matches + "],\"count\":" + std::to_string(count) + "}";
}

std::string simple_memory(Core& core, const Principal& who, std::string_view text) {
  constexpr std::string_view kRemember = "remember this: ";
  constexpr std::string_view kRecall = "what do you remember about ";
  if (text.substr(0, kRemember.size()) == kRemember) {
    return "{\"response\":\"I will remember that.\",\"memory_action\":\"remember\","
           "\"memory_result\":" +
           remember(core, who, text.substr(kRemember.size())) + "}";
  }
  if (text.substr(0, kRecall.size()) == kRecall) {
    return "{\"response\":\"This is what I remember.\",\"memory_action\":\"recall\","
           "\"memory_result\":" +
           recall(core, who, text.substr(kRecall.size())) + "}";
  }
  return "{}";
}

void memory_message(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                    viaduct_str text) noexcept {
  HostEntry entry(host, "memory.message");
  if (!begins(entry, call, "memory.message")) return;
  const auto principal = entry.core.principal_of(who, call);
  if (!principal) return;
  entry.core.check_text(text, "a message");
  entry.core.answer_plugin(call, VIADUCT_OK, "",
                           entry.core.memory_agent
                               ? entry.core.memory_agent(text_of(text))
                               : simple_memory(entry.core, *principal, text_of(text)));
}

void memory_remember(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str text) noexcept {
  HostEntry entry(host, "memory.remember");
  if (!begins(entry, call, "memory.remember")) return;
  const auto principal = entry.core.principal_of(who, call);
  if (!principal) return;
  if (text.size == 0) {
    entry.core.answer_plugin(call, VIADUCT_E_INVALID_ARGUMENT, "nothing to remember", "");
    return;
  }
  entry.core.answer_plugin(call, VIADUCT_OK, "", remember(entry.core, *principal, text_of(text)));
}

void memory_recall(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                   viaduct_str query) noexcept {
  HostEntry entry(host, "memory.recall");
  if (!begins(entry, call, "memory.recall")) return;
  const auto principal = entry.core.principal_of(who, call);
  if (!principal) return;
  entry.core.answer_plugin(call, VIADUCT_OK, "", recall(entry.core, *principal, text_of(query)));
}

void memory_work_status(const viaduct_host* host, std::uint64_t call,
                        const viaduct_principal* who) noexcept {
  HostEntry entry(host, "memory.work_status");
  if (!begins(entry, call, "memory.work_status")) return;
  const auto principal = entry.core.principal_of(who, call);
  if (!principal) return;
  const std::string& items = entry.core.work_logs[owner_of(*principal)];
  entry.core.answer_plugin(call, VIADUCT_OK, "",
                           "{\"items\":" + (items.empty() ? "[]" : items) + "}");
}

void memory_work_log(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str items) noexcept {
  HostEntry entry(host, "memory.work_log");
  if (!begins(entry, call, "memory.work_log")) return;
  const auto principal = entry.core.principal_of(who, call);
  if (!principal) return;
  const auto json = Json::parse(text_of(items));
  if (!json || !json->is_array()) {
    entry.core.answer_plugin(call, VIADUCT_E_INVALID_ARGUMENT, "items is no JSON array", "");
    return;
  }
  entry.core.work_logs[owner_of(*principal)] = text_of(items);
  entry.core.answer_plugin(call, VIADUCT_OK, "", "{\"items\":" + std::string(text_of(items)) + "}");
}

// ---------------------------------------------------------------- http

viaduct_code http_route(const viaduct_host* host, viaduct_str method, viaduct_str pattern,
                        std::uint32_t flags, std::uint64_t token) noexcept {
  HostEntry entry(host, "http.route");
  if (entry.refused) return VIADUCT_E_UNAVAILABLE;
  const Route route{std::string(text_of(method)), std::string(text_of(pattern)), flags, token};
  if (route.method.empty() || route.pattern.empty() || route.pattern[0] != '/') {
    entry.core.fault("bad-argument", "a route is " + route.method + " " + route.pattern);
    return VIADUCT_E_INVALID_ARGUMENT;
  }
  for (const auto& known : entry.core.routes) {
    if (known.method == route.method && known.pattern == route.pattern) {
      entry.core.fault("route-repeated", route.method + " " + route.pattern);
      return VIADUCT_E_INVALID_ARGUMENT;
    }
  }
  entry.core.routes.push_back(route);
  return VIADUCT_OK;
}

viaduct_code http_files(const viaduct_host* host, const viaduct_file* files,
                        std::size_t count) noexcept {
  HostEntry entry(host, "http.files");
  if (entry.refused) return VIADUCT_E_UNAVAILABLE;
  for (std::size_t i = 0; i < count; ++i) {
    if (files[i].path.size == 0 || files[i].path.data[0] != '/') {
      entry.core.fault("bad-argument", "a file's path does not begin with /");
      return VIADUCT_E_INVALID_ARGUMENT;
    }
    entry.core.files.push_back(files[i]);
  }
  return VIADUCT_OK;
}

using State = ExchangeState::State;

ExchangeState* exchange_of(HostEntry& entry, std::uint64_t id, const char* function) {
  const auto found = entry.core.exchanges.find(id);
  if (found != entry.core.exchanges.end()) return &found->second;
  entry.core.fault("unknown-exchange",
                   std::string(function) + " for exchange " + std::to_string(id));
  return nullptr;
}

viaduct_flow gone(HostEntry& entry, ExchangeState& exchange, const char* function) {
  constexpr std::size_t kRace = 100;  // so many may have been on their way
  if (exchange.closed_told && ++exchange.gone == kRace) {
    entry.core.fault("gone-ignored", std::string(function) + " goes on after closed");
  }
  return VIADUCT_FLOW_GONE;
}

// Fills in the head; false: it was answered before, or there is nobody to answer.
bool take_head(HostEntry& entry, std::uint64_t id, const viaduct_http_response* head,
               const char* function, ExchangeState*& exchange) {
  exchange = exchange_of(entry, id, function);
  if (exchange == nullptr) return false;
  if (exchange->state == State::kClosed) return false;
  if (exchange->state != State::kWaiting) {
    if (exchange->response.answered) {
      entry.core.fault("double-response", std::string(function) + " for exchange " +
                                              std::to_string(id) + ", which was answered before");
    }
    return false;
  }
  constexpr std::uint32_t kFirst = 200;
  constexpr std::uint32_t kLast = 599;
  Response& response = exchange->response;
  response.answered = true;
  if (head == nullptr || head->struct_size < sizeof(viaduct_http_response) ||
      head->status < kFirst || head->status > kLast) {
    entry.core.fault("bad-argument", std::string(function) + " without a response or status");
    response.status = 500;
    return true;
  }
  response.status = static_cast<int>(head->status);
  for (std::size_t i = 0; i < head->header_count; ++i) {
    const auto name = text_of(head->headers[i].name);
    const auto value = text_of(head->headers[i].value);
    if (name.empty() || name.find_first_of("\r\n: ") != name.npos ||
        value.find_first_of("\r\n") != value.npos) {
      entry.core.fault("bad-argument", "a header is not one: " + std::string(name));
      continue;
    }
    response.headers.emplace_back(name, value);
  }
  response.body = text_of(head->body);
  return true;
}

void http_respond(const viaduct_host* host, std::uint64_t id,
                  const viaduct_http_response* response) noexcept {
  HostEntry entry(host, "http.respond");
  ExchangeState* exchange = nullptr;
  if (entry.refused || !take_head(entry, id, response, "http.respond", exchange)) return;
  exchange->response.complete = true;
  exchange->state = State::kDone;
  entry.core.changed.notify_all();
}

viaduct_flow http_begin(const viaduct_host* host, std::uint64_t id,
                        const viaduct_http_response* head) noexcept {
  HostEntry entry(host, "http.begin");
  if (entry.refused) return VIADUCT_FLOW_GONE;
  ExchangeState* exchange = nullptr;
  if (!take_head(entry, id, head, "http.begin", exchange)) return VIADUCT_FLOW_GONE;
  exchange->state = State::kStreaming;
  entry.core.changed.notify_all();
  return VIADUCT_FLOW_OK;
}

viaduct_flow http_write(const viaduct_host* host, std::uint64_t id, viaduct_str piece) noexcept {
  HostEntry entry(host, "http.write");
  if (entry.refused) return VIADUCT_FLOW_GONE;
  ExchangeState* exchange = exchange_of(entry, id, "http.write");
  if (exchange == nullptr) return VIADUCT_FLOW_GONE;
  if (exchange->state != State::kStreaming) {
    if (exchange->state == State::kWaiting) entry.core.fault("bad-argument", "write before begin");
    return gone(entry, *exchange, "http.write");
  }
  if (exchange->room) {
    if (*exchange->room < piece.size) {
      exchange->busy_told = true;
      return VIADUCT_FLOW_BUSY;
    }
    *exchange->room -= piece.size;
  }
  exchange->response.body += text_of(piece);
  entry.core.changed.notify_all();
  return VIADUCT_FLOW_OK;
}

void http_finish(const viaduct_host* host, std::uint64_t id) noexcept {
  HostEntry entry(host, "http.finish");
  if (entry.refused) return;
  ExchangeState* exchange = exchange_of(entry, id, "http.finish");
  if (exchange == nullptr || exchange->state == State::kClosed) return;
  if (exchange->state != State::kStreaming) {
    entry.core.fault("double-response", "finish without begin, or twice");
    return;
  }
  exchange->response.complete = true;
  exchange->state = State::kDone;
  entry.core.changed.notify_all();
}

void http_accept(const viaduct_host* host, std::uint64_t id) noexcept {
  HostEntry entry(host, "http.accept");
  if (entry.refused) return;
  ExchangeState* exchange = exchange_of(entry, id, "http.accept");
  if (exchange == nullptr || exchange->state == State::kClosed) return;
  if (exchange->state != State::kWaiting || !exchange->websocket) {
    entry.core.fault("double-response", "accept of what was answered, or asked for no upgrade");
    return;
  }
  exchange->state = State::kSocket;
  exchange->response.answered = true;
  exchange->response.status = 101;
  entry.core.changed.notify_all();
}

viaduct_flow http_send(const viaduct_host* host, std::uint64_t id, viaduct_str text) noexcept {
  HostEntry entry(host, "http.send");
  if (entry.refused) return VIADUCT_FLOW_GONE;
  ExchangeState* exchange = exchange_of(entry, id, "http.send");
  if (exchange == nullptr) return VIADUCT_FLOW_GONE;
  if (exchange->state != State::kSocket) {
    if (exchange->state == State::kWaiting) entry.core.fault("bad-argument", "send before accept");
    return gone(entry, *exchange, "http.send");
  }
  if (!entry.core.check_text(text, "a WebSocket message")) return VIADUCT_FLOW_OK;
  if (exchange->room) {
    if (*exchange->room == 0) {
      exchange->busy_told = true;
      return VIADUCT_FLOW_BUSY;
    }
    --*exchange->room;
  }
  exchange->messages.emplace_back(text_of(text));
  entry.core.changed.notify_all();
  return VIADUCT_FLOW_OK;
}

void http_close(const viaduct_host* host, std::uint64_t id, std::uint16_t code,
                viaduct_str reason) noexcept {
  HostEntry entry(host, "http.close");
  if (entry.refused) return;
  ExchangeState* exchange = exchange_of(entry, id, "http.close");
  if (exchange == nullptr || exchange->state == State::kClosed) return;
  if (exchange->state != State::kSocket) {
    entry.core.fault("bad-argument", "close of what is no WebSocket");
    return;
  }
  constexpr std::uint16_t kNormal = 1000;
  constexpr std::uint16_t kEnd = 5000;
  constexpr std::size_t kLongestReason = 123;
  if (code < kNormal || code >= kEnd || code == 1004 || code == 1005 || code == 1006 ||
      reason.size > kLongestReason) {
    entry.core.fault("bad-argument",
                     "close with code " + std::to_string(code) + " or a reason over 123 bytes");
  }
  entry.core.check_text(reason, "a close reason");
  entry.core.close_exchange(id, {code, std::string(text_of(reason))});
}

// ---------------------------------------------------------------- sink

bool is_object(std::string_view text) {
  const auto json = Json::parse(text);
  return json && json->is_object();
}

bool is_content(std::string_view text) {
  const auto json = Json::parse(text);
  if (!json || !json->is_object()) return false;
  const std::string& type = (*json)["type"].as_string();
  if (type == "image" || type == "audio")
    return !(*json)["data"].as_string().empty() && !(*json)["mimeType"].as_string().empty();
  const Json& resource = (*json)["resource"];
  return type == "resource" &&
         !(resource["text"].as_string() + resource["blob"].as_string()).empty();
}

viaduct_flow sink_emit(const viaduct_host* host, std::uint64_t id,
                       const viaduct_event* event) noexcept {
  HostEntry entry(host, "sink.emit");
  if (entry.refused) return VIADUCT_FLOW_GONE;
  Core& core = entry.core;
  if (event == nullptr || event->struct_size < sizeof(viaduct_event)) {
    core.fault("bad-argument", "emit without an event");
    return VIADUCT_FLOW_GONE;
  }
  const auto found = core.backend_sessions.find(id);
  if (found == core.backend_sessions.end()) {
    core.fault("unknown-session", "emit for session " + std::to_string(id) + ", never opened");
    return VIADUCT_FLOW_GONE;
  }
  BackendSession& session = found->second;
  constexpr std::size_t kRace = 100;
  if (!session.open) {
    if (++session.gone == kRace) core.fault("gone-ignored", "emit goes on after GONE");
    return VIADUCT_FLOW_GONE;
  }
  constexpr std::chrono::milliseconds kLate{250};
  const bool late = event->kind == VIADUCT_EVENT_TEXT && event->turn == session.ended_turn &&
                    std::chrono::steady_clock::now() - session.ended_at < kLate;
  if (event->turn != 0 && session.turns.count(event->turn) == 0 && !late) {
    core.fault("event-after-turn",
               "emit for turn " + std::to_string(event->turn) +
                   (event->turn <= session.newest_turn ? ", which was answered"
                                                       : ", which was never begun"));
    return VIADUCT_FLOW_GONE;
  }
  const bool content = event->kind == VIADUCT_EVENT_CONTENT;
  const bool text =
      event->kind == VIADUCT_EVENT_TEXT || event->kind == VIADUCT_EVENT_THOUGHT || content;
  if (text && event->turn != 0 && session.cancelled.count(event->turn) != 0) {
    return VIADUCT_FLOW_CANCELLED;
  }
  if (session.room) {
    if (*session.room == 0) {
      session.busy_told = true;
      ++session.refused;
      core.changed.notify_all();
      return VIADUCT_FLOW_BUSY;
    }
    --*session.room;
  }
  const std::size_t most = content ? kLargestContent : kLargest;
  if (event->json.size + (content ? 0 : event->text.size) > most) {
    core.fault("oversized", "an event is over " + std::to_string(most >> 20) + " MiB");
  }
  core.check_text(event->item, "an event's item");
  core.check_text(event->text, "an event's text");
  switch (event->kind) {
    case VIADUCT_EVENT_TOOL_CALL:
    case VIADUCT_EVENT_PERMISSION:
      if (event->item.size == 0) core.fault("bad-argument", "an event lacks its item");
      [[fallthrough]];
    case VIADUCT_EVENT_PLAN:
    case VIADUCT_EVENT_USAGE:
    case VIADUCT_EVENT_COMMANDS:
    case VIADUCT_EVENT_OPTIONS:
      if (!is_object(text_of(event->json))) {
        core.fault("bad-argument",
                   "an event of kind " + std::to_string(event->kind) + " without a JSON object");
      }
      break;
    case VIADUCT_EVENT_CONTENT:
      if (!is_content(text_of(event->json)))
        core.fault("bad-argument", "an event of kind CONTENT without an image, a sound or a file");
      if (event->text.size == 0) core.fault("bad-argument", "an event of kind CONTENT lacks words");
      break;
    default: break;
  }
  session.events.push_back({event->turn, event->kind, std::string(text_of(event->item)),
                            std::string(text_of(event->text)), std::string(text_of(event->json))});
  core.changed.notify_all();
  return VIADUCT_FLOW_OK;
}

constexpr viaduct_log kLog{sizeof(viaduct_log), 0, log_write};
constexpr viaduct_timer kTimer{sizeof(viaduct_timer), 0, timer_set, timer_cancel};
constexpr viaduct_metrics kMetrics{sizeof(viaduct_metrics), 0, metrics_count, metrics_gauge,
                                   metrics_observe};
constexpr viaduct_documents kDocuments{
    sizeof(viaduct_documents), 0, documents_get, documents_put, documents_remove, documents_scan};
constexpr viaduct_secrets kSecrets{sizeof(viaduct_secrets), 0, secrets_redact, secrets_resolve};
constexpr viaduct_memory kMemory{
    sizeof(viaduct_memory), 0, memory_message, memory_remember, memory_recall, memory_work_status,
    memory_work_log};
constexpr viaduct_overview kOverview{sizeof(viaduct_overview), 0, status_get, status_check};
constexpr viaduct_http kHttp{sizeof(viaduct_http), 0,          http_route, http_files,
                             http_respond,         http_begin, http_write, http_finish,
                             http_accept,          http_send,  http_close};
constexpr viaduct_sink kSink{sizeof(viaduct_sink), 0, sink_emit};

void host_drain(const viaduct_host* host) noexcept {
  core_of(host).drain();
}

}  // namespace

viaduct_host host_table() {
  viaduct_host host{};
  host.struct_size = sizeof(viaduct_host);
  host.abi_major = VIADUCT_ABI_MAJOR;
  host.abi_minor = VIADUCT_ABI_MINOR;
  host.service = host_service;
  host.complete = host_complete;
  host.post = host_post;
  host.fail = host_fail;
  host.drain = host_drain;
  return host;
}

const void* service_table(Core& core, const char* id) {
  const auto offer = [&](const char* name, const auto& table) -> const void* {
    return std::strcmp(name, id) == 0 ? core.table(name, &table, sizeof table) : nullptr;
  };
  const bool surface = core.plugin->kind == VIADUCT_KIND_SURFACE;
  const void* found = nullptr;
  if ((found = offer(VIADUCT_LOG, kLog))) return found;
  if ((found = offer(VIADUCT_TIMER, kTimer))) return found;
  if ((found = offer(VIADUCT_METRICS, kMetrics))) return found;
  if ((found = offer(VIADUCT_DOCUMENTS, kDocuments))) return found;
  if ((found = offer(VIADUCT_SECRETS, kSecrets))) return found;
  if ((found = offer(VIADUCT_MEMORY, kMemory))) return found;
  if ((found = offer(VIADUCT_OVERVIEW, kOverview))) return found;
  if ((found = offer(VIADUCT_HTTP, kHttp))) return found;
  if (surface && (found = offer(VIADUCT_SESSIONS, sessions_table()))) return found;
  if (surface && (found = offer(VIADUCT_DELIVERY, delivery_table()))) return found;
  if (!surface && (found = offer(VIADUCT_SINK, kSink))) return found;
  return nullptr;
}

}  // namespace viaduct::testing
