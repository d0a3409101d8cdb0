#include "controlplane/identity/caller.h"

#include "absl/strings/str_cat.h"

namespace rolemesh::controlplane {

absl::string_view OperatorScopeName(OperatorScope scope) {
  switch (scope) {
    case OperatorScope::kViewer:
      return "viewer";
    case OperatorScope::kOperator:
      return "operator";
    case OperatorScope::kAdmin:
      return "admin";
  }
  return "unknown";
}

std::string Caller::ToString() const {
  if (local_admin) return absl::StrCat("local admin ", name);
  std::string text = absl::StrCat(contract::IdentityKindName(kind), "/", name);
  if (kind == contract::IdentityKind::kOperator) {
    absl::StrAppend(&text, " (", OperatorScopeName(scope), ")");
  }
  return text;
}

}  // namespace rolemesh::controlplane
