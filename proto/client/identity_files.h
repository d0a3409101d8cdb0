// A member's certificate and key, in memory and on disk.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/tls/secret.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::client {

/// What proves who a program is, and whom it trusts.
///
/// Thread-safety: a value.
struct MeshIdentity {
  base::Secret key_pem;
  std::string certificate_chain_pem;  ///< Leaf first.
  std::string roots_pem;              ///< Every root of the mesh.
  contract::SpiffeId id;              ///< From the leaf's URI SAN.
  std::string serial;                 ///< Of the leaf, lower-case hex.
  absl::Time not_before;
  absl::Time not_after;
};

/// Puts the parts together and reads id, serial and dates from the leaf.
///
/// Errors: kInvalidArgument when the chain or the roots do not parse, or the
/// leaf does not name exactly one member of a mesh.
absl::StatusOr<MeshIdentity> MakeIdentity(base::Secret key_pem, std::string certificate_chain_pem,
                                          std::string roots_pem);

/// Reads `folder`/key.pem, certificate.pem and roots.pem.
///
/// Errors: kNotFound: join first; kPermissionDenied: key.pem is readable by
/// others, the message says how to mend it; kInvalidArgument as MakeIdentity.
absl::StatusOr<MeshIdentity> LoadIdentity(const std::string& folder);

/// Writes the three files, the key (mode 0600) last, each whole or not at all.
/// Makes `folder` (0700) when it is missing.
absl::Status SaveIdentity(const std::string& folder, const MeshIdentity& identity);

}  // namespace rolemesh::client
