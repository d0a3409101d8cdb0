#include "controlplane/store/sqlite_tables.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace rolemesh::controlplane {
namespace {

constexpr absl::string_view kColumns = "key, value, create_revision, mod_revision, lease";

KeyValue RowOf(const SqliteStatement& row) {
  return {row.Bytes(0), row.Bytes(1), row.Number(2), row.Number(3), row.Number(4)};
}

}  // namespace

SqliteReader::SqliteReader(SqliteConnection* db)
    : meta_(db->Prepare("SELECT value FROM meta WHERE name = CAST(? AS TEXT)")),
      find_(db->Prepare(absl::StrCat("SELECT ", kColumns, " FROM kv WHERE key = ?"))),
      list_(db->Prepare(absl::StrCat("SELECT ", kColumns,
                                     " FROM kv WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"))),
      list_to_end_(db->Prepare(
          absl::StrCat("SELECT ", kColumns, " FROM kv WHERE key >= ? ORDER BY key LIMIT ?"))),
      log_(db->Prepare("SELECT key, value, create_revision, revision, lease, deleted FROM log"
                       " WHERE revision >= ? AND revision < ? ORDER BY revision, seq")),
      leases_(db->Prepare("SELECT id, ttl_seconds FROM lease")) {}

int64_t SqliteReader::Meta(absl::string_view name) {
  meta_.Bind(name);
  const int64_t value = meta_.Step() ? meta_.Number(0) : 0;
  meta_.Reset();
  return value;
}

std::optional<KeyValue> SqliteReader::Find(absl::string_view key) {
  std::optional<KeyValue> found;
  find_.Bind(key);
  if (find_.Step()) {
    found = RowOf(find_);
  }
  find_.Reset();
  return found;
}

std::vector<KeyValue> SqliteReader::List(absl::string_view prefix, size_t limit) {
  const std::string end = PrefixEnd(prefix);
  const int64_t rows = limit == 0 ? -1 : static_cast<int64_t>(limit);
  SqliteStatement& list = end.empty() ? list_to_end_ : list_;
  if (end.empty()) {
    list.Bind(prefix, rows);
  } else {
    list.Bind(prefix, end, rows);
  }
  std::vector<KeyValue> found;
  while (list.Step()) {
    found.push_back(RowOf(list));
  }
  return found;
}

std::vector<ChangeBatch> SqliteReader::Log(int64_t first, int64_t end) {
  std::vector<ChangeBatch> batches;
  log_.Bind(first, end);
  while (log_.Step()) {
    Change change;
    change.kv = RowOf(log_);
    change.kind = log_.Number(5) != 0 ? Change::Kind::kDelete : Change::Kind::kPut;
    if (batches.empty() || batches.back().revision != change.kv.mod_revision) {
      batches.push_back({change.kv.mod_revision, {}});
    }
    batches.back().changes.push_back(std::move(change));
  }
  return batches;
}

std::vector<std::pair<int64_t, absl::Duration>> SqliteReader::Leases() {
  std::vector<std::pair<int64_t, absl::Duration>> leases;
  leases_.Bind();
  while (leases_.Step()) {
    leases.emplace_back(leases_.Number(0), absl::Seconds(leases_.Number(1)));
  }
  return leases;
}

SqliteWriter::SqliteWriter(SqliteConnection* db)
    : db_(db),
      reader_(db),
      put_(db->Prepare(
          absl::StrCat("INSERT OR REPLACE INTO kv (", kColumns, ") VALUES (?, ?, ?, ?, ?)"))),
      delete_(db->Prepare("DELETE FROM kv WHERE key = ?")),
      log_(db->Prepare("INSERT INTO log (revision, seq, key, value, create_revision, lease,"
                       " deleted) VALUES (?, ?, ?, ?, ?, ?, ?)")),
      forget_(db->Prepare("DELETE FROM log WHERE revision < ? RETURNING 1")),
      oldest_(db->Prepare("SELECT revision FROM log ORDER BY revision, seq LIMIT 1 OFFSET ?")),
      set_meta_(db->Prepare("UPDATE meta SET value = ? WHERE name = CAST(? AS TEXT)")),
      has_lease_(db->Prepare("SELECT 1 FROM lease WHERE id = ?")),
      grant_(db->Prepare("INSERT INTO lease (ttl_seconds) VALUES (?) RETURNING id")),
      revoke_(db->Prepare("DELETE FROM lease WHERE id = ?")),
      lease_keys_(db->Prepare("SELECT key FROM kv WHERE lease = ? AND lease <> 0 ORDER BY key")),
      begin_(db->Prepare("BEGIN IMMEDIATE")),
      commit_(db->Prepare("COMMIT")),
      revision_(reader_.Meta("revision")),
      first_revision_(reader_.Meta("first_revision")),
      log_rows_(db->Number("SELECT count(*) FROM log")) {}

void SqliteWriter::Begin() {
  begun_ = {revision_, first_revision_, log_rows_};
  effects_ = Effects();
  begin_.Execute();
}

