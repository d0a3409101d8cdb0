// The store of a control plane that stands alone: one SQLite file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/time/clock.h"
#include "controlplane/store/store.h"

namespace rolemesh::controlplane {

struct SqliteStoreOptions {
  /// How long the first of a group of commits waits for others, at most 2 ms.
  /// 0: what arrives during one fsync makes up the next group, which suffices.
  absl::Duration commit_window = absl::ZeroDuration();
  size_t max_queued = 10000;      ///< Commits waiting; beyond: ResourceExhausted.
  int64_t history_rows = 100000;  ///< Changes kept for watches; older ones are forgotten.
  /// The file grows no further than this: 2 GiB, as etcd's default quota. At the
  /// limit the store turns read-only.
  int64_t max_file_bytes = int64_t{2} * 1024 * 1024 * 1024;
  const base::Clock* clock = nullptr;  ///< For leases; null = the machine's. Outlives the store.
};

/// WAL, synchronous=FULL: what was acknowledged survives kill -9 and power loss.
///
/// One thread writes, grouping what is queued into one SQLite transaction while
/// each keeps a revision of its own; one thread calls watchers; readers share a
/// connection. After the first failed write (disk full, I/O error) the store is
/// read-only until reopened: commits get Unavailable, reads and watches go on,
/// and the log says so at level error.
///
/// A lease's keep-alives are in memory: after reopening every lease has its
/// whole ttl again.
class SqliteStore : public Store {
 public:
  /// Opens `path`, or makes it (mode 0600) and its directory (0700, the last
  /// component only). Holds PATH.lock against other processes while open.
  ///
  /// Errors, each with the path: FailedPrecondition: others may read the file or
  /// the directory (says which chmod), another process has it open, or a newer
  /// release wrote it; DataLoss: not a store, or damaged: restore a backup;
  /// PermissionDenied, NotFound...: of the file system.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           SqliteStoreOptions options = {});

  /// Gives the closed store at `path` a new store_id and returns it. Restore does
  /// this to the copied backup: its revisions will mean other things than those
  /// that edges have seen.
  /// Errors: as Open; NotFound: no such file; FailedPrecondition: a -wal file is left beside it.
  static absl::StatusOr<std::string> NewStoreId(const std::string& path);
};

}  // namespace rolemesh::controlplane
