// Callers named by their client certificates, and those of the unix socket.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "controlplane/identity/caller.h"
#include "controlplane/identity/revocations.h"
#include "controlplane/rpc/caller_authenticator.h"
#include "controlplane/store/store.h"

namespace grpc {
class AuthContext;
class AuthMetadataProcessor;
}  // namespace grpc

namespace rolemesh::controlplane {

/// For the TLS listener, whose handshake has verified the chain: exactly one SPIFFE URI, of this
/// mesh, not revoked; an operator's scope is the store's.
///
/// Thread-safety: thread-safe.
/// Ownership: `store` and `revocations` outlive it.
class CertificateAuthenticator final : public CallerAuthenticator {
 public:
  CertificateAuthenticator(std::string mesh, Store* store, Revocations* revocations);

  absl::StatusOr<Caller> Authenticate(const grpc::CallbackServerContext& context,
                                      absl::string_view method) const override;

  /// As above, for a connection. A peer without a certificate may call what is for anyone: its
  /// Caller has no name.
  absl::StatusOr<Caller> AuthenticatePeer(const grpc::AuthContext& peer,
                                          absl::string_view method) const;

 private:
  const std::string mesh_;
  Store* const store_;
  Revocations* const revocations_;
};

/// For the unix socket, whose listener lets only root and our own user in: everyone is admin.
///
/// Thread-safety: immutable.
class LocalAuthenticator final : public CallerAuthenticator {
 public:
  absl::StatusOr<Caller> Authenticate(const grpc::CallbackServerContext& context,
                                      absl::string_view method) const override;
};

/// Refuses calls before any service sees them, so that a service that forgets to ask is not open.
/// `authenticator` outlives it.
std::shared_ptr<grpc::AuthMetadataProcessor> MakeAuthorityGate(
    const CertificateAuthenticator* authenticator);

}  // namespace rolemesh::controlplane
