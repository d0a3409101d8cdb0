#include "base/async/serial_loop.h"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <cstdint>
#include <pthread.h>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "base/time/clock.h"

namespace rolemesh::base {
namespace {

// The longest timer; more would overflow the clock.
constexpr absl::Duration kMaxDelay = absl::Hours(24 * 365);

thread_local const SerialLoop* running_loop = nullptr;

}  // namespace

SerialLoop::SerialLoop(const Clock& clock, SerialLoopOptions options)
    : clock_(clock),
      options_(std::move(options)),
      owner_([this] { return running_loop == this; }),
      thread_([this] { Run(); }) {}

SerialLoop::~SerialLoop() {
  Stop();
}

bool SerialLoop::Post(Task task) {
  const Lock lock(&mutex_);
  return Enqueue(task);
}

absl::Status SerialLoop::TryPost(Task task) {
  const Lock lock(&mutex_);
  if (!stopping_ && queue_.size() >= options_.max_queued) {
    return absl::ResourceExhaustedError(
        absl::StrCat(options_.name, ": ", queue_.size(), " tasks are queued"));
  }
  return Enqueue(task) ? absl::OkStatus()
                       : absl::FailedPreconditionError(absl::StrCat(options_.name, ": stopped"));
}

bool SerialLoop::Enqueue(Task& task) {
  assert(task);
  if (stopping_) {
    return false;
  }
  queue_.push_back(std::move(task));
  high_water_ = std::max(high_water_, queue_.size());
  wake_.notify_one();
  return true;
}

TimerId SerialLoop::PostAfter(absl::Duration delay, Task task) {
  const SteadyTime due = clock_.SteadyNow() + absl::ToChronoNanoseconds(std::clamp(
                                                  delay, absl::ZeroDuration(), kMaxDelay));
  const Lock lock(&mutex_);
  if (stopping_) {
    return kNoTimer;
  }
  const TimerId id{++last_timer_};
  timers_.emplace(std::make_pair(due, id), std::move(task));
  due_.emplace(id, due);
  wake_.notify_one();
  return id;
}

bool SerialLoop::Cancel(TimerId timer) {
  Task dropped;  // destroyed outside the lock: what it holds may call back
  const Lock lock(&mutex_);
  const auto due = due_.find(timer);
  if (due == due_.end()) {
    return false;
  }
  const auto found = timers_.find({due->second, timer});
  dropped = std::move(found->second);
  timers_.erase(found);
  due_.erase(due);
  return true;
}

void SerialLoop::Stop() {
  assert(running_loop != this);
  absl::btree_map<std::pair<SteadyTime, TimerId>, Task> dropped;
  {
    const Lock lock(&mutex_);
    stopping_ = true;
    dropped.swap(timers_);
    due_.clear();
    wake_.notify_one();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

size_t SerialLoop::queued() const {
  const Lock lock(&mutex_);
  return queue_.size();
}

size_t SerialLoop::high_water() const {
  const Lock lock(&mutex_);
  return high_water_;
}

void SerialLoop::Run() {
  running_loop = this;
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  while (Task task = Next()) {
    std::move(task)();
  }
}

SerialLoop::Task SerialLoop::Next() {
  const Lock lock(&mutex_);
  while (true) {
    const bool timer_is_due =
        !timers_.empty() && timers_.begin()->first.first <= clock_.SteadyNow();
    if (timer_is_due && (queue_.empty() || !timer_ran_last_)) {
      timer_ran_last_ = true;
      return TakeTimer();
    }
    if (!queue_.empty()) {
      timer_ran_last_ = false;
      Task task = std::move(queue_.front());
      queue_.pop_front();
      return task;
    }
    if (stopping_) {
      return nullptr;
    }
    if (timers_.empty()) {
      wake_.wait(mutex_);
    } else {
      // By value: the map may change while this waits.
      const SteadyTime due = timers_.begin()->first.first;
      wake_.wait_for(mutex_, due - clock_.SteadyNow());
    }
  }
}

SerialLoop::Task SerialLoop::TakeTimer() {
  Task task = std::move(timers_.begin()->second);
  due_.erase(timers_.begin()->first.second);
  timers_.erase(timers_.begin());
  return task;
}

}  // namespace rolemesh::base
