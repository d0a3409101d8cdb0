// Certificate signing requests (PKCS#10).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/tls/private_key.h"
#include "base/tls/public_key.h"

namespace rolemesh::base {

/// A PEM request that proves possession of `key`. Its subject is empty: the authority decides the
/// names.
/// Errors: Internal: OpenSSL failed.
absl::StatusOr<std::string> MakeCsr(const PrivateKey& key);

/// The public key of a request (PEM or DER, at most 16 KiB) whose own signature is good. All
/// else in it (subject, SANs, usages) is ignored on purpose.
///
/// Accepted keys: EC P-256 and P-384, Ed25519, RSA of 3072 to 8192 bits. Signatures with MD5
/// or SHA-1 are refused.
/// Errors: InvalidArgument: the client must make another key or request.
absl::StatusOr<PublicKey> ParseCsr(absl::string_view pem_or_der);

}  // namespace rolemesh::base
