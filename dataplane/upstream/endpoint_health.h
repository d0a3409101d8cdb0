// What this edge knows of its endpoints by itself: how busy it keeps them, whether they answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "base/time/clock.h"
#include "dataplane/upstream/destination.h"

namespace rolemesh::dataplane {

/// One endpoint, shared by all threads of the edge.
/// Thread-safety: thread-safe, lock-free.
class alignas(64) EndpointState {
 public:
  /// Requests that this edge has there now.
  uint32_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

  /// Out of the choice until a probe succeeds.
  bool ejected() const { return ejected_.load(std::memory_order_relaxed); }

  /// Connection refused, reset or timed out: ejected at once.
  void OnConnectFailed() { ejected_.store(true, std::memory_order_relaxed); }
  void OnConnected() { ejected_.store(false, std::memory_order_relaxed); }

 private:
  friend class InFlightPermit;

  std::atomic<uint32_t> in_flight_{0};
  std::atomic<bool> ejected_{false};
};

/// Counts one request at an endpoint while it lives.
/// Thread-safety: a value.
class InFlightPermit {
 public:
  InFlightPermit() = default;
  explicit InFlightPermit(std::shared_ptr<EndpointState> state) : state_(std::move(state)) {
    state_->in_flight_.fetch_add(1, std::memory_order_relaxed);
  }
  InFlightPermit(InFlightPermit&& other) noexcept : state_(std::move(other.state_)) {}
  InFlightPermit& operator=(InFlightPermit&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~InFlightPermit() {
    if (state_ != nullptr) {
      state_->in_flight_.fetch_sub(1, std::memory_order_relaxed);
    }
  }

 private:
  std::shared_ptr<EndpointState> state_;
};

/// The states of all endpoints that were looked up and are still in use.
///
/// Every thread keeps what it got and asks again when the route table has changed, so the lock
/// is off the hot path.
/// Thread-safety: thread-safe.
class EndpointHealth {
 public:
  /// The state of `key`: endpoint id and generation, so that a restarted instance starts
  /// anew. `destination` is where a probe connects to.
  std::shared_ptr<EndpointState> Get(absl::string_view key, const Destination& destination);

  /// An endpoint to probe now.
  struct Probe {
    std::shared_ptr<EndpointState> state;
    Destination destination;
  };
  /// The ejected endpoints whose turn it is; each comes again after a backoff that grows from 100
  /// ms to 5 s while it stays ejected.
  std::vector<Probe> TakeDueProbes(base::SteadyTime now);

  /// Ids (keys without the generation) of the endpoints that are out of the choice.
  absl::flat_hash_set<std::string> EjectedEndpoints();

 private:
  struct Entry {
    std::shared_ptr<EndpointState> state;
    Destination destination;
    base::SteadyTime next_probe{};
    absl::Duration backoff;  // zero: not ejected when last looked at
  };

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  size_t sweep_at_ ABSL_GUARDED_BY(mutex_) = 64;
};

}  // namespace rolemesh::dataplane
