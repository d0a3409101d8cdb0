// The one string that lets a program into the mesh:
// rmj1_<id>_<secret>_<SHA-256 of the root's public key>.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/tls/secret.h"

namespace rolemesh::contract {

/// A join token, taken apart.
struct JoinToken {
  std::string id;                ///< Public: 12 characters.
  base::Secret secret;           ///< 256 bits in base32; kept only as a hash.
  std::string root_spki_sha256;  ///< 64 lower-case hex digits.
};

/// A token with a fresh id and secret for the mesh with that root.
JoinToken MakeJoinToken(absl::string_view root_spki_sha256);

/// The string that is shown once.
base::Secret FormatJoinToken(const JoinToken& token);

/// Errors: kInvalidArgument; the message holds nothing of the secret.
absl::StatusOr<JoinToken> ParseJoinToken(absl::string_view text);

}  // namespace rolemesh::contract
