#include "controlplane/identity/authority.h"

#include "absl/strings/str_cat.h"

namespace rolemesh::controlplane {
namespace {

using contract::IdentityKind;
using enum LeastAuthority;

constexpr MethodAuthority kTable[] = {
    {"/grpc.health.v1.Health/Check", kAnyone},
    {"/grpc.health.v1.Health/Watch", kAnyone},
    {"/rolemesh.v1.EnrollmentService/Enroll", kAnyone},
    {"/rolemesh.v1.AgentService/Connect", kNode},
    {"/rolemesh.v1.RouteService/Stream", kEdge},
    {"/rolemesh.v1.RouteService/RegisterUpstream", kEdge},
    {"/rolemesh.v1.OperatorService/GetStatus", kViewer},
    {"/rolemesh.v1.OperatorService/List", kViewer},
    {"/rolemesh.v1.OperatorService/Watch", kViewer},
    {"/rolemesh.v1.OperatorService/CreateToken", kAdmin},
    {"/rolemesh.v1.OperatorService/CreateKey", kAdmin},
    {"/rolemesh.v1.OperatorService/RevokeKey", kAdmin},
    {"/rolemesh.v1.OperatorService/ApplyRoles", kOperator},
    {"/rolemesh.v1.OperatorService/DeleteRole", kOperator},
    {"/rolemesh.v1.OperatorService/DrainNode", kOperator},
    {"/rolemesh.v1.OperatorService/SetNodeAddress", kAdmin},
    {"/rolemesh.v1.OperatorService/TailLogs", kOperator},
};

OperatorScope ScopeOf(LeastAuthority least) {
  switch (least) {
    case kViewer:
      return OperatorScope::kViewer;
    case kOperator:
      return OperatorScope::kOperator;
    default:
      return OperatorScope::kAdmin;
  }
}

absl::Status WrongKind(const Caller& caller, IdentityKind needed) {
  return absl::PermissionDeniedError(absl::StrCat("this call is for ",
                                                  contract::IdentityKindName(needed),
                                                  " identities, not for ", caller.ToString()));
}

}  // namespace

absl::Span<const MethodAuthority> AuthorityTable() {
  return kTable;
}

absl::optional<LeastAuthority> FindAuthority(absl::string_view method) {
  for (const MethodAuthority& entry : kTable) {
    if (entry.method == method) return entry.least;
  }
  return absl::nullopt;
}

absl::Status CheckAuthority(const absl::optional<Caller>& caller, absl::string_view method) {
  const absl::optional<LeastAuthority> least = FindAuthority(method);
  if (!least.has_value()) return absl::PermissionDeniedError("no such method for anyone");
  if (*least == kAnyone) return absl::OkStatus();
  if (!caller.has_value()) {
    return absl::UnauthenticatedError("a client certificate of this mesh is needed; join first");
  }
  if (*least == kNode || *least == kEdge) {
    const IdentityKind needed = *least == kNode ? IdentityKind::kNode : IdentityKind::kEdge;
    if (caller->local_admin || caller->kind != needed) return WrongKind(*caller, needed);
    return absl::OkStatus();
  }
  if (caller->local_admin) return absl::OkStatus();
  if (caller->kind != IdentityKind::kOperator) return WrongKind(*caller, IdentityKind::kOperator);
  const OperatorScope needed = ScopeOf(*least);
  if (caller->scope < needed) {
    return absl::PermissionDeniedError(absl::StrCat("this call needs the scope ",
                                                    OperatorScopeName(needed), "; ", caller->name,
                                                    " has ", OperatorScopeName(caller->scope)));
  }
  return absl::OkStatus();
}

}  // namespace rolemesh::controlplane
