// EnrollmentService: a join token for a certificate.
#pragma once

#include <memory>

#include "base/async/executor.h"
#include "controlplane/identity/certificate_authority.h"
#include "controlplane/identity/join_tokens.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace rolemesh::controlplane {

/// Redeems tokens on `work`, where waiting for the store is allowed; when its queue is full,
/// callers get ResourceExhausted. All three outlive the service.
std::shared_ptr<grpc::Service> MakeEnrollmentService(base::Executor* work, JoinTokens* tokens,
                                                     const CertificateAuthority* authority);

}  // namespace rolemesh::controlplane
