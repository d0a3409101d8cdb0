// Which control plane to try next, and when.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "base/async/backoff.h"

namespace rolemesh::client {

/// Goes through a list of control plane addresses, each retry at a random
/// moment of a window that doubles ("full jitter", 250 ms to 30 s), so that
/// ten thousand agents do not come back together.
///
/// Thread-safety: owned by its caller.
class AddressRotation {
 public:
  /// `addresses` is not empty; HOST:PORT each.
  explicit AddressRotation(std::vector<std::string> addresses);

  /// What to dial now.
  const std::string& current() const { return addresses_[index_]; }

  /// A conversation went well: the next failure waits short again.
  void OnConnected() { backoff_.Reset(); }

  /// The current address failed: moves to the next one and returns how long to
  /// wait before dialling it. `random` is in [0, 1).
  absl::Duration OnFailed(double random);

 private:
  const std::vector<std::string> addresses_;
  size_t index_ = 0;
  base::Backoff backoff_;
};

}  // namespace rolemesh::client
