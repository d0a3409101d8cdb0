// What the front may forward to right now, and how much of it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

#include "base/net/socket_address.h"
#include "base/tls/secret.h"

namespace rolemesh::agent {

/// How many requests one start (generation) of an instance runs. The front counts, the
/// supervisor and the link read.
///
/// Thread-safety: thread-safe, lock-free.
class alignas(64) RunningRequests {
 public:
  /// Counts one more unless `limit` run already; then false and nothing changed.
  bool TryStart(int limit);
  /// Counts one more whatever runs.
  void OnRequestStarted() { count_.fetch_add(1, std::memory_order_relaxed); }
  /// Once for each successful TryStart() or OnRequestStarted().
  void OnRequestEnded() { count_.fetch_sub(1, std::memory_order_relaxed); }

  int count() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> count_{0};
};

/// One instance that has a process, as the front sees it.
/// Thread-safety: immutable, but for what `running` points at.
struct InstanceEntry {
  std::string id;               ///< Name from the configuration.
  uint64_t generation = 0;      ///< A request that names another gets 421.
  base::SocketAddress address;  ///< 127.0.0.1:port of the llama-server.
  base::Secret key;             ///< For `Authorization: Bearer`.
  bool ready = false;           ///< Proven; otherwise nothing is forwarded ("not-ready").
  bool draining = false;        ///< Takes nothing new ("draining").
  std::vector<std::string> roles;
  int slot_count = 0;  ///< Requests it runs at once; 0 while not ready.
  /// Never null; new with each generation, so a late OnRequestEnded() harms nobody.
  std::shared_ptr<RunningRequests> running;
};

/// All instances at one moment.
/// Thread-safety: immutable.
class InstanceSnapshot {
 public:
  InstanceSnapshot() = default;
  explicit InstanceSnapshot(std::vector<std::shared_ptr<const InstanceEntry>> entries);

  /// Null when there is no such instance, or it has no process.
  std::shared_ptr<const InstanceEntry> Find(absl::string_view id) const;

  /// By id.
  const std::vector<std::shared_ptr<const InstanceEntry>>& entries() const { return entries_; }

  /// Requests that run on all of them.
  int RunningTotal() const;

 private:
  std::vector<std::shared_ptr<const InstanceEntry>> entries_;
  absl::flat_hash_map<std::string, std::shared_ptr<const InstanceEntry>> by_id_;
};

/// The meeting point of supervision and front: the supervisor publishes whole snapshots, the
/// front takes the newest for each request.
///
///   const auto instances = directory.snapshot();
///   const auto entry = instances->Find(id);
///   if (entry == nullptr || entry->generation != wanted) -> 421
///   if (entry->draining / !entry->ready) -> 503; if (!entry->running->TryStart(n)) -> 503 busy
///   ... forward; entry->running->OnRequestEnded();
///
/// Thread-safety: thread-safe.
class InstanceDirectory {
 public:
  /// Told at once when a process has died or is about to be killed: requests of that generation
  /// get no more bytes. Called on the supervisor's thread: post and return.
  using DeathListener = std::function<void(const std::string& id, uint64_t generation)>;

  InstanceDirectory();

  /// Never null.
  std::shared_ptr<const InstanceSnapshot> snapshot() const;

  /// A number for RemoveDeathListener().
  uint64_t AddDeathListener(DeathListener listener);
  /// Afterwards the listener is not running and will not run. Not from a listener.
  void RemoveDeathListener(uint64_t number);

  /// For the supervisor.
  void Publish(InstanceSnapshot snapshot);
  /// For the supervisor, after publishing a snapshot without the dead generation.
  void NotifyDeath(const std::string& id, uint64_t generation);

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<const InstanceSnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex listeners_mutex_;  // held while listeners run
  uint64_t last_number_ ABSL_GUARDED_BY(listeners_mutex_) = 0;
  absl::btree_map<uint64_t, DeathListener> listeners_ ABSL_GUARDED_BY(listeners_mutex_);
};

}  // namespace rolemesh::agent
