// The services that the host offers to every plugin, but for HTTP, sessions and delivery, which
// have files of their own.
#include "host/config/references.hpp"
#include "host/plugins/abi_text.hpp"
#include "host/plugins/instance.hpp"
#include "host/plugins/plugin_call.hpp"
#include "host/plugins/plugins_json.hpp"
#include "host/plugins/service_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace viaduct::plugins {

// ---------------------------------------------------------------- PluginCall

PluginCall::PluginCall(const viaduct_host* host, std::uint64_t call, const char* what, bool waits)
    : in_(host, what), call_(call), what_(what) {
  if (in_) in_->open_call(call_, waits);
}

PluginCall::~PluginCall() {
  if (in_ && error_) in_->answer(call_, std::unexpected(std::move(*error_)));
}

void PluginCall::require(bool holds, std::string_view otherwise) {
  if (!holds && !error_)
    error_ = Error{Errc::invalid_argument, fmt::format("{}: {}", what_, otherwise)};
}

std::string PluginCall::text(viaduct_str raw, const char* name) {
  if (!in_) return {};
  const std::string_view text = view(raw);
  if (!valid_utf8(text)) require(false, fmt::format("{} is no UTF-8", name));
  return std::string(text);
}

std::string PluginCall::json_array(viaduct_str raw, const char* name) {
  std::string value = text(raw, name);
  if (*this && !value.empty() && !is_json_array(value))
    require(false, fmt::format("{} is no JSON array", name));
  return value;
}

std::string PluginCall::json(viaduct_str raw, const char* name, std::size_t limit) {
  if (raw.size > limit)
    require(false, fmt::format("{} has {} bytes, more than {}", name, raw.size, limit));
  if (!*this) return {};
  std::string value = text(raw, name);
  if (*this && !is_json(value)) require(false, fmt::format("{} is no JSON", name));
  return value;
}

Principal PluginCall::principal(const viaduct_principal* who) {
  Principal principal;
  if (!in_) return principal;
  const bool there =
      who != nullptr && who->struct_size >= VIADUCT_SIZE_WITH(viaduct_principal, place);
  require(there, "the principal is null or too short");
  if (!there) return principal;
  principal.surface = in_->name();
  principal.user_id = text(who->user_id, "user_id");
  principal.display_name = text(who->display_name, "display_name");
  principal.tenant = text(who->tenant, "tenant");
  principal.place = text(who->place, "place");
  principal.is_operator = (who->flags & VIADUCT_PRINCIPAL_OPERATOR) != 0;
  require(!principal.user_id.empty(), "the principal has no user_id");
  return principal;
}

Done<std::string> PluginCall::done() {
  return [instance = in_->shared_from_this(), call = call_](Result<std::string> result) {
    instance->answer(call, std::move(result));
  };
}

