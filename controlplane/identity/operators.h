// What the store says of operators.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "controlplane/identity/caller.h"
#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

/// The scope that operator `name` has now; certificates do not state it, so that taking it away
/// works at once. Waits for the store.
/// Errors: PermissionDenied: the operator was removed; Unavailable: of the store.
absl::StatusOr<OperatorScope> FindOperatorScope(Store* store, absl::string_view name);

}  // namespace rolemesh::controlplane
