// How long to wait before trying again.
#pragma once

#include "absl/time/time.h"

namespace rolemesh::base {

/// Exponential backoff with full jitter: a wait is uniform in [0, ceiling), and
/// the ceiling starts at `base` and doubles up to `cap`. Randomness comes from the
/// caller, so decisions stay repeatable in tests.
///
///   delay = backoff.Next(absl::Uniform(bitgen, 0.0, 1.0)); ... backoff.Reset() on success.
///
/// Thread-safety: a value.
class Backoff {
 public:
  /// 0 < base <= cap.
  Backoff(absl::Duration base, absl::Duration cap);

  /// The next wait; `unit` is random in [0, 1).
  absl::Duration Next(double unit);

  /// The upper end of the next wait; for restarts that want no jitter.
  absl::Duration ceiling() const { return ceiling_; }

  /// How often Next() was called since the start or Reset().
  int attempts() const { return attempts_; }

  /// After a success that lasted.
  void Reset();

 private:
  absl::Duration base_;
  absl::Duration cap_;
  absl::Duration ceiling_;
  int attempts_ = 0;
};

}  // namespace rolemesh::base
