#include "proto/contract/validators.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include <google/protobuf/duration.pb.h>

#include "base/status/status_macros.h"
#include "proto/contract/limits.h"
#include "proto/contract/names.h"

namespace rolemesh::contract {
namespace {

absl::Status Invalid(absl::string_view path, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", problem));
}

absl::Status At(absl::string_view path, const absl::Status& status) {
  return status.ok() ? status : Invalid(path, status.message());
}

absl::Status CheckCount(absl::string_view path, int count, int limit) {
  if (count <= limit) return absl::OkStatus();
  return Invalid(path, absl::StrCat(count, " given, at most ", limit, " allowed"));
}

absl::Status CheckSize(absl::string_view path, absl::string_view value, size_t limit) {
  if (value.size() <= limit) return absl::OkStatus();
  return Invalid(path, absl::StrCat(value.size(), " bytes, at most ", limit, " allowed"));
}

absl::Status CheckRange(absl::string_view path, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Invalid(path, absl::StrCat(value, " is not in ", low, "..", high));
}

// A URL's host as a literal that points at this link or at a cloud's metadata
// service; such a server is never what a role means.
bool IsForbiddenHost(absl::string_view host) {
  return absl::StartsWith(host, "169.254.") || host == "0.0.0.0" ||
         absl::StartsWithIgnoreCase(host, "[fe8") || absl::StartsWithIgnoreCase(host, "[fe9") ||
         absl::StartsWithIgnoreCase(host, "[fea") || absl::StartsWithIgnoreCase(host, "[feb") ||
         host == "[::]" || host == "100.100.100.200" ||
         absl::StartsWithIgnoreCase(host, "[fd00:ec2:") || host == "255.255.255.255" ||
         absl::StartsWithIgnoreCase(host, "[::ffff:");
}

// Dotted numbers that are not four plain decimals: 0x7f.1, 0177.0.0.1,
// 2130706433. Resolvers read them as addresses.
bool IsOddNumericHost(absl::string_view host) {
  const bool numeric =
      !host.empty() && absl::ascii_isdigit(host.front()) &&
      std::all_of(
          host.begin(), host.end(),
          [](char c) { return absl::ascii_isxdigit(c) || c == '.' || c == 'x' || c == 'X'; }) &&
      absl::ascii_isdigit(host.back());
  if (!numeric) return false;
  int dots = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= host.size(); ++i) {
    if (i < host.size() && host[i] != '.') continue;
    const absl::string_view part = host.substr(begin, i - begin);
    int value = 0;
    if (part.empty() || (part.size() > 1 && part[0] == '0') || !absl::SimpleAtoi(part, &value) ||
        value > 255) {
      return true;
    }
    begin = i + 1;
    if (i < host.size()) ++dots;
  }
  return dots != 3;
}

}  // namespace

absl::Status CheckProxyUrl(absl::string_view url) {
  const std::string shown = absl::StrCat("\"", absl::CHexEscape(url.substr(0, 200)), "\" ");
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "http://")) {
    return absl::InvalidArgumentError(
        absl::StrCat(shown, "must begin with http:// (put a TLS proxy before a remote server)"));
  }
  absl::ConsumeSuffix(&rest, "/");
  const size_t colon = rest.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(rest.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(shown, "must be http://HOST:PORT"));
  }
  const absl::string_view host = rest.substr(0, colon);
  const bool bracketed = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  const bool clean = std::all_of(host.begin(), host.end(), [&](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' ||
           (bracketed && (c == ':' || c == '[' || c == ']'));
  });
  if (!clean) {
    return absl::InvalidArgumentError(
        absl::StrCat(shown, "must be http://HOST:PORT, without user, path or query"));
  }
  if (IsForbiddenHost(host) || IsOddNumericHost(host)) {
    return absl::InvalidArgumentError(
        absl::StrCat(shown, "points at an address that no server of yours has"));
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::InstanceState& instance) {
  RM_RETURN_IF_ERROR(At("instance_id", CheckInstanceName(instance.instance_id())));
  if (!v1::InstancePhase_IsValid(instance.phase()) ||
      instance.phase() == v1::INSTANCE_PHASE_UNSPECIFIED) {
    return Invalid("phase", absl::StrCat(static_cast<int>(instance.phase()), " is not a phase"));
  }
  RM_RETURN_IF_ERROR(CheckSize("reason", instance.reason(), kMaxReasonBytes));
  RM_RETURN_IF_ERROR(CheckCount("roles", instance.roles_size(), kMaxRolesPerInstance));
  for (int i = 0; i < instance.roles_size(); ++i) {
    RM_RETURN_IF_ERROR(At(absl::StrCat("roles[", i, "]"), CheckRoleName(instance.roles(i))));
  }
  const bool ready = instance.phase() == v1::INSTANCE_PHASE_READY;
  RM_RETURN_IF_ERROR(CheckRange("slot_count", instance.slot_count(), ready ? 1 : 0, kMaxSlots));
  return CheckSize("model", instance.model(), 255);
}

