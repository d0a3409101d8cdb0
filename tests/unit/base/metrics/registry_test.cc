#include "base/metrics/registry.h"

#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rolemesh::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricRegistryTest, RendersTheTextFormat) {
  MetricRegistry registry;
  registry.AddCounter("rolemesh_requests_total", "Requests.", {{"role", "coder"}}).Increment(3);
  registry.AddCounter("rolemesh_requests_total", "Requests.", {{"role", "a\"\\\n"}});
  registry.AddGauge("rolemesh_slots_free", "Free slots.").Set(1.5);
  Histogram& histogram = registry.AddHistogram("rolemesh_wait_seconds", "Wait.", {0.1, 1});
  histogram.Observe(0.1);
  histogram.Observe(0.5);
  histogram.Observe(7);
  registry.AddCallbackGauge("rolemesh_open", "Open.", {}, [] { return 123456789.0; });
  EXPECT_EQ(registry.Render(), R"(# HELP rolemesh_open Open.
# TYPE rolemesh_open gauge
rolemesh_open 123456789
# HELP rolemesh_requests_total Requests.
# TYPE rolemesh_requests_total counter
rolemesh_requests_total{role="a\"\\\n"} 0
rolemesh_requests_total{role="coder"} 3
# HELP rolemesh_slots_free Free slots.
# TYPE rolemesh_slots_free gauge
rolemesh_slots_free 1.5
# HELP rolemesh_wait_seconds Wait.
# TYPE rolemesh_wait_seconds histogram
rolemesh_wait_seconds_bucket{le="0.1"} 1
rolemesh_wait_seconds_bucket{le="1"} 2
rolemesh_wait_seconds_bucket{le="+Inf"} 3
rolemesh_wait_seconds_sum 7.6
rolemesh_wait_seconds_count 3
)");
}

TEST(MetricRegistryTest, TheSameLabelsAreTheSameChild) {
  MetricRegistry registry;
  Counter& first = registry.AddCounter("rolemesh_x_total", "X.", {{"a", "1"}});
  EXPECT_EQ(&first, &registry.AddCounter("rolemesh_x_total", "X.", {{"a", "1"}}));
  EXPECT_NE(&first, &registry.AddCounter("rolemesh_x_total", "X.", {{"a", "2"}}));
}

TEST(MetricRegistryTest, LabelsFromOutsideCannotGrowAFamily) {
  MetricRegistry registry(/*max_children=*/2);
  registry.AddCounter("rolemesh_x_total", "X.", {{"a", "0"}});
  for (int i = 1; i < 100; ++i) {
    registry.AddCounter("rolemesh_x_total", "X.", {{"a", absl::StrCat(i)}}).Increment();
  }
  registry.AddCounter("rolemesh_x_total", "X.", {{"a", "0"}}).Increment();
  EXPECT_THAT(registry.Render(), HasSubstr("{a=\"0\"} 1\n"));
  EXPECT_THAT(registry.Render(), HasSubstr("{a=\"other\"} 98\n"));
  EXPECT_THAT(registry.Render(), Not(HasSubstr("{a=\"2\"}")));
}

TEST(MetricRegistryTest, RemovedCallbacksAreNotCalled) {
  MetricRegistry registry;
  registry.AddCallbackCounter("rolemesh_x_total", "X.", {}, []() -> double {
    ADD_FAILURE();
    return 0;
  });
  registry.RemoveCallbacks("rolemesh_x_total");
  EXPECT_EQ(registry.Render(), "");
}

TEST(MetricRegistryTest, ACallbackMayAddAMetric) {
  MetricRegistry registry;
  registry.AddCallbackGauge("rolemesh_a", "A.", {}, [&registry] {
    registry.AddGauge("rolemesh_b", "B.");
    return 1.0;
  });
  EXPECT_THAT(registry.Render(), HasSubstr("rolemesh_a 1\n"));
}

TEST(MetricRegistryDeathTest, WrongNamesDie) {
  MetricRegistry registry;
  registry.AddGauge("rolemesh_slots", "S.");
  EXPECT_DEATH(registry.AddGauge("slots", "S."), "rolemesh_");
  EXPECT_DEATH(registry.AddCounter("rolemesh_requests", "R."), "_total");
  EXPECT_DEATH(registry.AddHistogram("rolemesh_slots", "S.", {1}), "one kind");
  EXPECT_DEATH(registry.AddGauge("rolemesh_slots", "S.", {{"a", "b"}}), "label names");
}

}  // namespace
}  // namespace rolemesh::base
