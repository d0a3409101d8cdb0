#include "controlplane/catalog/catalog.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#include "controlplane/catalog/catalog_codec.h"
#include "rolemesh/v1/record.pb.h"

namespace rolemesh::controlplane {
namespace {

absl::Status Unreadable(const RecordKey& key) {
  return absl::DataLossError(absl::StrCat(key.ToString(), ": not a record of this release"));
}

template <class Record>
absl::StatusOr<Record> Parse(const RecordKey& key, absl::string_view value) {
  Record record;
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) return Unreadable(key);
  return record;
}

template <class Record, class Id, class Value>
absl::Status ApplyTo(absl::btree_map<Id, Stored<Value>>& map, const RecordKey& key,
                     absl::optional<absl::string_view> value, int64_t revision) {
  const Id id(key.name);
  if (!value.has_value()) {
    map.erase(id);
    return absl::OkStatus();
  }
  const absl::StatusOr<Record> record = Parse<Record>(key, *value);
  if (!record.ok()) return record.status();
  map[id] = Stored<Value>{FromRecord(*record), revision};
  return absl::OkStatus();
}

template <class Map, class Id>
const typename Map::mapped_type* Find(const Map& map, const Id& id) {
  const auto found = map.find(id);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

bool Catalog::Owns(RecordKind kind) {
  switch (kind) {
    case RecordKind::kMesh:
    case RecordKind::kRole:
    case RecordKind::kNode:
    case RecordKind::kEdge:
    case RecordKind::kKey:
    case RecordKind::kRevocation:
      return true;
    default:
      return false;
  }
}

absl::Status Catalog::Apply(const RecordKey& key, absl::optional<absl::string_view> value,
                            int64_t revision) {
  switch (key.kind) {
    case RecordKind::kMesh: {
      const absl::StatusOr<v1::MeshRecord> record =
          value.has_value() ? Parse<v1::MeshRecord>(key, *value) : v1::MeshRecord();
      if (!record.ok()) return record.status();
      Mesh mesh = FromRecord(*record);
      std::vector<base::Cidr> networks;
      for (const std::string& text : mesh.node_cidrs) {
        absl::StatusOr<base::Cidr> network = base::Cidr::Parse(text);
        if (!network.ok()) return Unreadable(key);
        networks.push_back(*std::move(network));
      }
      mesh_ = std::move(mesh);
      node_networks_ = std::move(networks);
      return absl::OkStatus();
    }
    case RecordKind::kRole:
      return ApplyTo<v1::RoleRecord>(roles_, key, value, revision);
    case RecordKind::kNode:
      return ApplyTo<v1::NodeRecord>(nodes_, key, value, revision);
    case RecordKind::kEdge:
      return ApplyTo<v1::EdgeRecord>(edges_, key, value, revision);
    case RecordKind::kKey:
      return ApplyTo<v1::KeyRecord>(keys_, key, value, revision);
    case RecordKind::kRevocation:
      return ApplyTo<v1::RevocationRecord>(revocations_, key, value, revision);
    default:
      return absl::OkStatus();
  }
}

bool Catalog::AllowsNodeAddress(absl::string_view address) const {
  const absl::StatusOr<base::IpAddress> ip = base::ParseIpAddress(address);
  if (!ip.ok()) return false;
  for (const base::Cidr& network : node_networks_) {
    if (network.Contains(*ip)) return true;
  }
  return false;
}

const Stored<Role>* Catalog::FindRole(absl::string_view name) const {
  return Find(roles_, std::string(name));
}

const Stored<NodeGrant>* Catalog::FindNode(const NodeId& node) const {
  return Find(nodes_, node);
}

const Stored<EdgeGrant>* Catalog::FindEdge(const EdgeId& edge) const {
  return Find(edges_, edge);
}

const Stored<ApiKeyVerifier>* Catalog::FindKey(const KeyId& key) const {
  return Find(keys_, key);
}

bool Catalog::IsRevoked(absl::string_view identity, absl::string_view serial) const {
  return revocations_.contains(std::string(serial)) || revocations_.contains(std::string(identity));
}

}  // namespace rolemesh::controlplane
