// How the control plane's gRPC port proves itself and asks who calls.
#pragma once

#include <memory>
#include <string>

#include "controlplane/rpc/certificate_authenticator.h"

namespace grpc {
class ServerCredentials;
}  // namespace grpc

namespace rolemesh::controlplane {

/// TLS 1.3 with the key and chain of `server_pem_path`, both files read again when they change
/// (within a second, for new handshakes). A client certificate is asked for, because all services
/// but EnrollmentService need one; a client that sends one of another root is refused in the
/// handshake. Each call then passes `authenticator`, which outlives the server.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
    const std::string& server_pem_path, const std::string& roots_pem_path,
    const CertificateAuthenticator* authenticator);

/// Makes gRPC speak TLS 1.3 only, in the whole process. Once, before gRPC is first used.
void RequireTls13();

}  // namespace rolemesh::controlplane
