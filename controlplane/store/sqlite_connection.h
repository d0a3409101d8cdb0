// SQLite's C interface as two small classes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace rolemesh::controlplane {

class SqliteStatement;

/// One open connection. Remembers its first failure, so that a caller may run
/// several statements and then ask error() once; afterwards statements do
/// nothing and find no rows.
///
/// Thread-safety: one thread at a time.
class SqliteConnection {
 public:
  enum class Mode { kReadOnly, kReadWrite, kCreate };

  /// Errors: as error().
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path, Mode mode);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  /// Runs one statement to its end and returns error().
  absl::Status Run(absl::string_view sql);

  /// Lives no longer than the connection.
  SqliteStatement Prepare(absl::string_view sql);

  /// The integer that `sql` (a PRAGMA) answers; 0 when it failed.
  int64_t Number(absl::string_view sql);
  /// The text that `sql` answers; empty when it failed.
  std::string Text(absl::string_view sql);

  /// OK, or the first failure since ClearError(): DataLoss: damaged or no
  /// database; ResourceExhausted: disk or quota full; PermissionDenied;
  /// Unavailable: locked or an I/O error; Internal: our SQL is wrong.
  const absl::Status& error() const { return error_; }
  void ClearError() { error_ = absl::OkStatus(); }

 private:
  friend class SqliteStatement;
  SqliteConnection(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  void Fail(int code);

  sqlite3* const db_;
  const std::string path_;
  absl::Status error_;
};

/// A prepared statement, used again and again:
///
///   get.Bind(key); while (get.Step()) { use(get.Bytes(0)); }
///
/// Failures go to the connection's error().
class SqliteStatement {
 public:
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;
  ~SqliteStatement();

  /// Binds all parameters, each a blob or an integer, and starts anew.
  template <class... Values>
  void Bind(const Values&... values) {
    Reset();
    int index = 0;
    (BindOne(++index, values), ...);
  }

  /// True when there is a row to read; at the end or on failure it is reset.
  bool Step();
  /// Bind (or nothing to bind), then all steps.
  template <class... Values>
  void Execute(const Values&... values) {
    Bind(values...);
    while (Step()) {
    }
  }
  /// Ends early: an unfinished SELECT holds its read transaction.
  void Reset();

  std::string Bytes(int column) const;
  int64_t Number(int column) const;

 private:
  friend class SqliteConnection;
  SqliteStatement(SqliteConnection* connection, sqlite3_stmt* statement)
      : connection_(connection), statement_(statement) {}
  void BindOne(int index, absl::string_view bytes);
  void BindOne(int index, int64_t number);

  SqliteConnection* connection_;
  sqlite3_stmt* statement_;  // null when preparing failed
};

}  // namespace rolemesh::controlplane
