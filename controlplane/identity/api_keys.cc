#include "controlplane/identity/api_keys.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "base/status/status_macros.h"
#include "controlplane/identity/record_time.h"
#include "controlplane/model/record_key.h"
#include "proto/contract/api_key.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {

ApiKeys::ApiKeys(Store* store, const base::Clock* clock) : store_(store), clock_(clock) {}

absl::StatusOr<CreatedApiKey> ApiKeys::Create(const v1::CreateKeyRequest& request) {
  const absl::Time now = clock_->WallNow();
  contract::NewApiKey made = contract::MakeApiKey();
  v1::KeyRecord record;
  record.set_key_id(made.id);
  record.set_secret_sha256(made.secret_sha256);
  *record.mutable_roles() = request.roles();
  *record.mutable_created_at() = ToTimestamp(now);
  if (request.has_ttl()) {
    *record.mutable_expires_at() = ToTimestamp(now + absl::Seconds(request.ttl().seconds()));
  }
  record.set_note(request.note());
  const std::string key = RecordKey::Of(RecordKind::kKey, made.id).ToString();
  RM_ASSIGN_OR_RETURN(const CommitResult result,
                      store_->CommitAndWait({.compares = {Compare::Absent(key)},
                                             .then = {Op::Put(key, record.SerializeAsString())},
                                             .otherwise = {}}));
  if (!result.succeeded) return absl::UnavailableError("two keys got the same id; try again");
  return CreatedApiKey{.text = std::move(made.text), .id = std::move(made.id)};
}

absl::StatusOr<int64_t> ApiKeys::Revoke(absl::string_view key_id) {
  const std::string key = RecordKey::Of(RecordKind::kKey, key_id).ToString();
  RM_ASSIGN_OR_RETURN(
      const CommitResult result,
      store_->CommitAndWait(
          {.compares = {Compare::Exists(key)}, .then = {Op::Delete(key)}, .otherwise = {}}));
  if (!result.succeeded) return absl::NotFoundError(absl::StrCat("no API key ", key_id));
  return result.revision;
}

}  // namespace rolemesh::controlplane
