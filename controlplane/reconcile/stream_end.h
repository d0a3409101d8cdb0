// Names a stream of an agent or an edge, and says how it ends.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace rolemesh::controlplane {

/// Names one stream of an agent or an edge; never reused.
enum class StreamId : uint64_t {};

/// How a stream ends, for its peer.
///
/// Thread-safety: a value.
struct StreamEnd {
  absl::Status status;                                ///< Never OK.
  absl::Duration retry_after = absl::ZeroDuration();  ///< Zero: the peer's usual backoff.
  bool final = false;                                 ///< Do not come back without a person.
};

}  // namespace rolemesh::controlplane
