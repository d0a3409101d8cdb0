#include "controlplane/reconcile/node_sessions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "base/log/logger.h"
#include "controlplane/fleet/fleet_codec.h"
#include "controlplane/model/record_key.h"
#include "controlplane/model/session.h"
#include "controlplane/routing/table_rules.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::string_view kComponent = "reconcile";
// Instances in one transaction: with the session below Transaction's limits of count and bytes.
constexpr size_t kMaxInstanceOps = 100;
constexpr absl::Duration kRetryDelay = absl::Milliseconds(250);
// A conflict is resolved by what was applied meanwhile; more of them in a row are slowed down.
constexpr int kFastRetries = 3;

}  // namespace

NodeSessions::NodeSessions(base::Executor* executor, const base::Clock* clock, Options options,
                           AppliedStore* store, const Catalog* catalog, const Fleet* fleet,
                           Hooks hooks)
    : executor_(executor),
      clock_(clock),
      options_(std::move(options)),
      store_(store),
      catalog_(catalog),
      fleet_(fleet),
      hooks_(std::move(hooks)),
      freeze_(options_.lease) {}

// --- Streams.

void NodeSessions::Open(StreamId stream, AgentPeer peer, AgentHello hello,
                        std::shared_ptr<AgentSink> sink) {
  Node& node = NodeOf(peer.node);
  if (node.sink != nullptr) {
    End(node, {absl::AbortedError("fenced by a newer session of this node")});
  }
  node.reported = true;
  node.instances.clear();
  for (Instance& instance : hello.instances) {
    const InstanceId id = instance.id;
    node.instances[id] = std::move(instance);
  }
  hello.instances.clear();
  node.peer = std::move(peer);
  node.hello = std::move(hello);
  node.connected_at = clock_->WallNow();
  node.stream = stream;
  node.sink = std::move(sink);
  node.epoch = 0;
  node.conflicts = 0;
  node.welcomed = false;
  node.drain_sent.reset();
  node.refusals_sent = false;
  by_stream_[stream] = &node;
  AgentStatus& status = statuses_[node.id];
  status = AgentStatus{};
  status.heartbeat_at = clock_->SteadyNow();
  Renew(node);
  node.sink->ReadNext();
  Flush(node);
  hooks_.changed();
}

void NodeSessions::OnHeartbeat(StreamId stream, uint64_t sequence,
                               const std::vector<std::pair<InstanceId, InstanceLoad>>& loads) {
  Node* node = FindNode(stream);
  if (node == nullptr) return;
  AgentStatus& status = statuses_[node->id];
  status.heartbeat_at = clock_->SteadyNow();
  for (const auto& [instance, load] : loads) {
    if (node->instances.contains(instance)) status.loads[instance] = load;
  }
  const bool was_alive = node->liveness == Liveness::kAlive;
  if (node->liveness != Liveness::kLeft) Renew(*node);
  node->sink->SendHeartbeatAck(sequence);
  node->sink->ReadNext();
  if (!was_alive) Flush(*node);
  if (!loads.empty()) hooks_.changed();
}

void NodeSessions::OnInstances(StreamId stream, std::vector<Instance> changed,
                               const std::vector<InstanceId>& removed) {
  Node* node = FindNode(stream);
  if (node == nullptr) return;
  for (Instance& instance : changed) {
    const InstanceId id = instance.id;
    node->instances[id] = std::move(instance);
  }
  for (const InstanceId& id : removed) {
    node->instances.erase(id);
    statuses_[node->id].loads.erase(id);
  }
  node->sink->ReadNext();
  Flush(*node);
}

void NodeSessions::OnDrainProgress(StreamId stream, uint32_t running) {
  Node* node = FindNode(stream);
  if (node == nullptr) return;
  statuses_[node->id].drain_running = running;
  node->sink->ReadNext();
  hooks_.changed();
}

void NodeSessions::OnLeaving(StreamId stream, const std::string& reason) {
  Node* node = FindNode(stream);
  if (node == nullptr) return;
  base::LogInfo(kComponent, "the agent leaves", {{"node", node->id.value()}, {"reason", reason}});
  leases_.Remove(node->id);
  SetLiveness(*node, Liveness::kLeft);
  node->sink->ReadNext();
  Flush(*node);
}

