// Who makes a call, as proven by the transport and nothing else.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "proto/contract/spiffe_id.h"

namespace rolemesh::controlplane {

/// What an operator may do; each scope includes the ones before it.
enum class OperatorScope { kViewer = 1, kOperator = 2, kAdmin = 3 };

/// "viewer", "operator" or "admin".
absl::string_view OperatorScopeName(OperatorScope scope);

/// The identity behind one call or stream: from the client certificate's URI SAN, or from the peer
/// credentials of the unix socket. Nothing that a message says changes it.
///
/// Thread-safety: a value.
struct Caller {
  contract::IdentityKind kind = contract::IdentityKind::kNode;
  std::string name;       ///< Node, edge, operator or replica.
  std::string serial;     ///< Of the certificate, lower-case hex; empty for `local_admin`.
  std::string spiffe_id;  ///< The URI SAN; empty for `local_admin`.
  /// Meaningful for operators only.
  OperatorScope scope = OperatorScope::kViewer;
  /// Came over the unix socket as root or the control plane's own user.
  bool local_admin = false;
  /// As gRPC states it, "ipv4:127.0.0.1:40112"; for logs and for the address of a node's front.
  std::string peer;

  /// "operator/alice (admin)", "node/gpu-1", "local admin uid 0".
  std::string ToString() const;
};

}  // namespace rolemesh::controlplane
