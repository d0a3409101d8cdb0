// The mesh's own certificate authority.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/tls/certificate_issuer.h"
#include "base/tls/public_key.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::controlplane {

/// What an identity gets for its CSR.
struct IssuedCertificate {
  std::string chain_pem;  ///< Leaf first; a control plane's ends with the root, for pinning.
  std::string serial;     ///< Lower-case hex.
  absl::Time not_before;
  absl::Time not_after;
};

/// Gives certificates that say who somebody is, and nothing that they asked for: names and usages
/// come from the identity, the key alone from the CSR.
///
/// Thread-safety: immutable; any thread may issue.
class CertificateAuthority {
 public:
  static constexpr absl::Duration kRootLife = absl::Hours(24 * 3650);
  static constexpr absl::Duration kLeafLife = absl::Hours(24);

  /// Makes key (0600) and root in the new folder `dir` (0700).
  /// Errors: AlreadyExists: there is one: nothing was changed; those of writing files.
  static absl::StatusOr<CertificateAuthority> Create(const std::string& dir, absl::string_view mesh,
                                                     absl::Time now);

  /// Errors: NotFound: no authority there: run init; PermissionDenied: others may read the key;
  /// InvalidArgument: damaged, or of another mesh.
  static absl::StatusOr<CertificateAuthority> Load(const std::string& dir, absl::string_view mesh);

  CertificateAuthority(CertificateAuthority&&) noexcept = default;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept = default;

  /// A certificate for the key of `csr` (PEM or DER, see base::ParseCsr).
  /// Errors: InvalidArgument: the CSR cannot be used; FailedPrecondition: the root has expired.
  absl::StatusOr<IssuedCertificate> Issue(absl::string_view csr, contract::IdentityKind kind,
                                          absl::string_view name, absl::Time now) const;

  const std::string& mesh() const { return mesh_; }
  const std::string& roots_pem() const { return roots_pem_; }
  /// 64 lower-case hex digits: the pin in join tokens.
  const std::string& root_spki_sha256() const { return root_spki_sha256_; }

 private:
  CertificateAuthority(std::string mesh, base::CertificateIssuer issuer);

  std::string mesh_;
  base::CertificateIssuer issuer_;
  std::string roots_pem_;
  std::string root_spki_sha256_;
};

}  // namespace rolemesh::controlplane
