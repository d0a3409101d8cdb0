// What the store does at once or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "controlplane/store/key_value.h"

namespace rolemesh::controlplane {

inline constexpr size_t kMaxTransactionOps = 128;            ///< Per list; etcd's --max-txn-ops.
inline constexpr size_t kMaxKeyBytes = 1024;                 ///< Ours.
inline constexpr size_t kMaxValueBytes = 1024 * 1024;        ///< Ours.
inline constexpr size_t kMaxTransactionBytes = 1280 * 1024;  ///< Keys and values of all lists;
                                                             ///< etcd's 1.5 MiB, less its framing.

/// A condition on one key. An absent key has revisions 0 and no value: it fails
/// every comparison of values.
struct Compare {
  enum class Target { kModRevision, kCreateRevision, kValue };
  enum class Relation { kEqual, kGreater, kLess };

  std::string key;
  Target target = Target::kModRevision;
  Relation relation = Relation::kEqual;  ///< "stored RELATION given"; values bytewise.
  int64_t revision = 0;                  ///< Given, for the revision targets.
  std::string value;                     ///< Given, for kValue.

  static Compare Absent(absl::string_view key) {
    return {std::string(key), Target::kCreateRevision, Relation::kEqual, 0, ""};
  }
  static Compare Exists(absl::string_view key) {
    return {std::string(key), Target::kCreateRevision, Relation::kGreater, 0, ""};
  }
  /// Nothing has written it since it was read with this mod_revision.
  static Compare Unchanged(absl::string_view key, int64_t mod_revision) {
    return {std::string(key), Target::kModRevision, Relation::kEqual, mod_revision, ""};
  }
  static Compare ValueIs(absl::string_view key, absl::string_view value) {
    return {std::string(key), Target::kValue, Relation::kEqual, 0, std::string(value)};
  }
};

/// One mutation. Deleting what is absent is no mutation.
struct Op {
  enum class Kind { kPut, kDelete, kDeletePrefix };

  Kind kind = Kind::kPut;
  std::string key;  ///< kDeletePrefix: the prefix, not empty.
  std::string value;
  int64_t lease_id = 0;  ///< kPut: replaces the key's lease; 0 = none.

  static Op Put(absl::string_view key, absl::string_view value, int64_t lease_id = 0) {
    return {Kind::kPut, std::string(key), std::string(value), lease_id};
  }
  static Op Delete(absl::string_view key) { return {Kind::kDelete, std::string(key), "", 0}; }
  static Op DeletePrefix(absl::string_view prefix) {
    return {Kind::kDeletePrefix, std::string(prefix), "", 0};
  }
};

/// When all of `compares` hold, `then` happens, otherwise `otherwise`:
///
///   {.compares = {Compare::Absent(k)}, .then = {Op::Put(k, "mine")}}
///
/// Within one list no key is put twice, nor put and deleted.
struct Transaction {
  std::vector<Compare> compares;
  std::vector<Op> then;
  std::vector<Op> otherwise;
};

struct CommitResult {
  bool succeeded = false;  ///< The compares held.
  int64_t revision = 0;    ///< Of the mutation; of the store when nothing was mutated.
};

/// Checks keys, limits and the rule above: every Store calls it first.
/// Errors: InvalidArgument: our caller's bug, or outside input that it let through.
absl::Status ValidateTransaction(const Transaction& transaction);

/// Whether `compare` holds for `found`, the key's state; null = absent.
bool Holds(const Compare& compare, const KeyValue* found);

/// The smallest key greater than every key with `prefix`; empty = there is none.
std::string PrefixEnd(absl::string_view prefix);

}  // namespace rolemesh::controlplane
