#include "controlplane/fleet/lease_table.h"

namespace rolemesh::controlplane {

void LeaseTable::Renew(const NodeId& node, base::SteadyTime deadline) {
  const auto [found, is_new] = deadlines_.try_emplace(node, Lease{deadline, deadline});
  if (is_new) {
    order_.insert({deadline, node});
    return;
  }
  Lease& lease = found->second;
  lease.deadline = deadline;
  if (deadline >= lease.check_at) return;
  order_.erase({lease.check_at, node});
  lease.check_at = deadline;
  order_.insert({deadline, node});
}

void LeaseTable::Remove(const NodeId& node) {
  const auto found = deadlines_.find(node);
  if (found == deadlines_.end()) return;
  order_.erase({found->second.check_at, node});
  deadlines_.erase(found);
}

std::vector<NodeId> LeaseTable::TakeExpired(base::SteadyTime now) {
  std::vector<NodeId> expired;
  while (!order_.empty() && order_.begin()->first <= now) {
    const NodeId node = order_.begin()->second;
    order_.erase(order_.begin());
    const auto found = deadlines_.find(node);
    if (found->second.deadline <= now) {
      deadlines_.erase(found);
      expired.push_back(node);
    } else {
      found->second.check_at = found->second.deadline;
      order_.insert({found->second.check_at, node});
    }
  }
  return expired;
}

absl::optional<base::SteadyTime> LeaseTable::NextCheck() const {
  if (order_.empty()) return absl::nullopt;
  return order_.begin()->first;
}

}  // namespace rolemesh::controlplane
