// A new key and certificate for an identity, before the old one ends.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/tls/private_key.h"
#include "proto/client/identity_files.h"
#include "rolemesh/v1/common.pb.h"

namespace rolemesh::client {

/// A request under way: the key stays here, `csr_der` goes out in a
/// CertificateRequest.
struct Renewal {
  base::PrivateKey key;
  std::string csr_der;
};

absl::StatusOr<Renewal> MakeRenewal();

/// Puts the reply and the key together.
///
/// Errors: kPermissionDenied with the refusal; kInvalidArgument when the reply
/// is not a certificate for `old`'s identity: keep the old one, ask again.
absl::StatusOr<MeshIdentity> FinishRenewal(const Renewal& renewal, const MeshIdentity& old,
                                           const v1::CertificateReply& reply);

/// When to ask: at two thirds of the life, 10 % earlier or later by `random`
/// in [0, 1), so that a fleet does not renew at once.
absl::Time RenewAt(const MeshIdentity& identity, double random);

}  // namespace rolemesh::client
