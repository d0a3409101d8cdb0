#include "tests/fakes/controlplane/fake_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rolemesh::controlplane {

struct FakeStore::Subscription {
  std::string prefix;
  int64_t next = 0;
  WatchCallback callback;
  bool ended = false;
  bool removed = false;
};

class FakeStore::FakeWatch final : public Watch {
 public:
  FakeWatch(FakeStore* store, std::shared_ptr<Subscription> subscription)
      : store_(store), subscription_(std::move(subscription)) {}
  ~FakeWatch() override { store_->Remove(subscription_); }

 private:
  FakeStore* const store_;
  const std::shared_ptr<Subscription> subscription_;
};

FakeStore::FakeStore(const base::Clock* clock, std::string store_id)
    : clock_(clock), store_id_(std::move(store_id)) {}

void FakeStore::SetHealth(absl::Status health) {
  absl::MutexLock lock(&mutex_);
  health_ = std::move(health);
}

void FakeStore::Settle() {
  {
    absl::MutexLock lock(&mutex_);
    ExpireLeases();
  }
  CallWatchers();
}

absl::Status FakeStore::health() const {
  absl::MutexLock lock(&mutex_);
  return health_;
}

void FakeStore::Commit(Transaction transaction, CommitDone done) {
  if (absl::Status status = ValidateTransaction(transaction); !status.ok()) {
    return done(std::move(status));
  }
  absl::StatusOr<CommitResult> result = absl::UnknownError("");
  {
    absl::MutexLock lock(&mutex_);
    ExpireLeases();
    result = health_.ok() ? Apply(transaction) : health_;
  }
  done(std::move(result));
  CallWatchers();
}

absl::StatusOr<CommitResult> FakeStore::Apply(const Transaction& transaction) {
  bool held = true;
  for (const Compare& compare : transaction.compares) {
    const auto found = kv_.find(compare.key);
    held = held && Holds(compare, found == kv_.end() ? nullptr : &found->second);
  }
  const std::vector<Op>& ops = held ? transaction.then : transaction.otherwise;
  for (const Op& op : ops) {
    if (op.kind == Op::Kind::kPut && op.lease_id != 0 && !leases_.contains(op.lease_id)) {
      return absl::NotFoundError(absl::StrCat(op.key, ": no lease ", op.lease_id));
    }
  }
  ChangeBatch batch{revision_ + 1, {}};
  for (const Op& op : ops) {
    switch (op.kind) {
      case Op::Kind::kPut: {
        KeyValue& kv = kv_[op.key];
        kv = {op.key, op.value, kv.create_revision > 0 ? kv.create_revision : batch.revision,
              batch.revision, op.lease_id};
        batch.changes.push_back({Change::Kind::kPut, kv});
        break;
      }
      case Op::Kind::kDelete:
        Delete(op.key, batch);
        break;
      case Op::Kind::kDeletePrefix:
        for (const std::string& key : KeysUnder(op.key)) {
          Delete(key, batch);
        }
        break;
    }
  }
  Record(std::move(batch));
  return CommitResult{held, revision_};
}

void FakeStore::Delete(const std::string& key, ChangeBatch& batch) {
  if (kv_.erase(key) > 0) {
    batch.changes.push_back({Change::Kind::kDelete, {key, "", 0, batch.revision, 0}});
  }
}

std::vector<std::string> FakeStore::KeysUnder(absl::string_view prefix) const {
  std::vector<std::string> keys;
  for (auto it = kv_.lower_bound(std::string(prefix));
       it != kv_.end() && absl::StartsWith(it->first, prefix); ++it) {
    keys.push_back(it->first);
  }
  return keys;
}

void FakeStore::Record(ChangeBatch batch) {
  if (!batch.changes.empty()) {
    revision_ = batch.revision;
    log_.push_back(std::move(batch));
  }
}

void FakeStore::Revoke(int64_t lease_id) {
  leases_.erase(lease_id);
  ChangeBatch batch{revision_ + 1, {}};
  for (const std::string& key : KeysUnder("")) {
    if (kv_[key].lease_id == lease_id) {
      Delete(key, batch);
    }
  }
  Record(std::move(batch));
}

void FakeStore::ExpireLeases() {
  const base::SteadyTime now = clock_->SteadyNow();
  std::vector<std::pair<base::SteadyTime, int64_t>> due;
  for (const auto& [id, lease] : leases_) {
    if (lease.deadline <= now && health_.ok()) {
      due.emplace_back(lease.deadline, id);
    }
  }
  std::sort(due.begin(), due.end());
  for (const auto& [deadline, id] : due) {
    Revoke(id);
  }
}

absl::StatusOr<RangeResult> FakeStore::Get(absl::string_view key) {
  absl::MutexLock lock(&mutex_);
  ExpireLeases();
  RangeResult result;
  result.revision = revision_;
  if (const auto found = kv_.find(std::string(key)); found != kv_.end()) {
    result.key_values.push_back(found->second);
  }
  return result;
}

