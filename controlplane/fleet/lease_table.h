// Until when each node counts as alive.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/time/clock.h"
#include "controlplane/model/ids.h"

namespace rolemesh::controlplane {

/// Leases on the monotonic clock: a step of the wall clock expires nobody.
///
/// Renewing costs one lookup; the order of expiry is put right when it is asked for.
///
/// Thread-safety: none; the reconcile loop owns it.
class LeaseTable {
 public:
  /// `node` is alive until `deadline`, whatever was said before.
  void Renew(const NodeId& node, base::SteadyTime deadline);
  void Remove(const NodeId& node);
  bool Holds(const NodeId& node) const { return deadlines_.contains(node); }
  size_t size() const { return deadlines_.size(); }

  /// Takes out the leases that ended at or before `now`.
  std::vector<NodeId> TakeExpired(base::SteadyTime now);

  /// When TakeExpired() may next find one; never later than that.
  absl::optional<base::SteadyTime> NextCheck() const;

 private:
  struct Lease {
    base::SteadyTime deadline;
    base::SteadyTime check_at;  // its place in order_; at or before the deadline
  };

  absl::flat_hash_map<NodeId, Lease> deadlines_;
  absl::btree_set<std::pair<base::SteadyTime, NodeId>> order_;
};

}  // namespace rolemesh::controlplane
