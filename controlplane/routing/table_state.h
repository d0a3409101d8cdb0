// The route table as it is now, and what changed lately.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "controlplane/model/table_version.h"
#include "controlplane/routing/entry_key.h"
#include "proto/contract/table_hash.h"

namespace rolemesh::controlplane {

/// Entries by key, their hash, and which of them changed in the last 1,024 versions.
///
/// A version is labelled with the revision that changed its entries; what changes no entry makes
/// no version. Equal labels mean equal hashes: on every replica, and after a restart, which labels
/// its first table with the store's revision.
///
/// Thread-safety: none; the reconcile loop owns it.
class TableState {
 public:
  static constexpr size_t kHistory = 1024;

  using Entries = absl::btree_map<EntryKey, std::string>;
  struct Change {
    EntryKey key;
    absl::optional<std::string> payload;  ///< None: there is no such entry.
  };

  /// A table of `entries` without history.
  void Reset(TableVersion version, Entries entries);

  /// Takes over what differs. Returns whether anything did: then `revision`, which is greater than
  /// every one before, is the table's.
  bool Apply(int64_t revision, std::vector<Change> changes);

  const TableVersion& version() const { return version_; }
  const contract::TableHash& hash() const { return hash_; }
  const Entries& entries() const { return entries_; }
  /// Null: there is none.
  const std::string* Find(const EntryKey& key) const;

  /// Keys of entries that `held`, a table with `held_hash`, may have otherwise; each is in `held`
  /// or in this table. None: not known, send everything.
  absl::optional<absl::btree_set<EntryKey>> ChangedSince(
      const TableVersion& held, const contract::TableHash& held_hash) const;

 private:
  struct Version {
    int64_t revision;
    contract::TableHash hash;
    // Against the one before; true: that one had the entry.
    std::vector<std::pair<EntryKey, bool>> changed;
  };

  TableVersion version_;
  contract::TableHash hash_;
  Entries entries_;
  std::deque<Version> history_;  // ascending; the last is version_
};

}  // namespace rolemesh::controlplane
