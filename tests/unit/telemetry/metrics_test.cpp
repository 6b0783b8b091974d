#include "host/telemetry/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <thread>
#include <vector>

namespace viaduct {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Metrics, AddsUpACounterForEachSetOfLabels) {
  Metrics metrics;
  metrics.count("viaduct_turns_total", {{"backend", "echo"}});
  metrics.count("viaduct_turns_total", {{"backend", "echo"}}, 2);
  metrics.count("viaduct_turns_total", {{"backend", "other"}});
  metrics.count("viaduct_starts_total");
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("# TYPE viaduct_turns_total counter\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_turns_total{backend=\"echo\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_turns_total{backend=\"other\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_starts_total 1\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_metrics_rejected_total 0\n"));
}

TEST(Metrics, KeepsTheLastValueOfAGauge) {
  Metrics metrics;
  metrics.gauge("viaduct_sessions", {}, 5);
  metrics.gauge("viaduct_sessions", {}, -2);
  EXPECT_THAT(metrics.text(), HasSubstr("# TYPE viaduct_sessions gauge\nviaduct_sessions -2\n"));
}

TEST(Metrics, SortsObservationsIntoBuckets) {
  Metrics metrics;
  metrics.observe("viaduct_turn_seconds", {}, 0.0003);
  metrics.observe("viaduct_turn_seconds", {}, 2);
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("viaduct_turn_seconds_bucket{le=\"0.0005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_turn_seconds_bucket{le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_turn_seconds_count 2\n"));
}

TEST(Metrics, RejectsWhatPrometheusDoesNotAllow) {
  Metrics metrics;
  metrics.count("1st");
  metrics.count("");
  metrics.count("with space");
  metrics.count("__reserved");
  metrics.count("ok_total", {{"a-b", "x"}});
  metrics.count("ok_total", {{"a", "\xff"}});
  metrics.observe("ok_seconds", {{"le", "1"}}, 1);
  metrics.count("ok_total", {}, -1);
  metrics.count("ok_total", {}, std::numeric_limits<double>::quiet_NaN());
  metrics.observe("ok_seconds", {}, std::numeric_limits<double>::infinity());
  metrics.count("viaduct_metrics_rejected_total");
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("viaduct_metrics_rejected_total 11\n"));
  EXPECT_THAT(text, Not(HasSubstr("ok_")));
}

TEST(Metrics, RejectsANameThatIsUsedForAnotherKind) {
  Metrics metrics;
  metrics.count("viaduct_x");
  metrics.gauge("viaduct_x", {}, 7);
  metrics.observe("viaduct_x", {}, 7);
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("viaduct_x 1\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_metrics_rejected_total 2\n"));
}

TEST(Metrics, KeepsAThousandSetsOfLabelsForAName) {
  Metrics metrics;
  for (int i = 0; i < 1010; ++i) metrics.count("viaduct_x", {{"i", std::to_string(i)}});
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("viaduct_x{i=\"999\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("viaduct_x{i=\"1000\"}")));
  EXPECT_THAT(text, HasSubstr("viaduct_metrics_rejected_total 10\n"));
}

TEST(Metrics, MeasuresAgesInDaysAndTheRestInSeconds) {
  Metrics metrics;
  metrics.observe("viaduct_x_age_seconds", {}, 90'000);
  metrics.observe("viaduct_x_seconds", {}, 90'000);
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("viaduct_x_age_seconds_bucket{le=\"86400\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_x_age_seconds_bucket{le=\"172800\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("viaduct_x_seconds_bucket{le=\"300\"} 0\n"));
}

TEST(Metrics, EscapesLabelValues) {
  Metrics metrics;
  metrics.count("viaduct_x", {{"a", "q\"b\\n\nü"}});
  EXPECT_THAT(metrics.text(), HasSubstr("viaduct_x{a=\"q\\\"b\\\\n\\nü\"} 1\n"));
}

TEST(Metrics, CountsFromSeveralThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&metrics] {
      for (int n = 0; n < 1000; ++n) {
        metrics.count("viaduct_x", {{"n", std::to_string(n % 10)}});
        if (n % 100 == 0) (void)metrics.text();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(metrics.text(), HasSubstr("viaduct_x{n=\"3\"} 400\n"));
}

}  // namespace
}  // namespace viaduct
