// Where serial work is posted: a thread of its own, or a test's hands.
#pragma once

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "base/async/serial_owner.h"

namespace rolemesh::base {

/// Names one PostAfter(); never reused. kNoTimer names none.
enum class TimerId : uint64_t {};
inline constexpr TimerId kNoTimer{0};

/// Runs tasks one at a time: posted ones in the order of posting, timers in the
/// order of falling due; between the two there is no order.
///
/// State that only its tasks touch is ABSL_GUARDED_BY(executor.owner()): keep
/// `const SerialOwner& owner_` and begin each task with owner_.AssertCurrent().
///
/// Thread-safety: thread-safe; a task may post and cancel.
class Executor {
 public:
  using Task = absl::AnyInvocable<void()>;

  virtual ~Executor() = default;

  /// Runs `task` later, never before returning. For events that must not be
  /// lost and whose number something else bounds (one per stream, one per
  /// process). False when the executor has stopped: `task` was destroyed, unrun.
  virtual bool Post(Task task) = 0;

  /// As Post, for work that outsiders can pile up.
  /// Errors: ResourceExhausted: the queue is full: slow down or drop;
  /// FailedPrecondition: stopped.
  virtual absl::Status TryPost(Task task) = 0;

  /// Runs `task` once `delay` (steady clock) has passed; timers due together run
  /// in the order of being due, then of posting. kNoTimer when stopped.
  virtual TimerId PostAfter(absl::Duration delay, Task task) = 0;

  /// True when the timer will not run. Called from a task of this executor,
  /// false means that it ran; from elsewhere it may also be running now.
  /// Harmless for kNoTimer and timers that ran.
  virtual bool Cancel(TimerId timer) = 0;

  /// The capability that this executor's tasks hold.
  virtual const SerialOwner& owner() const = 0;
};

}  // namespace rolemesh::base
