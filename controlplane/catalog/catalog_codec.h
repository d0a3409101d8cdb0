// Desired state <-> the records of rolemesh/v1/record.proto.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "controlplane/model/api_key_verifier.h"
#include "controlplane/model/identity_grant.h"
#include "controlplane/model/mesh.h"
#include "controlplane/model/revocation.h"
#include "controlplane/model/role.h"
#include "rolemesh/v1/operator.pb.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {

// What a store's value is: ToRecord(x).SerializeAsString(). Defaults of role.proto (zero) become
// the numbers that they stand for.

/// `spec` has passed contract::Validate.
Role FromSpec(const v1::RoleSpec& spec, absl::Time created_at);
v1::RoleSpec ToSpec(const Role& role);

v1::MeshRecord ToRecord(const Mesh& mesh, absl::Time created_at);
v1::RoleRecord ToRecord(const Role& role);
v1::NodeRecord ToRecord(const NodeGrant& grant);
v1::EdgeRecord ToRecord(const EdgeGrant& grant);
v1::KeyRecord ToRecord(const ApiKeyVerifier& key);
v1::RevocationRecord ToRecord(const Revocation& revocation);

Mesh FromRecord(const v1::MeshRecord& record);
Role FromRecord(const v1::RoleRecord& record);
NodeGrant FromRecord(const v1::NodeRecord& record);
EdgeGrant FromRecord(const v1::EdgeRecord& record);
ApiKeyVerifier FromRecord(const v1::KeyRecord& record);
Revocation FromRecord(const v1::RevocationRecord& record);

}  // namespace rolemesh::controlplane
