#include "controlplane/store/sqlite_connection.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include <sqlite3.h>

namespace rolemesh::controlplane {
namespace {

absl::Status SqliteStatus(int code, absl::string_view path, absl::string_view what) {
  const std::string message = absl::StrCat(path, ": ", what, " (SQLite ", code, ")");
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
      return absl::PermissionDeniedError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path,
                                                                         Mode mode) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  flags |= mode == Mode::kCreate ? SQLITE_OPEN_CREATE : 0;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  if (code != SQLITE_OK) {
    const absl::Status status = SqliteStatus(code, path, sqlite3_errstr(code));
    sqlite3_close(db);
    return status;
  }
  sqlite3_busy_timeout(db, 5000);
  return absl::WrapUnique(new SqliteConnection(db, path));
}

SqliteConnection::~SqliteConnection() {
  sqlite3_close(db_);
}

void SqliteConnection::Fail(int code) {
  if (error_.ok()) {
    error_ = SqliteStatus(code, path_, sqlite3_errmsg(db_));
  }
}

absl::Status SqliteConnection::Run(absl::string_view sql) {
  Prepare(sql).Execute();
  return error_;
}

SqliteStatement SqliteConnection::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (error_.ok()) {
    const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
      Fail(code);
    }
  }
  return SqliteStatement(this, statement);
}

int64_t SqliteConnection::Number(absl::string_view sql) {
  SqliteStatement statement = Prepare(sql);
  return statement.Step() ? statement.Number(0) : 0;
}

std::string SqliteConnection::Text(absl::string_view sql) {
  SqliteStatement statement = Prepare(sql);
  return statement.Step() ? statement.Bytes(0) : "";
}

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}

SqliteStatement::~SqliteStatement() {
  sqlite3_finalize(statement_);
}

void SqliteStatement::BindOne(int index, absl::string_view bytes) {
  // A null pointer would bind NULL instead of an empty blob.
  const int code = sqlite3_bind_blob64(statement_, index, bytes.empty() ? "" : bytes.data(),
                                       bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) {
    connection_->Fail(code);
  }
}

void SqliteStatement::BindOne(int index, int64_t number) {
  const int code = sqlite3_bind_int64(statement_, index, number);
  if (code != SQLITE_OK) {
    connection_->Fail(code);
  }
}

bool SqliteStatement::Step() {
  if (statement_ == nullptr || !connection_->error().ok()) {
    return false;
  }
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code != SQLITE_DONE) {
    connection_->Fail(code);
  }
  sqlite3_reset(statement_);
  return false;
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_);
}

std::string SqliteStatement::Bytes(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

int64_t SqliteStatement::Number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

}  // namespace rolemesh::controlplane