void NodeSessions::Close(StreamId stream) {
  Node* node = FindNode(stream);
  if (node == nullptr) return;
  base::LogInfo(kComponent, "agent disconnected", {{"node", node->id.value()}});
  CloseStream(*node);
  hooks_.changed();
  DropIfDone(NodeId(node->id));
}

void NodeSessions::CloseStream(Node& node) {
  const StreamId stream = node.stream;
  by_stream_.erase(stream);
  statuses_.erase(node.id);
  node.sink = nullptr;
  hooks_.stream_ended(stream);
}

void NodeSessions::End(Node& node, const StreamEnd& end) {
  if (node.sink == nullptr) return;
  const std::shared_ptr<AgentSink> sink = node.sink;
  base::LogInfo(kComponent, "ended an agent's stream",
                {{"node", node.id.value()}, {"why", end.status}});
  CloseStream(node);
  sink->CloseStream(end);
  hooks_.changed();
}

void NodeSessions::EndIf(absl::FunctionRef<absl::Status(const AgentPeer&)> why, bool final) {
  std::vector<std::pair<Node*, absl::Status>> ends;
  for (const auto& [stream, node] : by_stream_) {
    if (absl::Status status = why(node->peer); !status.ok()) {
      ends.emplace_back(node, std::move(status));
    }
  }
  for (auto& [node, status] : ends) End(*node, {.status = std::move(status), .final = final});
}

AgentSink* NodeSessions::FindSink(const NodeId& id, StreamId* stream) const {
  const Node* node = FindNode(id);
  if (node == nullptr || node->sink == nullptr) return nullptr;
  *stream = node->stream;
  return node->sink.get();
}

AgentSink* NodeSessions::FindSink(StreamId stream) const {
  const Node* node = FindNode(stream);
  return node == nullptr ? nullptr : node->sink.get();
}

NodeSessions::Node& NodeSessions::NodeOf(const NodeId& id) {
  std::unique_ptr<Node>& node = nodes_[id];
  if (node == nullptr) {
    node = std::make_unique<Node>();
    node->id = id;
    ++count_[static_cast<int>(node->liveness)];
  }
  return *node;
}

NodeSessions::Node* NodeSessions::FindNode(const NodeId& id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second.get();
}

NodeSessions::Node* NodeSessions::FindNode(StreamId stream) const {
  const auto found = by_stream_.find(stream);
  return found == by_stream_.end() ? nullptr : found->second;
}

void NodeSessions::DropIfDone(const NodeId& id) {
  Node* node = FindNode(id);
  if (node == nullptr || node->sink != nullptr || node->committing) return;
  const Stored<Session>* stored = fleet_->FindSession(id);
  const bool over = stored == nullptr || stored->value.phase == SessionPhase::kGone ||
                    stored->value.phase == SessionPhase::kLeft;
  if (!over || node->liveness == Liveness::kAlive || node->liveness == Liveness::kSilent) return;
  executor_->Cancel(node->retry);
  leases_.Remove(id);
  graces_.Remove(id);
  --count_[static_cast<int>(node->liveness)];
  nodes_.erase(id);
}

// --- Life and death.

void NodeSessions::SetLiveness(Node& node, Liveness liveness) {
  if (node.liveness == liveness) return;
  --count_[static_cast<int>(node.liveness)];
  node.liveness = liveness;
  ++count_[static_cast<int>(liveness)];
  if (liveness != Liveness::kSilent) graces_.Remove(node.id);
  UpdateFreeze();
  hooks_.changed();
}

void NodeSessions::Renew(Node& node) {
  node.orphaned = false;
  leases_.Renew(node.id, clock_->SteadyNow() + absl::ToChronoNanoseconds(options_.lease));
  SetLiveness(node, Liveness::kAlive);
  ArmExpiry();
}

