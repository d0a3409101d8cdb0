#include "controlplane/identity/mesh_setup.h"

#include "absl/strings/str_cat.h"

#include "base/status/status_macros.h"
#include "controlplane/identity/record_time.h"
#include "controlplane/model/record_key.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {
namespace {

std::string MeshKey() {
  return RecordKey{.kind = RecordKind::kMesh, .name = "", .instance = ""}.ToString();
}

void SetFacts(const MeshFacts& facts, v1::MeshRecord* record) {
  record->set_mesh(facts.mesh);
  record->set_default_role(facts.default_role);
  record->mutable_node_cidrs()->Assign(facts.node_cidrs.begin(), facts.node_cidrs.end());
}

}  // namespace

absl::StatusOr<bool> HasMeshRecord(Store* store) {
  RM_ASSIGN_OR_RETURN(const RangeResult found, store->Get(MeshKey()));
  return !found.key_values.empty();
}

absl::Status CreateMeshRecord(Store* store, const MeshFacts& facts, absl::Time now) {
  const std::string key = MeshKey();
  v1::MeshRecord record;
  SetFacts(facts, &record);
  *record.mutable_created_at() = ToTimestamp(now);
  RM_ASSIGN_OR_RETURN(const CommitResult result,
                      store->CommitAndWait({.compares = {Compare::Absent(key)},
                                            .then = {Op::Put(key, record.SerializeAsString())},
                                            .otherwise = {}}));
  if (!result.succeeded) return absl::AlreadyExistsError("the store holds a mesh already");
  return absl::OkStatus();
}

absl::Status UpdateMeshRecord(Store* store, const MeshFacts& facts) {
  const std::string key = MeshKey();
  RM_ASSIGN_OR_RETURN(const RangeResult found, store->Get(key));
  if (found.key_values.empty()) {
    return absl::FailedPreconditionError("the store holds no mesh; run rolemesh-controlplane init");
  }
  const KeyValue& stored = found.key_values[0];
  v1::MeshRecord record;
  if (!record.ParseFromString(stored.value)) {
    return absl::DataLossError("the mesh's record is damaged; restore a backup");
  }
  if (record.mesh() != facts.mesh) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store is that of mesh ", record.mesh(), ", not ", facts.mesh,
                     "; correct `mesh`, or use another state_dir"));
  }
  SetFacts(facts, &record);
  const std::string value = record.SerializeAsString();
  if (value == stored.value) return absl::OkStatus();
  return store
      ->CommitAndWait({.compares = {Compare::Unchanged(key, stored.mod_revision)},
                       .then = {Op::Put(key, value)},
                       .otherwise = {}})
      .status();
}

}  // namespace rolemesh::controlplane
