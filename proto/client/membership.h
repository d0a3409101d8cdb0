// A program's place in the mesh: the identity it has, or gets by a token.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "base/time/clock.h"
#include "proto/client/identity_files.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::client {

struct MembershipOptions {
  std::string program;  ///< "rolemesh-edge", for messages.
  std::string identity_dir;
  std::vector<std::string> control_planes;
  contract::IdentityKind kind = contract::IdentityKind::kNode;
  std::string token_file;  ///< "-": standard input; empty: ROLEMESH_TOKEN of the environment.
  std::string name;        ///< Empty: the token's own.
};

/// Becomes a member of the mesh and saves the identity. Blocks.
/// Errors: AlreadyExists: it is one; InvalidArgument: no token, or none that is; those of Join().
absl::StatusOr<MeshIdentity> JoinMesh(const MembershipOptions& options, const base::Clock& clock);

/// The saved identity; without one, JoinMesh() when there is a token.
/// Errors: also FailedPrecondition: neither; the message says what to do.
absl::StatusOr<MeshIdentity> LoadOrJoinMesh(const MembershipOptions& options,
                                            const base::Clock& clock);

}  // namespace rolemesh::client
