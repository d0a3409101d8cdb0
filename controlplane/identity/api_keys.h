// API keys of clients: made and ended by admins, verified by edges.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/time/clock.h"
#include "base/tls/secret.h"
#include "controlplane/store/store.h"
#include "rolemesh/v1/operator.pb.h"

namespace rolemesh::controlplane {

struct CreatedApiKey {
  base::Secret text;  ///< rm_..., shown once.
  std::string id;
};

/// The records of API keys. The store holds hashes only; edges get them with the route table.
///
/// Thread-safety: thread-safe. Calls wait for the store.
/// Ownership: both outlive it.
class ApiKeys {
 public:
  ApiKeys(Store* store, const base::Clock* clock);

  /// `request` has passed contract::Validate.
  /// Errors: Unavailable: of the store.
  absl::StatusOr<CreatedApiKey> Create(const v1::CreateKeyRequest& request);

  /// Returns the revision at which the key ended: a table of that revision or later is without it.
  /// Errors: NotFound: no such key; Unavailable: of the store.
  absl::StatusOr<int64_t> Revoke(absl::string_view key_id);

 private:
  Store* const store_;
  const base::Clock* const clock_;
};

}  // namespace rolemesh::controlplane
