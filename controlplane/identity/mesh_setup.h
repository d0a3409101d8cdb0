// The record that makes an empty store a mesh's.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

/// What holds for the whole mesh, as configured at this replica.
struct MeshFacts {
  std::string mesh;
  std::string default_role;             ///< May be empty.
  std::vector<std::string> node_cidrs;  ///< "10.0.0.0/8".
};

/// Whether the store is a mesh's. Waits. Errors: of the store.
absl::StatusOr<bool> HasMeshRecord(Store* store);

/// Writes the mesh's record into a new store. Waits.
/// Errors: AlreadyExists: the store is a mesh's already; of the store.
absl::Status CreateMeshRecord(Store* store, const MeshFacts& facts, absl::Time now);

/// Brings the stored record in line with the configuration; writes only when they differ. Waits.
/// Errors: FailedPrecondition: no mesh yet (run init), or the store is another mesh's; of the
/// store.
absl::Status UpdateMeshRecord(Store* store, const MeshFacts& facts);

}  // namespace rolemesh::controlplane
