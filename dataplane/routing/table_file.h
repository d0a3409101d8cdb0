// The last good route table on disk, so that an edge starts without its control plane.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/async/executor.h"
#include "base/time/clock.h"
#include "dataplane/routing/table_replica.h"

namespace rolemesh::dataplane {

/// Writes the file anew, 0600, whole or not at all.
///
/// Format: "RMTABLE1", CRC-32 of what follows (4 bytes, little-endian), then the parts of a
/// snapshot, each as its length (4 bytes, little-endian) and a v1.TableUpdate.
absl::Status WriteTableFile(absl::string_view path, const TableReplica::Contents& contents);

/// Brings an empty replica to the table in the file; the table's own hash is checked too.
///
/// Errors: NotFound: there is none; DataLoss: the file is torn or not ours; others: as
/// base::ReadSecretFile and TableReplica::Apply. Go on without a table and say so.
absl::StatusOr<std::shared_ptr<const RouteTable>> ReadTableFile(absl::string_view path,
                                                                TableReplica* replica);

/// Writes the newest table, at most once in an interval; what comes meanwhile waits, latest wins.
///
/// Thread-safety: Save from anywhere. Ownership: `executor` (one for slow work) outlives it and has
/// stopped when it is destroyed.
class TableSaver {
 public:
  TableSaver(std::string path, absl::Duration interval, base::Executor& executor);

  void Save(TableReplica::Contents contents);

 private:
  void Write();

  const std::string path_;
  const absl::Duration interval_;
  base::Executor& executor_;
  // Of the executor's tasks.
  absl::optional<TableReplica::Contents> waiting_;
  bool paused_ = false;
  bool failed_ = false;  // said so already
};

}  // namespace rolemesh::dataplane
