#include "controlplane/rpc/server_credentials.h"

#include <cstdlib>

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace rolemesh::controlplane {
namespace {

constexpr unsigned kRefreshSeconds = 1;

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
    const std::string& server_pem_path, const std::string& roots_pem_path,
    const CertificateAuthenticator* authenticator) {
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          server_pem_path, server_pem_path, roots_pem_path, kRefreshSeconds));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.set_check_call_host(false);
  std::shared_ptr<grpc::ServerCredentials> credentials =
      grpc::experimental::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(MakeAuthorityGate(authenticator));
  return credentials;
}

void RequireTls13() {
  // gRPC 1.51 has no setting for the version, only for TLS 1.2's cipher suites: one for RSA cannot
  // be agreed upon with our ECDSA certificates, while TLS 1.3 has suites of its own.
  setenv("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384", /*overwrite=*/1);
}

}  // namespace rolemesh::controlplane