void NodeSessions::OnLoaded() {
  const base::SteadyTime lease_end =
      clock_->SteadyNow() + absl::ToChronoNanoseconds(options_.lease);
  for (const auto& [id, found] : fleet_->nodes()) {
    if (!found.session.has_value()) continue;
    const SessionPhase phase = found.session->value.phase;
    if (phase != SessionPhase::kLive && phase != SessionPhase::kSuspect) continue;
    if (FindNode(id) != nullptr) continue;
    Node& node = NodeOf(id);
    node.orphaned = true;
    node.epoch = found.session->value.epoch;
    leases_.Renew(id, lease_end);
  }
  std::vector<NodeId> ids;
  for (const auto& [id, node] : nodes_) ids.push_back(id);
  for (const NodeId& id : ids) {
    if (Node* node = FindNode(id); node != nullptr) Flush(*node);
  }
  ArmExpiry();
}

void NodeSessions::OnLeaseExpired(const NodeId& id) {
  Node* node = FindNode(id);
  if (node == nullptr) return;
  base::LogWarn(kComponent, "lease ran out", {{"node", id.value()}});
  const base::SteadyTime now = clock_->SteadyNow();
  freeze_.OnExpiry(now);
  graces_.Renew(id, now + absl::ToChronoNanoseconds(options_.removal_grace));
  SetLiveness(*node, Liveness::kSilent);
  RemoveIfMissed(*node);
  Flush(*node);
}

void NodeSessions::OnGraceExpired(const NodeId& id) {
  Node* node = FindNode(id);
  // Frozen: its grace begins anew at the thaw.
  if (node == nullptr || node->liveness != Liveness::kSilent || freeze_.frozen()) return;
  base::LogWarn(kComponent, "node is gone: its grace ran out", {{"node", id.value()}});
  SetLiveness(*node, Liveness::kGone);
  Flush(*node);
}

void NodeSessions::RemoveIfMissed(Node& node) {
  if (node.liveness != Liveness::kSilent || freeze_.frozen()) return;
  if (!hooks_.all_edges_miss(node.id)) return;
  base::LogWarn(kComponent, "node is gone: no edge reaches it", {{"node", node.id.value()}});
  SetLiveness(node, Liveness::kGone);
}

void NodeSessions::UpdateFreeze() {
  const size_t silent = count_[static_cast<int>(Liveness::kSilent)];
  const size_t known = silent + count_[static_cast<int>(Liveness::kAlive)];
  if (!freeze_.Update(clock_->SteadyNow(), silent, known)) return;
  if (freeze_.frozen()) {
    base::LogError(kComponent, "removals frozen: too many leases ran out at once",
                   {{"silent", silent}, {"known", known}});
    return;
  }
  base::LogInfo(kComponent, "removals go on", {{"silent", silent}, {"known", known}});
  const base::SteadyTime deadline =
      clock_->SteadyNow() + absl::ToChronoNanoseconds(options_.removal_grace);
  for (const auto& [id, node] : nodes_) {
    if (node->liveness == Liveness::kSilent) graces_.Renew(id, deadline);
  }
  ArmExpiry();
}

void NodeSessions::ArmExpiry() {
  base::SteadyTime due = base::SteadyTime::max();
  for (const LeaseTable* table : {&leases_, &graces_}) {
    if (const auto next = table->NextCheck(); next.has_value()) due = std::min(due, *next);
  }
  // An earlier timer finds nothing due and arms the next.
  if (due >= expiry_due_) return;
  executor_->Cancel(expiry_timer_);
  expiry_due_ = due;
  const base::SteadyTime now = clock_->SteadyNow();
  expiry_timer_ = executor_->PostAfter(absl::FromChrono(std::max(due, now) - now), [this] {
    expiry_due_ = base::SteadyTime::max();
    const base::SteadyTime now = clock_->SteadyNow();
    for (const NodeId& id : leases_.TakeExpired(now)) OnLeaseExpired(id);
    for (const NodeId& id : graces_.TakeExpired(now)) OnGraceExpired(id);
    ArmExpiry();
  });
}

// --- The store.

