// The control plane's two gRPC servers: TLS for the mesh, a unix socket for this machine's admin.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/net/socket_address.h"
#include "controlplane/rpc/certificate_authenticator.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace rolemesh::controlplane {

struct RpcServerOptions {
  base::SocketAddress listen;   ///< Port 0 for tests.
  std::string socket_path;      ///< See UnixSocketListener.
  std::string server_pem_path;  ///< See ServerCertificate.
  std::string roots_pem_path;
};

/// Serves from Build() until Shutdown(). Messages are at most 4 MiB; clients are pinged every 20 s
/// and cut when they do not answer in 10 s. grpc.health.v1 answers anyone.
///
/// Thread-safety: owned by its maker.
/// Ownership: shares the services; `authenticator` outlives it.
class RpcServer {
 public:
  using Services = std::vector<std::shared_ptr<grpc::Service>>;

  /// `tls_services` are for the mesh, `socket_services` run with the authority of an admin.
  /// Errors: FailedPrecondition: address or socket is taken; those of UnixSocketListener::Build.
  /// The message begins with the address or path.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Build(
      const RpcServerOptions& options, const CertificateAuthenticator* authenticator,
      Services tls_services, Services socket_services);

  /// As Shutdown() without grace.
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  uint16_t port() const;

  /// What grpc.health.v1 says.
  void SetServing(bool serving);

  /// Refuses new connections, waits at most `grace` for calls to end, cancels the rest. Harmless
  /// twice.
  void Shutdown(absl::Duration grace);

 private:
  struct Parts;
  explicit RpcServer(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace rolemesh::controlplane
