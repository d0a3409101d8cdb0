#include "controlplane/model/record_key.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rolemesh::controlplane {
namespace {

struct Place {
  RecordKind kind;
  absl::string_view folder;
};

constexpr Place kPlaces[] = {
    {RecordKind::kRole, "roles/"},
    {RecordKind::kNode, "nodes/"},
    {RecordKind::kEdge, "edges/"},
    {RecordKind::kOperator, "operators/"},
    {RecordKind::kSession, "sessions/"},
    {RecordKind::kInstance, "instances/"},
    {RecordKind::kKey, "keys/"},
    {RecordKind::kToken, "tokens/"},
    {RecordKind::kRevocation, "revocations/"},
    {RecordKind::kCertificate, "certificates/"},
};

}  // namespace

std::string RecordKey::ToString() const {
  if (kind == RecordKind::kMesh) return absl::StrCat(kRecordPrefix, "mesh");
  for (const Place& place : kPlaces) {
    if (place.kind != kind) continue;
    const bool nested = kind == RecordKind::kInstance;
    return absl::StrCat(kRecordPrefix, place.folder, name, nested ? "/" : "", instance);
  }
  return "";
}

absl::optional<RecordKey> ParseRecordKey(absl::string_view key) {
  if (!absl::ConsumePrefix(&key, kRecordPrefix)) return absl::nullopt;
  if (key == "mesh") return RecordKey{};
  for (const Place& place : kPlaces) {
    absl::string_view name = key;
    if (!absl::ConsumePrefix(&name, place.folder)) continue;
    const size_t slash = name.find('/');
    if ((slash != absl::string_view::npos) != (place.kind == RecordKind::kInstance)) {
      // A SPIFFE id as a revocation's id has slashes of its own.
      if (place.kind != RecordKind::kRevocation) return absl::nullopt;
      return RecordKey::Of(place.kind, name);
    }
    if (place.kind != RecordKind::kInstance) return RecordKey::Of(place.kind, name);
    return RecordKey{place.kind, std::string(name.substr(0, slash)),
                     std::string(name.substr(slash + 1))};
  }
  return absl::nullopt;
}

}  // namespace rolemesh::controlplane
