// The public half of a key pair, as a CSR or certificate states it.
#pragma once

#include <memory>
#include <string>

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace rolemesh::base {

/// A public key that passed the rules of whoever made it (ParseCsr, PrivateKey).
///
/// Thread-safety: immutable; copies share the key.
class PublicKey {
 public:
  /// Shares `key`, which is not null and never changed again.
  explicit PublicKey(std::shared_ptr<evp_pkey_st> key);

  /// SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits.
  std::string SpkiSha256Hex() const;

  evp_pkey_st* native() const { return key_.get(); }

 private:
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace rolemesh::base
