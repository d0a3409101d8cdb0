#include "cli/output/resource_table.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

#include "cli/output/text_table.h"

namespace rolemesh::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string ShortName(absl::string_view enum_name, absl::string_view prefix) {
  absl::ConsumePrefix(&enum_name, prefix);
  return absl::AsciiStrToLower(enum_name);
}

std::string Age(const google::protobuf::Timestamp& at, absl::Time now) {
  if (at.seconds() == 0) return "";
  const absl::Duration age = now - absl::FromUnixSeconds(at.seconds());
  if (age >= absl::Hours(48)) return absl::StrCat(absl::ToInt64Hours(age) / 24, "d");
  if (age >= absl::Minutes(120)) return absl::StrCat(absl::ToInt64Hours(age), "h");
  if (age >= absl::Seconds(120)) return absl::StrCat(absl::ToInt64Minutes(age), "m");
  return absl::StrCat(std::max<int64_t>(0, absl::ToInt64Seconds(age)), "s");
}

std::string NodeTable(const v1::ListReply& reply) {
  Rows rows;
  for (const v1::Node& node : reply.nodes()) {
    std::vector<std::string> reasons;
    if (!node.reason().empty()) reasons.push_back(node.reason());
    reasons.insert(reasons.end(), node.refusals().begin(), node.refusals().end());
    rows.push_back({node.node_id(), ShortName(v1::NodeState_Name(node.state()), "NODE_STATE_"),
                    absl::StrJoin(node.granted_roles(), ","), node.front_address(),
                    absl::StrCat(node.instances_ready(), "/", node.instances_total()),
                    node.agent_version(), absl::StrJoin(reasons, "; ")});
  }
  return FormatTextTable({"NODE", "STATE", "ROLES", "FRONT", "READY", "VERSION", "REASON"}, rows);
}

std::string InstanceTable(const v1::ListReply& reply) {
  Rows rows;
  for (const v1::Instance& instance : reply.instances()) {
    const v1::InstanceState& state = instance.state();
    rows.push_back(
        {absl::StrCat(instance.node_id(), "/", state.instance_id()),
         ShortName(v1::InstancePhase_Name(state.phase()), "INSTANCE_PHASE_"),
         absl::StrJoin(state.roles(), ","), state.model(),
         absl::StrCat(instance.running(), "/", state.slot_count()),
         absl::StrCat(state.context_tokens()), absl::StrCat(state.restart_count()),
         absl::StrCat(state.pid()),
         instance.not_routed_because().empty() ? state.reason() : instance.not_routed_because()});
  }
  return FormatTextTable(
      {"INSTANCE", "PHASE", "ROLES", "MODEL", "BUSY", "CONTEXT", "RESTARTS", "PID", "REASON"},
      rows);
}

std::string RoleTable(const v1::ListReply& reply) {
  Rows rows;
  for (const v1::Role& role : reply.roles()) {
    rows.push_back({role.spec().name(), absl::StrJoin(role.spec().aliases(), ","),
                    absl::StrCat(role.endpoints_ready(), "/", role.endpoints_total()),
                    absl::StrCat(role.spec().upstreams_size()), absl::StrCat(role.revision())});
  }
  return FormatTextTable({"ROLE", "ALIASES", "READY", "UPSTREAMS", "REVISION"}, rows);
}

std::string EdgeTable(const v1::ListReply& reply, absl::Time now) {
  Rows rows;
  for (const v1::Edge& edge : reply.edges()) {
    rows.push_back({edge.edge_id(), edge.connected() ? "yes" : "no", edge.listen_address(),
                    absl::StrCat(edge.table().revision()), edge.edge_version(),
                    Age(edge.connected_at(), now), edge.last_nack()});
  }
  return FormatTextTable({"EDGE", "CONNECTED", "LISTENS", "TABLE", "VERSION", "AGE", "REFUSED"},
                         rows);
}

std::string RouteTableOf(const v1::ListReply& reply) {
  Rows rows;
  for (const v1::Route& route : reply.routes()) {
    rows.push_back({route.role(), route.endpoint_id(), route.address(),
                    absl::StrCat(route.slot_count()), absl::StrCat(route.context_tokens()),
                    route.suspect() ? "yes" : "no", route.model()});
  }
  return FormatTextTable({"ROLE", "ENDPOINT", "ADDRESS", "SLOTS", "CONTEXT", "SUSPECT", "MODEL"},
                         rows);
}

std::string KeyTable(const v1::ListReply& reply, absl::Time now) {
  Rows rows;
  for (const v1::Key& key : reply.keys()) {
    std::string expires = "never";
    if (key.has_expires_at()) {
      expires =
          absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::FromUnixSeconds(key.expires_at().seconds()),
                           absl::UTCTimeZone());
    }
    rows.push_back({key.key_id(), key.roles_size() == 0 ? "all" : absl::StrJoin(key.roles(), ","),
                    Age(key.created_at(), now), key.expired() ? "expired" : expires, key.note()});
  }
  return FormatTextTable({"KEY", "ROLES", "AGE", "EXPIRES", "NOTE"}, rows);
}

}  // namespace

std::string FormatResources(const v1::ListReply& reply, v1::ResourceKind kind, absl::Time now) {
  switch (kind) {
    case v1::RESOURCE_KIND_NODE:
      return NodeTable(reply);
    case v1::RESOURCE_KIND_INSTANCE:
      return InstanceTable(reply);
    case v1::RESOURCE_KIND_ROLE:
      return RoleTable(reply);
    case v1::RESOURCE_KIND_EDGE:
      return EdgeTable(reply, now);
    case v1::RESOURCE_KIND_ROUTE:
      return RouteTableOf(reply);
    case v1::RESOURCE_KIND_KEY:
      return KeyTable(reply, now);
    default:
      return "";
  }
}

std::string FormatStatus(const v1::GetStatusReply& reply) {
  std::string text = absl::StrCat(
      "mesh       ", reply.mesh(), "\nreplica    ", reply.replica(), ", version ", reply.version(),
      ", up ", absl::FormatDuration(absl::Seconds(reply.uptime().seconds())), "\ntable      ",
      reply.table().revision(), ", hash ", absl::BytesToHexString(reply.table_hash()).substr(0, 16),
      "\nnodes      ", reply.nodes_live(), " of ", reply.nodes_total(), " live\ninstances  ",
      reply.instances_ready(), " of ", reply.instances_total(), " ready\nedges      ",
      reply.edges_connected(), " connected, ", reply.edges_current(),
      " with the current table\nroles      ", reply.roles_total());
  if (reply.roles_without_endpoint_size() > 0) {
    absl::StrAppend(&text,
                    ", without endpoint: ", absl::StrJoin(reply.roles_without_endpoint(), ", "));
  }
  text += "\n";
  if (reply.store_read_only()) text += "PROBLEM    the store is read-only\n";
  for (const std::string& problem : reply.problems()) {
    absl::StrAppend(&text, "PROBLEM    ", absl::Utf8SafeCEscape(problem), "\n");
  }
  return text;
}

}  // namespace rolemesh::cli
