// What nodes report, and when they are dead: made into transitions in the store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/async/executor.h"
#include "base/time/clock.h"
#include "controlplane/catalog/catalog.h"
#include "controlplane/fleet/expiry_freeze.h"
#include "controlplane/fleet/fleet.h"
#include "controlplane/fleet/lease_table.h"
#include "controlplane/model/ids.h"
#include "controlplane/model/instance.h"
#include "controlplane/reconcile/agent_report.h"
#include "controlplane/reconcile/agent_sink.h"
#include "controlplane/reconcile/applied_store.h"
#include "controlplane/reconcile/stream_end.h"
#include "controlplane/reconcile/view.h"
#include "controlplane/store/transaction.h"

namespace rolemesh::controlplane {

/// The streams and leases of nodes.
///
/// Of each node it keeps what should stand in the store: its newest report, and whether it is
/// alive. Flush() writes the difference, one transaction at a time, each guarded by the revision
/// of the session's record; when another session has taken the record over, the stream is closed
/// and nothing is written.
///
/// Thread-safety: none; the reconcile loop owns it.
class NodeSessions {
 public:
  struct Options {
    std::string replica;
    absl::Duration lease;
    absl::Duration heartbeat_interval;
    absl::Duration removal_grace;
  };

  /// What NodeSessions asks of the reconciler.
  struct Hooks {
    /// statuses(), frozen() or a load changed.
    std::function<void()> changed;
    /// Whether every connected edge says that it reaches no endpoint of the node.
    std::function<bool(const NodeId&)> all_edges_miss;
    /// Whether every connected edge has ACKed a table of that revision.
    std::function<bool(int64_t)> edges_have;
    /// The stream is over; its log requests end.
    std::function<void(StreamId)> stream_ended;
  };

  /// All pointers outlive this.
  NodeSessions(base::Executor* executor, const base::Clock* clock, Options options,
               AppliedStore* store, const Catalog* catalog, const Fleet* fleet, Hooks hooks);

  void Open(StreamId stream, AgentPeer peer, AgentHello hello, std::shared_ptr<AgentSink> sink);
  void OnHeartbeat(StreamId stream, uint64_t sequence,
                   const std::vector<std::pair<InstanceId, InstanceLoad>>& loads);
  void OnInstances(StreamId stream, std::vector<Instance> changed,
                   const std::vector<InstanceId>& removed);
  void OnDrainProgress(StreamId stream, uint32_t running);
  void OnLeaving(StreamId stream, const std::string& reason);
  void Close(StreamId stream);
  void EndIf(absl::FunctionRef<absl::Status(const AgentPeer&)> why, bool final);

  /// The fleet has been loaded: sessions that count as alive and have no stream here get a lease
  /// and the grace to come back.
  void OnLoaded();
  /// Record of the node's grant, session or one of its instances was applied; `table_revision` is
  /// the table's now.
  void OnApplied(const NodeId& node, int64_t table_revision);
  /// A role came or went.
  void OnRolesApplied();
  /// An edge ACKed, came, left, or said what it sees.
  void OnEdgesChanged();

  /// The node's open stream; null: there is none.
  AgentSink* FindSink(const NodeId& node, StreamId* stream) const;
  /// Whether `stream` is the node's newest and open.
  bool IsOpen(StreamId stream) const { return by_stream_.contains(stream); }
  /// Null: the stream is over.
  AgentSink* FindSink(StreamId stream) const;

  const absl::btree_map<NodeId, AgentStatus>& statuses() const { return statuses_; }
  bool frozen() const { return freeze_.frozen(); }

 private:
  enum class Liveness { kAlive, kSilent, kGone, kLeft };

  // What should stand in the store for one node.
  struct Node {
    NodeId id;
    Liveness liveness = Liveness::kAlive;
    // Found live at start without a stream: not marked suspect, only removed in the end.
    bool orphaned = false;

    // The newest stream's report; kept after its end until the node is gone.
    bool reported = false;
    AgentPeer peer;
    AgentHello hello;  // without instances
    absl::btree_map<InstanceId, Instance> instances;
    absl::Time connected_at;
    StreamId stream{};                // newest; 0 = none since start
    std::shared_ptr<AgentSink> sink;  // null: the stream is over
    uint64_t epoch = 0;               // of this stream's session; 0: not stored yet

    bool committing = false;
    int conflicts = 0;  // in a row
    base::TimerId retry = base::kNoTimer;

    bool welcomed = false;
    absl::optional<std::pair<bool, bool>> drain_sent;  // draining, edges_acked
    bool refusals_sent = false;
    absl::optional<int64_t> drain_revision;  // of the first table without the node
  };

  Node& NodeOf(const NodeId& id);
  Node* FindNode(const NodeId& id) const;
  Node* FindNode(StreamId stream) const;

  void SetLiveness(Node& node, Liveness liveness);
  void Renew(Node& node);
  void OnLeaseExpired(const NodeId& id);
  void OnGraceExpired(const NodeId& id);
  void RemoveIfMissed(Node& node);
  void ArmExpiry();
  void UpdateFreeze();

  // Writes what differs, unless a transaction of the node is under way.
  void Flush(Node& node);
  // What differs. Errors: why the stream must end.
  absl::StatusOr<Transaction> Difference(const Node& node, uint64_t* new_epoch) const;
  void OnFlushed(const NodeId& id, StreamId stream, uint64_t new_epoch,
                 const absl::StatusOr<CommitResult>& result);
  void RetryLater(Node& node);

  void SendWelcome(Node& node);
  void SyncRefusals(Node& node);
  void SyncDrain(Node& node);
  void End(Node& node, const StreamEnd& end);
  void CloseStream(Node& node);
  // Forgets a node that nothing more is to be done for.
  void DropIfDone(const NodeId& id);

  base::Executor* const executor_;
  const base::Clock* const clock_;
  const Options options_;
  AppliedStore* const store_;
  const Catalog* const catalog_;
  const Fleet* const fleet_;
  const Hooks hooks_;

  absl::flat_hash_map<NodeId, std::unique_ptr<Node>> nodes_;
  absl::flat_hash_map<StreamId, Node*> by_stream_;  // open ones
  absl::btree_map<NodeId, AgentStatus> statuses_;   // of open ones
  size_t count_[4] = {};                            // nodes_ by Liveness
  LeaseTable leases_;
  LeaseTable graces_;  // of silent nodes
  ExpiryFreeze freeze_;
  base::TimerId expiry_timer_ = base::kNoTimer;
  base::SteadyTime expiry_due_ = base::SteadyTime::max();
};

}  // namespace rolemesh::controlplane
