// What operators want: roles, grants, keys, revocations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "base/net/socket_address.h"
#include "controlplane/model/api_key_verifier.h"
#include "controlplane/model/identity_grant.h"
#include "controlplane/model/ids.h"
#include "controlplane/model/mesh.h"
#include "controlplane/model/record_key.h"
#include "controlplane/model/revocation.h"
#include "controlplane/model/role.h"
#include "controlplane/model/stored.h"

namespace rolemesh::controlplane {

/// Desired state as the store holds it at one revision.
///
/// The reconciler applies the store's changes to it; routing and operators' queries read it.
///
/// Thread-safety: none; the reconcile loop owns it.
class Catalog {
 public:
  /// Whether records of this kind belong here.
  static bool Owns(RecordKind kind);

  /// `key` has `value` since `revision`; none: it was deleted.
  /// Errors: DataLoss: the value is no record of this release: what was there before stays.
  absl::Status Apply(const RecordKey& key, absl::optional<absl::string_view> value,
                     int64_t revision);

  const Mesh& mesh() const { return mesh_; }
  /// The network rule of the mesh record; false for what is no IP literal.
  bool AllowsNodeAddress(absl::string_view address) const;

  const absl::btree_map<std::string, Stored<Role>>& roles() const { return roles_; }
  const absl::btree_map<NodeId, Stored<NodeGrant>>& nodes() const { return nodes_; }
  const absl::btree_map<EdgeId, Stored<EdgeGrant>>& edges() const { return edges_; }
  const absl::btree_map<KeyId, Stored<ApiKeyVerifier>>& keys() const { return keys_; }
  /// By the last part of the record's key, a serial or a SPIFFE id.
  const absl::btree_map<std::string, Stored<Revocation>>& revocations() const {
    return revocations_;
  }

  /// Null: there is none. Valid until the next Apply().
  const Stored<Role>* FindRole(absl::string_view name) const;
  const Stored<NodeGrant>* FindNode(const NodeId& node) const;
  const Stored<EdgeGrant>* FindEdge(const EdgeId& edge) const;
  const Stored<ApiKeyVerifier>* FindKey(const KeyId& key) const;

  /// Whether a certificate of `identity` (SPIFFE id) with `serial` must be refused.
  bool IsRevoked(absl::string_view identity, absl::string_view serial) const;

 private:
  Mesh mesh_;
  std::vector<base::Cidr> node_networks_;
  absl::btree_map<std::string, Stored<Role>> roles_;
  absl::btree_map<NodeId, Stored<NodeGrant>> nodes_;
  absl::btree_map<EdgeId, Stored<EdgeGrant>> edges_;
  absl::btree_map<KeyId, Stored<ApiKeyVerifier>> keys_;
  absl::btree_map<std::string, Stored<Revocation>> revocations_;
};

}  // namespace rolemesh::controlplane
