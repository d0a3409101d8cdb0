#include "proto/client/membership.h"

#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/status/status_macros.h"
#include "proto/client/enrollment.h"
#include "proto/contract/join_token.h"

namespace rolemesh::client {
namespace {

constexpr char kTokenVariable[] = "ROLEMESH_TOKEN";

absl::string_view KindName(contract::IdentityKind kind) {
  return kind == contract::IdentityKind::kEdge ? "edge" : "node";
}

absl::StatusOr<contract::JoinToken> FindToken(const MembershipOptions& options) {
  if (!options.token_file.empty()) {
    return ReadJoinToken(options.token_file);
  }
  const char* const text = std::getenv(kTokenVariable);
  if (text == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("no token; give --token-file FILE, or set ",
                                                   kTokenVariable, " (meshctl token create --kind ",
                                                   KindName(options.kind), ")"));
  }
  return contract::ParseJoinToken(text);
}

}  // namespace

absl::StatusOr<MeshIdentity> JoinMesh(const MembershipOptions& options, const base::Clock& clock) {
  const absl::StatusOr<MeshIdentity> present = LoadIdentity(options.identity_dir);
  if (present.ok()) {
    if (present->not_after > clock.WallNow()) {
      return absl::AlreadyExistsError(
          absl::StrCat(options.identity_dir, ": this ", KindName(options.kind), " is ",
                       present->id.ToUri(), " already; remove the folder to join anew"));
    }
  } else if (!absl::IsNotFound(present.status())) {
    return present.status();
  }
  RM_ASSIGN_OR_RETURN(const contract::JoinToken token, FindToken(options));
  RM_ASSIGN_OR_RETURN(MeshIdentity identity, Join({.control_planes = options.control_planes,
                                                   .token = token,
                                                   .kind = options.kind,
                                                   .name = options.name},
                                                  clock));
  RM_RETURN_IF_ERROR(SaveIdentity(options.identity_dir, identity));
  return identity;
}

absl::StatusOr<MeshIdentity> LoadOrJoinMesh(const MembershipOptions& options,
                                            const base::Clock& clock) {
  absl::StatusOr<MeshIdentity> identity = LoadIdentity(options.identity_dir);
  if (identity.ok() || !absl::IsNotFound(identity.status())) {
    return identity;
  }
  if (options.token_file.empty() && std::getenv(kTokenVariable) == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        options.identity_dir, ": this ", KindName(options.kind), " has not joined a mesh; run ",
        options.program, " join with a token, or set join_token_file"));
  }
  return JoinMesh(options, clock);
}

}  // namespace rolemesh::client
