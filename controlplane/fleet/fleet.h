// What nodes said of themselves: sessions and instances.
#pragma once

#include <cstdint>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "controlplane/model/ids.h"
#include "controlplane/model/instance.h"
#include "controlplane/model/record_key.h"
#include "controlplane/model/session.h"
#include "controlplane/model/stored.h"

namespace rolemesh::controlplane {

/// What is known of one node.
struct FleetNode {
  absl::optional<Stored<Session>> session;  ///< Its newest.
  absl::btree_map<InstanceId, Stored<Instance>> instances;
};

/// Observed state as the store holds it at one revision: no lease, heartbeat or load.
///
/// The reconciler applies the store's changes to it; routing and operators' queries read it.
///
/// Thread-safety: none; the reconcile loop owns it.
class Fleet {
 public:
  /// Whether records of this kind belong here.
  static bool Owns(RecordKind kind);

  /// `key` has `value` since `revision`; none: it was deleted.
  /// Errors: DataLoss: the value is no record of this release: what was there before stays.
  absl::Status Apply(const RecordKey& key, absl::optional<absl::string_view> value,
                     int64_t revision);

  const absl::btree_map<NodeId, FleetNode>& nodes() const { return nodes_; }

  /// Null: there is none. Valid until the next Apply().
  const FleetNode* FindNode(const NodeId& node) const;
  const Stored<Session>* FindSession(const NodeId& node) const;
  const Stored<Instance>* FindInstance(const NodeId& node, const InstanceId& instance) const;

 private:
  absl::btree_map<NodeId, FleetNode> nodes_;
};

}  // namespace rolemesh::controlplane
