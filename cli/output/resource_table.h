// What `meshctl get` and `meshctl status` show people.
#pragma once

#include <string>

#include "absl/time/time.h"

#include "rolemesh/v1/operator.pb.h"

namespace rolemesh::cli {

/// The list of `kind` as a table. `now` gives ages.
std::string FormatResources(const v1::ListReply& reply, v1::ResourceKind kind, absl::Time now);

std::string FormatStatus(const v1::GetStatusReply& reply);

}  // namespace rolemesh::cli
