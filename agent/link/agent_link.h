// Keeps the agent's conversation with the control plane going.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "agent/link/agent_stream.h"
#include "agent/resources/inventory.h"
#include "agent/supervision/instance_directory.h"
#include "agent/supervision/supervisor.h"
#include "base/async/executor.h"
#include "base/metrics/registry.h"
#include "base/time/clock.h"
#include "proto/client/address_rotation.h"
#include "proto/client/certificate_renewer.h"
#include "proto/client/identity_files.h"
#include "rolemesh/v1/agent.pb.h"

namespace rolemesh::agent {

struct AgentLinkOptions {
  std::vector<std::string> control_planes;  ///< HOST:PORT each, at least one.
  uint16_t front_port = 0;
  std::string boot_id;
  std::string identity_dir;  ///< Renewed certificates are saved there.
  MachineInventory inventory;
  /// Without a welcome in this time the next address is tried.
  absl::Duration welcome_timeout = absl::Seconds(15);
  /// How long the first hello waits for instances that were adopted to be proven again, so that
  /// a restart of the agent takes no route away.
  absl::Duration first_hello_patience = absl::Milliseconds(500);
  /// After the control plane said not to come back; a person may change its mind.
  absl::Duration refused_pause = absl::Seconds(60);
};

/// What the link needs from the rest of the agent, and tells it; all called on its executor.
struct AgentLinkHooks {
  std::function<std::vector<InstanceStatus>()> statuses;
  /// The newest lines of an instance's log. Errors: NotFound: no such instance or no log yet.
  std::function<absl::StatusOr<std::string>(absl::string_view id, int lines, size_t max_bytes)>
      log_tail;
  /// The operator wants the node drained and every edge knows; or wants it back.
  std::function<void(bool draining)> set_draining;
  /// A renewed certificate; it is saved already.
  std::function<void(const client::MeshIdentity& identity)> on_identity;
  /// What the front shall refuse, whole.
  std::function<void(std::vector<std::string> serials, std::vector<std::string> identities)>
      on_revoked;
  /// In [0, 1).
  std::function<double()> random;
};

/// Says hello with every instance, then what changes; obeys drain, log and closing messages;
/// renews the certificate; comes back, with jitter and to the next control plane, when the
/// stream ends. It never touches an instance because of a stream.
///
/// Thread-safety: OnInstanceChanged, Leave and connected() from anywhere; the rest before Start().
/// Ownership: the references outlive it. Destroyed once `executor` has stopped.
class AgentLink {
 public:
  AgentLink(AgentLinkOptions options, client::MeshIdentity identity, AgentLinkHooks hooks,
            base::Executor& executor, const base::Clock& clock, AgentStreamDialer& dialer,
            const InstanceDirectory& directory, base::MetricRegistry& metrics);
  ~AgentLink();

  void Start();

  /// As Supervisor::Listener.
  void OnInstanceChanged(const InstanceStatus& status, bool removed);

  /// Tells the control plane that the node goes, and dials no more. `left` runs once, on the
  /// executor, when it is told or cannot be, within 2 s.
  void Leave(std::string reason, std::function<void()> left);

  /// A control plane has welcomed us.
  bool connected() const { return connected_.load(std::memory_order_relaxed); }

 private:
  void Dial() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void DialOnceSettled(absl::Duration patience) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void DialAfter(absl::Duration pause) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void OnMessage(uint64_t session, v1::ControlMessage message);
  void OnClosed(uint64_t session, const absl::Status& status);
  void HandleWelcome(const v1::AgentWelcome& welcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void HandleDrain(const v1::DrainOrder& order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void HandleLogRequest(const v1::LogRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void SendHello() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void SendHeartbeat(uint64_t session);
  void SendDrainProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void EndSession() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void FinishLeaving() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);

  const AgentLinkOptions options_;
  const AgentLinkHooks hooks_;
  base::Executor& executor_;
  const base::SerialOwner& owner_;
  const base::Clock& clock_;
  AgentStreamDialer& dialer_;
  const InstanceDirectory& directory_;
  base::MetricRegistry& metrics_;
  base::Counter& dials_;
  base::Counter& role_refusals_;
  std::atomic<bool> connected_{false};

  client::CertificateRenewer renewer_ ABSL_GUARDED_BY(owner_);
  client::AddressRotation rotation_ ABSL_GUARDED_BY(owner_);
  std::unique_ptr<AgentStream> stream_ ABSL_GUARDED_BY(owner_);
  uint64_t session_ ABSL_GUARDED_BY(owner_) = 0;  // of ours: one per dial
  absl::optional<v1::Closing> closing_ ABSL_GUARDED_BY(owner_);
  absl::Duration heartbeat_interval_ ABSL_GUARDED_BY(owner_);
  uint64_t heartbeat_sequence_ ABSL_GUARDED_BY(owner_) = 0;
  absl::btree_map<std::string, int> running_told_ ABSL_GUARDED_BY(owner_);
  bool draining_ ABSL_GUARDED_BY(owner_) = false;  // new work is refused, by order
  std::function<void()> left_ ABSL_GUARDED_BY(owner_);
  bool leaving_ ABSL_GUARDED_BY(owner_) = false;
};

}  // namespace rolemesh::agent
