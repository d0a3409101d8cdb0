// A join token becomes an identity.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/time/clock.h"
#include "proto/client/identity_files.h"
#include "proto/contract/join_token.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::client {

struct JoinOptions {
  std::vector<std::string> control_planes;  ///< HOST:PORT, tried in order. Not empty.
  contract::JoinToken token;
  /// What the token must be for; another kind is refused after the reply.
  contract::IdentityKind kind = contract::IdentityKind::kNode;
  std::string name;                            ///< Empty: the token's own.
  absl::Duration timeout = absl::Seconds(10);  ///< For each address.
};

/// Makes a key and a CSR, pins the control plane's root by the token's hash in
/// a handshake that carries nothing secret, and only then sends the token.
/// Blocks.
///
/// Errors:
///   kUnauthenticated   another mesh answers, or the token is not (any more)
///                      good: get a new one.
///   kPermissionDenied  the token is for another name or kind.
///   kUnavailable, kDeadlineExceeded  no control plane reached: try again.
absl::StatusOr<MeshIdentity> Join(const JoinOptions& options, const base::Clock& clock);

/// Reads a token from a file, "-" for standard input, at most 4 KiB.
absl::StatusOr<contract::JoinToken> ReadJoinToken(const std::string& path);

}  // namespace rolemesh::client
