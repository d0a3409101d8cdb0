// The pure function catalog x fleet -> route table, entry by entry.
#pragma once

#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "controlplane/catalog/catalog.h"
#include "controlplane/fleet/fleet.h"
#include "controlplane/model/ids.h"
#include "controlplane/model/record_key.h"
#include "controlplane/routing/entry_key.h"
#include "controlplane/routing/table_state.h"

namespace rolemesh::controlplane {

/// Whether an instance is in the table, and why not.
struct EndpointDecision {
  std::string payload;  ///< A v1::EndpointEntry; empty: not in the table.
  std::string reason;   ///< One line; empty when it is in.
};

EndpointDecision DecideEndpoint(const Catalog& catalog, const Fleet& fleet, const NodeId& node,
                                const InstanceId& instance);

/// The payload of the entry that `key` names; none: the table has no such entry.
absl::optional<std::string> BuildEntry(const Catalog& catalog, const Fleet& fleet,
                                       const EntryKey& key);

/// Every entry that the table may have.
absl::btree_set<EntryKey> AllEntries(const Catalog& catalog, const Fleet& fleet);

/// Adds the entries that may differ because `changed` was applied to `catalog` or `fleet`; `table`
/// knows those of what is no longer there.
void AddAffectedEntries(const Catalog& catalog, const Fleet& fleet, const TableState& table,
                        const RecordKey& changed, absl::btree_set<EntryKey>* affected);

/// "<node>/<instance>", the id of an instance's entry.
std::string EndpointIdOf(const NodeId& node, const InstanceId& instance);

/// An advertised role that is not served.
struct RoleRefusal {
  InstanceId instance;
  std::string role;
  std::string reason;  ///< "not granted to node gpu-1", "no such role"

  friend bool operator==(const RoleRefusal&, const RoleRefusal&) = default;
};

/// All of a node's, by instance and role.
std::vector<RoleRefusal> RefusedRoles(const Catalog& catalog, const Fleet& fleet,
                                      const NodeId& node);

/// Numbers are those of rolemesh.v1.NodeState.
enum class NodeState { kLive = 1, kSuspect, kGone, kDraining, kPending, kNever };

struct NodeCondition {
  NodeState state = NodeState::kNever;
  std::string reason;  ///< One line, where it is not obvious.
};

/// What a node is to people: the worst of grant and session.
NodeCondition ConditionOf(const Catalog& catalog, const Fleet& fleet, const NodeId& node);

/// Where edges reach a node's front, "10.0.0.12:8091"; empty before its first session.
std::string FrontAddressOf(const Catalog& catalog, const Fleet& fleet, const NodeId& node);

}  // namespace rolemesh::controlplane
