// The one place where desired and observed state meet.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/async/executor.h"
#include "base/time/clock.h"
#include "controlplane/model/ids.h"
#include "controlplane/model/instance.h"
#include "controlplane/reconcile/agent_report.h"
#include "controlplane/reconcile/agent_sink.h"
#include "controlplane/reconcile/edge_report.h"
#include "controlplane/reconcile/edge_sink.h"
#include "controlplane/reconcile/stream_end.h"
#include "controlplane/reconcile/view.h"
#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

struct ReconcilerOptions {
  std::string replica = "cp-1";
  absl::Duration lease = absl::Seconds(6);
  absl::Duration heartbeat_interval = absl::Seconds(2);
  /// From the end of the lease to out of the table.
  absl::Duration removal_grace = absl::Seconds(60);
  /// Least time between two publications; the first change of a burst does not wait.
  absl::Duration publish_interval = absl::Milliseconds(2);
  /// An edge that does not answer an update for so long loses its stream.
  absl::Duration ack_timeout = absl::Seconds(30);
  /// Least time between two calls of a subscriber.
  absl::Duration notify_interval = absl::Milliseconds(100);
};

/// A piece of an instance's output.
struct LogChunk {
  std::string data;
  bool last = false;
};

/// Takes what agents, edges and operators say, writes what follows to the store, applies what the
/// store says to catalog and fleet, and pushes the table that results to edges.
///
/// All durable state goes event -> Commit -> the store's watch -> catalog or fleet -> table, so a
/// table is a function of the store at its revision. Of each node the newest description is kept
/// and compared with the store's: at most one transaction of a node is under way, guarded by its
/// session's revision, and only differences are written. A stream that a newer one has fenced
/// writes nothing.
///
/// Thread-safety: thread-safe: public methods post to the executor, where all state lives, and all
/// callbacks and sinks are called; those must return at once.
/// Ownership: `executor`, `store` and `clock` outlive it. To end: stop the gRPC server's streams
/// with Shutdown(), stop the executor, destroy this.
class Reconciler {
 public:
  Reconciler(base::Executor* executor, Store* store, const base::Clock* clock,
             ReconcilerOptions options);
  ~Reconciler();
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  /// Loads the store and watches it. Once, before anything else; waits for the store.
  /// Sessions found live stay routed: their agents have lease + removal_grace to come back.
  /// Errors: of Store::List: the program cannot start.
  absl::Status Start();

  /// Closes every stream with Unavailable and refuses new ones.
  void Shutdown();

  // --- Agents. One stream says one thing at a time: after each call wait for AgentSink::ReadNext.

  /// The first message of a stream. The session starts when it is stored: SendWelcome.
  StreamId OpenAgent(AgentPeer peer, AgentHello hello, std::shared_ptr<AgentSink> sink);
  void OnHeartbeat(StreamId stream, uint64_t sequence,
                   std::vector<std::pair<InstanceId, InstanceLoad>> loads);
  void OnInstances(StreamId stream, std::vector<Instance> changed, std::vector<InstanceId> removed);
  void OnDrainProgress(StreamId stream, uint32_t running);
  void OnAgentLeaving(StreamId stream, std::string reason);
  void OnLogChunk(StreamId stream, uint64_t request_id, absl::StatusOr<LogChunk> chunk);
  /// The stream is over, for whatever reason. The lease goes on.
  void OnAgentClosed(StreamId stream);

  // --- Edges. As agents.

  StreamId OpenEdge(EdgePeer peer, EdgeHello hello, std::shared_ptr<EdgeSink> sink);
  void OnAck(StreamId stream, uint64_t nonce);
  void OnNack(StreamId stream, uint64_t nonce, std::string reason);
  void OnEvidence(StreamId stream, std::vector<EndpointSight> changed);
  void OnEdgeClosed(StreamId stream);

  // --- Operators.

  /// Calls `read` with the state now.
  void Query(absl::AnyInvocable<void(const View&)> read);

  /// Makes the transaction that changes what `View` shows; may be called again when another
  /// change came first. An error ends the attempt and reaches `done`; a transaction without
  /// operations means that there is nothing to do.
  using TransactionBuilder = absl::AnyInvocable<absl::StatusOr<Transaction>(const View& view)>;
  /// Revision at which the change was made and from which on View shows it.
  using ChangeDone = absl::AnyInvocable<void(absl::StatusOr<int64_t> revision)>;

  /// Errors (of `done`): those of `build`; Aborted: other changes kept coming first; of
  /// Store::Commit; Unavailable: shutting down.
  void CommitChange(TransactionBuilder build, ChangeDone done);

  /// Waits until every connected edge has ACKed a table that has `revision`, at most `timeout`.
  /// `done` gets the edges that have not.
  void WaitForEdges(int64_t revision, absl::Duration timeout,
                    absl::AnyInvocable<void(std::vector<EdgeId> waiting)> done);

  /// Calls `changed` when anything that View shows has changed, at most once each
  /// notify_interval; the next call tells of what happened meanwhile. Until Unsubscribe() has been
  /// executed on the loop: capture a weak pointer.
  uint64_t Subscribe(std::function<void()> changed);
  void Unsubscribe(uint64_t subscription);

  /// Asks `node` for an instance's output. `receive` gets chunks until `last`, or one error:
  /// Unavailable: the agent is not connected (any more); NotFound and others: the agent's.
  /// Returns the request's number for CancelLogs().
  using LogReceiver = absl::AnyInvocable<void(absl::StatusOr<LogChunk>)>;
  uint64_t RequestLogs(NodeId node, LogQuery query, LogReceiver receive);
  void CancelLogs(uint64_t request_id);

 private:
  struct Core;
  const std::unique_ptr<Core> core_;
};

}  // namespace rolemesh::controlplane
