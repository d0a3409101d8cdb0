// An Executor that a test steps by hand, in virtual time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "base/async/executor.h"
#include "base/async/serial_owner.h"
#include "base/time/clock.h"
#include "tests/fakes/base/fake_clock.h"

namespace rolemesh::base {

/// Nothing runs until the test says so, and then on the test's own thread:
///
///   FakeClock clock; FakeExecutor executor(&clock);
///   Supervisor supervisor(&executor, &clock);
///   executor.Settle();                        // what is due now
///   executor.AdvanceBy(absl::Seconds(6));     // ... and what falls due in 6 s, each at its time
///
/// owner().AssertCurrent() holds everywhere on the test's thread, so a test may
/// look at guarded state between steps.
///
/// Thread-safety: the thread that made it only.
/// Ownership: `clock` outlives it and is moved by it.
class FakeExecutor final : public Executor {
 public:
  explicit FakeExecutor(FakeClock* clock, size_t max_queued = 10000);

  bool Post(Task task) override;
  absl::Status TryPost(Task task) override;
  TimerId PostAfter(absl::Duration delay, Task task) override;
  bool Cancel(TimerId timer) override;
  const SerialOwner& owner() const override { return owner_; }

  /// Runs tasks and due timers, and what they post, until none is left. More
  /// than 100,000 tasks is a loop: dies.
  void Settle();

  /// Settles, then moves the clock to each timer that falls due within `by`, runs it and
  /// settles, and ends `by` later than it began.
  void AdvanceBy(absl::Duration by);

  /// Runs one task or due timer; false when there is none.
  bool RunOne();

  /// Runs what is queued, drops timers, refuses from now on, as SerialLoop::Stop().
  void Stop();

  size_t queued() const { return queue_.size(); }
  size_t timers() const { return timers_.size(); }

 private:
  FakeClock* const clock_;
  const size_t max_queued_;
  SerialOwner owner_;
  std::deque<Task> queue_;
  absl::btree_map<std::pair<SteadyTime, TimerId>, Task> timers_;
  uint64_t last_timer_ = 0;
  bool stopped_ = false;
};

}  // namespace rolemesh::base
