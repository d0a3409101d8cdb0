// Where each record stands in the store; the list is in rolemesh/v1/record.proto.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

#include "controlplane/model/ids.h"

namespace rolemesh::controlplane {

/// Under this prefix stands everything of ours.
inline constexpr absl::string_view kRecordPrefix = "/rolemesh/";

enum class RecordKind {
  kMesh,
  kRole,
  kNode,
  kEdge,
  kOperator,
  kSession,
  kInstance,
  kKey,
  kToken,
  kRevocation,
  kCertificate,
};

/// A key taken apart.
///
/// Thread-safety: a value.
struct RecordKey {
  RecordKind kind = RecordKind::kMesh;
  std::string name;      ///< Role, node, edge, key id...; empty for the mesh.
  std::string instance;  ///< kInstance only.

  static RecordKey Of(RecordKind kind, absl::string_view name) {
    return {kind, std::string(name), ""};
  }
  static RecordKey Session(const NodeId& node) { return Of(RecordKind::kSession, node.value()); }
  static RecordKey Node(const NodeId& node) { return Of(RecordKind::kNode, node.value()); }
  static RecordKey Instance(const NodeId& node, const InstanceId& instance) {
    return {RecordKind::kInstance, node.value(), instance.value()};
  }

  std::string ToString() const;

  friend bool operator==(const RecordKey&, const RecordKey&) = default;
};

/// None: not a key of this release, which is left alone.
absl::optional<RecordKey> ParseRecordKey(absl::string_view key);

}  // namespace rolemesh::controlplane
