#include "controlplane/identity/join_tokens.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "base/status/annotate.h"
#include "base/status/status_macros.h"
#include "controlplane/identity/identity_key.h"
#include "controlplane/identity/record_time.h"
#include "controlplane/model/record_key.h"
#include "proto/contract/digest.h"
#include "proto/contract/join_token.h"
#include "proto/contract/names.h"

namespace rolemesh::controlplane {
namespace {

using contract::IdentityKind;

constexpr absl::Duration kDefaultLife = absl::Minutes(15);
constexpr int kMaxAttempts = 20;  // each lost race means that somebody else won one
constexpr size_t kDeletesPerTransaction = 100;

// One message for unknown, used, expired and wrong: a guesser learns nothing.
absl::Status BadToken() {
  return absl::UnauthenticatedError(
      "the join token is unknown, used or expired; ask an admin for a new one");
}

absl::Status Damaged(absl::string_view key) {
  return absl::DataLossError(absl::StrCat(key, ": damaged record; restore a backup"));
}

absl::Status CheckName(IdentityKind kind, absl::string_view name) {
  switch (kind) {
    case IdentityKind::kNode:
      return contract::CheckNodeName(name);
    case IdentityKind::kEdge:
      return contract::CheckEdgeName(name);
    default:
      return contract::CheckOperatorName(name);
  }
}

// What the identity's record becomes; `old` (may be empty) is what it was.
absl::StatusOr<std::string> MakeRecord(const v1::TokenRecord& token, IdentityKind kind,
                                       const std::string& name, const std::string& old,
                                       bool pending, absl::Time now) {
  switch (kind) {
    case IdentityKind::kNode: {
      v1::NodeRecord record;
      if (!record.ParseFromString(old)) return Damaged(IdentityKey(kind, name));
      record.set_node_id(name);
      *record.mutable_granted_roles() = token.roles();
      // What an operator decided about the machine outlives its key.
      if (!token.front_address().empty()) record.set_front_address(token.front_address());
      record.set_pending(pending);
      *record.mutable_enrolled_at() = ToTimestamp(now);
      record.set_token_id(token.token_id());
      return record.SerializeAsString();
    }
    case IdentityKind::kEdge: {
      v1::EdgeRecord record;
      record.set_edge_id(name);
      record.set_pending(pending);
      *record.mutable_enrolled_at() = ToTimestamp(now);
      record.set_token_id(token.token_id());
      return record.SerializeAsString();
    }
    default: {
      v1::OperatorRecord record;
      record.set_name(name);
      record.set_scope(token.scope());
      *record.mutable_enrolled_at() = ToTimestamp(now);
      record.set_token_id(token.token_id());
      return record.SerializeAsString();
    }
  }
}

}  // namespace

JoinTokens::JoinTokens(Store* store, const CertificateAuthority* authority,
                       const base::Clock* clock)
    : store_(store), authority_(authority), clock_(clock) {}

absl::StatusOr<NewToken> JoinTokens::Create(const v1::CreateTokenRequest& request,
                                            absl::string_view created_by) {
  RM_ASSIGN_OR_RETURN(const IdentityKind kind, contract::FromProto(request.kind()));
  if (kind == IdentityKind::kControlPlane) {
    return absl::InvalidArgumentError("kind: replicas cannot join yet; use node, edge or operator");
  }
  RM_ASSIGN_OR_RETURN(const RangeResult roles, store_->List(PrefixOf(RecordKind::kRole)));
  for (const KeyValue& found : roles.key_values) {
    v1::RoleRecord role;
    if (!role.ParseFromString(found.value)) return Damaged(found.key);
    for (int i = 0; i < request.roles_size(); ++i) {
      for (const std::string& alias : role.spec().aliases()) {
        if (alias != request.roles(i)) continue;
        return absl::InvalidArgumentError(absl::StrCat("roles[", i, "]: ", alias,
                                                       " is another name of role ",
                                                       role.spec().name(), "; grant that"));
      }
    }
  }
  contract::JoinToken token = contract::MakeJoinToken(authority_->root_spki_sha256());
  const absl::Duration life =
      request.has_ttl() ? absl::Seconds(request.ttl().seconds()) : kDefaultLife;
  const absl::Time expires_at = clock_->WallNow() + life;
  v1::TokenRecord record;
  record.set_token_id(token.id);
  record.set_secret_sha256(contract::Sha256(token.secret.reveal()));
  record.set_kind(request.kind());
  record.set_name_pattern(request.name_pattern());
  *record.mutable_roles() = request.roles();
  if (kind == IdentityKind::kOperator) {
    record.set_scope(request.scope() == v1::OPERATOR_SCOPE_UNSPECIFIED ? v1::OPERATOR_SCOPE_ADMIN
                                                                       : request.scope());
  }
  *record.mutable_expires_at() = ToTimestamp(expires_at);
  record.set_front_address(request.front_address());
  record.set_reusable(request.reusable());
  record.set_max_live(request.max_live());
  record.set_auto_approve(request.auto_approve());
  record.set_created_by(std::string(created_by));
  const std::string key = RecordKey::Of(RecordKind::kToken, token.id).ToString();
  RM_RETURN_IF_ERROR(store_
                         ->CommitAndWait({.compares = {Compare::Absent(key)},
                                          .then = {Op::Put(key, record.SerializeAsString())},
                                          .otherwise = {}})
                         .status());
  return NewToken{.text = contract::FormatJoinToken(token),
                  .id = std::move(token.id),
                  .expires_at = expires_at};
}

absl::StatusOr<Enrollment> JoinTokens::Redeem(const v1::EnrollRequest& request) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    RM_ASSIGN_OR_RETURN(absl::optional<Enrollment> enrollment, TryRedeem(request));
    if (enrollment.has_value()) return *std::move(enrollment);
  }
  return absl::UnavailableError("too many others join with this token now; try again");
}

