#include "agent/front/front.h"

#include <utility>

#include "agent/front/front_handler.h"
#include "base/status/status_macros.h"
#include "dataplane/downstream/connection_server.h"

namespace rolemesh::agent {

struct Front::State {
  State(const FrontOptions& given, InstanceDirectory& directory_given,
        base::MetricRegistry& registry)
      : options(given), directory(directory_given), metrics(registry) {}

  const FrontOptions options;
  InstanceDirectory& directory;
  FrontMetrics metrics;
  uint64_t death_listener = 0;  // 0: none
  std::unique_ptr<dataplane::ConnectionServer> server;
};

Front::Front(std::unique_ptr<State> state) : state_(std::move(state)) {}

Front::~Front() {
  Stop();
}

absl::StatusOr<std::unique_ptr<Front>> Front::Build(const FrontOptions& options,
                                                    InstanceDirectory& directory,
                                                    const FrontTrust& trust,
                                                    const base::Clock& clock,
                                                    base::MetricRegistry& metrics) {
  auto state = std::make_unique<State>(options, directory, metrics);
  State* const raw = state.get();
  dataplane::ServerOptions server;
  server.name = "front";
  server.address = options.listen;
  server.thread_count = options.thread_count;
  server.max_connections = options.max_connections;
  server.limits = options.limits;
  server.tls = [&trust] { return trust.context(); };
  RM_ASSIGN_OR_RETURN(state->server,
                      dataplane::ConnectionServer::Build(
                          std::move(server), clock, metrics, [&](base::IoExecutor executor, int) {
                            return std::make_unique<FrontHandler>(executor, raw->options, directory,
                                                                  trust, clock, raw->metrics);
                          }));
  return std::unique_ptr<Front>(new Front(std::move(state)));
}

const base::SocketAddress& Front::address() const {
  return state_->server->address();
}

void Front::Start() {
  state_->death_listener =
      state_->directory.AddDeathListener([this](const std::string& id, uint64_t generation) {
        state_->server->Post([id, generation](dataplane::ConnectionServer::Handler& handler) {
          static_cast<FrontHandler&>(handler).OnInstanceDeath(id, generation);
        });
      });
  state_->server->Start();
}

void Front::Drain(absl::Duration cap) {
  state_->server->Drain(absl::ZeroDuration(), cap);
}

void Front::Stop() {
  if (state_->death_listener != 0) {
    state_->directory.RemoveDeathListener(std::exchange(state_->death_listener, 0));
  }
  state_->server->Stop();
}

}  // namespace rolemesh::agent
