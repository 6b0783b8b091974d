// Counters, gauges and histograms, served at /metrics in the Prometheus text format. Any thread.
#pragma once

#include <map>
#include <memory>
#include <string>

namespace viaduct {

class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;
  Metrics();
  ~Metrics();

  // `name` with its prefix ("viaduct_turns_total"). A name that Prometheus does not allow, or one
  // that is used for another kind, is ignored and counted in viaduct_metrics_rejected_total. At
  // most 1,000 label sets for a name.
  void count(const std::string& name, const Labels& labels = {}, double by = 1);
  void gauge(const std::string& name, const Labels& labels, double value);
  // Buckets up to minutes; for a name that ends with _age_seconds, up to months.
  void observe(const std::string& name, const Labels& labels, double seconds);

  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace viaduct
