// A Store that says how long it takes.
#pragma once

#include <memory>
#include <string>

#include "base/metrics/registry.h"
#include "base/time/clock.h"
#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

/// Passes everything on to another Store and counts and times commits:
/// rolemesh_controlplane_store_commit_seconds and ..._store_commit_failures_total.
///
/// Thread-safety: thread-safe.
/// Ownership: all three outlive it.
class MeasuredStore final : public Store {
 public:
  MeasuredStore(Store* store, const base::Clock* clock, base::MetricRegistry* metrics);

  std::string store_id() const override { return store_->store_id(); }
  absl::Status health() const override { return store_->health(); }
  void Commit(Transaction transaction, CommitDone done) override;
  absl::StatusOr<RangeResult> Get(absl::string_view key) override { return store_->Get(key); }
  absl::StatusOr<RangeResult> List(absl::string_view prefix, size_t limit) override {
    return store_->List(prefix, limit);
  }
  std::unique_ptr<Watch> WatchFrom(absl::string_view prefix, int64_t start_revision,
                                   WatchCallback callback) override;
  absl::StatusOr<Lease> GrantLease(absl::Duration ttl) override { return store_->GrantLease(ttl); }
  absl::StatusOr<absl::Duration> KeepAlive(int64_t lease_id) override {
    return store_->KeepAlive(lease_id);
  }
  absl::Status RevokeLease(int64_t lease_id) override { return store_->RevokeLease(lease_id); }
  absl::Status Compact(int64_t revision) override { return store_->Compact(revision); }
  absl::Status Backup(const std::string& path) override { return store_->Backup(path); }

 private:
  Store* const store_;
  const base::Clock* const clock_;
  base::Histogram& seconds_;
  base::Counter& failures_;
};

}  // namespace rolemesh::controlplane
