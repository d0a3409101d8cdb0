// Identities and certificates that are refused although they verify.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

/// The deny-list, kept up to date by a watch on the store; asked at each call and stream.
///
/// Thread-safety: thread-safe; Check() does not wait for the store unless the watch was lost.
/// Ownership: `store` outlives it.
class Revocations {
 public:
  /// Reads the list. Errors: of the store.
  static absl::StatusOr<std::unique_ptr<Revocations>> Build(Store* store);
  ~Revocations();
  Revocations(const Revocations&) = delete;
  Revocations& operator=(const Revocations&) = delete;

  /// Errors: PermissionDenied: revoked; Unavailable: the list cannot be read now, so nobody is
  /// let in.
  absl::Status Check(absl::string_view serial, absl::string_view spiffe_id);

 private:
  explicit Revocations(Store* store) : store_(store) {}

  absl::Status Reload() ABSL_LOCKS_EXCLUDED(reload_mutex_, mutex_);
  void Add(const KeyValue& kv) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnChanges(absl::StatusOr<ChangeBatch> batch) ABSL_LOCKS_EXCLUDED(mutex_);

  Store* const store_;
  absl::Mutex reload_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  absl::Mutex mutex_;
  bool stale_ ABSL_GUARDED_BY(mutex_) = true;
  absl::flat_hash_set<std::string> refused_ ABSL_GUARDED_BY(mutex_);  // serials and URIs
  std::unique_ptr<Watch> watch_ ABSL_GUARDED_BY(reload_mutex_);  // last: its callback uses the rest
};

}  // namespace rolemesh::controlplane
