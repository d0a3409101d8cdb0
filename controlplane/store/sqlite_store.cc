#include "controlplane/store/sqlite_store.h"

#include <algorithm>
#include <deque>
#include <list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

#include "base/ids/random_id.h"
#include "base/log/logger.h"
#include "base/status/status_macros.h"
#include "controlplane/store/sqlite_connection.h"
#include "controlplane/store/sqlite_file.h"
#include "controlplane/store/sqlite_tables.h"

namespace rolemesh::controlplane {
namespace {

constexpr size_t kMaxGroup = 256;             // transactions in one fsync: bounds its duration
constexpr size_t kMaxRecentBatches = 4096;    // kept in memory for watches; older: from the log
constexpr size_t kMaxRecentBytes = 32 << 20;  // as above
constexpr int64_t kReplayRevisions = 64;      // read from the log at a time; 80 MiB at worst
constexpr absl::Duration kMaxCommitWindow = absl::Milliseconds(2);
constexpr absl::Duration kMaxLeaseTtl = absl::Hours(24 * 30);

size_t BytesOf(const ChangeBatch& batch) {
  size_t bytes = 0;
  for (const Change& change : batch.changes) {
    bytes += change.kv.key.size() + change.kv.value.size() + sizeof(Change);
  }
  return bytes;
}

ChangeBatch Under(const ChangeBatch& batch, absl::string_view prefix) {
  ChangeBatch found{batch.revision, {}};
  for (const Change& change : batch.changes) {
    if (absl::StartsWith(change.kv.key, prefix)) {
      found.changes.push_back(change);
    }
  }
  return found;
}

/// Calls watchers, in order, from its one thread.
///
/// Thread-safety: thread-safe.
class WatchDispatcher {
 public:
  using Batch = std::shared_ptr<const ChangeBatch>;

  struct Subscription {
    std::string prefix;
    int64_t next = 0;  // the first revision not yet looked at
    Store::WatchCallback callback;
    bool ended = false;    // an error was delivered
    bool removed = false;  // its Watch is gone
  };

  WatchDispatcher(std::string path, int64_t revision, int64_t first_revision,
                  std::unique_ptr<SqliteConnection> db)
      : path_(std::move(path)),
        db_(std::move(db)),
        reader_(db_.get()),
        revision_(revision),
        first_revision_(first_revision),
        thread_([this] { Run(); }) {}

  ~WatchDispatcher() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }

  void Publish(std::vector<ChangeBatch> batches, int64_t first_revision) {
    absl::MutexLock lock(&mutex_);
    for (ChangeBatch& batch : batches) {
      revision_ = batch.revision;
      recent_bytes_ += BytesOf(batch);
      recent_.push_back(std::make_shared<const ChangeBatch>(std::move(batch)));
    }
    while (recent_.size() > kMaxRecentBatches ||
           (recent_.size() > 1 && recent_bytes_ > kMaxRecentBytes)) {
      recent_bytes_ -= BytesOf(*recent_.front());
      recent_.pop_front();
    }
    first_revision_ = first_revision;
    awake_ = true;
  }

  std::shared_ptr<Subscription> Add(absl::string_view prefix, int64_t start_revision,
                                    Store::WatchCallback callback) {
    auto added = std::make_shared<Subscription>();
    added->prefix = std::string(prefix);
    added->callback = std::move(callback);
    absl::MutexLock lock(&mutex_);
    added->next = start_revision > 0 ? start_revision : revision_ + 1;
    subscriptions_.push_back(added);
    awake_ = true;
    return added;
  }

  void Remove(const std::shared_ptr<Subscription>& subscription) {
    Store::WatchCallback callback;  // what it captured dies here, after unlocking
    absl::MutexLock lock(&mutex_);
    subscription->removed = true;
    subscriptions_.remove(subscription);
    if (std::this_thread::get_id() != thread_.get_id()) {
      auto idle = [this, &subscription]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return calling_ != subscription.get();
      };
      mutex_.Await(absl::Condition(&idle));
      callback = std::move(subscription->callback);
    }
  }

