// Names a state of the routing inputs.
#pragma once

#include <cstdint>
#include <string>

namespace rolemesh::controlplane {

/// Thread-safety: a value.
struct TableVersion {
  std::string store_id;  ///< Versions of different stores have no order.
  int64_t revision = 0;  ///< 0: no table.

  friend bool operator==(const TableVersion&, const TableVersion&) = default;
};

}  // namespace rolemesh::controlplane
