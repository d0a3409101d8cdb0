// How a stream ends, for its peer.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace rolemesh::controlplane {

/// Thread-safety: a value.
struct StreamEnd {
  absl::Status status;                                ///< Never OK.
  absl::Duration retry_after = absl::ZeroDuration();  ///< Zero: the peer's usual backoff.
  bool final = false;                                 ///< Do not come back without a person.
};

}  // namespace rolemesh::controlplane
