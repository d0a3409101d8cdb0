#include "controlplane/reconcile/reconciler.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "base/log/logger.h"
#include "controlplane/catalog/catalog.h"
#include "controlplane/fleet/fleet.h"
#include "controlplane/model/record_key.h"
#include "controlplane/reconcile/applied_store.h"
#include "controlplane/reconcile/edge_fanout.h"
#include "controlplane/reconcile/node_sessions.h"
#include "controlplane/routing/table_rules.h"
#include "controlplane/routing/table_state.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::string_view kComponent = "reconcile";
constexpr int kChangeAttempts = 8;
constexpr size_t kMaxLogRequests = 64;
constexpr size_t kMaxBadRecords = 32;
constexpr absl::Duration kWatchRetry = absl::Milliseconds(200);

absl::Status ShuttingDown() {
  return absl::UnavailableError("the control plane shuts down");
}

}  // namespace

// Everything here runs on the executor, except construction and destruction.
struct Reconciler::Core {
  Core(base::Executor* executor, Store* store, const base::Clock* clock, ReconcilerOptions options);

  void Load(const RangeResult& range);
  void Watch(int64_t revision);
  void Reload();
  void OnBatch(const ChangeBatch& batch);
  void ApplyRecord(const RecordKey& key, absl::optional<absl::string_view> value, int64_t revision);
  void OnGrantsChanged();

  View MakeView();
  void OnEdgesChanged();
  void OnStreamEnded(StreamId stream);
  bool AllEdgesMiss(const NodeId& node) const;

  struct PendingChange {
    TransactionBuilder build;
    ChangeDone done;
    int attempts = 0;
  };
  void TryChange(std::unique_ptr<PendingChange> change);

  struct EdgeWait {
    int64_t table_revision = 0;
    base::TimerId timer = base::kNoTimer;
    absl::AnyInvocable<void(std::vector<EdgeId>)> done;
  };
  void EndWait(uint64_t id);

  void NotifyChanged();

  struct LogRequestState {
    StreamId stream;
    LogReceiver receive;
  };

  base::Executor* const executor;
  Store* const store;
  const base::Clock* const clock;
  const ReconcilerOptions options;

  Catalog catalog;
  Fleet fleet;
  TableState table;
  AppliedStore applied;
  EdgeFanout edges;
  NodeSessions nodes;
  std::vector<std::string> bad_records;
  bool shut_down = false;

  absl::btree_map<uint64_t, EdgeWait> waits;
  uint64_t last_wait = 0;

  absl::btree_map<uint64_t, std::function<void()>> subscribers;
  base::SteadyTime notified_at = base::SteadyTime::min();
  bool notify_waits = false;

  absl::btree_map<uint64_t, LogRequestState> logs;

  std::atomic<uint64_t> last_id{0};  // streams, subscriptions, log requests
};

Reconciler::Core::Core(base::Executor* executor, Store* store, const base::Clock* clock,
                       ReconcilerOptions options)
    : executor(executor),
      store(store),
      clock(clock),
      options(std::move(options)),
      applied(executor, store),
      edges(executor, clock, {this->options.publish_interval, this->options.ack_timeout}, &table,
            [this] { OnEdgesChanged(); }),
      nodes(executor, clock,
            {.replica = this->options.replica,
             .lease = this->options.lease,
             .heartbeat_interval = this->options.heartbeat_interval,
             .removal_grace = this->options.removal_grace},
            &applied, &catalog, &fleet,
            {.changed = [this] { NotifyChanged(); },
             .all_edges_miss = [this](const NodeId& node) { return AllEdgesMiss(node); },
             .edges_have = [this](int64_t revision) { return edges.Waiting(revision).empty(); },
             .stream_ended = [this](StreamId stream) { OnStreamEnded(stream); }}) {}

// --- What the store says.

void Reconciler::Core::ApplyRecord(const RecordKey& key, absl::optional<absl::string_view> value,
                                   int64_t revision) {
  absl::Status status;
  if (Catalog::Owns(key.kind)) {
    status = catalog.Apply(key, value, revision);
  } else if (Fleet::Owns(key.kind)) {
    status = fleet.Apply(key, value, revision);
  }
  if (status.ok()) return;
  base::LogError(kComponent, "unreadable record", {{"why", status}});
  if (bad_records.size() < kMaxBadRecords) bad_records.emplace_back(status.message());
}

