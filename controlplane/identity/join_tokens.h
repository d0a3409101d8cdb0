// Join tokens: made by an admin, turned into an identity once.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/time/clock.h"
#include "base/tls/secret.h"
#include "controlplane/identity/certificate_authority.h"
#include "controlplane/store/store.h"
#include "proto/contract/spiffe_id.h"
#include "rolemesh/v1/enrollment.pb.h"
#include "rolemesh/v1/operator.pb.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {

struct NewToken {
  base::Secret text;  ///< rmj1_..., shown once.
  std::string id;
  absl::Time expires_at;
};

/// An identity that came in by a token.
struct Enrollment {
  contract::IdentityKind kind;
  std::string name;
  bool pending = false;  ///< An operator must approve it first.
  IssuedCertificate certificate;
};

/// What the store keeps of join tokens, and what using one does to it.
///
/// Everything that a use changes (the token, the identity's record, missing roles, the
/// certificate's record) is one transaction that holds only while the token is as it was read:
/// however many use a token at once, on however many replicas, one wins.
///
/// Thread-safety: thread-safe. Calls wait for the store.
/// Ownership: `store`, `authority` and `clock` outlive it.
class JoinTokens {
 public:
  JoinTokens(Store* store, const CertificateAuthority* authority, const base::Clock* clock);

  /// `request` has passed contract::Validate; `created_by` is for the audit.
  /// Errors: InvalidArgument: kind, role names or address; Unavailable: of the store.
  absl::StatusOr<NewToken> Create(const v1::CreateTokenRequest& request,
                                  absl::string_view created_by);

  /// `request` has passed contract::Validate.
  /// Errors: as EnrollmentService.Enroll; Unavailable: of the store: nothing was issued.
  absl::StatusOr<Enrollment> Redeem(const v1::EnrollRequest& request);

  /// Forgets tokens and certificates that have expired; returns how many.
  /// Errors: Unavailable: of the store: try again later.
  absl::StatusOr<int> CollectExpired();

 private:
  // None: something changed between reading and writing; try again.
  absl::StatusOr<absl::optional<Enrollment>> TryRedeem(const v1::EnrollRequest& request);
  absl::Status CheckLiveCount(const v1::TokenRecord& token, absl::Time now);

  Store* const store_;
  const CertificateAuthority* const authority_;
  const base::Clock* const clock_;
};

}  // namespace rolemesh::controlplane
