#include "host/telemetry/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/detail/utils.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <shared_mutex>
#include <sstream>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <variant>

namespace viaduct {

namespace {

constexpr std::size_t kMostLabelSets = 1000;

const prometheus::Histogram::BucketBoundaries& seconds_buckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets{
      0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
      0.1,     0.25,   0.5,     1,      2.5,   5,      10,    30,   60,    300};
  return kBuckets;
}

// For what is measured in days: a name that ends with _age_seconds.
const prometheus::Histogram::BucketBoundaries& age_buckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets{
      60, 600, 3600, 6 * 3600, 12 * 3600, 86'400, 2 * 86'400, 7 * 86'400, 30 * 86'400, 90 * 86'400};
  return kBuckets;
}

bool is_name(std::string_view name, bool colon) {
  if (name.empty() || name.size() > 200 || name.starts_with("__")) return false;
  if (name[0] >= '0' && name[0] <= '9') return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colon && c == ':');
  });
}

// One bad byte would make Prometheus refuse the whole page.
bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t size = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead >= 0x80 && (lead < 0xC2 || lead > 0xF4)) return false;
    if (at + size > text.size()) return false;
    for (std::size_t i = 1; i < size; ++i)
      if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return false;
    at += size;
  }
  return true;
}

template <class T>
struct Series {
  prometheus::Family<T>* family = nullptr;
  std::unordered_map<Metrics::Labels, T*, prometheus::detail::LabelHasher> by_labels;
};
using Entry = std::variant<Series<prometheus::Counter>, Series<prometheus::Gauge>,
                           Series<prometheus::Histogram>>;

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  std::shared_mutex mutex;
  std::unordered_map<std::string, Entry> entries;
  prometheus::Counter& rejected =
      prometheus::BuildCounter()
          .Name("viaduct_metrics_rejected_total")
          .Help("Measurements with a name or labels that cannot be kept")
          .Register(registry)
          .Add({});

  template <class T>
  prometheus::Family<T>& make_family(const std::string& name) {
    if constexpr (std::is_same_v<T, prometheus::Counter>)
      return prometheus::BuildCounter().Name(name).Register(registry);
    else if constexpr (std::is_same_v<T, prometheus::Gauge>)
      return prometheus::BuildGauge().Name(name).Register(registry);
    else
      return prometheus::BuildHistogram().Name(name).Register(registry);
  }

  // Null, and counted, where it cannot be kept.
  template <class T>
  T* find(const std::string& name, const Labels& labels) {
    {
      const std::shared_lock lock(mutex);
      if (auto entry = entries.find(name); entry != entries.end()) {
        if (auto* series = std::get_if<Series<T>>(&entry->second))
          if (auto found = series->by_labels.find(labels); found != series->by_labels.end())
            return found->second;
      }
    }
    const std::unique_lock lock(mutex);
    T* made = make<T>(name, labels);
    if (made == nullptr) rejected.Increment();
    return made;
  }

  template <class T>
  T* make(const std::string& name, const Labels& labels) {
    if (!is_name(name, true) || name == "viaduct_metrics_rejected_total") return nullptr;
    for (const auto& [label, value] : labels)
      if (!is_name(label, false) || label == "le" || !is_utf8(value)) return nullptr;
    auto entry = entries.find(name);
    if (entry == entries.end())
      entry = entries.emplace(name, Series<T>{&make_family<T>(name), {}}).first;
    auto* series = std::get_if<Series<T>>(&entry->second);
    if (series == nullptr) return nullptr;
    if (auto found = series->by_labels.find(labels); found != series->by_labels.end())
      return found->second;
    if (series->by_labels.size() >= kMostLabelSets) return nullptr;
    T* metric = nullptr;
    if constexpr (std::is_same_v<T, prometheus::Histogram>)
      metric = &series->family->Add(
          labels, name.ends_with("_age_seconds") ? age_buckets() : seconds_buckets());
    else
      metric = &series->family->Add(labels);
    series->by_labels.emplace(labels, metric);
    return metric;
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::count(const std::string& name, const Labels& labels, double by) {
  if (!(by >= 0) || std::isinf(by)) return impl_->rejected.Increment();
  if (auto* counter = impl_->find<prometheus::Counter>(name, labels)) counter->Increment(by);
}

void Metrics::gauge(const std::string& name, const Labels& labels, double value) {
  if (auto* gauge = impl_->find<prometheus::Gauge>(name, labels)) gauge->Set(value);
}

void Metrics::observe(const std::string& name, const Labels& labels, double seconds) {
  if (!std::isfinite(seconds)) return impl_->rejected.Increment();
  if (auto* histogram = impl_->find<prometheus::Histogram>(name, labels))
    histogram->Observe(seconds);
}

std::string Metrics::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, impl_->registry.Collect());
  return std::move(out).str();
}

}  // namespace viaduct
