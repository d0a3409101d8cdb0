#include "controlplane/reconcile/edge_fanout.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "base/log/logger.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::string_view kComponent = "reconcile";

}  // namespace

EdgeFanout::EdgeFanout(base::Executor* executor, const base::Clock* clock, Options options,
                       const TableState* table, std::function<void()> changed)
    : executor_(executor),
      clock_(clock),
      options_(options),
      table_(table),
      changed_(std::move(changed)) {}

EdgeFanout::Edge* EdgeFanout::Find(StreamId stream) {
  const auto found = edges_.find(stream);
  return found == edges_.end() ? nullptr : &found->second;
}

void EdgeFanout::Open(StreamId stream, EdgePeer peer, EdgeHello hello,
                      std::shared_ptr<EdgeSink> sink) {
  if (const auto older = newest_.find(peer.edge); older != newest_.end()) {
    End(older->second, {absl::AbortedError("a newer stream of this edge was opened")});
  }
  newest_[peer.edge] = stream;
  EdgeStatus& status = statuses_[peer.edge];
  status = EdgeStatus{.connected = true,
                      .listen_address = std::move(hello.listen_address),
                      .version = std::move(hello.version),
                      .acked = {},
                      .connected_at = clock_->WallNow(),
                      .last_nack = std::move(status.last_nack),
                      .unreachable_endpoints = {}};
  if (hello.held.has_value()) status.acked = *hello.held;
  base::LogInfo(kComponent, "edge connected",
                {{"edge", peer.edge.value()}, {"held", status.acked.revision}});
  Edge& edge = edges_[stream];
  edge = Edge{.peer = std::move(peer),
              .sink = std::move(sink),
              .held = std::move(hello.held),
              .held_hash = hello.held_hash,
              .refused = {},
              .in_flight = nullptr};
  // A label that the history does not know, or with another hash, is no table of ours.
  if (edge.held.has_value() && !table_->ChangedSince(*edge.held, edge.held_hash).has_value()) {
    edge.held.reset();
    status.acked = {};
  }
  edge.sink->SendWelcome(++last_epoch_, table_->version());
  Push(stream, edge);
  changed_();
}

bool EdgeFanout::TakeAnswer(Edge& edge, uint64_t nonce) {
  if (edge.in_flight == nullptr || edge.in_flight->nonce != nonce) return false;
  executor_->Cancel(edge.ack_timer);
  return true;
}

void EdgeFanout::OnAck(StreamId stream, uint64_t nonce) {
  Edge* edge = Find(stream);
  if (edge == nullptr) return;
  edge->sink->ReadNext();
  if (!TakeAnswer(*edge, nonce)) return;
  const TableUpdates::Shared update = std::move(edge->in_flight);
  edge->in_flight = nullptr;
  edge->held = update->to;
  edge->held_hash = update->hash;
  EdgeStatus& status = StatusOf(*edge);
  status.acked = update->to;
  status.last_nack.clear();
  Push(stream, *edge);
  changed_();
}

void EdgeFanout::OnNack(StreamId stream, uint64_t nonce, std::string reason) {
  Edge* edge = Find(stream);
  if (edge == nullptr) return;
  edge->sink->ReadNext();
  if (!TakeAnswer(*edge, nonce)) return;
  edge->refused = edge->in_flight->to;
  edge->in_flight = nullptr;
  edge->held.reset();
  base::LogWarn(kComponent, "an edge refused a table",
                {{"edge", edge->peer.edge.value()},
                 {"revision", edge->refused.revision},
                 {"reason", reason}});
  StatusOf(*edge).last_nack = absl::StrCat("table ", edge->refused.revision, ": ", reason);
  Push(stream, *edge);
  changed_();
}

