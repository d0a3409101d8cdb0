#include "agent/front/front_trust.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/contract/spiffe_id.h"

namespace rolemesh::agent {

FrontTrust::FrontTrust(std::string mesh)
    : mesh_(std::move(mesh)), revoked_(std::make_shared<const RevokedCertificates>()) {}

void FrontTrust::SetContext(base::TlsContext context) {
  auto shared = std::make_shared<const base::TlsContext>(std::move(context));
  absl::MutexLock lock(&mutex_);
  context_ = std::move(shared);
}

void FrontTrust::SetRevoked(RevokedCertificates revoked) {
  auto shared = std::make_shared<const RevokedCertificates>(std::move(revoked));
  absl::MutexLock lock(&mutex_);
  revoked_ = std::move(shared);
}

std::shared_ptr<const base::TlsContext> FrontTrust::context() const {
  absl::MutexLock lock(&mutex_);
  return context_;
}

absl::Status FrontTrust::Check(const base::PeerIdentity& peer) const {
  std::shared_ptr<const RevokedCertificates> revoked;
  {
    absl::MutexLock lock(&mutex_);
    revoked = revoked_;
  }
  const auto refuse = [&](absl::string_view why) {
    return absl::PermissionDeniedError(absl::StrCat(absl::StrJoin(peer.uri_sans, " "), ": ", why));
  };
  if (peer.uri_sans.size() != 1) {
    return refuse("a certificate must have exactly one URI");
  }
  const absl::StatusOr<contract::SpiffeId> id = contract::ParseSpiffeId(peer.uri_sans[0]);
  if (!id.ok() || id->kind != contract::IdentityKind::kEdge || id->mesh != mesh_) {
    return refuse(absl::StrCat("is not an edge of ", mesh_));
  }
  if (revoked->serials.contains(peer.serial_hex) ||
      revoked->identities.contains(peer.uri_sans[0])) {
    return refuse("is revoked");
  }
  return absl::OkStatus();
}

}  // namespace rolemesh::agent
