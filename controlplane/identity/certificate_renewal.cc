#include "controlplane/identity/certificate_renewal.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "base/status/status_macros.h"
#include "controlplane/identity/identity_key.h"
#include "controlplane/identity/record_time.h"
#include "controlplane/model/record_key.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {

CertificateRenewal::CertificateRenewal(Store* store, const CertificateAuthority* authority,
                                       const base::Clock* clock)
    : store_(store), authority_(authority), clock_(clock) {}

absl::StatusOr<IssuedCertificate> CertificateRenewal::Renew(const Caller& caller,
                                                            absl::string_view csr_der) {
  RM_ASSIGN_OR_RETURN(IssuedCertificate issued,
                      authority_->Issue(csr_der, caller.kind, caller.name, clock_->WallNow()));
  v1::CertificateRecord record;
  record.set_serial(issued.serial);
  record.set_identity(caller.spiffe_id);
  *record.mutable_not_after() = ToTimestamp(issued.not_after);
  // An identity that was removed meanwhile gets nothing.
  RM_ASSIGN_OR_RETURN(
      const CommitResult result,
      store_->CommitAndWait(
          {.compares = {Compare::Exists(IdentityKey(caller.kind, caller.name))},
           .then = {Op::Put(RecordKey::Of(RecordKind::kCertificate, issued.serial).ToString(),
                            record.SerializeAsString())},
           .otherwise = {}}));
  if (!result.succeeded) {
    return absl::PermissionDeniedError(absl::StrCat(caller.ToString(), " was removed"));
  }
  return issued;
}

}  // namespace rolemesh::controlplane