absl::StatusOr<CommitResult> SqliteWriter::Apply(const Transaction& transaction) {
  bool held = true;
  for (const Compare& compare : transaction.compares) {
    const std::optional<KeyValue> found = reader_.Find(compare.key);
    held = held && Holds(compare, found ? &*found : nullptr);
  }
  const std::vector<Op>& ops = held ? transaction.then : transaction.otherwise;
  for (const Op& op : ops) {
    if (op.kind == Op::Kind::kPut && op.lease_id != 0 && !HasLease(op.lease_id)) {
      return absl::NotFoundError(absl::StrCat(op.key, ": no lease ", op.lease_id));
    }
  }
  ChangeBatch batch{revision_ + 1, {}};
  for (const Op& op : ops) {
    switch (op.kind) {
      case Op::Kind::kPut:
        Put(op, batch);
        break;
      case Op::Kind::kDelete:
        Delete(op.key, batch);
        break;
      case Op::Kind::kDeletePrefix:
        for (const KeyValue& kv : reader_.List(op.key, 0)) {
          Delete(kv.key, batch);
        }
        break;
    }
  }
  Record(std::move(batch));
  return CommitResult{held, revision_};
}

bool SqliteWriter::HasLease(int64_t lease_id) {
  has_lease_.Bind(lease_id);
  const bool found = has_lease_.Step();
  has_lease_.Reset();
  return found;
}

void SqliteWriter::Put(const Op& op, ChangeBatch& batch) {
  const std::optional<KeyValue> old = reader_.Find(op.key);
  Change change;
  change.kv = {op.key, op.value, old ? old->create_revision : batch.revision, batch.revision,
               op.lease_id};
  put_.Execute(op.key, op.value, change.kv.create_revision, batch.revision, op.lease_id);
  batch.changes.push_back(std::move(change));
}

void SqliteWriter::Delete(absl::string_view key, ChangeBatch& batch) {
  if (!reader_.Find(key)) {
    return;
  }
  delete_.Execute(key);
  Change change;
  change.kind = Change::Kind::kDelete;
  change.kv.key = std::string(key);
  change.kv.mod_revision = batch.revision;
  batch.changes.push_back(std::move(change));
}

void SqliteWriter::Record(ChangeBatch batch) {
  if (batch.changes.empty()) {
    return;
  }
  int64_t seq = 0;
  for (const Change& change : batch.changes) {
    const int64_t deleted = change.kind == Change::Kind::kDelete ? 1 : 0;
    log_.Execute(batch.revision, seq++, change.kv.key, change.kv.value, change.kv.create_revision,
                 change.kv.lease_id, deleted);
  }
  log_rows_ += seq;
  revision_ = batch.revision;
  effects_.batches.push_back(std::move(batch));
}

int64_t SqliteWriter::Grant(absl::Duration ttl) {
  grant_.Bind(absl::ToInt64Seconds(ttl));
  int64_t id = 0;
  while (grant_.Step()) {
    id = grant_.Number(0);
  }
  effects_.granted.emplace_back(id, ttl);
  return id;
}

bool SqliteWriter::Revoke(int64_t lease_id) {
  if (!HasLease(lease_id)) {
    return false;
  }
  revoke_.Execute(lease_id);
  std::vector<std::string> keys;
  lease_keys_.Bind(lease_id);
  while (lease_keys_.Step()) {
    keys.push_back(lease_keys_.Bytes(0));
  }
  ChangeBatch batch{revision_ + 1, {}};
  for (const std::string& key : keys) {
    Delete(key, batch);
  }
  Record(std::move(batch));
  effects_.revoked.push_back(lease_id);
  return true;
}

void SqliteWriter::Compact(int64_t revision) {
  if (revision <= first_revision_) {
    return;
  }
  forget_.Bind(revision);
  while (forget_.Step()) {
    --log_rows_;
  }
  first_revision_ = revision;
}

void SqliteWriter::Trim(int64_t rows) {
  // A little late, so that most groups need not look.
  if (log_rows_ <= rows + rows / 16) {
    return;
  }
  oldest_.Bind(log_rows_ - rows - 1);
  const int64_t oldest = oldest_.Step() ? oldest_.Number(0) : 0;
  oldest_.Reset();
  Compact(std::min(oldest + 1, revision_));  // the newest is not yet delivered
}

absl::Status SqliteWriter::Commit() {
  if (revision_ != begun_.revision) {
    set_meta_.Execute(revision_, absl::string_view("revision"));
  }
  if (first_revision_ != begun_.first_revision) {
    set_meta_.Execute(first_revision_, absl::string_view("first_revision"));
  }
  commit_.Execute();
  const absl::Status status = db_->error();
  if (!status.ok()) {
    Rollback();
  }
  return status;
}

void SqliteWriter::Rollback() {
  db_->ClearError();
  (void)db_->Run("ROLLBACK");  // fails when SQLite already rolled back
  db_->ClearError();
  revision_ = begun_.revision;
  first_revision_ = begun_.first_revision;
  log_rows_ = begun_.log_rows;
  effects_ = Effects();
}

}  // namespace rolemesh::controlplane
