// The CertificateHook of a control plane that has the mesh's authority.
#pragma once

#include "base/async/executor.h"
#include "controlplane/identity/certificate_renewal.h"
#include "controlplane/rpc/certificate_hook.h"

namespace rolemesh::controlplane {

/// Asks `renewal` on `work`, where waiting for the store is allowed; both outlive the hook. When
/// `work` has too much to do, the request is refused, and the peer asks again later.
CertificateHook MakeCertificateHook(CertificateRenewal* renewal, base::Executor* work);

}  // namespace rolemesh::controlplane
