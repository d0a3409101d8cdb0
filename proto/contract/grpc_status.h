// absl::Status <-> grpc::Status: the codes are the same numbers.
#pragma once

#include "absl/status/status.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace rolemesh::contract {

/// Keeps code and message; drops payloads.
absl::Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace rolemesh::contract
