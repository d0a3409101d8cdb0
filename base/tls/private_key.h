// A private key: made here, kept in a 0600 file, used to sign.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/tls/public_key.h"
#include "base/tls/secret.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace rolemesh::base {

/// Signs CSRs, certificates and TLS handshakes.
///
/// Thread-safety: immutable once made; move-only so that no copy goes unnoticed.
class PrivateKey {
 public:
  /// A new key on P-256 from OpenSSL's generator.
  /// Errors: Internal: OpenSSL has no randomness or memory.
  static absl::StatusOr<PrivateKey> GenerateP256();

  /// Reads one PEM key (PKCS#8, SEC1 or PKCS#1), not encrypted, at most 16 KiB. Accepts EC P-256
  /// and P-384, Ed25519 and RSA of 2048 to 8192 bits, so that certificates from other
  /// authorities can be used on listeners; CSRs must meet stricter rules.
  /// Errors: InvalidArgument; the message holds nothing of the key.
  static absl::StatusOr<PrivateKey> FromPem(absl::string_view pem);

  PrivateKey(PrivateKey&&) noexcept = default;
  PrivateKey& operator=(PrivateKey&&) noexcept = default;
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;

  /// PKCS#8, not encrypted.
  Secret ToPem() const;
  PublicKey public_key() const { return PublicKey(key_); }

  evp_pkey_st* native() const { return key_.get(); }

 private:
  explicit PrivateKey(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace rolemesh::base
