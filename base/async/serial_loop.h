// One thread that runs posted tasks in order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "base/async/executor.h"
#include "base/async/serial_owner.h"
#include "base/time/clock.h"

namespace rolemesh::base {

struct SerialLoopOptions {
  std::string name = "loop";  ///< Of the thread, at most 15 bytes: what top and gdb show.
  /// TryPost() refuses when this many tasks wait; Post() never does, and shows
  /// in high_water() when it went beyond.
  size_t max_queued = 10000;
};

/// An Executor with a thread of its own, started by the constructor.
///
/// Due timers and queued tasks take turns, so that neither starves. Waits on the
/// monotonic clock: a step of the wall clock changes nothing.
///
/// Thread-safety: thread-safe, except Stop() and the destructor: one caller,
/// not a task of this loop.
/// Ownership: `clock` outlives the loop.
class SerialLoop final : public Executor {
 public:
  explicit SerialLoop(const Clock& clock, SerialLoopOptions options = {});
  /// Stops.
  ~SerialLoop() override;

  bool Post(Task task) override;
  absl::Status TryPost(Task task) override;
  TimerId PostAfter(absl::Duration delay, Task task) override;
  bool Cancel(TimerId timer) override;
  const SerialOwner& owner() const override { return owner_; }

  /// Refuses new tasks, drops timers, runs what is queued, joins. Harmless twice.
  void Stop();

  size_t queued() const;      ///< Tasks waiting now, timers not counted.
  size_t high_water() const;  ///< The most that ever waited.

 private:
  // std::mutex as a capability: absl::CondVar of this release waits on the wall clock.
  class ABSL_LOCKABLE Mutex {
   public:
    void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
    void unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

   private:
    std::mutex mutex_;
  };
  class ABSL_SCOPED_LOCKABLE Lock {
   public:
    explicit Lock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
      mutex_->lock();
    }
    ~Lock() ABSL_UNLOCK_FUNCTION() { mutex_->unlock(); }

   private:
    Mutex* const mutex_;
  };

  void Run();
  // Waits for a task and takes it; an empty one when the loop is to end.
  Task Next();
  Task TakeTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Enqueue(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  const SerialLoopOptions options_;

  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<std::pair<SteadyTime, TimerId>, Task> timers_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TimerId, SteadyTime> due_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_timer_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t high_water_ ABSL_GUARDED_BY(mutex_) = 0;
  bool timer_ran_last_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  SerialOwner owner_;
  std::thread thread_;  // last: Run() touches the rest
};

}  // namespace rolemesh::base