void Reconciler::Core::Load(const RangeResult& range) {
  catalog = Catalog();
  fleet = Fleet();
  bad_records.clear();
  for (const KeyValue& kv : range.key_values) {
    const absl::optional<RecordKey> key = ParseRecordKey(kv.key);
    if (key.has_value()) ApplyRecord(*key, kv.value, kv.mod_revision);
  }
  TableState::Entries entries;
  for (const EntryKey& key : AllEntries(catalog, fleet)) {
    absl::optional<std::string> payload = BuildEntry(catalog, fleet, key);
    if (payload.has_value()) entries.emplace(key, *std::move(payload));
  }
  table.Reset({store->store_id(), range.revision}, std::move(entries));
  base::LogInfo(kComponent, "loaded the store",
                {{"revision", range.revision},
                 {"entries", table.entries().size()},
                 {"table_hash", table.hash().ToShortHex()}});
  nodes.OnLoaded();
  OnGrantsChanged();
  edges.OnTableChanged();
  applied.SetApplied(range.revision);
  Watch(range.revision + 1);
  NotifyChanged();
}

void Reconciler::Core::Watch(int64_t revision) {
  applied.WatchFrom(revision, [this](absl::StatusOr<ChangeBatch> batch) {
    if (batch.ok()) {
      OnBatch(*batch);
      return;
    }
    base::LogWarn(kComponent, "the store's watch ended", {{"why", batch.status()}});
    const bool compacted = absl::IsOutOfRange(batch.status());
    executor->PostAfter(compacted ? absl::ZeroDuration() : kWatchRetry, [this, compacted] {
      if (compacted) {
        Reload();
      } else {
        Watch(applied.applied() + 1);
      }
    });
  });
}

void Reconciler::Core::Reload() {
  const absl::StatusOr<RangeResult> range = store->List(kRecordPrefix);
  if (range.ok()) {
    Load(*range);
    return;
  }
  base::LogError(kComponent, "cannot read the store", {{"why", range.status()}});
  executor->PostAfter(kWatchRetry, [this] { Reload(); });
}

void Reconciler::Core::OnBatch(const ChangeBatch& batch) {
  if (batch.revision <= applied.applied()) return;  // of a watch before a reload
  std::vector<RecordKey> changed;
  bool roles = false;
  bool grants = false;
  for (const Change& change : batch.changes) {
    absl::optional<RecordKey> key = ParseRecordKey(change.kv.key);
    if (!key.has_value() || (!Catalog::Owns(key->kind) && !Fleet::Owns(key->kind))) continue;
    absl::optional<absl::string_view> value;
    if (change.kind == Change::Kind::kPut) value = change.kv.value;
    ApplyRecord(*key, value, change.kv.mod_revision);
    roles |= key->kind == RecordKind::kRole;
    grants |= key->kind == RecordKind::kNode || key->kind == RecordKind::kEdge ||
              key->kind == RecordKind::kRevocation;
    changed.push_back(*std::move(key));
  }
  absl::btree_set<EntryKey> affected;
  for (const RecordKey& key : changed) AddAffectedEntries(catalog, fleet, table, key, &affected);
  std::vector<TableState::Change> changes;
  for (const EntryKey& key : affected) {
    changes.push_back({key, BuildEntry(catalog, fleet, key)});
    if (key.kind == EntryKind::kEndpoint && !changes.back().payload.has_value()) {
      edges.OnEndpointRemoved(key.id);
    }
  }
  const bool differs = table.Apply(batch.revision, std::move(changes));
  if (differs) edges.OnTableChanged();
  if (grants) OnGrantsChanged();
  if (roles) nodes.OnRolesApplied();
  NodeId last;
  for (const RecordKey& key : changed) {
    if (key.kind != RecordKind::kNode && !Fleet::Owns(key.kind)) continue;
    if (key.name == last.value()) continue;  // a transaction names one node many times
    last = NodeId(key.name);
    nodes.OnApplied(last, table.version().revision);
  }
  applied.SetApplied(batch.revision);
  if (!changed.empty()) NotifyChanged();
}

void Reconciler::Core::OnGrantsChanged() {
  nodes.EndIf(
      [this](const AgentPeer& peer) -> absl::Status {
        if (catalog.FindNode(peer.node) == nullptr) {
          return absl::PermissionDeniedError("the node was removed from the mesh");
        }
        if (catalog.IsRevoked(peer.identity, peer.serial)) {
          return absl::PermissionDeniedError("the identity is revoked");
        }
        return absl::OkStatus();
      },
      /*final=*/true);
  edges.EndIf(
      [this](const EdgePeer& peer) -> absl::Status {
        if (catalog.FindEdge(peer.edge) == nullptr) {
          return absl::PermissionDeniedError("the edge was removed from the mesh");
        }
        if (catalog.IsRevoked(peer.identity, peer.serial)) {
          return absl::PermissionDeniedError("the identity is revoked");
        }
        return absl::OkStatus();
      },
      /*final=*/true);
}

