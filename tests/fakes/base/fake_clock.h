// Time that only a test moves.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "base/time/clock.h"

namespace rolemesh::base {

/// A Clock that stands still until Advance(). Starts at an arbitrary steady time
/// and at 2026-01-01T00:00:00Z.
///
/// Thread-safety: thread-safe.
class FakeClock final : public Clock {
 public:
  SteadyTime SteadyNow() const override;
  absl::Time WallNow() const override;

  /// Moves both clocks; `by` is not negative.
  void Advance(absl::Duration by);

  /// Steps the wall clock alone, either way.
  void StepWall(absl::Duration by);

 private:
  mutable absl::Mutex mutex_;
  SteadyTime steady_ ABSL_GUARDED_BY(mutex_) = SteadyTime(std::chrono::hours(1));
  absl::Time wall_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(1767225600);
};

}  // namespace rolemesh::base
