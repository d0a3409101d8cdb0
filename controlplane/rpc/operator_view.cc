#include "controlplane/rpc/operator_view.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

#include "controlplane/catalog/catalog_codec.h"
#include "controlplane/fleet/fleet_codec.h"
#include "controlplane/identity/record_time.h"
#include "controlplane/routing/table_rules.h"
#include "rolemesh/v1/table.pb.h"

namespace rolemesh::controlplane {
namespace {

v1::TableVersion ToProto(const TableVersion& version) {
  v1::TableVersion proto;
  proto.set_store_id(version.store_id);
  proto.set_revision(static_cast<uint64_t>(version.revision));
  return proto;
}

google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

bool Wanted(const v1::ListRequest& request, absl::string_view name) {
  return request.name().empty() || request.name() == name;
}

// Calls `visit` with each endpoint of the table.
template <class Visit>
void ForEachEndpoint(const View& view, Visit visit) {
  for (const auto& [key, payload] : view.table.entries()) {
    if (key.kind != EntryKind::kEndpoint) continue;
    v1::EndpointEntry endpoint;
    if (endpoint.ParseFromString(payload)) visit(endpoint);
  }
}

void CountInstances(const FleetNode& node, uint32_t* ready, uint32_t* total) {
  for (const auto& [id, instance] : node.instances) {
    ++*total;
    if (instance.value.phase == InstancePhase::kReady) ++*ready;
  }
}

void AddNode(const View& view, const NodeId& id, const NodeGrant& grant, v1::Node* node) {
  node->set_node_id(id.value());
  const NodeCondition condition = ConditionOf(view.catalog, view.fleet, id);
  node->set_state(static_cast<v1::NodeState>(condition.state));
  node->set_reason(condition.reason);
  node->mutable_granted_roles()->Assign(grant.granted_roles.begin(), grant.granted_roles.end());
  node->set_front_address(FrontAddressOf(view.catalog, view.fleet, id));
  if (const FleetNode* fleet = view.fleet.FindNode(id)) {
    if (fleet->session.has_value()) {
      const Session& session = fleet->session->value;
      node->set_agent_version(session.agent_version);
      node->set_session_epoch(session.epoch);
      *node->mutable_connected_at() = ToTimestamp(session.connected_at);
      *node->mutable_inventory() = controlplane::ToProto(session.inventory);
    }
    uint32_t ready = 0;
    uint32_t total = 0;
    CountInstances(*fleet, &ready, &total);
    node->set_instances_ready(ready);
    node->set_instances_total(total);
  }
  if (const auto agent = view.agents.find(id); agent != view.agents.end()) {
    *node->mutable_heartbeat_age() =
        ToProtoDuration(absl::FromChrono(view.now - agent->second.heartbeat_at));
    for (const RoleRefusal& refusal : agent->second.refusals) {
      node->add_refusals(
          absl::StrCat(refusal.instance.value(), ": ", refusal.role, ": ", refusal.reason));
    }
  }
}

void AddInstance(const View& view, const NodeId& node, const Instance& instance,
                 v1::Instance* out) {
  out->set_node_id(node.value());
  *out->mutable_state() = controlplane::ToProto(instance);
  if (const auto agent = view.agents.find(node); agent != view.agents.end()) {
    if (const auto load = agent->second.loads.find(instance.id);
        load != agent->second.loads.end()) {
      out->set_running(load->second.running);
      out->set_waiting(load->second.waiting);
    }
  }
  out->set_not_routed_because(DecideEndpoint(view.catalog, view.fleet, node, instance.id).reason);
}

void AddRoles(const View& view, const v1::ListRequest& request, v1::ListReply* reply) {
  absl::btree_map<std::string, uint32_t> ready;
  ForEachEndpoint(view, [&](const v1::EndpointEntry& endpoint) {
    if (endpoint.suspect()) return;
    for (const std::string& role : endpoint.roles()) ++ready[role];
  });
  absl::btree_map<std::string, uint32_t> total;
  for (const auto& [id, node] : view.fleet.nodes()) {
    for (const auto& [instance_id, instance] : node.instances) {
      for (const std::string& role : instance.value.roles) ++total[role];
    }
  }
  for (const auto& [name, role] : view.catalog.roles()) {
    if (!Wanted(request, name)) continue;
    v1::Role* out = reply->add_roles();
    *out->mutable_spec() = ToSpec(role.value);
    out->set_endpoints_ready(ready[name]);
    out->set_endpoints_total(total[name] + static_cast<uint32_t>(role.value.upstreams.size()));
    out->set_revision(static_cast<uint64_t>(role.revision));
  }
}

void AddEdges(const View& view, const v1::ListRequest& request, v1::ListReply* reply) {
  for (const auto& [id, grant] : view.catalog.edges()) {
    if (!Wanted(request, id.value())) continue;
    v1::Edge* out = reply->add_edges();
    out->set_edge_id(id.value());
    const auto status = view.edges.find(id);
    if (status == view.edges.end()) continue;
    out->set_connected(status->second.connected);
    out->set_listen_address(status->second.listen_address);
    out->set_edge_version(status->second.version);
    if (status->second.acked.revision > 0) *out->mutable_table() = ToProto(status->second.acked);
    *out->mutable_connected_at() = ToTimestamp(status->second.connected_at);
    out->set_last_nack(status->second.last_nack);
  }
}

void AddRoutes(const View& view, const v1::ListRequest& request, v1::ListReply* reply) {
  ForEachEndpoint(view, [&](const v1::EndpointEntry& endpoint) {
    for (const std::string& role : endpoint.roles()) {
      if (!Wanted(request, role)) continue;
      v1::Route* route = reply->add_routes();
      route->set_role(role);
      route->set_endpoint_id(endpoint.endpoint_id());
      if (endpoint.has_front()) {
        const bool v6 =
            absl::string_view(endpoint.front().address()).find(':') != absl::string_view::npos;
        route->set_address(absl::StrCat(v6 ? "[" : "", endpoint.front().address(), v6 ? "]" : "",
                                        ":", endpoint.front().port()));
      } else {
        route->set_address(endpoint.upstream().url());
      }
      route->set_slot_count(endpoint.slot_count());
      route->set_context_tokens(endpoint.context_tokens());
      route->set_suspect(endpoint.suspect());
      route->set_model(endpoint.model());
    }
  });
}

void AddKeys(const View& view, const v1::ListRequest& request, absl::Time wall,
             v1::ListReply* reply) {
  for (const auto& [id, key] : view.catalog.keys()) {
    if (!Wanted(request, id.value())) continue;
    v1::Key* out = reply->add_keys();
    out->set_key_id(id.value());
    out->mutable_roles()->Assign(key.value.roles.begin(), key.value.roles.end());
    *out->mutable_created_at() = ToTimestamp(key.value.created_at);
    if (key.value.expires_at != absl::InfiniteFuture()) {
      *out->mutable_expires_at() = ToTimestamp(key.value.expires_at);
      out->set_expired(key.value.expires_at <= wall);
    }
    out->set_note(key.value.note);
  }
}

}  // namespace

void FillStatus(const View& view, v1::GetStatusReply* reply) {
  reply->set_mesh(view.catalog.mesh().name);
  reply->set_replica(std::string(view.replica));
  *reply->mutable_table() = ToProto(view.table.version());
  reply->set_table_hash(view.table.hash().ToBytes());
  for (const auto& [id, grant] : view.catalog.nodes()) {
    reply->set_nodes_total(reply->nodes_total() + 1);
    const NodeState state = ConditionOf(view.catalog, view.fleet, id).state;
    if (state == NodeState::kLive) reply->set_nodes_live(reply->nodes_live() + 1);
    if (const FleetNode* node = view.fleet.FindNode(id)) {
      uint32_t ready = reply->instances_ready();
      uint32_t total = reply->instances_total();
      CountInstances(*node, &ready, &total);
      reply->set_instances_ready(ready);
      reply->set_instances_total(total);
    }
  }
  for (const auto& [id, edge] : view.edges) {
    if (!edge.connected) continue;
    reply->set_edges_connected(reply->edges_connected() + 1);
    if (edge.acked == view.table.version()) reply->set_edges_current(reply->edges_current() + 1);
  }
  std::set<std::string> served;
  ForEachEndpoint(view, [&](const v1::EndpointEntry& endpoint) {
    served.insert(endpoint.roles().begin(), endpoint.roles().end());
  });
  reply->set_roles_total(static_cast<uint32_t>(view.catalog.roles().size()));
  for (const auto& [name, role] : view.catalog.roles()) {
    if (!served.contains(name)) reply->add_roles_without_endpoint(name);
  }
  for (const std::string& problem : view.Problems()) reply->add_problems(problem);
}

absl::Status FillList(const View& view, const v1::ListRequest& request, absl::Time wall,
                      v1::ListReply* reply) {
  *reply->mutable_version() = ToProto(view.table.version());
  int found = 0;
  switch (request.kind()) {
    case v1::RESOURCE_KIND_NODE:
      for (const auto& [id, grant] : view.catalog.nodes()) {
        if (Wanted(request, id.value())) AddNode(view, id, grant.value, reply->add_nodes());
      }
      found = reply->nodes_size();
      break;
    case v1::RESOURCE_KIND_INSTANCE:
      for (const auto& [id, node] : view.fleet.nodes()) {
        for (const auto& [instance_id, instance] : node.instances) {
          if (!Wanted(request, instance_id.value()) &&
              !Wanted(request, EndpointIdOf(id, instance_id))) {
            continue;
          }
          AddInstance(view, id, instance.value, reply->add_instances());
        }
      }
      found = reply->instances_size();
      break;
    case v1::RESOURCE_KIND_ROLE:
      AddRoles(view, request, reply);
      found = reply->roles_size();
      break;
    case v1::RESOURCE_KIND_EDGE:
      AddEdges(view, request, reply);
      found = reply->edges_size();
      break;
    case v1::RESOURCE_KIND_ROUTE:
      AddRoutes(view, request, reply);
      found = reply->routes_size();
      break;
    case v1::RESOURCE_KIND_KEY:
      AddKeys(view, request, wall, reply);
      found = reply->keys_size();
      break;
    default:
      return absl::InvalidArgumentError("kind: must be node, instance, role, edge, route or key");
  }
  if (found == 0 && !request.name().empty() && request.kind() != v1::RESOURCE_KIND_ROUTE) {
    return absl::NotFoundError(absl::StrCat("there is no ", request.name()));
  }
  return absl::OkStatus();
}

}  // namespace rolemesh::controlplane
