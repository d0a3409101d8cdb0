#include "controlplane/store/measured_store.h"

#include <chrono>
#include <utility>
#include <vector>

namespace rolemesh::controlplane {
namespace {

// 100 us, a commit to memory, to 1 s, a disk in trouble.
std::vector<double> CommitBounds() {
  return {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1};
}

}  // namespace

MeasuredStore::MeasuredStore(Store* store, const base::Clock* clock, base::MetricRegistry* metrics)
    : store_(store),
      clock_(clock),
      seconds_(metrics->AddHistogram("rolemesh_controlplane_store_commit_seconds",
                                     "From asking for a commit to its being durable",
                                     CommitBounds())),
      failures_(metrics->AddCounter("rolemesh_controlplane_store_commit_failures_total",
                                    "Commits that ended with an error")) {}

void MeasuredStore::Commit(Transaction transaction, CommitDone done) {
  store_->Commit(std::move(transaction),
                 [this, begin = clock_->SteadyNow(),
                  done = std::move(done)](absl::StatusOr<CommitResult> result) mutable {
                   const std::chrono::duration<double> took = clock_->SteadyNow() - begin;
                   seconds_.Observe(took.count());
                   if (!result.ok()) failures_.Increment();
                   done(std::move(result));
                 });
}

std::unique_ptr<Watch> MeasuredStore::WatchFrom(absl::string_view prefix, int64_t start_revision,
                                                WatchCallback callback) {
  return store_->WatchFrom(prefix, start_revision, std::move(callback));
}

}  // namespace rolemesh::controlplane