namespace {

constexpr std::size_t kMaxLogLine = 16 << 10;
constexpr std::size_t kMaxKey = 512;
constexpr std::size_t kMaxDocument = 1 << 20;
constexpr std::size_t kMaxWorkLog = 1 << 20;
constexpr std::uint64_t kMaxTimer = 10ull * 365 * 24 * 3600 * 1000;

// ---------------------------------------------------------------- log

void log_write(const viaduct_host* host, std::int32_t level, viaduct_str message) noexcept {
  const HostCall in(host, "log.write");
  if (!in) return;
  const auto severity = level <= VIADUCT_LOG_DEBUG  ? Level::debug
                        : level == VIADUCT_LOG_INFO ? Level::info
                        : level == VIADUCT_LOG_WARN ? Level::warn
                                                    : Level::error;
  if (in->log().sink().enabled(severity))
    in->log().log(severity, "{}", repaired_utf8(view(message).substr(0, kMaxLogLine)));
}

// ---------------------------------------------------------------- timer

void timer_set(const viaduct_host* host, std::uint64_t token, std::uint64_t milliseconds) noexcept {
  const HostCall in(host, "timer.set");
  if (!in) return;
  if (!VIADUCT_HAS(&in->api(), timer)) {
    in->fault("it sets a timer but has no function timer");
    return;
  }
  const std::chrono::milliseconds after(std::min(milliseconds, kMaxTimer));
  in->services().loop.post(
      [instance = in->shared_from_this(), token, after] { instance->set_timer(token, after); });
}

void timer_cancel(const viaduct_host* host, std::uint64_t token) noexcept {
  if (const HostCall in(host, "timer.cancel"); in)
    in->services().loop.post(
        [instance = in->shared_from_this(), token] { instance->cancel_timer(token); });
}

// ---------------------------------------------------------------- metrics

enum class Figure { count, gauge, observe };

bool label_name(std::string_view name) {
  if (name.empty() || name.starts_with("__") || name == "instance") return false;
  const auto letter = [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  return letter(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) {
           return letter(c) || (c >= '0' && c <= '9');
         });
}

void metric(const viaduct_host* host, Figure figure, viaduct_str name, viaduct_str labels,
            double value) {
  const HostCall in(host, "metrics");
  if (!in) return;
  auto all = parse_labels(view(labels));
  if (!all || !std::isfinite(value) || (figure != Figure::gauge && value < 0)) {
    in->fault(fmt::format("a metric cannot be used: {}",
                          all ? "its value is negative or no number" : all.error().message));
    return;
  }
  for (const auto& [label, text] : *all)
    if (!label_name(label)) {
      in->fault(fmt::format("a metric has a label \"{}\", which cannot be used", label));
      return;
    }
  all->emplace("instance", in->name());
  Metrics& metrics = in->services().metrics;
  const std::string full = "viaduct_plugin_" + repaired_utf8(view(name));
  switch (figure) {
    case Figure::count: metrics.count(full, *all, value); break;
    case Figure::gauge: metrics.gauge(full, *all, value); break;
    case Figure::observe: metrics.observe(full, *all, value); break;
  }
}

void metrics_count(const viaduct_host* host, viaduct_str name, viaduct_str labels,
                   double by) noexcept {
  metric(host, Figure::count, name, labels, by);
}
void metrics_gauge(const viaduct_host* host, viaduct_str name, viaduct_str labels,
                   double value) noexcept {
  metric(host, Figure::gauge, name, labels, value);
}
void metrics_observe(const viaduct_host* host, viaduct_str name, viaduct_str labels,
                     double seconds) noexcept {
  metric(host, Figure::observe, name, labels, seconds);
}

// ---------------------------------------------------------------- documents

std::string document_key(PluginCall& in, viaduct_str raw) {
  std::string key = in.text(raw, "key");
  in.require(!key.empty() && key.size() <= kMaxKey, "a key has 1 to 512 bytes");
  return key;
}

void documents_get(const viaduct_host* host, std::uint64_t call, viaduct_str key) noexcept {
  PluginCall in(host, call, "documents.get");
  std::string name = document_key(in, key);
  if (!in) return;
  in.instance().services().store.get_document(
      in.instance().name(), std::move(name),
      as_json<store::Document>(in.done(), [](const auto& document) { return to_json(document); }));
}

void documents_put(const viaduct_host* host, std::uint64_t call, viaduct_str key,
                   viaduct_str value_json, std::uint64_t version) noexcept {
  PluginCall in(host, call, "documents.put");
  std::string name = document_key(in, key);
  std::string value = in.json(value_json, "the value", kMaxDocument);
  if (!in) return;
  in.instance().services().store.put_document(
      in.instance().name(), std::move(name), std::move(value), version,
      as_json<std::uint64_t>(in.done(), [](std::uint64_t now) { return version_json(now); }));
}

void documents_remove(const viaduct_host* host, std::uint64_t call, viaduct_str key,
                      std::uint64_t version) noexcept {
  PluginCall in(host, call, "documents.remove");
  std::string name = document_key(in, key);
  if (!in) return;
  in.instance().services().store.remove_document(in.instance().name(), std::move(name), version,
                                                 as_text(in.done()));
}

void documents_scan(const viaduct_host* host, std::uint64_t call, viaduct_str from, viaduct_str to,
                    std::uint32_t limit) noexcept {
  PluginCall in(host, call, "documents.scan");
  std::string first = in.text(from, "from");
  std::string end = in.text(to, "to");
  in.require(limit >= 1 && limit <= 1000, "limit is from 1 to 1000");
  if (!in) return;
  in.instance().services().store.scan_documents(
      in.instance().name(), std::move(first), std::move(end), limit,
      as_json<store::DocumentPage>(in.done(), [](const auto& page) { return to_json(page); }));
}

// ---------------------------------------------------------------- secrets

void secrets_redact(const viaduct_host* host, viaduct_str secret) noexcept {
  if (const HostCall in(host, "secrets.redact"); in) in->services().redactor.add(view(secret));
}

void secrets_resolve(const viaduct_host* host, std::uint64_t call, viaduct_str reference) noexcept {
  PluginCall in(host, call, "secrets.resolve");
  std::string wanted = in.text(reference, "reference");
  if (!in) return;
  in.on_loop([wanted = std::move(wanted)](Instance& instance, Done<std::string> done) mutable {
    const auto& references = instance.config().references;
    const auto found = references.find(wanted);
    if (found == references.end()) {
      done(fail(Errc::not_found, wanted + " is not in the configuration of " + instance.name()));
      return;
    }
    // Off the loop: a file may be slow.
    instance.dispatch("read a secret", [self = &instance, wanted, folder = instance.around().folder,
                                        done = std::move(done)]() mutable {
      const auto environment = [](const std::string& variable) -> std::optional<std::string> {
        const char* value = std::getenv(variable.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      };
      auto read = config::read_reference(wanted, {.folder = folder, .environment = environment});
      if (!read) {
        done(std::unexpected(read.error()));
        return;
      }
      self->services().redactor.add(*read);
      done(R"({"value":)" + json_quoted(*read) + "}");
    });
  });
}

// ---------------------------------------------------------------- memory

void memory_message(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                    viaduct_str text) noexcept {
  PluginCall in(host, call, "memory.message");
  Principal principal = in.principal(who);
  std::string message = in.text(text, "text");
  if (!in) return;
  in.on_loop([principal = std::move(principal), message = std::move(message)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().memory.message(principal, std::move(message), std::move(done));
  });
}

void memory_remember(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str text) noexcept {
  PluginCall in(host, call, "memory.remember");
  Principal principal = in.principal(who);
  std::string content = in.text(text, "text");
  if (!in) return;
  in.on_loop([principal = std::move(principal), content = std::move(content)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().memory.remember(principal, std::move(content), std::move(done));
  });
}

void memory_recall(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                   viaduct_str query) noexcept {
  PluginCall in(host, call, "memory.recall");
  Principal principal = in.principal(who);
  std::string words = in.text(query, "query");
  if (!in) return;
  in.on_loop([principal = std::move(principal), words = std::move(words)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().memory.recall(principal, std::move(words), std::move(done));
  });
}

void memory_work_status(const viaduct_host* host, std::uint64_t call,
                        const viaduct_principal* who) noexcept {
  PluginCall in(host, call, "memory.work_status");
  Principal principal = in.principal(who);
  if (!in) return;
  in.on_loop([principal = std::move(principal)](Instance& i, Done<std::string> done) mutable {
    i.services().memory.work_status(principal, std::move(done));
  });
}

void memory_work_log(const viaduct_host* host, std::uint64_t call, const viaduct_principal* who,
                     viaduct_str items_json) noexcept {
  PluginCall in(host, call, "memory.work_log");
  Principal principal = in.principal(who);
  std::string items = in.json(items_json, "items", kMaxWorkLog);
  if (!in) return;
  in.on_loop([principal = std::move(principal), items = std::move(items)](
                 Instance& i, Done<std::string> done) mutable {
    i.services().memory.work_log(principal, std::move(items), std::move(done));
  });
}

// ---------------------------------------------------------------- status

void status_get(const viaduct_host* host, std::uint64_t call) noexcept {
  PluginCall in(host, call, "overview.get");
  if (!in) return;
  in.on_loop([](Instance& i, Done<std::string> done) { i.around().overview(std::move(done)); });
}

void status_check(const viaduct_host* host, std::uint64_t call, viaduct_str instance) noexcept {
  PluginCall in(host, call, "overview.check");
  std::string name = in.text(instance, "instance");
  if (!in) return;
  in.on_loop([name = std::move(name)](Instance& i, Done<std::string> done) {
    i.around().check(name, std::move(done));
  });
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
constexpr viaduct_overview kStatus{sizeof(viaduct_overview), 0, status_get, status_check};

}  // namespace

const void* find_service(const Instance& instance, std::string_view id) {
  struct Service {
    std::string_view id;
    const void* table;
    bool surfaces, backends;
  };
  const Service services[] = {{VIADUCT_LOG, &kLog, true, true},
                              {VIADUCT_TIMER, &kTimer, true, true},
                              {VIADUCT_METRICS, &kMetrics, true, true},
                              {VIADUCT_DOCUMENTS, &kDocuments, true, true},
                              {VIADUCT_SECRETS, &kSecrets, true, true},
                              {VIADUCT_MEMORY, &kMemory, true, true},
                              {VIADUCT_OVERVIEW, &kStatus, true, true},
                              {VIADUCT_HTTP, &http_table(), true, true},
                              {VIADUCT_SESSIONS, &sessions_table(), true, false},
                              {VIADUCT_DELIVERY, &delivery_table(), true, false},
                              {VIADUCT_SINK, &sink_table(), false, true}};
  for (const Service& service : services)
    if (service.id == id)
      return (instance.info().is_surface ? service.surfaces : service.backends) ? service.table
                                                                                : nullptr;
  return nullptr;
}

}  // namespace viaduct::plugins
