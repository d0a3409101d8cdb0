#include "controlplane/routing/table_rules.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include <google/protobuf/duration.pb.h>

#include "proto/contract/spiffe_id.h"
#include "rolemesh/v1/table.pb.h"

namespace rolemesh::controlplane {
namespace {

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string IdentityOf(const Catalog& catalog, const NodeId& node) {
  return contract::SpiffeId{catalog.mesh().name, contract::IdentityKind::kNode, node.value()}
      .ToUri();
}

// Why nothing of `node` is in the table; empty: nothing stands against it.
std::string WhyNodeIsOut(const Catalog& catalog, const Fleet& fleet, const NodeId& node) {
  const Stored<NodeGrant>* grant = catalog.FindNode(node);
  if (grant == nullptr) return "the node is not enrolled";
  if (catalog.IsRevoked(IdentityOf(catalog, node), "")) return "the node's identity is revoked";
  if (grant->value.pending) return "the node waits for approval";
  const Stored<Session>* session = fleet.FindSession(node);
  if (session == nullptr) return "the node has never connected";
  if (session->value.phase == SessionPhase::kLeft) return "the agent has stopped";
  if (session->value.phase == SessionPhase::kGone) return "the node is gone";
  if (grant->value.draining) return "an operator drains the node";
  if (session->value.draining) return "the agent drains itself";
  const std::string& address =
      grant->value.front_address.empty() ? session->value.peer_address : grant->value.front_address;
  if (!catalog.AllowsNodeAddress(address)) {
    return absl::StrCat("its address ", address, " is outside the mesh's node_cidrs");
  }
  return "";
}

// Why `node` may not serve `role`; empty: it may.
std::string WhyRoleIsRefused(const Catalog& catalog, const NodeId& node, const std::string& role) {
  const Stored<NodeGrant>* grant = catalog.FindNode(node);
  if (grant == nullptr || !Contains(grant->value.granted_roles, role)) {
    return absl::StrCat("not granted to node ", node.value());
  }
  return catalog.FindRole(role) == nullptr ? "no such role" : "";
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds))));
}

std::string MeshPayload(const Mesh& mesh) {
  v1::MeshEntry entry;
  entry.set_mesh(mesh.name);
  entry.set_default_role(mesh.default_role);
  for (const std::string& cidr : mesh.node_cidrs) entry.add_node_cidrs(cidr);
  return entry.SerializeAsString();
}

std::string RolePayload(const Role& role) {
  v1::RoleEntry entry;
  entry.set_role(role.name);
  for (const std::string& alias : role.aliases) entry.add_aliases(alias);
  entry.set_created(absl::ToUnixSeconds(role.created_at));
  SetDuration(role.first_byte_timeout, entry.mutable_first_byte_timeout());
  SetDuration(role.idle_timeout, entry.mutable_idle_timeout());
  return entry.SerializeAsString();
}

std::string KeyPayload(const ApiKeyVerifier& key) {
  v1::KeyEntry entry;
  entry.set_key_id(key.key.value());
  entry.set_secret_sha256(key.secret_sha256);
  for (const std::string& role : key.roles) entry.add_roles(role);
  if (key.expires_at != absl::InfiniteFuture()) {
    entry.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(key.expires_at));
  }
  return entry.SerializeAsString();
}

std::string RevocationPayload(const Revocation& revocation) {
  v1::RevocationEntry entry;
  entry.set_serial(revocation.serial);
  entry.set_identity(revocation.identity);
  return entry.SerializeAsString();
}

std::string UpstreamId(const std::string& role, size_t index) {
  return absl::StrCat("@", role, "/", index);
}

