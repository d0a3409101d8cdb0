// Says where a Status happened, in the form "path: what was wrong".
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rolemesh::base {

/// `status` with "path: " before its message; code and payloads stay. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view path);

}  // namespace rolemesh::base
