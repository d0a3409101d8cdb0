// The statements that read and change the store's tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "controlplane/store/key_value.h"
#include "controlplane/store/sqlite_connection.h"
#include "controlplane/store/transaction.h"

namespace rolemesh::controlplane {

/// What every connection may ask. Failures: see SqliteConnection::error().
///
/// Thread-safety: that of its connection, which outlives it.
class SqliteReader {
 public:
  explicit SqliteReader(SqliteConnection* db);

  int64_t Meta(absl::string_view name);
  std::optional<KeyValue> Find(absl::string_view key);
  /// limit 0 = all.
  std::vector<KeyValue> List(absl::string_view prefix, size_t limit);
  /// The whole batches of revisions from `first` to before `end`.
  std::vector<ChangeBatch> Log(int64_t first, int64_t end);
  std::vector<std::pair<int64_t, absl::Duration>> Leases();

 private:
  SqliteStatement meta_;
  SqliteStatement find_;
  SqliteStatement list_;
  SqliteStatement list_to_end_;
  SqliteStatement log_;
  SqliteStatement leases_;
};

/// Changes within the SQLite transaction that its user began. Nothing here is
/// true for others before that commits.
///
/// Thread-safety: that of its connection, which outlives it.
class SqliteWriter {
 public:
  explicit SqliteWriter(SqliteConnection* db);

  /// What the open SQLite transaction did so far.
  struct Effects {
    std::vector<ChangeBatch> batches;
    std::vector<std::pair<int64_t, absl::Duration>> granted;
    std::vector<int64_t> revoked;
  };

  void Begin();
  absl::StatusOr<CommitResult> Apply(const Transaction& transaction);
  int64_t Grant(absl::Duration ttl);
  /// False when there is no such lease.
  bool Revoke(int64_t lease_id);
  /// Forgets changes before `revision`.
  void Compact(int64_t revision);
  /// Forgets the oldest revisions until about `rows` changes are left.
  void Trim(int64_t rows);
  /// Writes down what changed; on failure everything is as before Begin().
  absl::Status Commit();
  void Rollback();

  int64_t revision() const { return revision_; }
  int64_t first_revision() const { return first_revision_; }
  Effects TakeEffects() { return std::exchange(effects_, Effects()); }

 private:
  struct Counters {
    int64_t revision, first_revision, log_rows;
  };
  bool HasLease(int64_t lease_id);
  void Put(const Op& op, ChangeBatch& batch);
  void Delete(absl::string_view key, ChangeBatch& batch);
  void Record(ChangeBatch batch);

  SqliteConnection* const db_;
  SqliteReader reader_;
  SqliteStatement put_;
  SqliteStatement delete_;
  SqliteStatement log_;
  SqliteStatement forget_;
  SqliteStatement oldest_;
  SqliteStatement set_meta_;
  SqliteStatement has_lease_;
  SqliteStatement grant_;
  SqliteStatement revoke_;
  SqliteStatement lease_keys_;
  SqliteStatement begin_;
  SqliteStatement commit_;

  int64_t revision_ = 0;
  int64_t first_revision_ = 0;
  int64_t log_rows_ = 0;
  Counters begun_{};
  Effects effects_;
};

}  // namespace rolemesh::controlplane
