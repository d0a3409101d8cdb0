#include "proto/contract/spiffe_id.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#include "proto/contract/names.h"

namespace rolemesh::contract {
namespace {

constexpr IdentityKind kKinds[] = {IdentityKind::kNode, IdentityKind::kEdge,
                                   IdentityKind::kOperator, IdentityKind::kControlPlane};

absl::Status NotAnIdentity(absl::string_view uri) {
  return absl::InvalidArgumentError(absl::StrCat("\"", absl::CHexEscape(uri.substr(0, 200)),
                                                 "\" is not spiffe://<mesh>/<kind>/<name>"));
}

}  // namespace

absl::string_view IdentityKindName(IdentityKind kind) {
  switch (kind) {
    case IdentityKind::kNode:
      return "node";
    case IdentityKind::kEdge:
      return "edge";
    case IdentityKind::kOperator:
      return "operator";
    case IdentityKind::kControlPlane:
      return "controlplane";
  }
  return "unknown";
}

v1::IdentityKind ToProto(IdentityKind kind) {
  switch (kind) {
    case IdentityKind::kNode:
      return v1::IDENTITY_KIND_NODE;
    case IdentityKind::kEdge:
      return v1::IDENTITY_KIND_EDGE;
    case IdentityKind::kOperator:
      return v1::IDENTITY_KIND_OPERATOR;
    case IdentityKind::kControlPlane:
      return v1::IDENTITY_KIND_CONTROLPLANE;
  }
  return v1::IDENTITY_KIND_UNSPECIFIED;
}

absl::StatusOr<IdentityKind> FromProto(v1::IdentityKind kind) {
  for (IdentityKind candidate : kKinds) {
    if (ToProto(candidate) == kind) return candidate;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("kind: ", static_cast<int>(kind), " is not an identity kind"));
}

std::string SpiffeId::ToUri() const {
  return absl::StrCat("spiffe://", mesh, "/", IdentityKindName(kind), "/", name);
}

absl::StatusOr<SpiffeId> ParseSpiffeId(absl::string_view uri) {
  absl::string_view rest = uri;
  if (!absl::ConsumePrefix(&rest, "spiffe://")) return NotAnIdentity(uri);
  const std::vector<absl::string_view> parts = absl::StrSplit(rest, '/');
  if (parts.size() != 3 || !CheckMeshName(parts[0]).ok() || !CheckNodeName(parts[2]).ok()) {
    return NotAnIdentity(uri);
  }
  for (IdentityKind kind : kKinds) {
    if (IdentityKindName(kind) == parts[1]) {
      return SpiffeId{.mesh = std::string(parts[0]), .kind = kind, .name = std::string(parts[2])};
    }
  }
  return NotAnIdentity(uri);
}

absl::StatusOr<SpiffeId> IdentityFromUriSans(const std::vector<std::string>& uri_sans,
                                             absl::string_view mesh) {
  if (uri_sans.size() != 1) {
    return absl::UnauthenticatedError(
        absl::StrCat("the certificate has ", uri_sans.size(), " URI names; exactly one is needed"));
  }
  absl::StatusOr<SpiffeId> id = ParseSpiffeId(uri_sans[0]);
  if (!id.ok()) return absl::UnauthenticatedError(id.status().message());
  if (id->mesh != mesh) {
    return absl::UnauthenticatedError(absl::StrCat(uri_sans[0], " is of another mesh than ", mesh));
  }
  return id;
}

}  // namespace rolemesh::contract
