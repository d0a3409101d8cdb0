// A certificate or an identity that is refused although it verifies.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace rolemesh::controlplane {

/// Thread-safety: a value.
struct Revocation {
  std::string serial;    ///< Lower-case hex; empty: the whole identity.
  std::string identity;  ///< SPIFFE id; empty: the serial only.
  absl::Time revoked_at;
  std::string revoked_by;

  friend bool operator==(const Revocation&, const Revocation&) = default;
};

}  // namespace rolemesh::controlplane
