#include "controlplane/rpc/certificate_authenticator.h"

#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/server_context.h>

#include "base/log/logger.h"
#include "base/status/status_macros.h"
#include "base/tls/certificate.h"
#include "controlplane/identity/authority.h"
#include "controlplane/identity/operators.h"
#include "proto/contract/grpc_status.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::controlplane {
namespace {

absl::string_view View(const grpc::string_ref& text) {
  return {text.data(), text.size()};
}

class AuthorityGate final : public grpc::AuthMetadataProcessor {
 public:
  explicit AuthorityGate(const CertificateAuthenticator* authenticator)
      : authenticator_(authenticator) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* /*consumed*/, OutputMetadata* /*response*/) override {
    const auto path = metadata.find(":path");
    if (path == metadata.end()) return {grpc::StatusCode::PERMISSION_DENIED, "no method"};
    const absl::string_view method = View(path->second);
    const absl::Status status = authenticator_->AuthenticatePeer(*context, method).status();
    if (!status.ok()) {
      base::LogWarn("rpc", "refused a call", {{"method", method}, {"status", status}});
    }
    return contract::ToGrpc(status);
  }

 private:
  const CertificateAuthenticator* const authenticator_;
};

}  // namespace

CertificateAuthenticator::CertificateAuthenticator(std::string mesh, Store* store,
                                                   Revocations* revocations)
    : mesh_(std::move(mesh)), store_(store), revocations_(revocations) {}

absl::StatusOr<Caller> CertificateAuthenticator::AuthenticatePeer(const grpc::AuthContext& peer,
                                                                  absl::string_view method) const {
  const std::vector<grpc::string_ref> pems =
      peer.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (pems.empty()) {
    RM_RETURN_IF_ERROR(CheckAuthority(absl::nullopt, method));
    return Caller{};
  }
  RM_ASSIGN_OR_RETURN(const base::Certificate certificate,
                      base::Certificate::FromPem(View(pems.front())));
  RM_ASSIGN_OR_RETURN(const contract::SpiffeId id,
                      contract::IdentityFromUriSans(certificate.uri_sans(), mesh_));
  Caller caller;
  caller.kind = id.kind;
  caller.name = id.name;
  caller.serial = certificate.serial_hex();
  caller.spiffe_id = id.ToUri();
  RM_RETURN_IF_ERROR(revocations_->Check(caller.serial, caller.spiffe_id));
  if (id.kind == contract::IdentityKind::kOperator) {
    RM_ASSIGN_OR_RETURN(caller.scope, FindOperatorScope(store_, id.name));
  }
  RM_RETURN_IF_ERROR(CheckAuthority(caller, method));
  return caller;
}

absl::StatusOr<Caller> CertificateAuthenticator::Authenticate(
    const grpc::CallbackServerContext& context, absl::string_view method) const {
  RM_ASSIGN_OR_RETURN(Caller caller, AuthenticatePeer(*context.auth_context(), method));
  caller.peer = context.peer();
  return caller;
}

absl::StatusOr<Caller> LocalAuthenticator::Authenticate(const grpc::CallbackServerContext& context,
                                                        absl::string_view method) const {
  Caller caller;
  caller.kind = contract::IdentityKind::kOperator;
  caller.name = "unix socket";
  caller.scope = OperatorScope::kAdmin;
  caller.local_admin = true;
  caller.peer = context.peer();
  RM_RETURN_IF_ERROR(CheckAuthority(caller, method));
  return caller;
}

std::shared_ptr<grpc::AuthMetadataProcessor> MakeAuthorityGate(
    const CertificateAuthenticator* authenticator) {
  return std::make_shared<AuthorityGate>(authenticator);
}

}  // namespace rolemesh::controlplane