absl::StatusOr<Transaction> NodeSessions::Difference(const Node& node, uint64_t* new_epoch) const {
  const Stored<Session>* stored = fleet_->FindSession(node.id);
  const bool establishes = node.reported && node.epoch == 0;
  if (!establishes && (stored == nullptr || stored->value.epoch != node.epoch)) {
    return absl::AbortedError("fenced by a newer session of this node");
  }
  if (node.reported && catalog_->FindNode(node.id) == nullptr) {
    return absl::PermissionDeniedError("the node was removed from the mesh");
  }

  Session session;
  if (establishes) {
    session.node = node.id;
    session.epoch = stored == nullptr ? 1 : stored->value.epoch + 1;
    *new_epoch = session.epoch;
    session.replica = options_.replica;
    session.peer_address = node.peer.address;
    session.front_port = node.hello.front_port;
    session.agent_version = node.hello.version;
    session.boot_id = node.hello.boot_id;
    session.inventory = node.hello.inventory;
    session.connected_at = node.connected_at;
    session.draining = node.hello.draining;
  } else {
    session = stored->value;
  }
  switch (node.liveness) {
    case Liveness::kAlive:
      if (!node.orphaned) session.phase = SessionPhase::kLive;
      break;
    case Liveness::kSilent:
      if (!node.orphaned) session.phase = SessionPhase::kSuspect;
      break;
    case Liveness::kGone:
      session.phase = SessionPhase::kGone;
      break;
    case Liveness::kLeft:
      session.phase = SessionPhase::kLeft;
      break;
  }

  Transaction transaction;
  if (establishes || session != stored->value) {
    transaction.then.push_back(
        Op::Put(RecordKey::Session(node.id).ToString(), ToRecord(session).SerializeAsString()));
  }
  if (node.reported) {
    const FleetNode* found = fleet_->FindNode(node.id);
    size_t ops = 0;
    for (const auto& [id, instance] : node.instances) {
      const Stored<Instance>* have = fleet_->FindInstance(node.id, id);
      if ((have != nullptr && have->value == instance) || ops == kMaxInstanceOps) continue;
      ++ops;
      transaction.then.push_back(
          Op::Put(RecordKey::Instance(node.id, id).ToString(),
                  ToRecord(node.id, session.epoch, instance).SerializeAsString()));
    }
    if (found != nullptr) {
      for (const auto& [id, have] : found->instances) {
        if (node.instances.contains(id) || ops == kMaxInstanceOps) continue;
        ++ops;
        transaction.then.push_back(Op::Delete(RecordKey::Instance(node.id, id).ToString()));
      }
    }
    transaction.compares.push_back(Compare::Exists(RecordKey::Node(node.id).ToString()));
  }
  transaction.compares.push_back(Compare::Unchanged(RecordKey::Session(node.id).ToString(),
                                                    stored == nullptr ? 0 : stored->revision));
  return transaction;
}

void NodeSessions::Flush(Node& node) {
  if (node.committing || node.retry != base::kNoTimer) return;
  uint64_t new_epoch = 0;
  absl::StatusOr<Transaction> transaction = Difference(node, &new_epoch);
  if (!transaction.ok()) {
    // Not ours any more; what it reported is void.
    const NodeId id = node.id;
    End(node,
        {.status = transaction.status(), .final = absl::IsPermissionDenied(transaction.status())});
    leases_.Remove(id);
    graces_.Remove(id);
    --count_[static_cast<int>(node.liveness)];
    nodes_.erase(id);
    return;
  }
  if (transaction->then.empty()) {
    if (node.sink != nullptr && !node.welcomed) SendWelcome(node);
    DropIfDone(NodeId(node.id));
    return;
  }
  node.committing = true;
  store_->Commit(*std::move(transaction), [this, id = node.id, stream = node.stream,
                                           new_epoch](absl::StatusOr<CommitResult> result) {
    OnFlushed(id, stream, new_epoch, result);
  });
}

void NodeSessions::OnFlushed(const NodeId& id, StreamId stream, uint64_t new_epoch,
                             const absl::StatusOr<CommitResult>& result) {
  Node* node = FindNode(id);
  if (node == nullptr) return;
  node->committing = false;
  if (!result.ok()) {
    base::LogWarn(kComponent, "the store took no transition of a node",
                  {{"node", id.value()}, {"why", result.status()}});
    RetryLater(*node);
    return;
  }
  if (!result->succeeded) {
    if (++node->conflicts > kFastRetries) {
      RetryLater(*node);
      return;
    }
  } else {
    node->conflicts = 0;
    if (new_epoch != 0 && node->stream == stream) node->epoch = new_epoch;
  }
  if (node->sink != nullptr && node->epoch != 0 && !node->welcomed) SendWelcome(*node);
  Flush(*node);
}

