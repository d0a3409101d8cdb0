#include "controlplane/rpc/certificate_renewal_hook.h"

#include <memory>
#include <string>
#include <utility>

#include "base/log/logger.h"

namespace rolemesh::controlplane {
namespace {

v1::CertificateReply Answer(CertificateRenewal* renewal, const Caller& caller,
                            const std::string& csr_der) {
  v1::CertificateReply reply;
  const absl::StatusOr<IssuedCertificate> issued = renewal->Renew(caller, csr_der);
  if (!issued.ok()) {
    base::LogWarn("rpc", "refused to renew a certificate",
                  {{"caller", caller.ToString()}, {"status", issued.status()}});
    reply.set_refusal(std::string(issued.status().message()));
    return reply;
  }
  base::LogInfo("rpc", "renewed a certificate",
                {{"caller", caller.ToString()}, {"serial", issued->serial}});
  reply.set_certificate_chain_pem(issued->chain_pem);
  reply.set_roots_pem(renewal->roots_pem());
  return reply;
}

}  // namespace

CertificateHook MakeCertificateHook(CertificateRenewal* renewal, base::Executor* work) {
  using Done = absl::AnyInvocable<void(v1::CertificateReply)>;
  return [renewal, work](const Caller& caller, std::string csr_der, Done done) {
    const auto shared_done = std::make_shared<Done>(std::move(done));
    const absl::Status posted =
        work->TryPost([renewal, caller, csr_der = std::move(csr_der), shared_done] {
          (*shared_done)(Answer(renewal, caller, csr_der));
        });
    if (posted.ok()) return;
    v1::CertificateReply busy;
    busy.set_refusal("the control plane is busy or stops; ask again later");
    (*shared_done)(std::move(busy));
  };
}

}  // namespace rolemesh::controlplane