absl::Status Validate(const v1::AgentHello& hello) {
  RM_RETURN_IF_ERROR(At("node_id", CheckNodeName(hello.node_id())));
  RM_RETURN_IF_ERROR(CheckSize("version", hello.version(), 64));
  if (hello.boot_id().empty()) return Invalid("boot_id", "empty");
  RM_RETURN_IF_ERROR(CheckSize("boot_id", hello.boot_id(), 64));
  RM_RETURN_IF_ERROR(CheckRange("front_port", hello.front_port(), 1, 65535));
  RM_RETURN_IF_ERROR(CheckCount("inventory.gpus", hello.inventory().gpus_size(), 64));
  RM_RETURN_IF_ERROR(CheckCount("instances", hello.instances_size(), kMaxInstancesPerNode));
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < hello.instances_size(); ++i) {
    const std::string path = absl::StrCat("instances[", i, "]");
    const absl::Status status = Validate(hello.instances(i));
    if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ".", status.message()));
    if (!seen.insert(hello.instances(i).instance_id()).second) {
      return Invalid(absl::StrCat(path, ".instance_id"), "appears twice");
    }
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::AgentHeartbeat& heartbeat) {
  RM_RETURN_IF_ERROR(CheckCount("loads", heartbeat.loads_size(), kMaxInstancesPerNode));
  for (int i = 0; i < heartbeat.loads_size(); ++i) {
    RM_RETURN_IF_ERROR(At(absl::StrCat("loads[", i, "].instance_id"),
                          CheckInstanceName(heartbeat.loads(i).instance_id())));
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::InstanceChanges& changes) {
  RM_RETURN_IF_ERROR(CheckCount("changed", changes.changed_size(), kMaxInstancesPerNode));
  for (int i = 0; i < changes.changed_size(); ++i) {
    const absl::Status status = Validate(changes.changed(i));
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("changed[", i, "].", status.message()));
    }
  }
  RM_RETURN_IF_ERROR(CheckCount("removed_instance_ids", changes.removed_instance_ids_size(),
                                kMaxInstancesPerNode));
  for (int i = 0; i < changes.removed_instance_ids_size(); ++i) {
    RM_RETURN_IF_ERROR(At(absl::StrCat("removed_instance_ids[", i, "]"),
                          CheckInstanceName(changes.removed_instance_ids(i))));
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::EdgeHello& hello) {
  RM_RETURN_IF_ERROR(At("edge_id", CheckEdgeName(hello.edge_id())));
  RM_RETURN_IF_ERROR(CheckSize("version", hello.version(), 64));
  RM_RETURN_IF_ERROR(CheckSize("listen_address", hello.listen_address(), 64));
  if (hello.has_held() && hello.held_hash().size() != 32) {
    return Invalid("held_hash", absl::StrCat(hello.held_hash().size(), " bytes, not 32"));
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::TableUpdate& update) {
  if (update.to().store_id().empty()) return Invalid("to.store_id", "empty");
  if (update.to().revision() == 0) return Invalid("to.revision", "0");
  if (update.hash().size() != 32) {
    return Invalid("hash", absl::StrCat(update.hash().size(), " bytes, not 32"));
  }
  RM_RETURN_IF_ERROR(CheckRange("part", update.part(), 0, kMaxTableParts - 1));
  if (!update.has_from() && update.remove_size() > 0) {
    return Invalid("remove", "a snapshot removes nothing");
  }
  for (int i = 0; i < update.put_size(); ++i) {
    const v1::TableEntry& entry = update.put(i);
    const std::string path = absl::StrCat("put[", i, "]");
    RM_RETURN_IF_ERROR(CheckRange(path + ".kind", entry.kind(), 1, 65'535));
    RM_RETURN_IF_ERROR(CheckSize(path + ".id", entry.id(), kMaxEntryIdBytes));
    RM_RETURN_IF_ERROR(CheckSize(path + ".payload", entry.payload(), kMaxEntryBytes));
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::EnrollRequest& request) {
  if (request.token_id().empty()) return Invalid("token_id", "empty");
  RM_RETURN_IF_ERROR(CheckSize("token_id", request.token_id(), 64));
  if (request.token_secret().empty()) return Invalid("token_secret", "empty");
  RM_RETURN_IF_ERROR(CheckSize("token_secret", request.token_secret(), 128));
  if (request.csr_der().empty()) return Invalid("csr_der", "empty");
  RM_RETURN_IF_ERROR(CheckSize("csr_der", request.csr_der(), kMaxCsrBytes));
  if (request.name().empty()) return absl::OkStatus();
  return At("name", CheckNodeName(request.name()));
}

absl::Status Validate(const v1::RoleSpec& role) {
  RM_RETURN_IF_ERROR(At("name", CheckRoleName(role.name())));
  RM_RETURN_IF_ERROR(CheckCount("aliases", role.aliases_size(), kMaxAliasesPerRole));
  for (int i = 0; i < role.aliases_size(); ++i) {
    const std::string path = absl::StrCat("aliases[", i, "]");
    RM_RETURN_IF_ERROR(At(path, CheckRoleName(role.aliases(i))));
    if (role.aliases(i) == role.name()) return Invalid(path, "is the role's own name");
  }
  RM_RETURN_IF_ERROR(CheckCount("upstreams", role.upstreams_size(), kMaxUpstreamsPerRole));
  for (int i = 0; i < role.upstreams_size(); ++i) {
    const v1::UpstreamSpec& upstream = role.upstreams(i);
    const std::string path = absl::StrCat("upstreams[", i, "]");
    RM_RETURN_IF_ERROR(At(path + ".proxy_url", CheckProxyUrl(upstream.proxy_url())));
    RM_RETURN_IF_ERROR(CheckSize(path + ".upstream_model", upstream.upstream_model(), 255));
    RM_RETURN_IF_ERROR(
        CheckRange(path + ".max_concurrent", upstream.max_concurrent(), 0, kMaxSlots));
  }
  RM_RETURN_IF_ERROR(
      CheckRange("first_byte_timeout", role.first_byte_timeout().seconds(), 0, 24 * 3600));
  return CheckRange("idle_timeout", role.idle_timeout().seconds(), 0, 24 * 3600);
}

absl::Status Validate(const v1::CreateTokenRequest& request) {
  if (request.kind() != v1::IDENTITY_KIND_NODE && request.kind() != v1::IDENTITY_KIND_EDGE &&
      request.kind() != v1::IDENTITY_KIND_OPERATOR &&
      request.kind() != v1::IDENTITY_KIND_CONTROLPLANE) {
    return Invalid("kind", "must be node, edge, operator or controlplane");
  }
  RM_RETURN_IF_ERROR(At("name_pattern", CheckNamePattern(request.name_pattern())));
  RM_RETURN_IF_ERROR(CheckCount("roles", request.roles_size(), kMaxRolesPerInstance));
  if (request.roles_size() > 0 && request.kind() != v1::IDENTITY_KIND_NODE) {
    return Invalid("roles", "only nodes serve roles");
  }
  for (int i = 0; i < request.roles_size(); ++i) {
    RM_RETURN_IF_ERROR(At(absl::StrCat("roles[", i, "]"), CheckRoleName(request.roles(i))));
  }
  if (!v1::OperatorScope_IsValid(request.scope())) return Invalid("scope", "is not a scope");
  if (request.has_ttl()) {
    RM_RETURN_IF_ERROR(CheckRange("ttl", request.ttl().seconds(), 1, 30 * 24 * 3600));
  }
  if (!request.front_address().empty() && request.kind() != v1::IDENTITY_KIND_NODE) {
    return Invalid("front_address", "only nodes have a front");
  }
  if (request.reusable()) return CheckRange("max_live", request.max_live(), 1, 10'000);
  if (request.max_live() != 0) return Invalid("max_live", "only for reusable tokens");
  return absl::OkStatus();
}

absl::Status Validate(const v1::CreateKeyRequest& request) {
  RM_RETURN_IF_ERROR(CheckCount("roles", request.roles_size(), kMaxRolesPerInstance));
  for (int i = 0; i < request.roles_size(); ++i) {
    RM_RETURN_IF_ERROR(At(absl::StrCat("roles[", i, "]"), CheckRoleName(request.roles(i))));
  }
  if (request.has_ttl()) {
    RM_RETURN_IF_ERROR(CheckRange("ttl", request.ttl().seconds(), 1, int64_t{100} * 366 * 86'400));
  }
  return CheckSize("note", request.note(), 256);
}

absl::Status Validate(const v1::ApplyRolesRequest& request) {
  RM_RETURN_IF_ERROR(CheckCount("roles", request.roles_size(), kMaxRoles));
  absl::flat_hash_set<absl::string_view> names;
  for (int i = 0; i < request.roles_size(); ++i) {
    const absl::Status status = Validate(request.roles(i));
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("roles[", i, "].", status.message()));
    }
    if (!names.insert(request.roles(i).name()).second) {
      return Invalid(absl::StrCat("roles[", i, "].name"), "appears twice");
    }
  }
  for (int i = 0; i < request.roles_size(); ++i) {
    for (const std::string& alias : request.roles(i).aliases()) {
      if (!names.insert(alias).second) {
        return Invalid(absl::StrCat("roles[", i, "].aliases"),
                       absl::StrCat("\"", alias, "\" names two roles"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace rolemesh::contract
