// The next certificate of an identity that has proved itself with the last one.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/time/clock.h"
#include "controlplane/identity/caller.h"
#include "controlplane/identity/certificate_authority.h"
#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

/// Answers CertificateRequest on streams: the identity is the stream's, whatever the CSR says.
///
/// Thread-safety: thread-safe. Renew() waits for the store.
/// Ownership: all three outlive it.
class CertificateRenewal {
 public:
  CertificateRenewal(Store* store, const CertificateAuthority* authority, const base::Clock* clock);

  /// Errors: InvalidArgument: the CSR cannot be used; PermissionDenied: the identity was removed;
  /// Unavailable: of the store: ask again later.
  absl::StatusOr<IssuedCertificate> Renew(const Caller& caller, absl::string_view csr_der);

  /// Every root to trust, for the reply.
  const std::string& roots_pem() const { return authority_->roots_pem(); }

 private:
  Store* const store_;
  const CertificateAuthority* const authority_;
  const base::Clock* const clock_;
};

}  // namespace rolemesh::controlplane
