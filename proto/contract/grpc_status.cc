#include "proto/contract/grpc_status.h"

#include <string>

#include "absl/status/status.h"
#include <grpcpp/support/status.h>

namespace rolemesh::contract {

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()),
                      std::string(status.message()));
}

}  // namespace rolemesh::contract
