// What the front does with one edge's requests.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"

#include "agent/front/front.h"
#include "dataplane/downstream/connection_server.h"
#include "dataplane/upstream/upstream_pool.h"

namespace rolemesh::agent {

/// Counters that all threads of a front share.
struct FrontMetrics {
  explicit FrontMetrics(base::MetricRegistry& registry);

  base::Gauge& in_flight;
  base::Histogram& first_byte_seconds;
  base::Counter& payload_bytes;
  base::MetricRegistry& registry;

  void OnAnswer(int http_status);
};

/// Serves the connections of one thread.
/// Thread-safety: owned by its thread. Ownership: everything given outlives it.
class FrontHandler final : public dataplane::ConnectionServer::Handler {
 public:
  FrontHandler(base::IoExecutor executor, const FrontOptions& options,
               const InstanceDirectory& directory, const FrontTrust& trust,
               const base::Clock& clock, FrontMetrics& metrics);

  base::IoTask<> Serve(dataplane::ClientConnection* client) override;
  void Close() override;

  /// Breaks off what runs on that generation.
  void OnInstanceDeath(const std::string& id, uint64_t generation);

 private:
  // True: the connection may go on.
  base::IoTask<bool> Handle(dataplane::ClientConnection* client);
  base::IoTask<bool> Forward(dataplane::ClientConnection* client,
                             std::shared_ptr<const InstanceEntry> instance, std::string body);
  base::IoTask<bool> Refuse(dataplane::ClientConnection* client, int http_status,
                            std::string fields, std::string message, std::string code);

  const FrontOptions& options_;
  const InstanceDirectory& directory_;
  const FrontTrust& trust_;
  const base::Clock& clock_;
  FrontMetrics& metrics_;
  dataplane::UpstreamPool pool_;
  // What runs, and on which instance.
  absl::flat_hash_map<dataplane::HttpRelay*, std::shared_ptr<const InstanceEntry>> running_;
};

}  // namespace rolemesh::agent
