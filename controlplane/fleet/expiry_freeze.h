// Tells a broken network from dead nodes.
#pragma once

#include <cstddef>
#include <deque>

#include "absl/time/time.h"

#include "base/time/clock.h"

namespace rolemesh::controlplane {

/// Frozen once more than 30 % of the nodes and at least 5 lose their lease within one lease time:
/// then nothing leaves the table because of silence. Thaws when no more than that is silent.
///
/// Thread-safety: none; the reconcile loop owns it.
class ExpiryFreeze {
 public:
  static constexpr size_t kLeastExpiries = 5;
  static constexpr double kShare = 0.30;

  explicit ExpiryFreeze(absl::Duration lease) : lease_(lease) {}

  void OnExpiry(base::SteadyTime now);

  /// Looks at the state now: `silent` nodes without a lease among `known` nodes that are not gone
  /// or left. Returns whether frozen() changed.
  bool Update(base::SteadyTime now, size_t silent, size_t known);

  bool frozen() const { return frozen_; }
  /// When it last thawed: silent nodes have their grace from then. Infinite past: never was frozen.
  base::SteadyTime thawed_at() const { return thawed_at_; }

 private:
  const absl::Duration lease_;
  std::deque<base::SteadyTime> expiries_;
  bool frozen_ = false;
  base::SteadyTime thawed_at_ = base::SteadyTime::min();
};

}  // namespace rolemesh::controlplane
