// The identity that a certificate's URI SAN states.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "rolemesh/v1/common.pb.h"

namespace rolemesh::contract {

/// What an identity speaks for.
enum class IdentityKind { kNode, kEdge, kOperator, kControlPlane };

/// "node", "edge", "operator" or "controlplane", as in the URI.
absl::string_view IdentityKindName(IdentityKind kind);

v1::IdentityKind ToProto(IdentityKind kind);

/// Errors: kInvalidArgument for UNSPECIFIED and unknown numbers.
absl::StatusOr<IdentityKind> FromProto(v1::IdentityKind kind);

/// spiffe://<mesh>/<kind>/<name>.
///
/// Thread-safety: a value.
struct SpiffeId {
  std::string mesh;
  IdentityKind kind = IdentityKind::kNode;
  std::string name;

  std::string ToUri() const;
  friend bool operator==(const SpiffeId&, const SpiffeId&) = default;
};

/// Reads a URI strictly: this form, valid names, nothing after them.
///
/// Errors: kInvalidArgument, with the URI.
absl::StatusOr<SpiffeId> ParseSpiffeId(absl::string_view uri);

/// The one identity among a certificate's URI SANs.
///
/// Errors: kUnauthenticated when there is none, more than one, or it is not of
/// `mesh`.
absl::StatusOr<SpiffeId> IdentityFromUriSans(const std::vector<std::string>& uri_sans,
                                             absl::string_view mesh);

}  // namespace rolemesh::contract
