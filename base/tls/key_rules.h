// Which public keys are strong enough, and how they sign; for base/tls's own .cc files.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

struct evp_md_st;    // OpenSSL's EVP_MD
struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace rolemesh::base {

/// OK for EC P-256 and P-384 (named curves only), Ed25519, and RSA of `min_rsa_bits`..8192 bits.
/// Errors: InvalidArgument: "what: ..." and what is accepted.
absl::Status CheckKeyRules(const evp_pkey_st* key, int min_rsa_bits, absl::string_view what);

/// SHA-256, or null for Ed25519, which brings its own.
const evp_md_st* SigningDigest(const evp_pkey_st* key);

}  // namespace rolemesh::base