absl::Status JoinTokens::CheckLiveCount(const v1::TokenRecord& token, absl::Time now) {
  RM_ASSIGN_OR_RETURN(const RangeResult found, store_->List(PrefixOf(RecordKind::kCertificate)));
  absl::flat_hash_set<std::string> live;
  for (const KeyValue& kv : found.key_values) {
    v1::CertificateRecord record;
    if (!record.ParseFromString(kv.value)) return Damaged(kv.key);
    if (record.token_id() == token.token_id() && FromTimestamp(record.not_after()) > now) {
      live.insert(record.identity());
    }
  }
  if (live.size() < token.max_live()) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the token has ", live.size(), " live identities, its most"));
}

absl::StatusOr<absl::optional<Enrollment>> JoinTokens::TryRedeem(const v1::EnrollRequest& request) {
  const absl::Time now = clock_->WallNow();
  const std::string token_key = RecordKey::Of(RecordKind::kToken, request.token_id()).ToString();
  RM_ASSIGN_OR_RETURN(const RangeResult found, store_->Get(token_key));
  v1::TokenRecord token;
  if (!found.key_values.empty() && !token.ParseFromString(found.key_values[0].value)) {
    return Damaged(token_key);
  }
  // Compared also when there is no such token, so that the time taken tells nothing.
  const bool right =
      contract::ConstantTimeEquals(contract::Sha256(request.token_secret()), token.secret_sha256());
  if (found.key_values.empty() || !right || FromTimestamp(token.expires_at()) <= now) {
    return BadToken();
  }

  RM_ASSIGN_OR_RETURN(const IdentityKind kind, contract::FromProto(token.kind()));
  const bool exact = !absl::EndsWith(token.name_pattern(), "*");
  const std::string name = request.name().empty() && exact ? token.name_pattern() : request.name();
  if (name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("name: needed; the token admits ", token.name_pattern()));
  }
  RM_RETURN_IF_ERROR(base::Annotate(CheckName(kind, name), "name"));
  if (!contract::MatchesPattern(token.name_pattern(), name)) {
    return absl::PermissionDeniedError(absl::StrCat("the token is for ",
                                                    contract::IdentityKindName(kind), " ",
                                                    token.name_pattern(), ", not for ", name));
  }

  const std::string identity_key = IdentityKey(kind, name);
  RM_ASSIGN_OR_RETURN(const RangeResult identity, store_->Get(identity_key));
  const bool known = !identity.key_values.empty();
  if (known && !exact) {
    return absl::AlreadyExistsError(
        absl::StrCat(name, " has joined already; a token for exactly that name replaces it"));
  }
  if (token.reusable()) RM_RETURN_IF_ERROR(CheckLiveCount(token, now));

  Enrollment enrollment{.kind = kind,
                        .name = name,
                        .pending = token.reusable() && !token.auto_approve(),
                        .certificate = {}};
  absl::StatusOr<IssuedCertificate> issued = authority_->Issue(request.csr_der(), kind, name, now);
  if (!issued.ok()) return base::Annotate(issued.status(), "csr_der");
  enrollment.certificate = *std::move(issued);
  RM_ASSIGN_OR_RETURN(const std::string record,
                      MakeRecord(token, kind, name, known ? identity.key_values[0].value : "",
                                 enrollment.pending, now));
  v1::CertificateRecord certificate;
  certificate.set_serial(enrollment.certificate.serial);
  certificate.set_identity(
      contract::SpiffeId{.mesh = authority_->mesh(), .kind = kind, .name = name}.ToUri());
  *certificate.mutable_not_after() = ToTimestamp(enrollment.certificate.not_after);
  certificate.set_token_id(token.token_id());

  const KeyValue& stored = found.key_values[0];
  Transaction transaction;
  transaction.compares = {
      Compare::Unchanged(token_key, stored.mod_revision),
      known ? Compare::Unchanged(identity_key, identity.key_values[0].mod_revision)
            : Compare::Absent(identity_key)};
  // A reusable token is written as it was, so that its uses exclude each other too.
  transaction.then = {
      token.reusable() ? Op::Put(token_key, stored.value) : Op::Delete(token_key),
      Op::Put(identity_key, record),
      Op::Put(RecordKey::Of(RecordKind::kCertificate, enrollment.certificate.serial).ToString(),
              certificate.SerializeAsString())};
  for (const std::string& role : token.roles()) {
    const std::string role_key = RecordKey::Of(RecordKind::kRole, role).ToString();
    RM_ASSIGN_OR_RETURN(const RangeResult role_found, store_->Get(role_key));
    if (!role_found.key_values.empty()) continue;
    v1::RoleRecord role_record;
    role_record.mutable_spec()->set_name(role);
    *role_record.mutable_created_at() = ToTimestamp(now);
    transaction.compares.push_back(Compare::Absent(role_key));
    transaction.then.push_back(Op::Put(role_key, role_record.SerializeAsString()));
  }
  RM_ASSIGN_OR_RETURN(const CommitResult result, store_->CommitAndWait(std::move(transaction)));
  if (!result.succeeded) return absl::optional<Enrollment>();
  return absl::optional<Enrollment>(std::move(enrollment));
}