absl::optional<std::string> UpstreamPayload(const Catalog& catalog, const std::string& id) {
  absl::string_view rest = id;
  absl::ConsumePrefix(&rest, "@");
  const size_t slash = rest.find('/');
  uint32_t index = 0;
  if (slash == absl::string_view::npos || !absl::SimpleAtoi(rest.substr(slash + 1), &index)) {
    return absl::nullopt;
  }
  const Stored<Role>* role = catalog.FindRole(rest.substr(0, slash));
  if (role == nullptr || index >= role->value.upstreams.size()) return absl::nullopt;
  const Upstream& upstream = role->value.upstreams[index];
  v1::EndpointEntry entry;
  entry.set_endpoint_id(id);
  entry.add_roles(role->value.name);
  entry.mutable_upstream()->set_url(upstream.proxy_url);
  entry.mutable_upstream()->set_upstream_model(upstream.upstream_model);
  entry.set_slot_count(upstream.max_concurrent);
  entry.set_model(upstream.upstream_model);
  return entry.SerializeAsString();
}

void AddNodeEndpoints(const Fleet& fleet, const TableState& table, const NodeId& node,
                      absl::btree_set<EntryKey>* out) {
  if (const FleetNode* found = fleet.FindNode(node); found != nullptr) {
    for (const auto& [id, instance] : found->instances) {
      out->insert({EntryKind::kEndpoint, EndpointIdOf(node, id)});
    }
  }
  const std::string prefix = absl::StrCat(node.value(), "/");
  const auto& entries = table.entries();
  for (auto at = entries.lower_bound({EntryKind::kEndpoint, prefix});
       at != entries.end() && at->first.kind == EntryKind::kEndpoint &&
       absl::StartsWith(at->first.id, prefix);
       ++at) {
    out->insert(at->first);
  }
}

void AddAllEndpoints(const Catalog& catalog, const Fleet& fleet, absl::btree_set<EntryKey>* out) {
  for (const auto& [name, role] : catalog.roles()) {
    for (size_t i = 0; i < role.value.upstreams.size(); ++i) {
      out->insert({EntryKind::kEndpoint, UpstreamId(name, i)});
    }
  }
  for (const auto& [node, found] : fleet.nodes()) {
    for (const auto& [id, instance] : found.instances) {
      out->insert({EntryKind::kEndpoint, EndpointIdOf(node, id)});
    }
  }
}

void AddRole(const Catalog& catalog, const Fleet& fleet, const TableState& table,
             const std::string& name, absl::btree_set<EntryKey>* out) {
  const EntryKey key{EntryKind::kRole, name};
  out->insert(key);
  const std::string prefix = absl::StrCat("@", name, "/");
  const auto& entries = table.entries();
  for (auto at = entries.lower_bound({EntryKind::kEndpoint, prefix});
       at != entries.end() && at->first.kind == EntryKind::kEndpoint &&
       absl::StartsWith(at->first.id, prefix);
       ++at) {
    out->insert(at->first);
  }
  const Stored<Role>* role = catalog.FindRole(name);
  for (size_t i = 0; role != nullptr && i < role->value.upstreams.size(); ++i) {
    out->insert({EntryKind::kEndpoint, UpstreamId(name, i)});
  }
  // Instances care only whether the role exists. A batch may delete it and make it again, or the
  // other way round: compare with the table, not with what was applied before.
  if ((table.Find(key) != nullptr) == (role != nullptr)) return;
  for (const auto& [node, found] : fleet.nodes()) {
    for (const auto& [id, instance] : found.instances) {
      if (Contains(instance.value.roles, name)) {
        out->insert({EntryKind::kEndpoint, EndpointIdOf(node, id)});
      }
    }
  }
}

}  // namespace

std::string EndpointIdOf(const NodeId& node, const InstanceId& instance) {
  return absl::StrCat(node.value(), "/", instance.value());
}

