// Brings the newest table to every connected edge.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

#include "base/async/executor.h"
#include "base/time/clock.h"
#include "controlplane/model/ids.h"
#include "controlplane/reconcile/edge_report.h"
#include "controlplane/reconcile/edge_sink.h"
#include "controlplane/reconcile/stream_end.h"
#include "controlplane/reconcile/view.h"
#include "controlplane/routing/table_state.h"
#include "controlplane/routing/table_update.h"
#include "proto/contract/table_hash.h"

namespace rolemesh::controlplane {

/// The streams of edges: one update under way for each, and after its answer whatever is newest.
///
/// Thread-safety: none; the reconcile loop owns it.
class EdgeFanout {
 public:
  struct Options {
    absl::Duration publish_interval;
    absl::Duration ack_timeout;
  };

  /// `changed` is called after anything that statuses() shows changed. `executor` runs the loop;
  /// `table` is the loop's. All outlive this.
  EdgeFanout(base::Executor* executor, const base::Clock* clock, Options options,
             const TableState* table, std::function<void()> changed);

  /// A newer stream of the same edge ends the older.
  void Open(StreamId stream, EdgePeer peer, EdgeHello hello, std::shared_ptr<EdgeSink> sink);
  void OnAck(StreamId stream, uint64_t nonce);
  /// The edge gets no update until there is a newer table, and then a snapshot.
  void OnNack(StreamId stream, uint64_t nonce, std::string reason);
  void OnEvidence(StreamId stream, const std::vector<EndpointSight>& changed);
  void Close(StreamId stream);
  /// Ends those streams for which `why` gives an error.
  void EndIf(absl::FunctionRef<absl::Status(const EdgePeer&)> why, bool final);

  /// The table has a newer version: sends it, now or a little later when the last change was
  /// sent less than publish_interval ago.
  void OnTableChanged();
  /// What edges said of it is void.
  void OnEndpointRemoved(const std::string& endpoint_id);

  /// Connected edges that have not ACKed a table of at least `revision`.
  std::vector<EdgeId> Waiting(int64_t revision) const;
  /// Whether there are edges and each says that it reaches none of `endpoint_ids`.
  bool AllEdgesMiss(absl::Span<const std::string> endpoint_ids) const;

  const absl::btree_map<EdgeId, EdgeStatus>& statuses() const { return statuses_; }

 private:
  struct Edge {
    EdgePeer peer;
    std::shared_ptr<EdgeSink> sink;
    absl::optional<TableVersion> held;  // none: send a snapshot
    contract::TableHash held_hash;
    TableVersion refused;
    TableUpdates::Shared in_flight;
    base::TimerId ack_timer = base::kNoTimer;
  };

  Edge* Find(StreamId stream);
  EdgeStatus& StatusOf(const Edge& edge) { return statuses_[edge.peer.edge]; }
  // The edge's answer to `nonce` is in; false: an answer to nothing.
  bool TakeAnswer(Edge& edge, uint64_t nonce);
  void PushAll();
  void Push(StreamId stream, Edge& edge);
  void End(StreamId stream, const StreamEnd& end);

  base::Executor* const executor_;
  const base::Clock* const clock_;
  const Options options_;
  const TableState* const table_;
  const std::function<void()> changed_;
  TableUpdates updates_;
  absl::flat_hash_map<StreamId, Edge> edges_;
  absl::flat_hash_map<EdgeId, StreamId> newest_;
  absl::btree_map<EdgeId, EdgeStatus> statuses_;
  uint64_t last_epoch_ = 0;
  base::SteadyTime pushed_at_ = base::SteadyTime::min();
  bool push_waits_ = false;
};

}  // namespace rolemesh::controlplane
