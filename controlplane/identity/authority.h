// The least identity that each RPC of this control plane takes.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

#include "controlplane/identity/caller.h"

namespace rolemesh::controlplane {

/// Who may call a method. Kinds do not include each other: an admin is no edge.
enum class LeastAuthority {
  kAnyone,  ///< Also without a client certificate.
  kNode,
  kEdge,
  kViewer,  ///< Operators of this scope or more; the unix socket counts as admin.
  kOperator,
  kAdmin,
};

struct MethodAuthority {
  absl::string_view method;  ///< "/rolemesh.v1.OperatorService/List"
  LeastAuthority least;
};

/// The whole table, for its test and for documentation.
absl::Span<const MethodAuthority> AuthorityTable();

/// What `method` needs; none when it is not in the table: nobody may call it.
absl::optional<LeastAuthority> FindAuthority(absl::string_view method);

/// Whether `caller` (none: no client certificate) may call `method`.
///
/// Errors: Unauthenticated: a certificate of this mesh is needed; PermissionDenied: another kind,
/// a larger scope (the message names it), or a method that is not in the table.
absl::Status CheckAuthority(const absl::optional<Caller>& caller, absl::string_view method);

}  // namespace rolemesh::controlplane