EndpointDecision DecideEndpoint(const Catalog& catalog, const Fleet& fleet, const NodeId& node,
                                const InstanceId& instance) {
  const Stored<Instance>* found = fleet.FindInstance(node, instance);
  if (found == nullptr) return {"", "no such instance"};
  if (std::string reason = WhyNodeIsOut(catalog, fleet, node); !reason.empty()) {
    return {"", std::move(reason)};
  }
  const Instance& state = found->value;
  if (state.phase != InstancePhase::kReady) {
    return {"", state.reason.empty()
                    ? absl::StrCat("the instance is ", InstancePhaseName(state.phase))
                    : absl::StrCat("the instance is ", InstancePhaseName(state.phase), ": ",
                                   state.reason)};
  }
  if (state.slot_count == 0) return {"", "the instance has no slots"};

  v1::EndpointEntry entry;
  std::string refused;
  for (const std::string& role : state.roles) {
    const std::string why = WhyRoleIsRefused(catalog, node, role);
    if (why.empty()) {
      if (!Contains({entry.roles().begin(), entry.roles().end()}, role)) entry.add_roles(role);
    } else {
      absl::StrAppend(&refused, refused.empty() ? "" : ", ", role, ": ", why);
    }
  }
  if (entry.roles().empty()) {
    return {"", refused.empty() ? "the instance advertises no role" : std::move(refused)};
  }
  const Session& session = fleet.FindSession(node)->value;
  const NodeGrant& grant = catalog.FindNode(node)->value;
  entry.set_endpoint_id(EndpointIdOf(node, instance));
  v1::FrontTarget* front = entry.mutable_front();
  front->set_node_id(node.value());
  front->set_instance_id(instance.value());
  front->set_generation(state.generation);
  front->set_address(grant.front_address.empty() ? session.peer_address : grant.front_address);
  front->set_port(session.front_port);
  front->set_spiffe_id(IdentityOf(catalog, node));
  entry.set_slot_count(state.slot_count);
  entry.set_context_tokens(state.context_tokens);
  v1::Abilities* abilities = entry.mutable_abilities();
  abilities->set_vision(state.abilities.vision);
  abilities->set_audio(state.abilities.audio);
  abilities->set_embeddings(state.abilities.embeddings);
  abilities->set_tools(state.abilities.tools);
  abilities->set_reasoning(state.abilities.reasoning);
  entry.set_suspect(session.phase == SessionPhase::kSuspect);
  entry.set_model(state.model);
  return {entry.SerializeAsString(), ""};
}

absl::optional<std::string> BuildEntry(const Catalog& catalog, const Fleet& fleet,
                                       const EntryKey& key) {
  switch (key.kind) {
    case EntryKind::kMesh:
      if (catalog.mesh().name.empty()) return absl::nullopt;
      return MeshPayload(catalog.mesh());
    case EntryKind::kRole: {
      const Stored<Role>* role = catalog.FindRole(key.id);
      if (role == nullptr) return absl::nullopt;
      return RolePayload(role->value);
    }
    case EntryKind::kEndpoint: {
      if (absl::StartsWith(key.id, "@")) return UpstreamPayload(catalog, key.id);
      const size_t slash = key.id.find('/');
      if (slash == std::string::npos) return absl::nullopt;
      EndpointDecision decision = DecideEndpoint(catalog, fleet, NodeId(key.id.substr(0, slash)),
                                                 InstanceId(key.id.substr(slash + 1)));
      if (decision.payload.empty()) return absl::nullopt;
      return std::move(decision.payload);
    }
    case EntryKind::kKey: {
      const Stored<ApiKeyVerifier>* found = catalog.FindKey(KeyId(key.id));
      if (found == nullptr) return absl::nullopt;
      return KeyPayload(found->value);
    }
    case EntryKind::kRevocation: {
      const auto found = catalog.revocations().find(key.id);
      if (found == catalog.revocations().end()) return absl::nullopt;
      return RevocationPayload(found->second.value);
    }
  }
  return absl::nullopt;
}

absl::btree_set<EntryKey> AllEntries(const Catalog& catalog, const Fleet& fleet) {
  absl::btree_set<EntryKey> all;
  all.insert({EntryKind::kMesh, ""});
  for (const auto& [name, role] : catalog.roles()) all.insert({EntryKind::kRole, name});
  AddAllEndpoints(catalog, fleet, &all);
  for (const auto& [id, key] : catalog.keys()) all.insert({EntryKind::kKey, id.value()});
  for (const auto& [id, r] : catalog.revocations()) all.insert({EntryKind::kRevocation, id});
  return all;
}