 private:
  void Run() {
    absl::MutexLock lock(&mutex_);
    while (true) {
      auto awake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return awake_ || stopping_; };
      mutex_.Await(absl::Condition(&awake));
      if (stopping_) {
        return;
      }
      awake_ = false;
      const std::vector<std::shared_ptr<Subscription>> round(subscriptions_.begin(),
                                                             subscriptions_.end());
      for (const std::shared_ptr<Subscription>& subscription : round) {
        Serve(*subscription);
      }
    }
  }

  // One step for one watcher, so that one that replays does not hold up the rest.
  void Serve(Subscription& to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (to.removed || to.ended || (to.next > revision_ && to.next >= first_revision_)) {
      return;
    }
    std::vector<Batch> batches;
    absl::Status status;
    int64_t next = revision_ + 1;
    calling_ = &to;
    if (to.next < first_revision_) {
      status = Forgotten(to.next, first_revision_);
    } else if (!recent_.empty() && to.next >= recent_.front()->revision) {
      batches.assign(recent_.begin() + (to.next - recent_.front()->revision), recent_.end());
    } else {
      const int64_t first = to.next;
      next = std::min(next, first + kReplayRevisions);
      mutex_.Unlock();
      status = Replay(first, next, batches);
      mutex_.Lock();
    }
    for (const Batch& batch : batches) {
      ChangeBatch found = Under(*batch, to.prefix);
      if (to.removed) {
        break;
      }
      if (!found.changes.empty()) {
        Call(to, std::move(found));
      }
    }
    to.next = next;
    if (!status.ok() && !to.removed) {
      to.ended = true;
      Call(to, status);
    }
    calling_ = nullptr;
    awake_ = awake_ || to.next <= revision_;
  }

  void Call(Subscription& to, absl::StatusOr<ChangeBatch> what)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    mutex_.Unlock();
    to.callback(std::move(what));
    mutex_.Lock();
  }

  absl::Status Replay(int64_t first, int64_t end, std::vector<Batch>& batches)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    (void)db_->Run("BEGIN");
    const int64_t kept_from = reader_.Meta("first_revision");
    for (ChangeBatch& batch : reader_.Log(first, end)) {
      batches.push_back(std::make_shared<const ChangeBatch>(std::move(batch)));
    }
    (void)db_->Run("COMMIT");
    const absl::Status status = db_->error();
    if (!status.ok()) {
      batches.clear();
      db_->ClearError();
      (void)db_->Run("ROLLBACK");
      db_->ClearError();
      base::LogError("store", "cannot read the history", {{"file", path_}, {"error", status}});
      return absl::UnavailableError(status.message());
    }
    if (first < kept_from) {
      batches.clear();
      return Forgotten(first, kept_from);
    }
    return absl::OkStatus();
  }

  static absl::Status Forgotten(int64_t wanted, int64_t first) {
    return absl::OutOfRangeError(absl::StrCat("changes from revision ", wanted,
                                              " on are no longer kept, only from ", first));
  }

  const std::string path_;
  const std::unique_ptr<SqliteConnection> db_;  // of thread_
  SqliteReader reader_;                         // of thread_
  absl::Mutex mutex_;
  int64_t revision_ ABSL_GUARDED_BY(mutex_);
  int64_t first_revision_ ABSL_GUARDED_BY(mutex_);
  std::deque<Batch> recent_ ABSL_GUARDED_BY(mutex_);  // consecutive, up to revision_
  size_t recent_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<std::shared_ptr<Subscription>> subscriptions_ ABSL_GUARDED_BY(mutex_);
  const Subscription* calling_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool awake_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class SqliteWatch final : public Watch {
 public:
  SqliteWatch(WatchDispatcher* dispatcher,
              std::shared_ptr<WatchDispatcher::Subscription> subscription)
      : dispatcher_(dispatcher), subscription_(std::move(subscription)) {}
  ~SqliteWatch() override { dispatcher_->Remove(subscription_); }

 private:
  WatchDispatcher* const dispatcher_;
  const std::shared_ptr<WatchDispatcher::Subscription> subscription_;
};

class OpenedSqliteStore final : public SqliteStore {
 public:
  struct Parts {
    std::unique_ptr<SqliteFileLock> lock;
    std::unique_ptr<SqliteConnection> writing;
    std::unique_ptr<SqliteConnection> reading;
    std::unique_ptr<SqliteConnection> replaying;
    std::unique_ptr<base::Clock> system_clock;
    std::string store_id;
  };