// --- What edges make possible.

bool Reconciler::Core::AllEdgesMiss(const NodeId& node) const {
  std::vector<std::string> ids;
  const FleetNode* found = fleet.FindNode(node);
  if (found == nullptr) return false;
  for (const auto& [id, instance] : found->instances) {
    std::string endpoint = EndpointIdOf(node, id);
    if (table.Find({EntryKind::kEndpoint, endpoint}) != nullptr) ids.push_back(std::move(endpoint));
  }
  return !ids.empty() && edges.AllEdgesMiss(ids);
}

void Reconciler::Core::OnEdgesChanged() {
  std::vector<uint64_t> ended;
  for (const auto& [id, wait] : waits) {
    if (edges.Waiting(wait.table_revision).empty()) ended.push_back(id);
  }
  for (const uint64_t id : ended) EndWait(id);
  nodes.OnEdgesChanged();
  NotifyChanged();
}

void Reconciler::Core::EndWait(uint64_t id) {
  const auto found = waits.find(id);
  if (found == waits.end()) return;
  EdgeWait wait = std::move(found->second);
  waits.erase(found);
  executor->Cancel(wait.timer);
  wait.done(edges.Waiting(wait.table_revision));
}

void Reconciler::Core::OnStreamEnded(StreamId stream) {
  std::vector<LogReceiver> ended;
  for (auto at = logs.begin(); at != logs.end();) {
    if (at->second.stream != stream) {
      ++at;
      continue;
    }
    ended.push_back(std::move(at->second.receive));
    at = logs.erase(at);
  }
  for (LogReceiver& receive : ended) {
    receive(absl::UnavailableError("the agent's stream ended"));
  }
}

// --- Operators.

View Reconciler::Core::MakeView() {
  return View{.catalog = catalog,
              .fleet = fleet,
              .table = table,
              .agents = nodes.statuses(),
              .edges = edges.statuses(),
              .now = clock->SteadyNow(),
              .revision = applied.applied(),
              .removals_frozen = nodes.frozen(),
              .replica = options.replica,
              .bad_records = bad_records};
}

void Reconciler::Core::TryChange(std::unique_ptr<PendingChange> change) {
  if (shut_down) {
    change->done(ShuttingDown());
    return;
  }
  absl::StatusOr<Transaction> transaction = change->build(MakeView());
  if (!transaction.ok()) {
    change->done(transaction.status());
    return;
  }
  if (transaction->then.empty()) {
    change->done(applied.applied());
    return;
  }
  applied.Commit(*std::move(transaction),
                 [this, change = std::move(change)](absl::StatusOr<CommitResult> result) mutable {
                   if (!result.ok()) {
                     change->done(result.status());
                   } else if (result->succeeded) {
                     change->done(result->revision);
                   } else if (++change->attempts == kChangeAttempts) {
                     change->done(absl::AbortedError("other changes kept coming first; try again"));
                   } else {
                     TryChange(std::move(change));
                   }
                 });
}

void Reconciler::Core::NotifyChanged() {
  if (notify_waits || subscribers.empty()) return;
  notify_waits = true;
  const base::SteadyTime now = clock->SteadyNow();
  absl::Duration delay = absl::ZeroDuration();
  if (notified_at != base::SteadyTime::min()) {
    delay = std::max(delay, options.notify_interval - absl::FromChrono(now - notified_at));
  }
  executor->PostAfter(delay, [this] {
    notify_waits = false;
    notified_at = this->clock->SteadyNow();
    for (const auto& [id, changed] : subscribers) changed();
  });
}

// --- The facade.

Reconciler::Reconciler(base::Executor* executor, Store* store, const base::Clock* clock,
                       ReconcilerOptions options)
    : core_(std::make_unique<Core>(executor, store, clock, std::move(options))) {}

Reconciler::~Reconciler() = default;

absl::Status Reconciler::Start() {
  absl::StatusOr<RangeResult> range = core_->store->List(kRecordPrefix);
  if (!range.ok()) return range.status();
  core_->executor->Post([core = core_.get(), range = *std::move(range)] { core->Load(range); });
  return absl::OkStatus();
}