void NodeSessions::RetryLater(Node& node) {
  node.retry = executor_->PostAfter(kRetryDelay, [this, id = node.id] {
    Node* again = FindNode(id);
    if (again == nullptr) return;
    again->retry = base::kNoTimer;
    Flush(*again);
  });
}

void NodeSessions::OnApplied(const NodeId& id, int64_t table_revision) {
  Node* node = FindNode(id);
  if (node == nullptr) return;
  const Stored<NodeGrant>* grant = catalog_->FindNode(id);
  if (grant == nullptr || !grant->value.draining) {
    node->drain_revision.reset();
  } else if (!node->drain_revision.has_value()) {
    node->drain_revision = table_revision;
  }
  SyncRefusals(*node);
  SyncDrain(*node);
  Flush(*node);
}

void NodeSessions::OnRolesApplied() {
  for (const auto& [stream, node] : by_stream_) SyncRefusals(*node);
}

void NodeSessions::OnEdgesChanged() {
  for (auto& [id, node] : nodes_) {
    if (node->drain_revision.has_value()) SyncDrain(*node);
  }
  if (count_[static_cast<int>(Liveness::kSilent)] == 0) return;
  std::vector<NodeId> silent;
  for (auto& [id, node] : nodes_) {
    if (node->liveness == Liveness::kSilent) silent.push_back(id);
  }
  for (const NodeId& id : silent) {
    Node* node = FindNode(id);
    if (node == nullptr) continue;
    RemoveIfMissed(*node);
    if (node->liveness == Liveness::kGone) Flush(*node);
  }
}

// --- What agents are told.

void NodeSessions::SendWelcome(Node& node) {
  node.welcomed = true;
  AgentWelcome welcome;
  welcome.epoch = node.epoch;
  welcome.lease = options_.lease;
  welcome.heartbeat_interval = options_.heartbeat_interval;
  if (const Stored<NodeGrant>* grant = catalog_->FindNode(node.id); grant != nullptr) {
    welcome.config_version = grant->revision;
    welcome.granted_roles = grant->value.granted_roles;
    welcome.draining = grant->value.draining;
  }
  for (const auto& [id, revocation] : catalog_->revocations()) {
    const Revocation& r = revocation.value;
    if (r.serial.empty()) {
      welcome.revoked_identities.push_back(r.identity);
    } else {
      welcome.revoked_serials.push_back(r.serial);
    }
  }
  node.drain_sent = {welcome.draining, false};
  base::LogInfo(kComponent, "agent connected",
                {{"node", node.id.value()},
                 {"epoch", node.epoch},
                 {"address", node.peer.address},
                 {"instances", node.instances.size()}});
  node.sink->SendWelcome(welcome);
  SyncRefusals(node);
  SyncDrain(node);
  hooks_.changed();
}

void NodeSessions::SyncRefusals(Node& node) {
  if (node.sink == nullptr || !node.welcomed) return;
  std::vector<RoleRefusal> refusals = RefusedRoles(*catalog_, *fleet_, node.id);
  AgentStatus& status = statuses_[node.id];
  if (refusals == status.refusals) return;
  status.refusals = std::move(refusals);
  node.sink->SendRoleRefusals(status.refusals);
  hooks_.changed();
}

void NodeSessions::SyncDrain(Node& node) {
  if (node.sink == nullptr || !node.welcomed) return;
  const bool draining = node.drain_revision.has_value();
  const bool acked = draining && hooks_.edges_have(*node.drain_revision);
  AgentStatus& status = statuses_[node.id];
  status.drain_edges_acked = acked;
  if (!draining) status.drain_running.reset();
  if (node.drain_sent == std::make_pair(draining, acked)) return;
  node.drain_sent = {draining, acked};
  node.sink->SendDrainOrder(draining, acked);
  hooks_.changed();
}

}  // namespace rolemesh::controlplane
