#include "controlplane/rpc/rpc_server.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <grpc/support/log.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "base/log/logger.h"
#include "base/status/status_macros.h"
#include "controlplane/rpc/server_credentials.h"
#include "controlplane/rpc/unix_socket_listener.h"
#include "proto/contract/limits.h"

namespace rolemesh::controlplane {
namespace {

using ExternalAcceptor = grpc::experimental::ExternalConnectionAcceptor;

constexpr int kMaxStreamsPerConnection = 100;
constexpr int kKeepaliveMillis = 20'000;
constexpr int kKeepaliveTimeoutMillis = 10'000;
constexpr int kMinPingIntervalMillis = 10'000;  // clients ping every 20 s

// gRPC's own lines go where ours go. It logs as errors what peers do wrong, and each handshake
// whose server name is not in our certificate, which names a SPIFFE id only.
void LogFromGrpc(gpr_log_func_args* args) {
  const bool matters = args->severity == GPR_LOG_SEVERITY_ERROR &&
                       !absl::StartsWith(args->message, "No match found for server name");
  base::Log(matters ? base::LogLevel::kWarn : base::LogLevel::kDebug, "grpc", args->message);
}

void PrepareGrpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    RequireTls13();
    gpr_set_log_function(&LogFromGrpc);
    grpc::EnableDefaultHealthCheckService(true);
  });
}

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(contract::kMaxMessageBytes);
  builder.SetMaxSendMessageSize(contract::kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMillis);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMillis);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // -25 % CPU per heartbeat
  // Otherwise a second control plane on the port would silently take half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

struct RpcServer::Parts {
  Services services;
  std::unique_ptr<grpc::Server> tls_server;
  std::unique_ptr<grpc::Server> socket_server;
  std::unique_ptr<ExternalAcceptor> acceptor;
  std::unique_ptr<UnixSocketListener> socket_listener;  // last: it calls the acceptor
  int port = 0;
  bool shut_down = false;
};

RpcServer::RpcServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Build(
    const RpcServerOptions& options, const CertificateAuthenticator* authenticator,
    Services tls_services, Services socket_services) {
  PrepareGrpc();
  auto parts = std::make_unique<Parts>();
  RM_ASSIGN_OR_RETURN(parts->socket_listener, UnixSocketListener::Build(options.socket_path));

  grpc::ServerBuilder socket_builder;
  SetLimits(socket_builder);
  for (const std::shared_ptr<grpc::Service>& service : socket_services) {
    socket_builder.RegisterService(service.get());
  }
  parts->acceptor = socket_builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  parts->socket_server = socket_builder.BuildAndStart();
  if (parts->socket_server == nullptr) return absl::InternalError("gRPC cannot serve the socket");

  grpc::ServerBuilder tls_builder;
  SetLimits(tls_builder);
  for (const std::shared_ptr<grpc::Service>& service : tls_services) {
    tls_builder.RegisterService(service.get());
  }
  tls_builder.AddListeningPort(
      options.listen.ToString(),
      MakeServerCredentials(options.server_pem_path, options.roots_pem_path, authenticator),
      &parts->port);
  parts->tls_server = tls_builder.BuildAndStart();
  if (parts->tls_server == nullptr || parts->port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen ", options.listen.ToString(),
                     ": cannot be bound; is another program listening there?"));
  }

  parts->services = std::move(tls_services);
  for (std::shared_ptr<grpc::Service>& service : socket_services) {
    parts->services.push_back(std::move(service));
  }
  parts->socket_listener->Start([acceptor = parts->acceptor.get()](int fd) {
    ExternalAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    acceptor->HandleNewConnection(&connection);
  });
  return absl::WrapUnique(new RpcServer(std::move(parts)));
}

RpcServer::~RpcServer() {
  Shutdown(absl::ZeroDuration());
}

uint16_t RpcServer::port() const {
  return static_cast<uint16_t>(parts_->port);
}

void RpcServer::SetServing(bool serving) {
  for (const auto* server : {&parts_->tls_server, &parts_->socket_server}) {
    grpc::HealthCheckServiceInterface* health = (*server)->GetHealthCheckService();
    if (health != nullptr) health->SetServingStatus(serving);
  }
}

void RpcServer::Shutdown(absl::Duration grace) {
  if (parts_->shut_down) return;
  parts_->shut_down = true;
  SetServing(false);
  parts_->socket_listener->Stop();
  const auto deadline = std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace);
  parts_->tls_server->Shutdown(deadline);
  parts_->socket_server->Shutdown(deadline);
}

}  // namespace rolemesh::controlplane
