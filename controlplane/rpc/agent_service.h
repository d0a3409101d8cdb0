// AgentService: the streams of agents.
#pragma once

#include <memory>

#include "controlplane/reconcile/reconciler.h"
#include "controlplane/rpc/caller_authenticator.h"
#include "controlplane/rpc/certificate_hook.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace rolemesh::controlplane {

/// Each stream copies what the agent says, checks it against the limits, and passes it to
/// `reconciler`, one message at a time.
///
/// All three outlive the server that runs the service; shut the server down, with every call
/// ended, before the reconciler is destroyed.
std::shared_ptr<grpc::Service> MakeAgentService(Reconciler* reconciler,
                                                const CallerAuthenticator* authenticator,
                                                CertificateHook renew);

}  // namespace rolemesh::controlplane
