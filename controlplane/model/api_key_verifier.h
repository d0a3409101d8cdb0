// What is kept of a client's API key.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "controlplane/model/ids.h"

namespace rolemesh::controlplane {

/// Enough to recognise a key, not to make it.
///
/// Thread-safety: a value.
struct ApiKeyVerifier {
  KeyId key;
  std::string secret_sha256;       ///< 32 bytes.
  std::vector<std::string> roles;  ///< Roles it may use; empty: all, also later ones.
  absl::Time created_at;
  absl::Time expires_at = absl::InfiniteFuture();
  std::string note;

  friend bool operator==(const ApiKeyVerifier&, const ApiKeyVerifier&) = default;
};

}  // namespace rolemesh::controlplane
