// The control plane's own certificate, as files that its listener watches.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "controlplane/identity/certificate_authority.h"

namespace rolemesh::controlplane {

/// Keeps `<dir>/server.pem` (0600: key, then chain, in one file so that both change at once) and
/// `<dir>/roots.pem` valid.
///
/// Thread-safety: one thread at a time.
/// Ownership: `authority` outlives it.
class ServerCertificate {
 public:
  ServerCertificate(const CertificateAuthority* authority, std::string dir, std::string replica);

  /// Writes a new key and certificate unless the files' are this replica's, of this root, and less
  /// than two thirds of their life old. Returns when to call it again.
  /// Errors: those of writing files; of CertificateAuthority::Issue.
  absl::StatusOr<absl::Time> Refresh(absl::Time now);

  std::string PemPath() const;    ///< Key and chain.
  std::string RootsPath() const;  ///< Roots of clients.

 private:
  absl::StatusOr<absl::Time> RenewalOfFiles(absl::Time now) const;

  const CertificateAuthority* const authority_;
  const std::string dir_;
  const std::string replica_;
};

}  // namespace rolemesh::controlplane
