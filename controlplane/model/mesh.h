// What holds for the whole mesh.
#pragma once

#include <string>
#include <vector>

namespace rolemesh::controlplane {

/// Thread-safety: a value.
struct Mesh {
  std::string name;                     ///< Trust domain of the SPIFFE ids.
  std::string default_role;             ///< Empty: none.
  std::vector<std::string> node_cidrs;  ///< Networks in which fronts may be; empty: nowhere.

  friend bool operator==(const Mesh&, const Mesh&) = default;
};

}  // namespace rolemesh::controlplane