absl::StatusOr<RangeResult> FakeStore::List(absl::string_view prefix, size_t limit) {
  absl::MutexLock lock(&mutex_);
  ExpireLeases();
  RangeResult result;
  result.revision = revision_;
  for (const std::string& key : KeysUnder(prefix)) {
    if (limit != 0 && result.key_values.size() == limit) {
      result.more = true;
      break;
    }
    result.key_values.push_back(kv_.at(key));
  }
  return result;
}

std::unique_ptr<Watch> FakeStore::WatchFrom(absl::string_view prefix, int64_t start_revision,
                                            WatchCallback callback) {
  auto added = std::make_shared<Subscription>();
  added->prefix = std::string(prefix);
  added->callback = std::move(callback);
  {
    absl::MutexLock lock(&mutex_);
    added->next = start_revision > 0 ? start_revision : revision_ + 1;
    // Nothing was ever forgotten before the first change.
    if (first_revision_ == 2) {
      added->next = std::max<int64_t>(added->next, 2);
    }
    subscriptions_.push_back(added);
  }
  auto watch = std::make_unique<FakeWatch>(this, added);
  CallWatchers();
  return watch;
}

void FakeStore::Remove(const std::shared_ptr<Subscription>& subscription) {
  WatchCallback callback;  // what it captured dies after unlocking
  absl::MutexLock lock(&mutex_);
  subscription->removed = true;
  subscriptions_.remove(subscription);
  if (busy_ && caller_ == std::this_thread::get_id()) {
    return;
  }
  auto idle = [this, &subscription]()
                  ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calling_ != subscription.get(); };
  mutex_.Await(absl::Condition(&idle));
  callback = std::move(subscription->callback);
}

void FakeStore::CallWatchers() {
  absl::MutexLock lock(&mutex_);
  if (busy_) {
    return;
  }
  busy_ = true;
  caller_ = std::this_thread::get_id();
  while (true) {
    const auto behind = std::find_if(
        subscriptions_.begin(), subscriptions_.end(),
        [this](const std::shared_ptr<Subscription>& s) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return !s->ended && (s->next <= revision_ || s->next < first_revision_);
        });
    if (behind == subscriptions_.end()) {
      break;
    }
    const std::shared_ptr<Subscription> to = *behind;
    absl::StatusOr<ChangeBatch> what = ChangeBatch{to->next, {}};
    if (to->next < first_revision_) {
      to->ended = true;
      what = absl::OutOfRangeError(absl::StrCat("changes from revision ", to->next,
                                                " on are no longer kept, only from ",
                                                first_revision_));
    } else {
      for (const Change& change : log_[static_cast<size_t>(to->next - first_revision_)].changes) {
        if (absl::StartsWith(change.kv.key, to->prefix)) {
          what->changes.push_back(change);
        }
      }
      ++to->next;
    }
    if (!what.ok() || !what->changes.empty()) {
      calling_ = to.get();
      mutex_.Unlock();
      to->callback(std::move(what));
      mutex_.Lock();
      calling_ = nullptr;
    }
  }
  busy_ = false;
}

absl::StatusOr<Store::Lease> FakeStore::GrantLease(absl::Duration ttl) {
  if (ttl < absl::Seconds(1) || ttl > absl::Hours(24 * 30)) {
    return absl::InvalidArgumentError(
        absl::StrCat("ttl: ", absl::FormatDuration(ttl), ", at least 1s, at most 30 days"));
  }
  absl::MutexLock lock(&mutex_);
  if (!health_.ok()) {
    return health_;
  }
  const Lease lease{++last_lease_, absl::Ceil(ttl, absl::Seconds(1))};
  leases_[lease.id] = {lease.ttl, clock_->SteadyNow() + absl::ToChronoNanoseconds(lease.ttl)};
  return lease;
}

absl::StatusOr<absl::Duration> FakeStore::KeepAlive(int64_t lease_id) {
  absl::MutexLock lock(&mutex_);
  ExpireLeases();
  const auto found = leases_.find(lease_id);
  if (found == leases_.end()) {
    return absl::NotFoundError(absl::StrCat("no lease ", lease_id));
  }
  found->second.deadline = clock_->SteadyNow() + absl::ToChronoNanoseconds(found->second.ttl);
  return found->second.ttl;
}

absl::Status FakeStore::RevokeLease(int64_t lease_id) {
  {
    absl::MutexLock lock(&mutex_);
    ExpireLeases();
    if (!health_.ok()) {
      return health_;
    }
    if (!leases_.contains(lease_id)) {
      return absl::NotFoundError(absl::StrCat("no lease ", lease_id));
    }
    Revoke(lease_id);
  }
  CallWatchers();
  return absl::OkStatus();
}

absl::Status FakeStore::Compact(int64_t revision) {
  {
    absl::MutexLock lock(&mutex_);
    if (revision > revision_ + 1) {
      return absl::OutOfRangeError(
          absl::StrCat("revision ", revision, " is in the future; now ", revision_));
    }
    while (first_revision_ < revision) {
      log_.pop_front();
      ++first_revision_;
    }
  }
  CallWatchers();
  return absl::OkStatus();
}

absl::Status FakeStore::Backup(const std::string& path) {
  return absl::UnimplementedError(absl::StrCat(path, ": a store in memory has no backup"));
}

}  // namespace rolemesh::controlplane
