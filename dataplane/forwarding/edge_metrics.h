// What the edge counts about requests.
#pragma once

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "base/metrics/registry.h"

namespace rolemesh::dataplane {

/// One role's metrics.
struct RoleMetrics {
  base::Gauge* in_flight;
  base::Counter* retries;
  base::Histogram* first_byte_seconds;
  base::Counter* request_bytes;
  base::Counter* answer_bytes;
};

/// Finds metrics without the registry's lock once they were used.
/// Thread-safety: owned by one thread; the metrics themselves are shared.
class EdgeMetrics {
 public:
  explicit EdgeMetrics(base::MetricRegistry& registry) : registry_(registry) {}

  const RoleMetrics& OfRole(absl::string_view role);
  /// `role` is one of the table's, or "" when the request did not come to one.
  void OnAnswer(absl::string_view role, int http_status);

 private:
  base::MetricRegistry& registry_;
  absl::flat_hash_map<std::string, RoleMetrics> roles_;
  absl::flat_hash_map<std::pair<std::string, int>, base::Counter*> answers_;
};

}  // namespace rolemesh::dataplane
