#include "dataplane/forwarding/edge_server.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/status/status_macros.h"
#include "dataplane/downstream/connection_server.h"
#include "dataplane/forwarding/edge_handler.h"

namespace rolemesh::dataplane {

struct EdgeServer::State {
  EdgeShared shared;
  std::unique_ptr<ConnectionServer> server;
};

EdgeServer::EdgeServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

EdgeServer::~EdgeServer() {
  Stop();
}

absl::StatusOr<std::unique_ptr<EdgeServer>> EdgeServer::Build(
    const EdgeOptions& options, const RouteTableHolder& tables, KeyVerifier verify_key,
    HopContext hop_context, const base::Clock& clock, base::MetricRegistry& metrics) {
  std::unique_ptr<State> state(new State{
      {options, tables, std::move(verify_key), std::move(hop_context), clock, metrics, {}, {}},
      nullptr});
  EdgeShared* const shared = &state->shared;
  ServerOptions server;
  server.name = "edge";
  server.address = options.listen;
  server.thread_count = options.thread_count > 0
                            ? options.thread_count
                            : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  server.max_connections = options.max_connections;
  server.limits = options.limits;
  RM_ASSIGN_OR_RETURN(state->server,
                      ConnectionServer::Build(std::move(server), clock, metrics,
                                              [shared](base::IoExecutor executor, int thread) {
                                                return std::make_unique<EdgeHandler>(
                                                    executor, *shared,
                                                    /*probes=*/thread == 0);
                                              }));
  return std::unique_ptr<EdgeServer>(new EdgeServer(std::move(state)));
}

const base::SocketAddress& EdgeServer::address() const {
  return state_->server->address();
}

void EdgeServer::Start() {
  state_->server->Start();
}

void EdgeServer::Drain(absl::Duration delay, absl::Duration cap) {
  state_->shared.draining = true;
  state_->server->Drain(delay, cap);
}

void EdgeServer::Stop() {
  state_->server->Stop();
}

void EdgeServer::OnHopContextChanged() {
  state_->server->Post([](ConnectionServer::Handler& handler) {
    static_cast<EdgeHandler&>(handler).CloseIdleUpstreams();
  });
}

EndpointHealth& EdgeServer::health() {
  return state_->shared.health;
}

}  // namespace rolemesh::dataplane
