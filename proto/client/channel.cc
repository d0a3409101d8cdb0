#include "proto/client/channel.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/channel_arguments.h>

#include "proto/client/identity_files.h"
#include "proto/contract/limits.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::client {
namespace {

namespace experimental = grpc::experimental;

/// Accepts only a control plane; of `mesh`, where one is given. The chain has
/// been verified before this is asked.
class ControlPlaneVerifier final : public experimental::ExternalCertificateVerifier {
 public:
  explicit ControlPlaneVerifier(std::string mesh) : mesh_(std::move(mesh)) {}

  bool Verify(experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/, grpc::Status* sync_status) override {
    *sync_status = Check(*request);
    return true;  // decided at once
  }

  void Cancel(experimental::TlsCustomVerificationCheckRequest* /*request*/) override {}

 private:
  grpc::Status Check(experimental::TlsCustomVerificationCheckRequest& request) const {
    const std::vector<grpc::string_ref> uris = request.uri_names();
    if (uris.size() != 1) return Refuse("it does not have exactly one URI name");
    const absl::string_view uri(uris[0].data(), uris[0].size());
    const absl::StatusOr<contract::SpiffeId> id = contract::ParseSpiffeId(uri);
    if (!id.ok()) return Refuse(id.status().message());
    if (id->kind != contract::IdentityKind::kControlPlane) {
      return Refuse(absl::StrCat(uri, " is not a control plane"));
    }
    if (!mesh_.empty() && id->mesh != mesh_) {
      return Refuse(absl::StrCat(uri, " is not of mesh ", mesh_));
    }
    return grpc::Status::OK;
  }

  static grpc::Status Refuse(absl::string_view why) {
    return {grpc::StatusCode::UNAUTHENTICATED, absl::StrCat("server certificate: ", why)};
  }

  const std::string mesh_;
};

grpc::ChannelArguments MakeArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(contract::kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(contract::kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // -25 % CPU per heartbeat
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 250);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetServiceConfigJSON("{}");
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return arguments;
}

std::shared_ptr<grpc::Channel> MakeTlsChannel(absl::string_view address,
                                              experimental::TlsChannelCredentialsOptions options,
                                              std::string mesh) {
  options.watch_root_certs();
  options.set_verify_server_certs(true);
  options.set_check_call_host(false);  // the name is the SPIFFE id's
  options.set_certificate_verifier(
      experimental::ExternalCertificateVerifier::Create<ControlPlaneVerifier>(std::move(mesh)));
  return grpc::CreateCustomChannel(std::string(address), experimental::TlsCredentials(options),
                                   MakeArguments());
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(absl::string_view address,
                                           const MeshIdentity& identity) {
  experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<experimental::StaticDataCertificateProvider>(
      identity.roots_pem, std::vector<experimental::IdentityKeyCertPair>{
                              {.private_key = std::string(identity.key_pem.reveal()),
                               .certificate_chain = identity.certificate_chain_pem}}));
  options.watch_identity_key_cert_pairs();
  return MakeTlsChannel(address, std::move(options), identity.id.mesh);
}

std::shared_ptr<grpc::Channel> MakeAnonymousChannel(absl::string_view address,
                                                    const std::string& root_pem) {
  experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<experimental::StaticDataCertificateProvider>(root_pem));
  return MakeTlsChannel(address, std::move(options), "");
}

std::shared_ptr<grpc::Channel> MakeSocketChannel(absl::string_view socket_path) {
  return grpc::CreateCustomChannel(absl::StrCat("unix:", socket_path),
                                   grpc::InsecureChannelCredentials(), MakeArguments());
}

}  // namespace rolemesh::client
