#include "controlplane/identity/operators.h"

#include "absl/strings/str_cat.h"

#include "base/status/status_macros.h"
#include "controlplane/model/record_key.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {

absl::StatusOr<OperatorScope> FindOperatorScope(Store* store, absl::string_view name) {
  RM_ASSIGN_OR_RETURN(const RangeResult found,
                      store->Get(RecordKey::Of(RecordKind::kOperator, name).ToString()));
  v1::OperatorRecord record;
  if (found.key_values.empty() || !record.ParseFromString(found.key_values[0].value)) {
    return absl::PermissionDeniedError(absl::StrCat("operator ", name, " was removed"));
  }
  switch (record.scope()) {
    case v1::OPERATOR_SCOPE_VIEWER:
      return OperatorScope::kViewer;
    case v1::OPERATOR_SCOPE_OPERATOR:
      return OperatorScope::kOperator;
    case v1::OPERATOR_SCOPE_ADMIN:
      return OperatorScope::kAdmin;
    default:
      return absl::PermissionDeniedError(absl::StrCat("operator ", name, " has no scope"));
  }
}

}  // namespace rolemesh::controlplane
