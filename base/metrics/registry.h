// Numbers about this process, for Prometheus to scrape.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace rolemesh::base {

/// Names and values, in the order in which they are shown. Never a prompt, a
/// session or a secret.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// A count that only grows. Each has cache lines of its own.
/// Thread-safety: thread-safe, lock-free.
class alignas(64) Counter {
 public:
  void Increment(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// A value that goes both ways.
/// Thread-safety: thread-safe, lock-free.
class alignas(64) Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

/// How often values fell below each bound.
/// Thread-safety: thread-safe, lock-free; a render may see an observation in the
/// buckets and not yet in the sum.
class alignas(64) Histogram {
 public:
  /// `bounds` ascend; a bucket for everything above the last is added.
  explicit Histogram(std::vector<double> bounds);

  void Observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  /// Observations in bucket `i` alone, 0 <= i <= bounds().size().
  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  const std::unique_ptr<std::atomic<uint64_t>[]> buckets_;
  std::atomic<double> sum_{0};
};

/// 1 ms to 60 s in 15 steps, in seconds: time to first byte, request time.
std::vector<double> LatencyBounds();

/// The metrics of one program: made in its assembly, handed to whoever counts,
/// rendered by its admin listener.
///
/// Names are `rolemesh_[a-z0-9_]+` (a counter ends in `_total`) and a name has
/// one kind, one help text and one set of label names; anything else is our bug
/// and dies at the first call. `Add...` with labels seen before returns the
/// same child. The references live as long as the registry: look a child up
/// once and keep it, the lookup takes a lock.
///
/// A family has at most `max_children` children (labels come from outside,
/// memory must not); labels beyond that share one child whose values are all
/// "other".
///
/// Thread-safety: thread-safe.
class MetricRegistry {
 public:
  explicit MetricRegistry(size_t max_children = 1000);
  ~MetricRegistry();
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  Counter& AddCounter(absl::string_view name, absl::string_view help,
                      const MetricLabels& labels = {});
  Gauge& AddGauge(absl::string_view name, absl::string_view help, const MetricLabels& labels = {});
  /// The first call for `name` fixes the bounds.
  Histogram& AddHistogram(absl::string_view name, absl::string_view help,
                          const std::vector<double>& bounds, const MetricLabels& labels = {});

  /// Asks `read` at each Render(), from the thread that renders and without a
  /// lock held. What `read` touches outlives the registry, or calls
  /// RemoveCallbacks() first. A second callback for the same labels replaces the first.
  void AddCallbackGauge(absl::string_view name, absl::string_view help, const MetricLabels& labels,
                        std::function<double()> read);
  /// The same for a value that only grows and is counted elsewhere.
  void AddCallbackCounter(absl::string_view name, absl::string_view help,
                          const MetricLabels& labels, std::function<double()> read);
  /// Drops every callback of `name`; a Render() that already runs is waited for.
  void RemoveCallbacks(absl::string_view name);

  /// The text exposition format 0.0.4 (Content-Type: text/plain; version=0.0.4),
  /// families by name, children by label values.
  std::string Render();

 private:
  enum class Kind { kCounter, kGauge, kHistogram, kCallbackGauge, kCallbackCounter };
  struct Child;
  struct Family;

  Child& FindOrAddChild(Kind kind, absl::string_view name, absl::string_view help,
                        const MetricLabels& labels) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_children_;
  absl::Mutex render_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);  // held for a whole Render()
  absl::Mutex mutex_;
  absl::btree_map<std::string, std::unique_ptr<Family>> families_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rolemesh::base
