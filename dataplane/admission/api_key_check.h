// Who may come in: the client's API key against a table's verifiers.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "dataplane/routing/route_table.h"

namespace rolemesh::dataplane {

/// The key of `table` that `text` (what the client sent) proves at `now`.
///
/// The secret is compared in constant time, also for an id that the table does not have.
/// Errors: Unauthenticated: malformed, unknown, wrong or expired; clients are told no difference,
/// and the message holds nothing of the key.
absl::StatusOr<const ApiKey*> CheckApiKey(const RouteTable& table, absl::string_view text,
                                          absl::Time now);

}  // namespace rolemesh::dataplane
