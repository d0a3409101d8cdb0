// Where the records of identities that joined stand in the store.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "controlplane/model/record_key.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::controlplane {

/// `kind` is not kControlPlane: replicas have no record.
inline std::string IdentityKey(contract::IdentityKind kind, absl::string_view name) {
  switch (kind) {
    case contract::IdentityKind::kNode:
      return RecordKey::Of(RecordKind::kNode, name).ToString();
    case contract::IdentityKind::kEdge:
      return RecordKey::Of(RecordKind::kEdge, name).ToString();
    default:
      return RecordKey::Of(RecordKind::kOperator, name).ToString();
  }
}

/// What the keys of all records of `kind` begin with.
inline std::string PrefixOf(RecordKind kind) {
  return RecordKey::Of(kind, "").ToString();
}

}  // namespace rolemesh::controlplane
