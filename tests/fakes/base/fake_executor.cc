#include "tests/fakes/base/fake_executor.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/base/internal/raw_logging.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

#include "base/time/clock.h"

namespace rolemesh::base {
namespace {

constexpr int kMaxTasksOfOneSettle = 100000;

}  // namespace

FakeExecutor::FakeExecutor(FakeClock* clock, size_t max_queued)
    : clock_(clock), max_queued_(max_queued), owner_([thread = std::this_thread::get_id()] {
        return std::this_thread::get_id() == thread;
      }) {}

bool FakeExecutor::Post(Task task) {
  if (stopped_) {
    return false;
  }
  queue_.push_back(std::move(task));
  return true;
}

absl::Status FakeExecutor::TryPost(Task task) {
  if (!stopped_ && queue_.size() >= max_queued_) {
    return absl::ResourceExhaustedError("fake executor: the queue is full");
  }
  return Post(std::move(task)) ? absl::OkStatus()
                               : absl::FailedPreconditionError("fake executor: stopped");
}

TimerId FakeExecutor::PostAfter(absl::Duration delay, Task task) {
  if (stopped_) {
    return kNoTimer;
  }
  const TimerId id{++last_timer_};
  const absl::Duration bounded = std::clamp(delay, absl::ZeroDuration(), absl::Hours(24 * 365));
  timers_.emplace(std::make_pair(clock_->SteadyNow() + absl::ToChronoNanoseconds(bounded), id),
                  std::move(task));
  return id;
}

bool FakeExecutor::Cancel(TimerId timer) {
  for (auto it = timers_.begin(); it != timers_.end(); ++it) {
    if (it->first.second == timer) {
      const Task dropped = std::move(it->second);
      timers_.erase(it);
      return true;
    }
  }
  return false;
}

bool FakeExecutor::RunOne() {
  Task task;
  if (!queue_.empty()) {
    task = std::move(queue_.front());
    queue_.pop_front();
  } else if (!timers_.empty() && timers_.begin()->first.first <= clock_->SteadyNow()) {
    task = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
  } else {
    return false;
  }
  task();
  return true;
}

void FakeExecutor::Settle() {
  for (int i = 0; RunOne(); ++i) {
    ABSL_RAW_CHECK(i < kMaxTasksOfOneSettle, "tasks post each other without end");
  }
}

void FakeExecutor::AdvanceBy(absl::Duration by) {
  const SteadyTime end = clock_->SteadyNow() + absl::ToChronoNanoseconds(by);
  Settle();
  while (!timers_.empty() && timers_.begin()->first.first <= end) {
    clock_->Advance(absl::FromChrono(timers_.begin()->first.first - clock_->SteadyNow()));
    Settle();
  }
  clock_->Advance(absl::FromChrono(end - clock_->SteadyNow()));
}

void FakeExecutor::Stop() {
  stopped_ = true;
  const auto dropped = std::exchange(timers_, {});
  Settle();
}

}  // namespace rolemesh::base