void Reconciler::Shutdown() {
  core_->executor->Post([core = core_.get()] {
    core->shut_down = true;
    const absl::Status why = ShuttingDown();
    core->nodes.EndIf([&why](const AgentPeer&) { return why; }, /*final=*/false);
    core->edges.EndIf([&why](const EdgePeer&) { return why; }, /*final=*/false);
    while (!core->waits.empty()) core->EndWait(core->waits.begin()->first);
    core->applied.Shutdown();
  });
}

StreamId Reconciler::OpenAgent(AgentPeer peer, AgentHello hello, std::shared_ptr<AgentSink> sink) {
  const StreamId stream{++core_->last_id};
  core_->executor->Post([core = core_.get(), stream, peer = std::move(peer),
                         hello = std::move(hello), sink = std::move(sink)]() mutable {
    StreamEnd end;
    if (core->shut_down) {
      end.status = ShuttingDown();
    } else if (core->catalog.FindNode(peer.node) == nullptr) {
      end = {.status = absl::PermissionDeniedError("this node is not enrolled"), .final = true};
    } else if (core->catalog.IsRevoked(peer.identity, peer.serial)) {
      end = {.status = absl::PermissionDeniedError("the identity is revoked"), .final = true};
    }
    if (!end.status.ok()) {
      sink->CloseStream(end);
      return;
    }
    core->nodes.Open(stream, std::move(peer), std::move(hello), std::move(sink));
  });
  return stream;
}

void Reconciler::OnHeartbeat(StreamId stream, uint64_t sequence,
                             std::vector<std::pair<InstanceId, InstanceLoad>> loads) {
  core_->executor->Post([core = core_.get(), stream, sequence, loads = std::move(loads)] {
    core->nodes.OnHeartbeat(stream, sequence, loads);
  });
}

void Reconciler::OnInstances(StreamId stream, std::vector<Instance> changed,
                             std::vector<InstanceId> removed) {
  core_->executor->Post([core = core_.get(), stream, changed = std::move(changed),
                         removed = std::move(removed)]() mutable {
    core->nodes.OnInstances(stream, std::move(changed), removed);
  });
}

void Reconciler::OnDrainProgress(StreamId stream, uint32_t running) {
  core_->executor->Post(
      [core = core_.get(), stream, running] { core->nodes.OnDrainProgress(stream, running); });
}

void Reconciler::OnAgentLeaving(StreamId stream, std::string reason) {
  core_->executor->Post([core = core_.get(), stream, reason = std::move(reason)] {
    core->nodes.OnLeaving(stream, reason);
  });
}

void Reconciler::OnLogChunk(StreamId stream, uint64_t request_id, absl::StatusOr<LogChunk> chunk) {
  core_->executor->Post(
      [core = core_.get(), stream, request_id, chunk = std::move(chunk)]() mutable {
        if (AgentSink* sink = core->nodes.FindSink(stream); sink != nullptr) sink->ReadNext();
        const auto found = core->logs.find(request_id);
        if (found == core->logs.end() || found->second.stream != stream) return;
        if (chunk.ok() && !chunk->last) {
          found->second.receive(std::move(chunk));
          return;
        }
        LogReceiver receive = std::move(found->second.receive);
        core->logs.erase(found);
        receive(std::move(chunk));
      });
}

void Reconciler::OnAgentClosed(StreamId stream) {
  core_->executor->Post([core = core_.get(), stream] { core->nodes.Close(stream); });
}

StreamId Reconciler::OpenEdge(EdgePeer peer, EdgeHello hello, std::shared_ptr<EdgeSink> sink) {
  const StreamId stream{++core_->last_id};
  core_->executor->Post([core = core_.get(), stream, peer = std::move(peer),
                         hello = std::move(hello), sink = std::move(sink)]() mutable {
    const Stored<EdgeGrant>* grant = core->catalog.FindEdge(peer.edge);
    StreamEnd end;
    if (core->shut_down) {
      end.status = ShuttingDown();
    } else if (grant == nullptr) {
      end = {.status = absl::PermissionDeniedError("this edge is not enrolled"), .final = true};
    } else if (core->catalog.IsRevoked(peer.identity, peer.serial)) {
      end = {.status = absl::PermissionDeniedError("the identity is revoked"), .final = true};
    } else if (grant->value.pending) {
      end = {.status = absl::UnavailableError("this edge waits for an operator's approval"),
             .retry_after = absl::Seconds(10)};
    }
    if (!end.status.ok()) {
      sink->CloseStream(end);
      return;
    }
    const std::shared_ptr<EdgeSink> opened = sink;
    core->edges.Open(stream, std::move(peer), std::move(hello), std::move(sink));
    opened->ReadNext();
  });
  return stream;
}

