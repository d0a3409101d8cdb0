#include "controlplane/fleet/fleet.h"

#include "absl/strings/str_cat.h"

#include "controlplane/fleet/fleet_codec.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {
namespace {

absl::Status Unreadable(const RecordKey& key) {
  return absl::DataLossError(absl::StrCat(key.ToString(), ": not a record of this release"));
}

}  // namespace

bool Fleet::Owns(RecordKind kind) {
  return kind == RecordKind::kSession || kind == RecordKind::kInstance;
}

absl::Status Fleet::Apply(const RecordKey& key, absl::optional<absl::string_view> value,
                          int64_t revision) {
  if (!Owns(key.kind)) return absl::OkStatus();
  const NodeId node(key.name);
  if (!value.has_value()) {
    const auto found = nodes_.find(node);
    if (found == nodes_.end()) return absl::OkStatus();
    if (key.kind == RecordKind::kSession) {
      found->second.session.reset();
    } else {
      found->second.instances.erase(InstanceId(key.instance));
    }
    if (!found->second.session.has_value() && found->second.instances.empty()) {
      nodes_.erase(found);
    }
    return absl::OkStatus();
  }
  if (key.kind == RecordKind::kSession) {
    v1::SessionRecord record;
    if (!record.ParseFromArray(value->data(), static_cast<int>(value->size()))) {
      return Unreadable(key);
    }
    nodes_[node].session = Stored<Session>{FromRecord(record), revision};
    return absl::OkStatus();
  }
  v1::InstanceRecord record;
  if (!record.ParseFromArray(value->data(), static_cast<int>(value->size()))) {
    return Unreadable(key);
  }
  nodes_[node].instances[InstanceId(key.instance)] =
      Stored<Instance>{FromProto(record.state()), revision};
  return absl::OkStatus();
}

const FleetNode* Fleet::FindNode(const NodeId& node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : &found->second;
}

const Stored<Session>* Fleet::FindSession(const NodeId& node) const {
  const FleetNode* found = FindNode(node);
  return found != nullptr && found->session.has_value() ? &*found->session : nullptr;
}

const Stored<Instance>* Fleet::FindInstance(const NodeId& node, const InstanceId& instance) const {
  const FleetNode* found = FindNode(node);
  if (found == nullptr) return nullptr;
  const auto at = found->instances.find(instance);
  return at == found->instances.end() ? nullptr : &at->second;
}

}  // namespace rolemesh::controlplane
