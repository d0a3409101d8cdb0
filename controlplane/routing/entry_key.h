// Names one entry of a route table.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

namespace rolemesh::controlplane {

/// Numbers are those of rolemesh.v1.EntryKind.
enum class EntryKind : uint32_t {
  kMesh = 1,
  kRole = 2,
  kEndpoint = 3,
  kKey = 4,
  kRevocation = 5,
};

/// Orders by kind, then id.
///
/// Thread-safety: a value.
struct EntryKey {
  EntryKind kind = EntryKind::kMesh;
  std::string id;  ///< See rolemesh.v1.EntryKind.

  friend bool operator==(const EntryKey&, const EntryKey&) = default;
  friend bool operator<(const EntryKey& a, const EntryKey& b) {
    return std::tie(a.kind, a.id) < std::tie(b.kind, b.id);
  }
  template <class H>
  friend H AbslHashValue(H h, const EntryKey& key) {
    return H::combine(std::move(h), static_cast<uint32_t>(key.kind), key.id);
  }
};

}  // namespace rolemesh::controlplane
