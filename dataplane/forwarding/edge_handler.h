// One client request's life at the edge.
#pragma once

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/optional.h"

#include "dataplane/downstream/connection_server.h"
#include "dataplane/forwarding/edge_metrics.h"
#include "dataplane/forwarding/edge_server.h"
#include "dataplane/forwarding/http_relay.h"
#include "dataplane/openai/api_error.h"
#include "dataplane/openai/api_paths.h"
#include "dataplane/openai/models_body.h"
#include "dataplane/openai/request_inspection.h"

namespace rolemesh::dataplane {

/// What all threads of an edge share.
struct EdgeShared {
  EdgeOptions options;
  const RouteTableHolder& tables;
  KeyVerifier verify_key;
  HopContext hop_context;
  const base::Clock& clock;
  base::MetricRegistry& metrics;
  EndpointHealth health;
  std::atomic<bool> draining{false};
};

/// Serves the connections of one thread. One request goes: head, key, body, inspection, role,
/// endpoint, exchange, answer; docs/life_of_a_request.md walks through it.
///
/// Thread-safety: owned by its thread. Ownership: `shared` outlives it.
class EdgeHandler final : public ConnectionServer::Handler {
 public:
  /// `probes`: this thread also asks ejected endpoints whether they are back.
  EdgeHandler(base::IoExecutor executor, EdgeShared& shared, bool probes);

  base::IoTask<> Serve(ClientConnection* client) override;
  void Close() override;

  void CloseIdleUpstreams() { pool_.CloseIdle(); }

 private:
  // One request, from its head to its answer.
  struct Request {
    ClientConnection* client = nullptr;
    std::string id;
    const ApiPath* path = nullptr;  // null: unknown
    bool to_head = false;
    std::shared_ptr<const RouteTable> table;
    const ApiKey* key = nullptr;  // points into `table`
    const Role* role = nullptr;   // points into `table`
    std::string body;
    RequestInspection inspection;
    base::SteadyTime start;

    ErrorShape errors() const { return path != nullptr ? path->errors : ErrorShape::kOpenAi; }
  };
  // What one attempt at an endpoint came to.
  struct Attempt {
    enum Kind {
      kAnswered,  // the client has its answer
      kFailed,    // before its first byte: another endpoint may be tried
      kGivenUp,   // `error` is the answer
    };
    Kind kind = kFailed;
    bool go_on = false;       // kAnswered: the client's connection may
    bool stale = false;       // kFailed: an idle connection had died
    int answered_status = 0;  // kAnswered
    ApiError error;           // otherwise: what to say when nothing else is tried
  };

  // Each: true when the connection may go on.
  base::IoTask<bool> Handle(ClientConnection* client);
  base::IoTask<bool> AnswerError(Request* request, ApiError error, std::string fields = {});
  base::IoTask<bool> AnswerJson(Request* request, int http_status, std::string body);
  base::IoTask<bool> AnswerItself(Request* request);
  base::IoTask<bool> Forward(Request* request);

  base::IoTask<Attempt> Try(Request* request, HttpRelay* relay,
                            std::shared_ptr<const Endpoint> endpoint, bool fresh_connection);
  base::IoTask<Attempt> Deliver(Request* request, HttpRelay* relay,
                                std::shared_ptr<const Endpoint> endpoint);

  absl::optional<ApiError> Authenticate(Request* request) const;
  absl::optional<ApiError> FindRole(Request* request) const;
  ModelListing Listing(const Role& role);
  bool IsUsable(const Role& role);
  std::string AnswerFields(const Request& request, const Endpoint* endpoint) const;
  std::string UpstreamHead(const Request& request, const Endpoint& endpoint,
                           size_t body_bytes) const;
  std::shared_ptr<EndpointState> StateOf(const Request& request, const Endpoint& endpoint);
  absl::optional<size_t> Choose(const Request& request, const std::vector<bool>& tried);
  void OnAnswered(const Request& request, int http_status, const Endpoint* endpoint,
                  uint64_t bytes);
  base::IoTask<> ProbeLoop();

  EdgeShared& shared_;
  const base::IoExecutor executor_;
  UpstreamPool pool_;
  EdgeMetrics metrics_;
  std::mt19937_64 random_;
  bool closed_ = false;
  // The states of the table that was used last.
  std::shared_ptr<const RouteTable> states_table_;
  absl::flat_hash_map<const Endpoint*, std::shared_ptr<EndpointState>> states_;
};

}  // namespace rolemesh::dataplane
