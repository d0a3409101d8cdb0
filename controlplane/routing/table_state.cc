#include "controlplane/routing/table_state.h"

#include <algorithm>

namespace rolemesh::controlplane {
namespace {

uint32_t Number(EntryKind kind) {
  return static_cast<uint32_t>(kind);
}

}  // namespace

void TableState::Reset(TableVersion version, Entries entries) {
  version_ = std::move(version);
  entries_ = std::move(entries);
  hash_ = contract::TableHash();
  for (const auto& [key, payload] : entries_) hash_.Add(Number(key.kind), key.id, payload);
  history_.clear();
  history_.push_back({version_.revision, hash_, {}});
}

bool TableState::Apply(int64_t revision, std::vector<Change> changes) {
  std::vector<std::pair<EntryKey, bool>> changed;
  for (Change& change : changes) {
    const auto found = entries_.find(change.key);
    const uint32_t kind = Number(change.key.kind);
    const bool had = found != entries_.end();
    if (had) {
      if (change.payload.has_value() && *change.payload == found->second) continue;
      hash_.Subtract(kind, change.key.id, found->second);
      if (change.payload.has_value()) {
        hash_.Add(kind, change.key.id, *change.payload);
        found->second = *std::move(change.payload);
      } else {
        entries_.erase(found);
      }
    } else {
      if (!change.payload.has_value()) continue;
      hash_.Add(kind, change.key.id, *change.payload);
      entries_.emplace(change.key, *std::move(change.payload));
    }
    changed.emplace_back(std::move(change.key), had);
  }
  if (changed.empty()) return false;
  version_.revision = revision;
  history_.push_back({revision, hash_, std::move(changed)});
  if (history_.size() > kHistory) history_.pop_front();
  return true;
}

const std::string* TableState::Find(const EntryKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

absl::optional<absl::btree_set<EntryKey>> TableState::ChangedSince(
    const TableVersion& held, const contract::TableHash& held_hash) const {
  if (held.store_id != version_.store_id) return absl::nullopt;
  // Under whatever label: the same table.
  if (held_hash == hash_) return absl::btree_set<EntryKey>();
  const auto from = std::lower_bound(
      history_.begin(), history_.end(), held.revision,
      [](const Version& version, int64_t revision) { return version.revision < revision; });
  if (from == history_.end() || from->revision != held.revision || from->hash != held_hash) {
    return absl::nullopt;
  }
  absl::btree_map<EntryKey, bool> had;  // whether `held` has it
  for (auto at = from + 1; at != history_.end(); ++at) {
    had.insert(at->changed.begin(), at->changed.end());
  }
  absl::btree_set<EntryKey> changed;
  for (const auto& [key, held_has_it] : had) {
    if (held_has_it || entries_.contains(key)) changed.insert(key);
  }
  return changed;
}

}  // namespace rolemesh::controlplane
