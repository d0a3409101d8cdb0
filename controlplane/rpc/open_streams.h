// Streams that wait for things to happen, so that they can be ended when the program stops.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace rolemesh::controlplane {

/// How to end each open stream; the streams remove themselves.
///
/// Thread-safety: thread-safe.
class OpenStreams {
 public:
  using End = std::function<void(const absl::Status&)>;

  /// Returns a number for Remove(). When EndAll() has been called already, `end` is called at once.
  uint64_t Add(End end) {
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      status = status_;
      if (status.ok()) {
        ends_.emplace(++last_, std::move(end));
        return last_;
      }
    }
    end(status);
    return 0;
  }

  void Remove(uint64_t stream) {
    absl::MutexLock lock(&mutex_);
    ends_.erase(stream);
  }

  /// Ends all with `status`, which is not OK, and those to come.
  void EndAll(const absl::Status& status) {
    absl::flat_hash_map<uint64_t, End> ends;
    {
      absl::MutexLock lock(&mutex_);
      status_ = status;
      ends.swap(ends_);
    }
    for (auto& [stream, end] : ends) end(status);
  }

 private:
  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, End> ends_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rolemesh::controlplane
