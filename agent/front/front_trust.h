// Whom the front lets in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

#include "base/tls/tls_context.h"

namespace rolemesh::agent {

/// Certificates and identities that are refused although they verify.
/// Thread-safety: a value.
struct RevokedCertificates {
  absl::flat_hash_set<std::string> serials;     ///< Lower-case hex.
  absl::flat_hash_set<std::string> identities;  ///< spiffe://<mesh>/<kind>/<name>
};

/// Our certificate and the rules for edges, both of which change while the front runs: the
/// certificate by renewal, the deny-list by the control plane.
///
/// Thread-safety: thread-safe. Connections keep the context they were made with; the rules
/// are asked for every request.
class FrontTrust {
 public:
  /// `mesh`: the trust domain that edges must belong to.
  explicit FrontTrust(std::string mesh);

  /// `context` must ask clients for certificates of the mesh's roots.
  void SetContext(base::TlsContext context);
  void SetRevoked(RevokedCertificates revoked);

  /// Null before the first SetContext(): every connection is refused.
  std::shared_ptr<const base::TlsContext> context() const;

  /// Whether a verified peer is an edge of this mesh.
  /// Errors: PermissionDenied, with its names: not exactly one URI SAN, not an edge, another
  /// mesh, or revoked.
  absl::Status Check(const base::PeerIdentity& peer) const;

 private:
  const std::string mesh_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const base::TlsContext> context_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const RevokedCertificates> revoked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rolemesh::agent
