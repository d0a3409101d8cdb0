// How the reconciler answers one agent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "controlplane/model/ids.h"
#include "controlplane/reconcile/stream_end.h"
#include "controlplane/routing/table_rules.h"

namespace rolemesh::controlplane {

/// What an agent is told once its session is stored.
struct AgentWelcome {
  uint64_t epoch = 0;
  absl::Duration lease;
  absl::Duration heartbeat_interval;
  int64_t config_version = 0;  ///< Revision of its grant.
  std::vector<std::string> granted_roles;
  std::vector<std::string> revoked_identities;
  std::vector<std::string> revoked_serials;
  bool draining = false;
};

struct LogQuery {
  InstanceId instance;
  uint32_t line_count = 100;  ///< 1..10,000
  bool follow = false;
};

/// One agent's stream, as the reconciler sees it.
///
/// Every method returns at once: the stream buffers, and ends by itself when its peer does not
/// read. Called on the reconcile loop; after CloseStream() never again.
class AgentSink {
 public:
  virtual ~AgentSink() = default;

  virtual void SendWelcome(const AgentWelcome& welcome) = 0;
  virtual void SendHeartbeatAck(uint64_t sequence) = 0;
  virtual void SendRoleRefusals(const std::vector<RoleRefusal>& refusals) = 0;
  virtual void SendDrainOrder(bool draining, bool edges_acked) = 0;
  virtual void SendLogRequest(uint64_t request_id, const LogQuery& query) = 0;
  virtual void SendLogCancel(uint64_t request_id) = 0;

  /// What was said last has been dealt with: read the next message. Called once for each call of
  /// Reconciler's on behalf of this stream.
  virtual void ReadNext() = 0;

  virtual void CloseStream(const StreamEnd& end) = 0;
};

}  // namespace rolemesh::controlplane
