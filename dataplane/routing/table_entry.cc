#include "dataplane/routing/table_entry.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

#include "base/status/annotate.h"
#include "base/status/status_macros.h"
#include "proto/contract/limits.h"
#include "proto/contract/names.h"
#include "proto/contract/spiffe_id.h"
#include "proto/contract/validators.h"
#include "rolemesh/v1/table.pb.h"

namespace rolemesh::dataplane {
namespace {

constexpr absl::Duration kMaxTimeout = absl::Hours(24);

absl::Status Wrong(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

template <class Message>
absl::StatusOr<Message> Parse(const std::string& payload) {
  Message message;
  if (!message.ParseFromString(payload)) return Wrong("payload", "is not the message of its kind");
  return message;
}

absl::StatusOr<MeshSettings> ParseMesh(const std::string& id, const std::string& payload) {
  RM_ASSIGN_OR_RETURN(const v1::MeshEntry entry, Parse<v1::MeshEntry>(payload));
  if (!id.empty()) return Wrong("id", "there is one mesh, without an id");
  MeshSettings mesh;
  mesh.mesh = entry.mesh();
  RM_RETURN_IF_ERROR(base::Annotate(contract::CheckMeshName(mesh.mesh), "mesh"));
  mesh.default_role = entry.default_role();
  for (const std::string& text : entry.node_cidrs()) {
    RM_ASSIGN_OR_RETURN(base::Cidr cidr, base::Cidr::Parse(text));
    mesh.node_cidrs.push_back(cidr);
  }
  return mesh;
}

absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view field, bool present,
                                            const google::protobuf::Duration& value,
                                            absl::Duration fallback) {
  if (!present) return fallback;
  const absl::Duration timeout = absl::Seconds(value.seconds()) + absl::Nanoseconds(value.nanos());
  if (timeout <= absl::ZeroDuration() || timeout > kMaxTimeout) {
    return Wrong(field, absl::StrCat(absl::FormatDuration(timeout), " is not in 0..24h"));
  }
  return timeout;
}

absl::StatusOr<Role> ParseRole(const std::string& id, const std::string& payload) {
  RM_ASSIGN_OR_RETURN(v1::RoleEntry entry, Parse<v1::RoleEntry>(payload));
  if (entry.role() != id) return Wrong("role", "is not the entry's id");
  RM_RETURN_IF_ERROR(base::Annotate(contract::CheckRoleName(entry.role()), "role"));
  if (entry.aliases_size() > contract::kMaxAliasesPerRole) return Wrong("aliases", "too many");
  Role role;
  role.name = std::move(*entry.mutable_role());
  role.aliases.assign(entry.aliases().begin(), entry.aliases().end());
  role.created = entry.created();
  RM_ASSIGN_OR_RETURN(role.first_byte_timeout,
                      ParseTimeout("first_byte_timeout", entry.has_first_byte_timeout(),
                                   entry.first_byte_timeout(), role.first_byte_timeout));
  RM_ASSIGN_OR_RETURN(role.idle_timeout, ParseTimeout("idle_timeout", entry.has_idle_timeout(),
                                                      entry.idle_timeout(), role.idle_timeout));
  return role;
}

std::vector<std::string> Capabilities(const v1::Abilities& abilities) {
  std::vector<std::string> names;
  names.push_back(abilities.embeddings() ? "embeddings" : "chat");
  if (abilities.vision()) names.push_back("vision");
  if (abilities.audio()) names.push_back("audio");
  if (abilities.tools()) names.push_back("tools");
  if (abilities.reasoning()) names.push_back("reasoning");
  return names;
}

absl::Status ReadFront(v1::FrontTarget& front, Endpoint* endpoint) {
  RM_ASSIGN_OR_RETURN(const base::IpAddress ip, base::ParseIpAddress(front.address()));
  if (front.port() < 1 || front.port() > 65'535) {
    return Wrong("front.port", absl::StrCat(front.port(), " is not in 1..65535"));
  }
  RM_ASSIGN_OR_RETURN(const contract::SpiffeId spiffe, contract::ParseSpiffeId(front.spiffe_id()));
  if (spiffe.kind != contract::IdentityKind::kNode || spiffe.name != front.node_id()) {
    return Wrong("front.spiffe_id", "does not name the node");
  }
  endpoint->address = base::SocketAddress(ip, static_cast<uint16_t>(front.port()));
  endpoint->spiffe_id = std::move(*front.mutable_spiffe_id());
  endpoint->node_id = std::move(*front.mutable_node_id());
  endpoint->instance_id = std::move(*front.mutable_instance_id());
  endpoint->generation = front.generation();
  return absl::OkStatus();
}

absl::Status ReadUpstream(v1::UpstreamTarget& upstream, Endpoint* endpoint) {
  RM_RETURN_IF_ERROR(contract::CheckProxyUrl(upstream.url()));
  absl::string_view authority = upstream.url();
  absl::ConsumePrefix(&authority, "http://");
  absl::ConsumeSuffix(&authority, "/");
  absl::StatusOr<base::SocketAddress> address = base::SocketAddress::Parse(authority);
  if (address.ok()) {
    endpoint->address = *address;
  } else {
    endpoint->host_port = std::string(authority);  // a name: resolved at each dial
  }
  endpoint->upstream_model = std::move(*upstream.mutable_upstream_model());
  return absl::OkStatus();
}

absl::StatusOr<RoleEndpoint> ParseEndpoint(const std::string& id, const std::string& payload) {
  RM_ASSIGN_OR_RETURN(v1::EndpointEntry entry, Parse<v1::EndpointEntry>(payload));
  if (entry.endpoint_id() != id) return Wrong("endpoint_id", "is not the entry's id");
  if (entry.roles().empty()) return Wrong("roles", "none");
  if (entry.slot_count() < 1 || entry.slot_count() > contract::kMaxSlots) {
    return Wrong("slot_count", absl::StrCat(entry.slot_count(), " is not in 1..1000"));
  }
  auto endpoint = std::make_shared<Endpoint>();
  endpoint->id = std::move(*entry.mutable_endpoint_id());
  endpoint->slot_count = entry.slot_count();
  endpoint->context_tokens = entry.context_tokens();
  if (entry.has_abilities()) endpoint->capabilities = Capabilities(entry.abilities());
  endpoint->suspect = entry.suspect();
  endpoint->model = std::move(*entry.mutable_model());
  switch (entry.target_case()) {
    case v1::EndpointEntry::kFront:
      RM_RETURN_IF_ERROR(ReadFront(*entry.mutable_front(), endpoint.get()));
      break;
    case v1::EndpointEntry::kUpstream:
      RM_RETURN_IF_ERROR(ReadUpstream(*entry.mutable_upstream(), endpoint.get()));
      break;
    case v1::EndpointEntry::TARGET_NOT_SET:
      return Wrong("target", "none");
  }
  RoleEndpoint result;
  result.endpoint = std::move(endpoint);
  result.roles.assign(entry.roles().begin(), entry.roles().end());
  return result;
}

absl::StatusOr<ApiKey> ParseKey(const std::string& id, const std::string& payload) {
  RM_ASSIGN_OR_RETURN(v1::KeyEntry entry, Parse<v1::KeyEntry>(payload));
  if (entry.key_id() != id) return Wrong("key_id", "is not the entry's id");
  if (entry.secret_sha256().size() != 32) return Wrong("secret_sha256", "is not 32 bytes");
  ApiKey key;
  key.id = std::move(*entry.mutable_key_id());
  key.secret_sha256 = std::move(*entry.mutable_secret_sha256());
  key.roles.insert(entry.roles().begin(), entry.roles().end());
  if (entry.has_expires_at()) {
    key.expires_at = absl::FromUnixSeconds(entry.expires_at().seconds()) +
                     absl::Nanoseconds(entry.expires_at().nanos());
  }
  return key;
}

absl::StatusOr<Revocation> ParseRevocation(const std::string& id, const std::string& payload) {
  RM_ASSIGN_OR_RETURN(const v1::RevocationEntry entry, Parse<v1::RevocationEntry>(payload));
  if (entry.serial().empty() == entry.identity().empty()) {
    return Wrong("serial", "and identity: one of them must be set");
  }
  if (id != entry.serial() && id != entry.identity()) {
    return Wrong("id", "is neither the serial nor the identity");
  }
  return Revocation{entry.serial(), entry.identity()};
}

absl::Status Interpret(TableEntry* entry) {
  switch (entry->kind) {
    case v1::ENTRY_KIND_MESH: {
      RM_ASSIGN_OR_RETURN(entry->meaning, ParseMesh(entry->id, entry->payload));
      break;
    }
    case v1::ENTRY_KIND_ROLE: {
      RM_ASSIGN_OR_RETURN(entry->meaning, ParseRole(entry->id, entry->payload));
      break;
    }
    case v1::ENTRY_KIND_ENDPOINT: {
      RM_ASSIGN_OR_RETURN(entry->meaning, ParseEndpoint(entry->id, entry->payload));
      break;
    }
    case v1::ENTRY_KIND_KEY: {
      RM_ASSIGN_OR_RETURN(entry->meaning, ParseKey(entry->id, entry->payload));
      break;
    }
    case v1::ENTRY_KIND_REVOCATION: {
      RM_ASSIGN_OR_RETURN(entry->meaning, ParseRevocation(entry->id, entry->payload));
      break;
    }
    default:
      break;  // of a newer control plane
  }
  return absl::OkStatus();
}

absl::string_view KindName(uint32_t kind) {
  switch (kind) {
    case v1::ENTRY_KIND_MESH:
      return "mesh";
    case v1::ENTRY_KIND_ROLE:
      return "role";
    case v1::ENTRY_KIND_ENDPOINT:
      return "endpoint";
    case v1::ENTRY_KIND_KEY:
      return "key";
    case v1::ENTRY_KIND_REVOCATION:
      return "revocation";
    default:
      return "entry";
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TableEntry>> ParseTableEntry(v1::TableEntry entry) {
  auto result = std::make_shared<TableEntry>();
  result->kind = entry.kind();
  result->id = std::move(*entry.mutable_id());
  result->payload = std::move(*entry.mutable_payload());
  RM_RETURN_IF_ERROR(base::Annotate(Interpret(result.get()),
                                    absl::StrCat(KindName(result->kind), " ", result->id)));
  return result;
}

}  // namespace rolemesh::dataplane
