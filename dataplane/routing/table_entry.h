// One entry of a route table: the bytes that are hashed and what they mean.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

#include "base/net/socket_address.h"
#include "dataplane/routing/endpoint.h"
#include "dataplane/routing/route_table.h"
#include "rolemesh/v1/route.pb.h"

namespace rolemesh::dataplane {

struct MeshSettings {
  std::string mesh;
  std::string default_role;
  std::vector<base::Cidr> node_cidrs;
};

struct RoleEndpoint {
  std::shared_ptr<const Endpoint> endpoint;
  std::vector<std::string> roles;
};

struct Revocation {
  std::string serial;    // or
  std::string identity;  // one of them is empty
};

/// Thread-safety: immutable once made. Shared between the versions of a table.
struct TableEntry {
  uint32_t kind = 0;
  std::string id;
  std::string payload;
  /// std::monostate: of a kind that this edge does not know.
  std::variant<std::monostate, MeshSettings, Role, RoleEndpoint, ApiKey, Revocation> meaning;
};

/// Reads the payload. Errors: InvalidArgument: "endpoint gpu-1/writer: front.port: ..."; the table
/// that holds it is to be refused.
absl::StatusOr<std::shared_ptr<const TableEntry>> ParseTableEntry(v1::TableEntry entry);

}  // namespace rolemesh::dataplane
