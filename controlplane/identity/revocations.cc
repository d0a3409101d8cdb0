#include "controlplane/identity/revocations.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

#include "base/log/logger.h"
#include "base/status/status_macros.h"
#include "controlplane/identity/identity_key.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {

absl::StatusOr<std::unique_ptr<Revocations>> Revocations::Build(Store* store) {
  auto revocations = absl::WrapUnique(new Revocations(store));
  RM_RETURN_IF_ERROR(revocations->Reload());
  return revocations;
}

Revocations::~Revocations() {
  absl::MutexLock lock(&reload_mutex_);
  watch_ = nullptr;
}

absl::Status Revocations::Check(absl::string_view serial, absl::string_view spiffe_id) {
  bool stale = false;
  {
    absl::MutexLock lock(&mutex_);
    stale = stale_;
  }
  if (stale) RM_RETURN_IF_ERROR(Reload());
  absl::MutexLock lock(&mutex_);
  if (refused_.contains(serial) || refused_.contains(spiffe_id)) {
    return absl::PermissionDeniedError(absl::StrCat(spiffe_id, " is revoked"));
  }
  return absl::OkStatus();
}

absl::Status Revocations::Reload() {
  absl::MutexLock reload_lock(&reload_mutex_);
  watch_ = nullptr;
  RM_ASSIGN_OR_RETURN(const RangeResult found, store_->List(PrefixOf(RecordKind::kRevocation)));
  {
    absl::MutexLock lock(&mutex_);
    refused_.clear();
    for (const KeyValue& kv : found.key_values) Add(kv);
    stale_ = false;
  }
  watch_ =
      store_->WatchFrom(PrefixOf(RecordKind::kRevocation), found.revision + 1,
                        [this](absl::StatusOr<ChangeBatch> batch) { OnChanges(std::move(batch)); });
  return absl::OkStatus();
}

void Revocations::Add(const KeyValue& kv) {
  v1::RevocationRecord record;
  if (!record.ParseFromString(kv.value)) {
    base::LogError("identity", "damaged revocation; restore a backup", {{"key", kv.key}});
    return;
  }
  if (!record.serial().empty()) refused_.insert(record.serial());
  if (!record.identity().empty()) refused_.insert(record.identity());
}

void Revocations::OnChanges(absl::StatusOr<ChangeBatch> batch) {
  absl::MutexLock lock(&mutex_);
  if (!batch.ok()) {
    stale_ = true;
    return;
  }
  for (const Change& change : batch->changes) {
    if (change.kind == Change::Kind::kPut) {
      Add(change.kv);
    } else {
      stale_ = true;  // somebody is let in again: read the list anew
    }
  }
}

}  // namespace rolemesh::controlplane