absl::StatusOr<int> JoinTokens::CollectExpired() {
  const absl::Time now = clock_->WallNow();
  std::vector<KeyValue> expired;
  RM_ASSIGN_OR_RETURN(RangeResult tokens, store_->List(PrefixOf(RecordKind::kToken)));
  for (KeyValue& kv : tokens.key_values) {
    v1::TokenRecord record;
    if (!record.ParseFromString(kv.value)) return Damaged(kv.key);
    if (FromTimestamp(record.expires_at()) <= now) expired.push_back(std::move(kv));
  }
  RM_ASSIGN_OR_RETURN(RangeResult certificates, store_->List(PrefixOf(RecordKind::kCertificate)));
  for (KeyValue& kv : certificates.key_values) {
    v1::CertificateRecord record;
    if (!record.ParseFromString(kv.value)) return Damaged(kv.key);
    if (FromTimestamp(record.not_after()) <= now) expired.push_back(std::move(kv));
  }
  for (size_t begin = 0; begin < expired.size(); begin += kDeletesPerTransaction) {
    Transaction transaction;
    for (size_t i = begin; i < std::min(begin + kDeletesPerTransaction, expired.size()); ++i) {
      transaction.then.push_back(Op::Delete(expired[i].key));
    }
    RM_RETURN_IF_ERROR(store_->CommitAndWait(std::move(transaction)).status());
  }
  return static_cast<int>(expired.size());
}

}  // namespace rolemesh::controlplane
