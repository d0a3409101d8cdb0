// The edge's copy of the route table, brought forward by the control plane's updates.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"

#include "dataplane/routing/route_table.h"
#include "dataplane/routing/table_entry.h"
#include "proto/contract/table_hash.h"
#include "rolemesh/v1/route.pb.h"

namespace rolemesh::dataplane {

struct TableReplicaLimits {
  size_t entries = 1'000'000;
  size_t bytes = size_t{256} << 20;  ///< Of ids and payloads.
};

/// A set of entries, its version and its hash (design §4), and the parts of the update that is on
/// its way. A change is all or nothing: until the hash of the result is the one that the control
/// plane states, the old table stands.
///
/// Thread-safety: owned by its caller; the tables it gives out are immutable.
class TableReplica {
 public:
  explicit TableReplica(TableReplicaLimits limits = {});

  /// None before the first table.
  const absl::optional<v1::TableVersion>& version() const { return version_; }
  /// 32 bytes; of the empty table before the first.
  std::string hash() const { return hash_.ToBytes(); }
  size_t entry_count() const { return entries_.size(); }

  /// Takes the next part. The new table when it was the last; null while parts are missing.
  ///
  /// Errors: nothing has changed, and the parts so far are dropped:
  /// InvalidArgument: an entry or the form is wrong; the message says which;
  /// OutOfRange: a delta from a version that is not held, or parts out of order;
  /// DataLoss: the result has another hash;
  /// ResourceExhausted: more than the limits.
  absl::StatusOr<std::shared_ptr<const RouteTable>> Apply(v1::TableUpdate part);

  /// Parts of a stream that has ended are worth nothing.
  void DropParts() { update_.reset(); }

  /// The whole table, cheap to take and to keep.
  struct Contents {
    v1::TableVersion version;
    std::string hash;
    std::vector<std::shared_ptr<const TableEntry>> entries;
  };
  Contents contents() const;

 private:
  using Key = std::pair<uint32_t, std::string>;
  using Entries = absl::btree_map<Key, std::shared_ptr<const TableEntry>>;
  // The parts that are in.
  struct Update {
    v1::TableUpdate head;  // of part 0, without entries
    uint32_t next_part = 0;
    size_t bytes = 0;
    Entries changed;  // null: removed
  };

  absl::Status Take(v1::TableUpdate part);
  absl::StatusOr<std::shared_ptr<const RouteTable>> Finish();

  TableReplicaLimits limits_;
  absl::optional<v1::TableVersion> version_;
  contract::TableHash hash_;
  Entries entries_;
  size_t bytes_ = 0;
  absl::optional<Update> update_;
};

/// `contents` as the updates of a snapshot, of at most 1 MiB each.
std::vector<v1::TableUpdate> ToSnapshot(const TableReplica::Contents& contents);

}  // namespace rolemesh::dataplane
