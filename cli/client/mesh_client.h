// The operator's side of OperatorService.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "rolemesh/v1/operator.pb.h"

namespace rolemesh::cli {

/// How to reach a control plane.
struct ConnectOptions {
  std::vector<std::string> servers;            ///< HOST:PORT; tried in order. Needs `identity`.
  std::string identity;                        ///< Folder with key.pem, certificate.pem, roots.pem.
  std::string socket;                          ///< Unix socket, used when no server is given.
  absl::Duration timeout = absl::Seconds(10);  ///< For each call but the endless ones.
};

/// Calls one control plane. Blocks.
///
/// Errors of every call: what operator.proto says, and kUnavailable with the
/// address that was tried.
///
/// Thread-safety: not thread-safe.
class MeshClient {
 public:
  /// Errors: kInvalidArgument when the options name nothing to connect to;
  /// those of LoadIdentity().
  static absl::StatusOr<std::unique_ptr<MeshClient>> Connect(const ConnectOptions& options);

  virtual ~MeshClient() = default;

  virtual absl::StatusOr<v1::GetStatusReply> GetStatus() = 0;
  virtual absl::StatusOr<v1::ListReply> List(const v1::ListRequest& request) = 0;
  /// Calls `on_list` for each list until it returns false.
  virtual absl::Status Watch(const v1::ListRequest& request,
                             const std::function<bool(const v1::ListReply&)>& on_list) = 0;
  virtual absl::StatusOr<v1::CreateTokenReply> CreateToken(
      const v1::CreateTokenRequest& request) = 0;
  virtual absl::StatusOr<v1::CreateKeyReply> CreateKey(const v1::CreateKeyRequest& request) = 0;
  virtual absl::StatusOr<v1::RevokeKeyReply> RevokeKey(const v1::RevokeKeyRequest& request) = 0;
  virtual absl::StatusOr<v1::ApplyRolesReply> ApplyRoles(const v1::ApplyRolesRequest& request) = 0;
  virtual absl::StatusOr<v1::DeleteRoleReply> DeleteRole(const v1::DeleteRoleRequest& request) = 0;
  virtual absl::Status DrainNode(const v1::DrainNodeRequest& request,
                                 const std::function<void(const v1::DrainNodeReply&)>& on_step) = 0;
  virtual absl::StatusOr<v1::SetNodeAddressReply> SetNodeAddress(
      const v1::SetNodeAddressRequest& request) = 0;
  virtual absl::Status TailLogs(const v1::TailLogsRequest& request,
                                const std::function<void(const std::string&)>& on_data) = 0;
};

}  // namespace rolemesh::cli