void Reconciler::OnAck(StreamId stream, uint64_t nonce) {
  core_->executor->Post([core = core_.get(), stream, nonce] { core->edges.OnAck(stream, nonce); });
}

void Reconciler::OnNack(StreamId stream, uint64_t nonce, std::string reason) {
  core_->executor->Post([core = core_.get(), stream, nonce, reason = std::move(reason)]() mutable {
    core->edges.OnNack(stream, nonce, std::move(reason));
  });
}

void Reconciler::OnEvidence(StreamId stream, std::vector<EndpointSight> changed) {
  core_->executor->Post([core = core_.get(), stream, changed = std::move(changed)] {
    core->edges.OnEvidence(stream, changed);
  });
}

void Reconciler::OnEdgeClosed(StreamId stream) {
  core_->executor->Post([core = core_.get(), stream] { core->edges.Close(stream); });
}

void Reconciler::Query(absl::AnyInvocable<void(const View&)> read) {
  core_->executor->Post(
      [core = core_.get(), read = std::move(read)]() mutable { read(core->MakeView()); });
}

void Reconciler::CommitChange(TransactionBuilder build, ChangeDone done) {
  auto change = std::make_unique<Core::PendingChange>();
  change->build = std::move(build);
  change->done = std::move(done);
  core_->executor->Post([core = core_.get(), change = std::move(change)]() mutable {
    core->TryChange(std::move(change));
  });
}

void Reconciler::WaitForEdges(int64_t revision, absl::Duration timeout,
                              absl::AnyInvocable<void(std::vector<EdgeId> waiting)> done) {
  core_->executor->Post([core = core_.get(), revision, timeout, done = std::move(done)]() mutable {
    core->applied.WhenApplied(
        revision, [core, timeout, done = std::move(done)](absl::Status) mutable {
          // A change of no entry made no table: the newest has it.
          const int64_t target = core->table.version().revision;
          if (core->shut_down || core->edges.Waiting(target).empty()) {
            done(core->edges.Waiting(target));
            return;
          }
          const uint64_t id = ++core->last_wait;
          Core::EdgeWait& wait = core->waits[id];
          wait.table_revision = target;
          wait.done = std::move(done);
          wait.timer = core->executor->PostAfter(timeout, [core, id] { core->EndWait(id); });
        });
  });
}

uint64_t Reconciler::Subscribe(std::function<void()> changed) {
  const uint64_t id = ++core_->last_id;
  core_->executor->Post([core = core_.get(), id, changed = std::move(changed)]() mutable {
    core->subscribers[id] = std::move(changed);
  });
  return id;
}

void Reconciler::Unsubscribe(uint64_t subscription) {
  core_->executor->Post(
      [core = core_.get(), subscription] { core->subscribers.erase(subscription); });
}

uint64_t Reconciler::RequestLogs(NodeId node, LogQuery query, LogReceiver receive) {
  const uint64_t id = ++core_->last_id;
  core_->executor->Post([core = core_.get(), id, node = std::move(node), query = std::move(query),
                         receive = std::move(receive)]() mutable {
    StreamId stream{};
    AgentSink* sink = core->nodes.FindSink(node, &stream);
    if (core->catalog.FindNode(node) == nullptr) {
      receive(absl::NotFoundError(absl::StrCat("no node ", node.value())));
    } else if (sink == nullptr) {
      receive(absl::UnavailableError(
          absl::StrCat("the agent of node ", node.value(), " is not connected")));
    } else if (core->fleet.FindInstance(node, query.instance) == nullptr) {
      receive(absl::NotFoundError(
          absl::StrCat("node ", node.value(), " has no instance ", query.instance.value())));
    } else if (core->logs.size() >= kMaxLogRequests) {
      receive(absl::ResourceExhaustedError("too many logs are being read; try later"));
    } else {
      core->logs.emplace(id, Core::LogRequestState{stream, std::move(receive)});
      sink->SendLogRequest(id, query);
    }
  });
  return id;
}

void Reconciler::CancelLogs(uint64_t request_id) {
  core_->executor->Post([core = core_.get(), request_id] {
    const auto found = core->logs.find(request_id);
    if (found == core->logs.end()) return;
    if (AgentSink* sink = core->nodes.FindSink(found->second.stream); sink != nullptr) {
      sink->SendLogCancel(request_id);
    }
    core->logs.erase(found);
  });
}

}  // namespace rolemesh::controlplane
