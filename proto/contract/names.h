// Which names roles, nodes and the rest may have.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rolemesh::contract {

// Names are lower case ASCII, so that no two of them look alike: letters,
// digits, `-`, `_` and `.`, beginning with a letter or digit, at most 63
// bytes, without `..`. They stand in URIs, store keys and file names.
//
// Errors: kInvalidArgument, `"Name" is not a role name: ...`.

/// What clients put in `model`. Must begin with a letter.
absl::Status CheckRoleName(absl::string_view name);
absl::Status CheckNodeName(absl::string_view name);
absl::Status CheckEdgeName(absl::string_view name);
absl::Status CheckOperatorName(absl::string_view name);
absl::Status CheckInstanceName(absl::string_view name);
/// A control plane's replica.
absl::Status CheckReplicaName(absl::string_view name);
/// The trust domain: no `_`.
absl::Status CheckMeshName(absl::string_view name);

/// Checks a token's name pattern: a name, or the beginning of one followed by
/// one `*`.
absl::Status CheckNamePattern(absl::string_view pattern);

/// Whether `name` fits `pattern`; `*` stands for any rest, also an empty one.
bool MatchesPattern(absl::string_view pattern, absl::string_view name);

}  // namespace rolemesh::contract
