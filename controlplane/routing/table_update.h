// Changes of a route table as bytes for all edges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/types/optional.h"

#include "controlplane/model/table_version.h"
#include "controlplane/routing/table_state.h"
#include "proto/contract/table_hash.h"

namespace rolemesh::controlplane {

/// One update, serialised: the same bytes go to every edge that needs it.
///
/// Thread-safety: immutable; share it freely.
struct TableUpdate {
  uint64_t nonce = 0;
  absl::optional<TableVersion> from;  ///< None: a snapshot.
  TableVersion to;
  contract::TableHash hash;  ///< Of `to`.
  /// Each a v1::RouteMessage of at most 1 MiB of entries, in order.
  std::vector<std::string> parts;
};

/// Makes updates and keeps those to the newest version.
///
/// Nonces grow with each update made; since an edge gets ever newer versions and one update at a
/// time, they grow within each stream too.
///
/// Thread-safety: none; the reconcile loop owns it.
class TableUpdates {
 public:
  using Shared = std::shared_ptr<const TableUpdate>;

  /// From what the edge holds to `table`: a delta where the history allows, else a snapshot.
  /// `held` without a value: the edge has no table.
  Shared For(const TableState& table, const absl::optional<TableVersion>& held,
             const contract::TableHash& held_hash);

  Shared Snapshot(const TableState& table);

 private:
  // Forgets updates to older versions.
  void KeepOnly(const TableVersion& to);

  uint64_t last_nonce_ = 0;
  TableVersion to_;
  Shared snapshot_;
  absl::btree_map<int64_t, Shared> deltas_;  // by the revision held
};

}  // namespace rolemesh::controlplane
