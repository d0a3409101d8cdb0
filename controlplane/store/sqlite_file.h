// The store's file on disk: made, locked, checked, copied.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "controlplane/store/sqlite_connection.h"

namespace rolemesh::controlplane {

/// Holds PATH.lock, made with mode 0600, until destroyed; the kernel lets go of
/// it when the process dies.
class SqliteFileLock {
 public:
  /// Errors: FailedPrecondition: another process has it; those of making the file.
  static absl::StatusOr<std::unique_ptr<SqliteFileLock>> Take(const std::string& store_path);
  ~SqliteFileLock();
  SqliteFileLock(const SqliteFileLock&) = delete;
  SqliteFileLock& operator=(const SqliteFileLock&) = delete;

 private:
  explicit SqliteFileLock(int fd) : fd_(fd) {}
  const int fd_;
};

/// Makes the last component of the directory that holds `path` (mode 0700), or
/// checks that nobody else may enter it.
/// Errors: FailedPrecondition, which says the chmod; those of the file system.
absl::Status PrepareDirectory(const std::string& path);

/// Makes `path` with an empty store and a new store_id unless it is there. A
/// crash leaves either nothing or the whole.
/// Errors: DataLoss: only its -wal is there; those of the file system.
absl::Status CreateIfAbsent(const std::string& path);

/// Checks that no unmerged changes lie beside the closed `path`: after a backup was
/// copied over a store, they would be another file's pages.
/// Errors: FailedPrecondition, which says what to do.
absl::Status CheckNoLeftovers(const std::string& path);

/// A connection to a store that was checked for damage, in WAL mode,
/// synchronous=FULL. `max_bytes` limits the file.
/// Errors: as SqliteStore::Open.
absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenChecked(const std::string& path,
                                                              int64_t max_bytes);

/// Copies the open store at `path` to the new file `copy`, mode 0600, synced.
/// Errors: AlreadyExists; those of writing.
absl::Status CopyStore(const std::string& path, const std::string& copy);

}  // namespace rolemesh::controlplane
