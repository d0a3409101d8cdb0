#include "controlplane/routing/table_update.h"

#include <utility>

#include "controlplane/routing/entry_key.h"
#include "proto/contract/limits.h"
#include "rolemesh/v1/route.pb.h"

namespace rolemesh::controlplane {
namespace {

// What an entry costs beside id and payload: kind, tags and lengths.
constexpr size_t kEntryOverheadBytes = 32;

void SetVersion(const TableVersion& version, v1::TableVersion* out) {
  out->set_store_id(version.store_id);
  out->set_revision(static_cast<uint64_t>(version.revision));
}

// Fills parts one after the other.
class PartWriter {
 public:
  explicit PartWriter(TableUpdate* update) : update_(update) { Begin(); }

  void Put(const EntryKey& key, const std::string& payload) {
    Reserve(key.id.size() + payload.size());
    v1::TableEntry* entry = part()->add_put();
    entry->set_kind(static_cast<uint32_t>(key.kind));
    entry->set_id(key.id);
    entry->set_payload(payload);
  }

  void Remove(const EntryKey& key) {
    Reserve(key.id.size());
    v1::TableEntryKey* entry = part()->add_remove();
    entry->set_kind(static_cast<uint32_t>(key.kind));
    entry->set_id(key.id);
  }

  void Finish() {
    part()->set_last_part(true);
    update_->parts.push_back(message_.SerializeAsString());
  }

 private:
  v1::TableUpdate* part() { return message_.mutable_update(); }

  void Begin() {
    message_.Clear();
    bytes_ = 0;
    part()->set_nonce(update_->nonce);
    SetVersion(update_->to, part()->mutable_to());
    part()->set_hash(update_->hash.ToBytes());
    if (update_->from.has_value()) SetVersion(*update_->from, part()->mutable_from());
    part()->set_part(static_cast<uint32_t>(update_->parts.size()));
  }

  void Reserve(size_t bytes) {
    bytes += kEntryOverheadBytes;
    if (bytes_ > 0 && bytes_ + bytes > contract::kMaxTablePartBytes) {
      update_->parts.push_back(message_.SerializeAsString());
      Begin();
    }
    bytes_ += bytes;
  }

  TableUpdate* const update_;
  v1::RouteMessage message_;
  size_t bytes_ = 0;
};

}  // namespace

void TableUpdates::KeepOnly(const TableVersion& to) {
  if (to == to_) return;
  to_ = to;
  snapshot_ = nullptr;
  deltas_.clear();
}

TableUpdates::Shared TableUpdates::Snapshot(const TableState& table) {
  KeepOnly(table.version());
  if (snapshot_ != nullptr) return snapshot_;
  auto update = std::make_shared<TableUpdate>();
  update->nonce = ++last_nonce_;
  update->to = table.version();
  update->hash = table.hash();
  PartWriter writer(update.get());
  for (const auto& [key, payload] : table.entries()) writer.Put(key, payload);
  writer.Finish();
  return snapshot_ = std::move(update);
}

TableUpdates::Shared TableUpdates::For(const TableState& table,
                                       const absl::optional<TableVersion>& held,
                                       const contract::TableHash& held_hash) {
  if (!held.has_value()) return Snapshot(table);
  KeepOnly(table.version());
  const absl::optional<absl::btree_set<EntryKey>> changed = table.ChangedSince(*held, held_hash);
  if (!changed.has_value()) return Snapshot(table);
  // An empty delta only gives the table the edge has its newest label. It is not kept: who states
  // a true hash under a wrong label must not change what others get.
  if (const auto made = deltas_.find(held->revision); !changed->empty() && made != deltas_.end()) {
    return made->second;
  }
  auto update = std::make_shared<TableUpdate>();
  update->nonce = ++last_nonce_;
  update->from = *held;
  update->to = table.version();
  update->hash = table.hash();
  PartWriter writer(update.get());
  for (const EntryKey& key : *changed) {
    const std::string* payload = table.Find(key);
    if (payload != nullptr) {
      writer.Put(key, *payload);
    } else {
      writer.Remove(key);
    }
  }
  writer.Finish();
  if (!changed->empty()) deltas_[held->revision] = update;
  return update;
}

}  // namespace rolemesh::controlplane
