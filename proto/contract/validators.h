// What makes a message acceptable: the limits that the .proto files state.
#pragma once

#include "absl/status/status.h"

#include "rolemesh/v1/agent.pb.h"
#include "rolemesh/v1/enrollment.pb.h"
#include "rolemesh/v1/operator.pb.h"
#include "rolemesh/v1/route.pb.h"

namespace rolemesh::contract {

// Each returns kInvalidArgument whose message begins with the field's path,
// "instances[3].roles[0]: ...". Whether a caller may say a thing is not
// looked at here.

absl::Status Validate(const v1::InstanceState& instance);
absl::Status Validate(const v1::AgentHello& hello);
absl::Status Validate(const v1::AgentHeartbeat& heartbeat);
absl::Status Validate(const v1::InstanceChanges& changes);
absl::Status Validate(const v1::EdgeHello& hello);
/// Form of one part only: that parts follow each other is the edge's to see.
absl::Status Validate(const v1::TableUpdate& update);
absl::Status Validate(const v1::EnrollRequest& request);
absl::Status Validate(const v1::RoleSpec& role);
absl::Status Validate(const v1::CreateTokenRequest& request);
absl::Status Validate(const v1::CreateKeyRequest& request);
absl::Status Validate(const v1::ApplyRolesRequest& request);

/// http://HOST:PORT of a server without an agent: plain http, an explicit
/// port, no user, path, query or fragment; never a link-local or metadata
/// address. A name is checked again at dial.
absl::Status CheckProxyUrl(absl::string_view url);

}  // namespace rolemesh::contract