void EdgeFanout::OnEvidence(StreamId stream, const std::vector<EndpointSight>& changed) {
  Edge* edge = Find(stream);
  if (edge == nullptr) return;
  edge->sink->ReadNext();
  EdgeStatus& status = StatusOf(*edge);
  for (const EndpointSight& sight : changed) {
    if (sight.reachable) {
      status.unreachable_endpoints.erase(sight.endpoint_id);
    } else if (table_->Find({EntryKind::kEndpoint, sight.endpoint_id}) != nullptr) {
      status.unreachable_endpoints.insert(sight.endpoint_id);
    }
  }
  changed_();
}

void EdgeFanout::Close(StreamId stream) {
  const auto found = edges_.find(stream);
  if (found == edges_.end()) return;
  Edge& edge = found->second;
  executor_->Cancel(edge.ack_timer);
  if (const auto newest = newest_.find(edge.peer.edge);
      newest != newest_.end() && newest->second == stream) {
    newest_.erase(newest);
    EdgeStatus& status = StatusOf(edge);
    status.connected = false;
    status.unreachable_endpoints.clear();
    base::LogInfo(kComponent, "edge disconnected", {{"edge", edge.peer.edge.value()}});
  }
  edges_.erase(found);
  changed_();
}

void EdgeFanout::End(StreamId stream, const StreamEnd& end) {
  Edge* edge = Find(stream);
  if (edge == nullptr) return;
  const std::shared_ptr<EdgeSink> sink = edge->sink;
  Close(stream);
  sink->CloseStream(end);
}

void EdgeFanout::EndIf(absl::FunctionRef<absl::Status(const EdgePeer&)> why, bool final) {
  std::vector<std::pair<StreamId, absl::Status>> ends;
  for (const auto& [stream, edge] : edges_) {
    if (absl::Status status = why(edge.peer); !status.ok()) {
      ends.emplace_back(stream, std::move(status));
    }
  }
  for (auto& [stream, status] : ends) End(stream, {.status = std::move(status), .final = final});
}

void EdgeFanout::OnTableChanged() {
  if (push_waits_) return;
  const base::SteadyTime now = clock_->SteadyNow();
  const base::SteadyTime due =
      pushed_at_ == base::SteadyTime::min()
          ? now
          : pushed_at_ + absl::ToChronoNanoseconds(options_.publish_interval);
  if (now >= due) {
    PushAll();
    return;
  }
  push_waits_ = true;
  executor_->PostAfter(absl::FromChrono(due - now), [this] {
    push_waits_ = false;
    PushAll();
  });
}

void EdgeFanout::OnEndpointRemoved(const std::string& endpoint_id) {
  for (auto& [id, status] : statuses_) status.unreachable_endpoints.erase(endpoint_id);
}

void EdgeFanout::PushAll() {
  pushed_at_ = clock_->SteadyNow();
  for (auto& [stream, edge] : edges_) Push(stream, edge);
}

void EdgeFanout::Push(StreamId stream, Edge& edge) {
  const TableVersion& newest = table_->version();
  if (edge.in_flight != nullptr || newest.revision == 0) return;
  if (edge.held == newest || edge.refused == newest) return;
  edge.in_flight = updates_.For(*table_, edge.held, edge.held_hash);
  edge.ack_timer = executor_->PostAfter(options_.ack_timeout, [this, stream] {
    End(stream, {absl::UnavailableError("an update was not answered in time")});
  });
  edge.sink->SendUpdate(edge.in_flight);
}

std::vector<EdgeId> EdgeFanout::Waiting(int64_t revision) const {
  std::vector<EdgeId> waiting;
  for (const auto& [id, status] : statuses_) {
    if (status.connected &&
        (status.acked.store_id != table_->version().store_id || status.acked.revision < revision)) {
      waiting.push_back(id);
    }
  }
  return waiting;
}

bool EdgeFanout::AllEdgesMiss(absl::Span<const std::string> endpoint_ids) const {
  bool any = false;
  for (const auto& [id, status] : statuses_) {
    if (!status.connected) continue;
    any = true;
    for (const std::string& endpoint : endpoint_ids) {
      if (!status.unreachable_endpoints.contains(endpoint)) return false;
    }
  }
  return any;
}

}  // namespace rolemesh::controlplane
