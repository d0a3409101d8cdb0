#include "proto/client/renewal.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/status/status_macros.h"
#include "base/tls/csr.h"
#include "base/tls/private_key.h"
#include "proto/client/identity_files.h"
#include "rolemesh/v1/common.pb.h"

namespace rolemesh::client {
namespace {

// The bytes between the lines -----BEGIN and -----END.
absl::StatusOr<std::string> DerFromPem(absl::string_view pem) {
  std::string base64;
  for (absl::string_view line : absl::StrSplit(pem, '\n')) {
    if (!absl::StartsWith(line, "-----")) absl::StrAppend(&base64, line);
  }
  std::string der;
  if (!absl::Base64Unescape(base64, &der)) return absl::InternalError("the CSR is not PEM");
  return der;
}

}  // namespace

absl::StatusOr<Renewal> MakeRenewal() {
  RM_ASSIGN_OR_RETURN(base::PrivateKey key, base::PrivateKey::GenerateP256());
  RM_ASSIGN_OR_RETURN(const std::string pem, base::MakeCsr(key));
  RM_ASSIGN_OR_RETURN(std::string der, DerFromPem(pem));
  return Renewal{.key = std::move(key), .csr_der = std::move(der)};
}

absl::StatusOr<MeshIdentity> FinishRenewal(const Renewal& renewal, const MeshIdentity& old,
                                           const v1::CertificateReply& reply) {
  if (!reply.refusal().empty()) return absl::PermissionDeniedError(reply.refusal());
  RM_ASSIGN_OR_RETURN(
      MeshIdentity identity,
      MakeIdentity(renewal.key.ToPem(), reply.certificate_chain_pem(), reply.roots_pem()));
  if (!(identity.id == old.id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("got a certificate for ", identity.id.ToUri(), ", not ", old.id.ToUri()));
  }
  return identity;
}

absl::Time RenewAt(const MeshIdentity& identity, double random) {
  const absl::Duration life = identity.not_after - identity.not_before;
  return identity.not_before + life * (2.0 / 3.0) + life * 0.1 * (2 * random - 1);
}

}  // namespace rolemesh::client