  OpenedSqliteStore(std::string path, const SqliteStoreOptions& options, Parts parts)
      : path_(std::move(path)),
        options_(options),
        system_clock_(std::move(parts.system_clock)),
        clock_(options.clock != nullptr ? options.clock : system_clock_.get()),
        store_id_(std::move(parts.store_id)),
        lock_(std::move(parts.lock)),
        writing_(std::move(parts.writing)),
        writer_(writing_.get()),
        reading_(std::move(parts.reading)),
        reader_(reading_.get()),
        dispatcher_(path_, writer_.revision(), writer_.first_revision(),
                    std::move(parts.replaying)) {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, ttl] : reader_.Leases()) {
      leases_[id] = {ttl, clock_->SteadyNow() + absl::ToChronoNanoseconds(ttl)};
    }
    thread_ = std::thread([this] { Run(); });
  }

  ~OpenedSqliteStore() override {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }

  std::string store_id() const override { return store_id_; }

  absl::Status health() const override {
    absl::MutexLock lock(&mutex_);
    return health_;
  }

  void Commit(Transaction transaction, CommitDone done) override {
    if (absl::Status status = ValidateTransaction(transaction); !status.ok()) {
      return done(std::move(status));
    }
    Enqueue([this, transaction = std::move(transaction)] { return writer_.Apply(transaction); },
            std::move(done));
  }

  absl::StatusOr<RangeResult> Get(absl::string_view key) override {
    return Read([&](RangeResult& result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(reading_mutex_) {
      if (std::optional<KeyValue> found = reader_.Find(key)) {
        result.key_values.push_back(*std::move(found));
      }
    });
  }

  absl::StatusOr<RangeResult> List(absl::string_view prefix, size_t limit) override {
    return Read([&](RangeResult& result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(reading_mutex_) {
      result.key_values = reader_.List(prefix, limit == 0 ? 0 : limit + 1);
      if (limit != 0 && result.key_values.size() > limit) {
        result.key_values.pop_back();
        result.more = true;
      }
    });
  }

  std::unique_ptr<Watch> WatchFrom(absl::string_view prefix, int64_t start_revision,
                                   WatchCallback callback) override {
    return std::make_unique<SqliteWatch>(
        &dispatcher_, dispatcher_.Add(prefix, start_revision, std::move(callback)));
  }

  absl::StatusOr<Lease> GrantLease(absl::Duration ttl) override {
    if (ttl < absl::Seconds(1) || ttl > kMaxLeaseTtl) {
      return absl::InvalidArgumentError(
          absl::StrCat("ttl: ", absl::FormatDuration(ttl), ", at least 1s, at most 30 days"));
    }
    Lease lease{0, absl::Ceil(ttl, absl::Seconds(1))};
    RM_RETURN_IF_ERROR(EnqueueAndWait([this, &lease] {
      lease.id = writer_.Grant(lease.ttl);
      return CommitResult{true, writer_.revision()};
    }));
    return lease;
  }

  absl::StatusOr<absl::Duration> KeepAlive(int64_t lease_id) override {
    absl::MutexLock lock(&mutex_);
    const auto found = leases_.find(lease_id);
    const base::SteadyTime now = clock_->SteadyNow();
    if (found == leases_.end() || found->second.deadline <= now) {
      return NoLease(lease_id);
    }
    found->second.deadline = now + absl::ToChronoNanoseconds(found->second.ttl);
    return found->second.ttl;
  }

  absl::Status RevokeLease(int64_t lease_id) override {
    return EnqueueAndWait([this, lease_id]() -> absl::StatusOr<CommitResult> {
      if (!writer_.Revoke(lease_id)) {
        return NoLease(lease_id);
      }
      return CommitResult{true, writer_.revision()};
    });
  }

  absl::Status Compact(int64_t revision) override {
    return EnqueueAndWait([this, revision]() -> absl::StatusOr<CommitResult> {
      if (revision > writer_.revision() + 1) {
        return absl::OutOfRangeError(
            absl::StrCat("revision ", revision, " is in the future; now ", writer_.revision()));
      }
      writer_.Compact(revision);
      return CommitResult{true, writer_.revision()};
    });
  }

  absl::Status Backup(const std::string& path) override { return CopyStore(path_, path); }

 private:
  // Runs on the writer's thread, within a SQLite transaction.
  using Change = absl::AnyInvocable<absl::StatusOr<CommitResult>()>;
  struct Pending {
    Change change;
    CommitDone done;
    absl::StatusOr<CommitResult> result = absl::UnknownError("");
  };
  struct HeldLease {
    absl::Duration ttl;
    base::SteadyTime deadline;
  };

  static absl::Status NoLease(int64_t id) {
    return absl::NotFoundError(absl::StrCat("no lease ", id, ": it expired or was revoked"));
  }

  void Enqueue(Change change, CommitDone done) {
    absl::Status refusal;
    {
      absl::MutexLock lock(&mutex_);
      if (!health_.ok()) {
        refusal = health_;
      } else if (queue_.size() >= options_.max_queued) {
        refusal = absl::ResourceExhaustedError(
            absl::StrCat("store: ", queue_.size(), " commits are waiting"));
      } else {
        queue_.push_back({std::move(change), std::move(done)});
        return;
      }
    }
    done(std::move(refusal));
  }

  absl::Status EnqueueAndWait(Change change) {
    absl::Status status;
    absl::Notification answered;
    Enqueue(std::move(change), [&](const absl::StatusOr<CommitResult>& result) {
      status = result.status();
      answered.Notify();
    });
    answered.WaitForNotification();
    return status;
  }

  template <class Body>
  absl::StatusOr<RangeResult> Read(Body body) {
    absl::MutexLock lock(&reading_mutex_);
    RangeResult result;
    (void)reading_->Run("BEGIN");
    result.revision = reader_.Meta("revision");
    body(result);
    (void)reading_->Run("COMMIT");
    const absl::Status status = reading_->error();
    if (!status.ok()) {
      reading_->ClearError();
      (void)reading_->Run("ROLLBACK");
      reading_->ClearError();
      base::LogError("store", "cannot read", {{"file", path_}, {"error", status}});
      return status;
    }
    return result;
  }

  void Run() {
    while (true) {
      std::vector<Pending> group;
      std::vector<int64_t> due;
      {
        absl::MutexLock lock(&mutex_);
        auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return stopping_ || !queue_.empty();
        };
        mutex_.AwaitWithTimeout(absl::Condition(&wanted), UntilNextExpiry());
        if (stopping_ && queue_.empty()) {
          return;
        }
        if (options_.commit_window > absl::ZeroDuration() && !queue_.empty()) {
          auto full = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
            return stopping_ || queue_.size() >= kMaxGroup;
          };
          mutex_.AwaitWithTimeout(absl::Condition(&full),
                                  std::min(options_.commit_window, kMaxCommitWindow));
        }
        const size_t count = std::min(queue_.size(), kMaxGroup);
        group.assign(std::make_move_iterator(queue_.begin()),
                     std::make_move_iterator(queue_.begin() + static_cast<ptrdiff_t>(count)));
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(count));
        due = TakeDueLeases();
      }
      if (!group.empty() || !due.empty()) {
        CommitGroup(group, due);
      }
    }
  }

  absl::Duration UntilNextExpiry() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (leases_.empty() || !health_.ok()) {
      return absl::InfiniteDuration();
    }
    base::SteadyTime first = base::SteadyTime::max();
    for (const auto& [id, lease] : leases_) {
      first = std::min(first, lease.deadline);
    }
    return std::max(absl::FromChrono(first - clock_->SteadyNow()), absl::Milliseconds(1));
  }

  // In the order of falling due. Gone from here, so that KeepAlive cannot revive them.
  std::vector<int64_t> TakeDueLeases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const base::SteadyTime now = clock_->SteadyNow();
    std::vector<std::pair<base::SteadyTime, int64_t>> due;
    for (const auto& [id, lease] : leases_) {
      if (lease.deadline <= now && health_.ok()) {
        due.emplace_back(lease.deadline, id);
      }
    }
    std::sort(due.begin(), due.end());
    std::vector<int64_t> ids;
    for (const auto& [deadline, id] : due) {
      leases_.erase(id);
      ids.push_back(id);
    }
    return ids;
  }

  void CommitGroup(std::vector<Pending>& group, const std::vector<int64_t>& due) {
    absl::Status status = health();
    if (status.ok()) {
      writer_.Begin();
      for (int64_t id : due) {
        (void)writer_.Revoke(id);
      }
      for (Pending& pending : group) {
        pending.result = pending.change();
      }
      writer_.Trim(options_.history_rows);
      status = writer_.Commit();
      if (!status.ok()) {
        status = TurnReadOnly(status);
      }
    }
    if (status.ok()) {
      SqliteWriter::Effects effects = writer_.TakeEffects();
      dispatcher_.Publish(std::move(effects.batches), writer_.first_revision());
      absl::MutexLock lock(&mutex_);
      const base::SteadyTime now = clock_->SteadyNow();
      for (const auto& [id, ttl] : effects.granted) {
        leases_[id] = {ttl, now + absl::ToChronoNanoseconds(ttl)};
      }
      for (int64_t id : effects.revoked) {
        leases_.erase(id);
      }
    }
    for (Pending& pending : group) {
      pending.done(status.ok() ? std::move(pending.result) : status);
    }
  }

  absl::Status TurnReadOnly(const absl::Status& cause) {
    base::LogError("store", "turned read-only: free space or repair the disk, then restart",
                   {{"file", path_}, {"error", cause}});
    absl::MutexLock lock(&mutex_);
    health_ = absl::UnavailableError(absl::StrCat("store is read-only: ", cause.message()));
    return health_;
  }

  const std::string path_;
  const SqliteStoreOptions options_;
  const std::unique_ptr<base::Clock> system_clock_;
  const base::Clock* const clock_;
  const std::string store_id_;
  const std::unique_ptr<SqliteFileLock> lock_;

  const std::unique_ptr<SqliteConnection> writing_;  // of thread_
  SqliteWriter writer_;                              // of thread_

  absl::Mutex reading_mutex_;
  const std::unique_ptr<SqliteConnection> reading_ ABSL_PT_GUARDED_BY(reading_mutex_);
  SqliteReader reader_ ABSL_GUARDED_BY(reading_mutex_);

  WatchDispatcher dispatcher_;

  mutable absl::Mutex mutex_;
  std::deque<Pending> queue_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<int64_t, HeldLease> leases_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               SqliteStoreOptions options) {
  OpenedSqliteStore::Parts parts;
  RM_RETURN_IF_ERROR(PrepareDirectory(path));
  RM_ASSIGN_OR_RETURN(parts.lock, SqliteFileLock::Take(path));
  RM_RETURN_IF_ERROR(CreateIfAbsent(path));
  RM_ASSIGN_OR_RETURN(parts.writing, OpenChecked(path, options.max_file_bytes));
  constexpr auto kReadOnly = SqliteConnection::Mode::kReadOnly;
  RM_ASSIGN_OR_RETURN(parts.reading, SqliteConnection::Open(path, kReadOnly));
  RM_ASSIGN_OR_RETURN(parts.replaying, SqliteConnection::Open(path, kReadOnly));
  parts.store_id = parts.writing->Text("SELECT value FROM meta WHERE name = 'store_id'");
  RM_RETURN_IF_ERROR(parts.writing->error());
  if (parts.store_id.empty()) {
    return absl::DataLossError(absl::StrCat(path, ": damaged, restore a backup: no store_id"));
  }
  parts.system_clock = base::MakeSystemClock();
  return std::make_unique<OpenedSqliteStore>(path, options, std::move(parts));
}

absl::StatusOr<std::string> SqliteStore::NewStoreId(const std::string& path) {
  RM_RETURN_IF_ERROR(PrepareDirectory(path));
  RM_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteFileLock> lock, SqliteFileLock::Take(path));
  RM_RETURN_IF_ERROR(CheckNoLeftovers(path));
  RM_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteConnection> db,
                      OpenChecked(path, SqliteStoreOptions().max_file_bytes));
  const std::string id = base::RandomHex(16);
  db->Prepare("UPDATE meta SET value = ? WHERE name = 'store_id'").Execute(absl::string_view(id));
  RM_RETURN_IF_ERROR(db->error());
  return id;
}

}  // namespace rolemesh::controlplane
