// Keeps the configured llama-servers running.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

#include "agent/config/agent_config.h"
#include "agent/llama/server_prober.h"
#include "agent/llama/server_properties.h"
#include "agent/process/process_launcher.h"
#include "agent/supervision/instance_directory.h"
#include "agent/supervision/instance_machine.h"
#include "base/async/executor.h"
#include "base/metrics/registry.h"
#include "base/time/clock.h"

namespace rolemesh::agent {

/// One instance as others may know it.
/// Thread-safety: a value.
struct InstanceStatus {
  std::string id;
  uint64_t generation = 0;  ///< Counts starts, over restarts of the agent too.
  InstancePhase phase = InstancePhase::kStopped;
  std::string reason;  ///< One line, may be empty.
  std::vector<std::string> roles;
  int slot_count = 0;      ///< 0 while unknown.
  int context_tokens = 0;  ///< Per slot, proven; 0 while unknown.
  std::string model;       ///< File name without its folder.
  ServerAbilities abilities;
  int pid = 0;  ///< 0: no process.
  int restart_count = 0;

  friend bool operator==(const InstanceStatus&, const InstanceStatus&) = default;
};

struct SupervisorOptions {
  std::string instances_dir;  ///< One folder per instance: log, key, process.json.
  std::string llama_server;
  std::string models_dir;
  std::vector<std::string> environment;  ///< Ours; servers see a part of it.
  InstanceTiming timing = {};
};

/// Owns every instance: does what their machines decide, tells the directory and one listener.
///
/// A server outlives the supervisor: only Stop() and Kill() end it. The next supervisor with
/// the same folder adopts it if it was started exactly as it would be now, and otherwise stops it
/// first.
///
/// Thread-safety: statuses() and log_path() from anywhere; the rest posts to `executor` and
/// returns. Ownership: the references outlive it. Destroyed once `executor` has stopped.
class Supervisor {
 public:
  /// On the executor, after each change, with the instance as it is now. `removed`: it is no
  /// longer configured and has ended.
  using Listener = std::function<void(const InstanceStatus& status, bool removed)>;

  Supervisor(SupervisorOptions options, std::vector<InstanceConfig> instances,
             base::Executor& executor, const base::Clock& clock, ProcessLauncher& launcher,
             ServerProber& prober, InstanceDirectory& directory, base::MetricRegistry& metrics);
  ~Supervisor();

  /// Before Start().
  void SetListener(Listener listener) { listener_ = std::move(listener); }

  /// Adopts, stops what is not wanted, starts what is missing.
  void Start();
  /// Whether new requests are refused on all instances; processes stay.
  void SetDraining(bool draining);
  /// Drains and stops everything, then calls `stopped` on the executor.
  void Stop(std::function<void()> stopped);
  /// Cuts a Stop() short: SIGKILL now.
  void Kill();

  /// By id.
  std::vector<InstanceStatus> statuses() const;
  /// The instance's log file, there or not.
  /// Errors: NotFound: no such instance.
  absl::StatusOr<std::string> log_path(absl::string_view id) const;

 private:
  struct Instance;

  void StartNow();
  void AdoptOrForget(Instance& instance) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void Execute(Instance& instance, const InstanceActions& actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void Spawn(Instance& instance) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  absl::Status TrySpawn(Instance& instance) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void Probe(Instance& instance) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void OnProbed(const std::string& id, uint64_t generation,
                absl::StatusOr<ServerProperties> properties);
  void OnExited(const std::string& id, uint64_t generation, ExitStatus status);
  void OnTimer(const std::string& id, uint64_t timer_number);
  void RotateLogs();
  // After every event: publishes, tells the listener what changed, removes what is gone.
  void Settle(Instance& instance) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void CheckStopped() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  absl::Status Command(const Instance& instance, uint16_t port,
                       std::vector<std::string>* command) const;
  absl::Status WriteRecord(const Instance& instance, bool alive);

  const SupervisorOptions options_;
  base::Executor& executor_;
  const base::SerialOwner& owner_;
  const base::Clock& clock_;
  ProcessLauncher& launcher_;
  ServerProber& prober_;
  InstanceDirectory& directory_;
  base::MetricRegistry& metrics_;
  Listener listener_;

  absl::btree_map<std::string, std::unique_ptr<Instance>> instances_ ABSL_GUARDED_BY(owner_);
  bool draining_ ABSL_GUARDED_BY(owner_) = false;
  std::function<void()> stopped_ ABSL_GUARDED_BY(owner_);

  mutable absl::Mutex mutex_;
  absl::btree_map<std::string, InstanceStatus> statuses_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rolemesh::agent
