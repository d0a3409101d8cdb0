// What the store keeps, and what it says changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rolemesh::controlplane {

/// One key. Revisions count transactions: the first mutation of a new store is
/// greater than 0, and each later one is greater by exactly 1.
struct KeyValue {
  std::string key;
  std::string value;
  int64_t create_revision = 0;  ///< Of the put that made it; a delete starts it anew.
  int64_t mod_revision = 0;     ///< Of its last put.
  int64_t lease_id = 0;         ///< 0 = none: it stays until deleted.
};

/// What one transaction did to one key.
struct Change {
  enum class Kind { kPut, kDelete };
  Kind kind = Kind::kPut;
  KeyValue kv;  ///< kDelete: key and mod_revision (that of the deletion) only.
};

/// All changes of one revision under the watched prefix: they became visible
/// together. In the order of the transaction's operations; what a prefix or a
/// lease deleted is in the order of keys.
struct ChangeBatch {
  int64_t revision = 0;
  std::vector<Change> changes;  ///< Never empty.
};

/// What Get and List read, all of it at one revision.
struct RangeResult {
  int64_t revision = 0;              ///< Of the store. A watch from revision + 1 misses nothing.
  std::vector<KeyValue> key_values;  ///< Ordered by key, bytewise.
  bool more = false;                 ///< List's limit left some out.
};

}  // namespace rolemesh::controlplane
