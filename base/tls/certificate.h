// X.509 certificates: what they say, and whether an authority stands behind them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "base/tls/public_key.h"

struct x509_st;  // OpenSSL's X509

namespace rolemesh::base {

/// One certificate. What it says is worth nothing before VerifiedBy() or a verified handshake.
///
/// Thread-safety: immutable; copies share the parsed certificate.
class Certificate {
 public:
  /// What a verified certificate must be good for.
  enum class Purpose {
    kAny,     ///< The chain only.
    kServer,  ///< Extended key usage serverAuth, or none stated.
    kClient,  ///< Extended key usage clientAuth, or none stated.
  };

  /// At most 64 KiB; exactly one certificate, nothing after it (PEM: text around it is allowed).
  /// Errors: InvalidArgument: not a certificate, truncated, a name with a NUL byte or more than
  /// 1,000 SANs.
  static absl::StatusOr<Certificate> FromPem(absl::string_view pem);
  static absl::StatusOr<Certificate> FromDer(absl::string_view der);
  /// Shares `x509`, which is not null and never changed again. Errors: as FromDer.
  static absl::StatusOr<Certificate> FromNative(std::shared_ptr<x509_st> x509);

  /// All certificates of `pem` in order: 1 to 128 of them, at most 256 KiB. Text around them
  /// is skipped, any other PEM block is refused.
  /// Errors: InvalidArgument, with "certificate N" counted from 1.
  static absl::StatusOr<std::vector<Certificate>> ParseChainPem(absl::string_view pem);

  const std::string& subject_cn() const;  ///< Last CN, UTF-8; empty when there is none.
  const std::string& subject() const;     ///< RFC 2253, for people.
  const std::string& issuer() const;      ///< RFC 2253, for people.
  const std::vector<std::string>& uri_sans() const;
  const std::vector<std::string>& dns_sans() const;
  const std::vector<std::string>& ip_sans() const;  ///< "192.0.2.1", "2001:db8::1".
  const std::string& serial_hex() const;            ///< Lower case, whole bytes, no leading 00.
  absl::Time not_before() const;
  absl::Time not_after() const;
  bool is_ca() const;           ///< basicConstraints says CA:true.
  bool is_self_signed() const;  ///< Subject is issuer and its own key made the signature.

  /// SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits: the pin in join tokens.
  const std::string& SpkiSha256Hex() const;
  PublicKey public_key() const;

  std::string ToPem() const;
  std::string ToDer() const;

  /// Checks the chain from this certificate over `intermediates` (in any order, untrusted) to
  /// one of `roots` (self-signed): signatures, validity at `now`, CA flags, path lengths, key
  /// usages and `purpose`. Says nothing about names.
  /// Errors: Unauthenticated, with OpenSSL's reason and the subject it is about.
  absl::Status VerifiedBy(absl::Span<const Certificate> roots,
                          absl::Span<const Certificate> intermediates, absl::Time now,
                          Purpose purpose = Purpose::kAny) const;

  x509_st* native() const;

  /// Byte for byte the same certificate.
  friend bool operator==(const Certificate& a, const Certificate& b);

 private:
  struct Fields;
  explicit Certificate(std::shared_ptr<const Fields> fields);

  std::shared_ptr<const Fields> fields_;
};

/// The certificates of `chain` as one PEM text, in order.
std::string ChainToPem(absl::Span<const Certificate> chain);

}  // namespace rolemesh::base
