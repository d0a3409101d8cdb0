#include "dataplane/forwarding/edge_metrics.h"

#include "absl/strings/str_cat.h"

namespace rolemesh::dataplane {

const RoleMetrics& EdgeMetrics::OfRole(absl::string_view role) {
  const auto found = roles_.find(role);
  if (found != roles_.end()) {
    return found->second;
  }
  const base::MetricLabels labels = {{"role", std::string(role)}};
  RoleMetrics metrics;
  metrics.in_flight = &registry_.AddGauge("rolemesh_edge_requests_in_flight",
                                          "Requests that are with an endpoint.", labels);
  metrics.retries = &registry_.AddCounter("rolemesh_edge_retries_total",
                                          "Attempts after a request's first.", labels);
  metrics.first_byte_seconds = &registry_.AddHistogram(
      "rolemesh_edge_first_byte_seconds", "From the whole request to the head of its answer.",
      base::LatencyBounds(), labels);
  metrics.request_bytes =
      &registry_.AddCounter("rolemesh_edge_request_bytes_total", "Payload of requests.", labels);
  metrics.answer_bytes =
      &registry_.AddCounter("rolemesh_edge_answer_bytes_total", "Payload of answers.", labels);
  return roles_.emplace(std::string(role), metrics).first->second;
}

void EdgeMetrics::OnAnswer(absl::string_view role, int http_status) {
  base::Counter*& counter = answers_[{std::string(role), http_status}];
  if (counter == nullptr) {
    counter = &registry_.AddCounter(
        "rolemesh_edge_requests_total", "Requests answered, by role and status.",
        {{"role", std::string(role)}, {"status", absl::StrCat(http_status)}});
  }
  counter->Increment();
}

}  // namespace rolemesh::dataplane
