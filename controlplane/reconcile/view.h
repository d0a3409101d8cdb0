// The mesh as the reconcile loop sees it at one moment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/time/clock.h"
#include "controlplane/catalog/catalog.h"
#include "controlplane/fleet/fleet.h"
#include "controlplane/model/ids.h"
#include "controlplane/model/instance.h"
#include "controlplane/model/table_version.h"
#include "controlplane/routing/table_rules.h"
#include "controlplane/routing/table_state.h"

namespace rolemesh::controlplane {

/// A node whose stream is open here.
struct AgentStatus {
  base::SteadyTime heartbeat_at;  ///< Of the last heartbeat, or of the hello.
  absl::btree_map<InstanceId, InstanceLoad> loads;
  std::vector<RoleRefusal> refusals;
  absl::optional<uint32_t> drain_running;  ///< Requests that run while it drains, as it last said.
  bool drain_edges_acked = false;  ///< Every connected edge has ACKed a table without this node.
};

/// An edge that is or was connected here since this replica's start.
struct EdgeStatus {
  bool connected = false;
  std::string listen_address;
  std::string version;
  TableVersion acked;  ///< Revision 0: none.
  absl::Time connected_at;
  std::string last_nack;                               ///< Until it ACKs a newer table.
  absl::btree_set<std::string> unreachable_endpoints;  ///< By its own evidence.
};

/// Valid only inside the function it is passed to.
struct View {
  const Catalog& catalog;
  const Fleet& fleet;
  const TableState& table;
  const absl::btree_map<NodeId, AgentStatus>& agents;  ///< Connected ones.
  const absl::btree_map<EdgeId, EdgeStatus>& edges;
  base::SteadyTime now;
  int64_t revision;      ///< Of the store, applied.
  bool removals_frozen;  ///< See ExpiryFreeze.
  absl::string_view replica;

  /// "edge edge-1 refused table 17: ...": what an operator should look at, at most 32.
  std::vector<std::string> Problems() const;
  const std::vector<std::string>& bad_records;  ///< Store keys that could not be read.
};

}  // namespace rolemesh::controlplane
