// A certificate authority: makes roots, intermediates and leaves.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/tls/certificate.h"
#include "base/tls/private_key.h"
#include "base/tls/public_key.h"

namespace rolemesh::base {

/// Certificates begin this long before they are made, for clocks that are behind.
inline constexpr absl::Duration kCertificateBackdating = absl::Minutes(5);

/// What an authority's own certificate says.
struct CaRequest {
  std::string name;          ///< Subject CN, 1..64 characters.
  std::string trust_domain;  ///< Becomes the URI SAN "spiffe://<trust_domain>".
  absl::Time now;            ///< notBefore is kCertificateBackdating earlier.
  absl::Duration validity;   ///< From `now`.
};

/// What a leaf says; whoever asks for it has no say.
struct LeafRequest {
  std::string subject_cn = {};             ///< For people; at most 64 characters, may be empty.
  std::vector<std::string> uri_sans = {};  ///< At least one SAN of any kind.
  std::vector<std::string> dns_sans = {};
  std::vector<std::string> ip_sans = {};  ///< IPv4 or IPv6 literals.
  bool client_auth = false;               ///< Extended key usages; at least one.
  bool server_auth = false;
  absl::Time not_before;  ///< The present; the certificate says kCertificateBackdating earlier.
  absl::Time not_after;   ///< Cut to the issuer's own end.
};

/// A root for `key`: CA:true with path length 1, keyCertSign and cRLSign, signed with SHA-256.
/// Errors: InvalidArgument: a field of `request`; Internal: OpenSSL failed.
absl::StatusOr<Certificate> SelfSignedCa(const CaRequest& request, const PrivateKey& key);

/// Signs certificates with one CA key. Serials are 127 random bits; no counter, no state.
///
/// Thread-safety: immutable; any thread may issue.
class CertificateIssuer {
 public:
  /// Errors: InvalidArgument: `certificate` is no CA or `key` is not its key.
  static absl::StatusOr<CertificateIssuer> Build(Certificate certificate, PrivateKey key);

  CertificateIssuer(CertificateIssuer&&) noexcept = default;
  CertificateIssuer& operator=(CertificateIssuer&&) noexcept = default;

  /// An authority under this one for the holder of `key`: path length 0, otherwise as
  /// SelfSignedCa; ends at the latest with this issuer.
  /// Errors: InvalidArgument: a field of `request`; FailedPrecondition: this issuer has expired or
  /// its path length forbids it; Internal.
  absl::StatusOr<Certificate> IssueIntermediate(const CaRequest& request,
                                                const PublicKey& key) const;

  /// A certificate for the holder of `key` (ParseCsr) that says exactly `request`.
  /// Errors: InvalidArgument: a field of `request`; FailedPrecondition: this issuer has expired;
  /// Internal.
  absl::StatusOr<Certificate> IssueLeaf(const LeafRequest& request, const PublicKey& key) const;

  const Certificate& certificate() const { return certificate_; }
  const PrivateKey& key() const { return key_; }

 private:
  CertificateIssuer(Certificate certificate, PrivateKey key);

  Certificate certificate_;
  PrivateKey key_;
};

}  // namespace rolemesh::base
