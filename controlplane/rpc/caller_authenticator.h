// Who calls, and whether they may: the first thing that every service asks.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "controlplane/identity/caller.h"

namespace grpc {
class CallbackServerContext;
}  // namespace grpc

namespace rolemesh::controlplane {

/// Names the caller of a call and holds it to the authority table.
///
/// Thread-safety: implementations are thread-safe.
class CallerAuthenticator {
 public:
  virtual ~CallerAuthenticator() = default;

  /// `method` is the full name, "/rolemesh.v1.AgentService/Connect".
  ///
  /// Errors: Unauthenticated: no client certificate of this mesh; PermissionDenied: the identity is
  /// revoked, of another kind, or its scope is too small. End the call with them.
  virtual absl::StatusOr<Caller> Authenticate(const grpc::CallbackServerContext& context,
                                              absl::string_view method) const = 0;
};

}  // namespace rolemesh::controlplane
