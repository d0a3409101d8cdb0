// Commits, and says when the loop has seen what they did.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

#include "base/async/executor.h"
#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

/// Brings the store's callbacks to the loop, and no longer once it is destroyed.
///
/// Thread-safety: owned by the loop, except the destructor: after the loop has stopped.
class AppliedStore {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<CommitResult>)>;

  AppliedStore(base::Executor* executor, Store* store);
  ~AppliedStore();
  AppliedStore(const AppliedStore&) = delete;
  AppliedStore& operator=(const AppliedStore&) = delete;

  /// Calls `done` on the loop when everything up to the result's revision has been applied.
  /// Errors: of Store::Commit; Unavailable: shut down.
  void Commit(Transaction transaction, Done done);

  /// Calls `done` on the loop, perhaps at once, when `revision` has been applied.
  /// Errors: Unavailable: shut down.
  void WhenApplied(int64_t revision, absl::AnyInvocable<void(absl::Status)> done);

  /// Watches every key from `revision` on; `on_batch` runs on the loop.
  void WatchFrom(int64_t revision, absl::AnyInvocable<void(absl::StatusOr<ChangeBatch>)> on_batch);

  void SetApplied(int64_t revision);
  int64_t applied() const { return applied_; }

  /// Ends what is waited for.
  void Shutdown();

 private:
  // Outlives this in callbacks of the store.
  struct Mailbox {
    absl::Mutex mutex;
    base::Executor* executor ABSL_GUARDED_BY(mutex) = nullptr;  // null: closed

    void Post(base::Executor::Task task);
  };

  Store* const store_;
  const std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<Watch> watch_;
  int64_t applied_ = 0;
  bool shut_down_ = false;
  absl::btree_multimap<int64_t, absl::AnyInvocable<void(absl::Status)>> waiting_;
};

}  // namespace rolemesh::controlplane