void AddAffectedEntries(const Catalog& catalog, const Fleet& fleet, const TableState& table,
                        const RecordKey& changed, absl::btree_set<EntryKey>* affected) {
  switch (changed.kind) {
    case RecordKind::kMesh:
      affected->insert({EntryKind::kMesh, ""});
      AddAllEndpoints(catalog, fleet, affected);
      return;
    case RecordKind::kRole:
      AddRole(catalog, fleet, table, changed.name, affected);
      return;
    case RecordKind::kNode:
    case RecordKind::kSession:
      AddNodeEndpoints(fleet, table, NodeId(changed.name), affected);
      return;
    case RecordKind::kInstance:
      affected->insert(
          {EntryKind::kEndpoint, EndpointIdOf(NodeId(changed.name), InstanceId(changed.instance))});
      return;
    case RecordKind::kKey:
      affected->insert({EntryKind::kKey, changed.name});
      return;
    case RecordKind::kRevocation: {
      affected->insert({EntryKind::kRevocation, changed.name});
      const absl::StatusOr<contract::SpiffeId> id = contract::ParseSpiffeId(changed.name);
      if (id.ok() && id->kind == contract::IdentityKind::kNode) {
        AddNodeEndpoints(fleet, table, NodeId(id->name), affected);
      }
      return;
    }
    default:
      return;
  }
}

std::vector<RoleRefusal> RefusedRoles(const Catalog& catalog, const Fleet& fleet,
                                      const NodeId& node) {
  std::vector<RoleRefusal> refusals;
  const FleetNode* found = fleet.FindNode(node);
  if (found == nullptr) return refusals;
  for (const auto& [id, instance] : found->instances) {
    for (const std::string& role : instance.value.roles) {
      std::string why = WhyRoleIsRefused(catalog, node, role);
      if (!why.empty()) refusals.push_back({id, role, std::move(why)});
    }
  }
  return refusals;
}

NodeCondition ConditionOf(const Catalog& catalog, const Fleet& fleet, const NodeId& node) {
  const Stored<NodeGrant>* grant = catalog.FindNode(node);
  const Stored<Session>* session = fleet.FindSession(node);
  if (grant != nullptr && grant->value.pending) {
    return {NodeState::kPending, "waits for an operator's approval"};
  }
  if (session == nullptr) return {NodeState::kNever, ""};
  switch (session->value.phase) {
    case SessionPhase::kLeft:
      return {NodeState::kGone, "the agent has stopped"};
    case SessionPhase::kGone:
      return {NodeState::kGone, "its lease ran out"};
    default:
      break;
  }
  const bool suspect = session->value.phase == SessionPhase::kSuspect;
  if (grant != nullptr && grant->value.draining) {
    return {NodeState::kDraining, suspect ? "by an operator; its lease ran out" : "by an operator"};
  }
  if (session->value.draining) return {NodeState::kDraining, "by its agent"};
  if (suspect) return {NodeState::kSuspect, "its lease ran out; still routed when nothing else is"};
  // What else keeps it out of the table is worth a line.
  return {NodeState::kLive, WhyNodeIsOut(catalog, fleet, node)};
}

std::string FrontAddressOf(const Catalog& catalog, const Fleet& fleet, const NodeId& node) {
  const Stored<Session>* session = fleet.FindSession(node);
  if (session == nullptr) return "";
  const Stored<NodeGrant>* grant = catalog.FindNode(node);
  const std::string& address = grant == nullptr || grant->value.front_address.empty()
                                   ? session->value.peer_address
                                   : grant->value.front_address;
  const bool v6 = absl::StrContains(address, ':');
  return absl::StrCat(v6 ? "[" : "", address, v6 ? "]" : "", ":", session->value.front_port);
}

}  // namespace rolemesh::controlplane
