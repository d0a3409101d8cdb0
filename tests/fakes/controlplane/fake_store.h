// A Store in memory that answers before the call returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "base/time/clock.h"
#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

/// Passes the suite that SqliteStore passes, without a thread: `done` and
/// watchers are called before Commit returns (when two threads commit, or a
/// callback does, by whichever is already calling watchers).
///
/// Leases expire when somebody next calls it after `clock` was moved.
///
/// Thread-safety: thread-safe.
/// Ownership: `clock` outlives it.
class FakeStore final : public Store {
 public:
  explicit FakeStore(const base::Clock* clock, std::string store_id = "fake-store");

  /// What health() and every later commit answer: not OK = read-only.
  void SetHealth(absl::Status health);

  /// Expires what is due and calls watchers.
  void Settle();

  std::string store_id() const override { return store_id_; }
  absl::Status health() const override;
  void Commit(Transaction transaction, CommitDone done) override;
  absl::StatusOr<RangeResult> Get(absl::string_view key) override;
  absl::StatusOr<RangeResult> List(absl::string_view prefix, size_t limit = 0) override;
  std::unique_ptr<Watch> WatchFrom(absl::string_view prefix, int64_t start_revision,
                                   WatchCallback callback) override;
  absl::StatusOr<Lease> GrantLease(absl::Duration ttl) override;
  absl::StatusOr<absl::Duration> KeepAlive(int64_t lease_id) override;
  absl::Status RevokeLease(int64_t lease_id) override;
  absl::Status Compact(int64_t revision) override;
  /// Unimplemented: there is no file.
  absl::Status Backup(const std::string& path) override;

 private:
  struct HeldLease {
    absl::Duration ttl;
    base::SteadyTime deadline;
  };
  struct Subscription;
  class FakeWatch;

  absl::StatusOr<CommitResult> Apply(const Transaction& transaction)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Delete(const std::string& key, ChangeBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<std::string> KeysUnder(absl::string_view prefix) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Record(ChangeBatch batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Revoke(int64_t lease_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ExpireLeases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CallWatchers() ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const std::shared_ptr<Subscription>& subscription) ABSL_LOCKS_EXCLUDED(mutex_);

  const base::Clock* const clock_;
  const std::string store_id_;
  mutable absl::Mutex mutex_;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<std::string, KeyValue> kv_ ABSL_GUARDED_BY(mutex_);
  int64_t revision_ ABSL_GUARDED_BY(mutex_) = 1;
  std::deque<ChangeBatch> log_ ABSL_GUARDED_BY(mutex_);  // first_revision_ .. revision_
  int64_t first_revision_ ABSL_GUARDED_BY(mutex_) = 2;
  absl::btree_map<int64_t, HeldLease> leases_ ABSL_GUARDED_BY(mutex_);
  int64_t last_lease_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<std::shared_ptr<Subscription>> subscriptions_ ABSL_GUARDED_BY(mutex_);
  const Subscription* calling_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;       // some thread calls watchers...
  std::thread::id caller_ ABSL_GUARDED_BY(mutex_);  // ... this one
};

}  // namespace rolemesh::controlplane
