// RouteService: the streams of edges.
#pragma once

#include <memory>

#include "controlplane/reconcile/reconciler.h"
#include "controlplane/rpc/caller_authenticator.h"
#include "controlplane/rpc/certificate_hook.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace rolemesh::controlplane {

/// As MakeAgentService, for edges. Updates go out as the bytes that the reconciler made once for
/// all edges. RegisterUpstream is not implemented yet.
std::shared_ptr<grpc::Service> MakeRouteService(Reconciler* reconciler,
                                                const CallerAuthenticator* authenticator,
                                                CertificateHook renew);

}  // namespace rolemesh::controlplane
