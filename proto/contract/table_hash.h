// The hash that two holders of a route table compare.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rolemesh::contract {

/// Sum modulo 2^256 of SHA-256 over each entry (design §4): independent of
/// order, and kept up to date entry by entry.
///
/// An entry is hashed as kind (4 bytes, little-endian), length of the id (4
/// bytes, little-endian), id, payload; so no two entries have the same input.
///
/// Thread-safety: a value.
class TableHash {
 public:
  /// The hash of the empty table: all zero.
  TableHash() = default;

  /// Errors: kInvalidArgument when `bytes` are not 32.
  static absl::StatusOr<TableHash> FromBytes(absl::string_view bytes);

  void Add(uint32_t kind, absl::string_view id, absl::string_view payload);
  void Subtract(uint32_t kind, absl::string_view id, absl::string_view payload);

  /// 32 bytes, little-endian, as they go over the wire.
  std::string ToBytes() const;

  /// First 16 hex digits, for people.
  std::string ToShortHex() const;

  friend bool operator==(const TableHash&, const TableHash&) = default;

 private:
  std::array<uint64_t, 4> sum_ = {};
};

}  // namespace rolemesh::contract
