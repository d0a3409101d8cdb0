// What operators allowed nodes and edges: desired state.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "controlplane/model/ids.h"

namespace rolemesh::controlplane {

/// A node that joined, and what it may do.
///
/// Thread-safety: a value.
struct NodeGrant {
  NodeId node;
  std::vector<std::string> granted_roles;
  std::string front_address;  ///< Set by an operator; empty: where its stream comes from.
  bool draining = false;      ///< An operator wants it out of the table.
  bool pending = false;       ///< Joined, not approved: nothing is routed there.
  absl::Time enrolled_at;
  std::string token_id;

  friend bool operator==(const NodeGrant&, const NodeGrant&) = default;
};

/// An edge that joined.
///
/// Thread-safety: a value.
struct EdgeGrant {
  EdgeId edge;
  bool pending = false;
  absl::Time enrolled_at;
  std::string token_id;

  friend bool operator==(const EdgeGrant&, const EdgeGrant&) = default;
};

}  // namespace rolemesh::controlplane
