#include "dataplane/routing/table_replica.h"

#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include "base/status/status_macros.h"
#include "proto/contract/limits.h"
#include "proto/contract/validators.h"

namespace rolemesh::dataplane {
namespace {

bool SameVersion(const v1::TableVersion& a, const v1::TableVersion& b) {
  return a.store_id() == b.store_id() && a.revision() == b.revision();
}

std::string ToString(const v1::TableVersion& version) {
  return absl::StrCat(version.store_id(), ".", version.revision());
}

size_t SizeOf(const TableEntry& entry) {
  return entry.id.size() + entry.payload.size();
}

}  // namespace

TableReplica::TableReplica(TableReplicaLimits limits) : limits_(limits) {}

absl::StatusOr<std::shared_ptr<const RouteTable>> TableReplica::Apply(v1::TableUpdate part) {
  const bool last = part.last_part();
  if (const absl::Status status = Take(std::move(part)); !status.ok()) {
    update_.reset();
    return status;
  }
  if (!last) {
    return nullptr;
  }
  absl::StatusOr<std::shared_ptr<const RouteTable>> table = Finish();
  update_.reset();
  return table;
}

absl::Status TableReplica::Take(v1::TableUpdate part) {
  RM_RETURN_IF_ERROR(contract::Validate(part));
  if (part.part() == 0) {
    if (part.has_from() && (!version_.has_value() || !SameVersion(part.from(), *version_))) {
      return absl::OutOfRangeError(
          absl::StrCat("a delta from ", ToString(part.from()), ", but ",
                       version_.has_value() ? ToString(*version_) : "no table", " is held"));
    }
    update_.emplace();
    update_->head.set_nonce(part.nonce());
    *update_->head.mutable_to() = part.to();
    update_->head.set_hash(part.hash());
    if (part.has_from()) *update_->head.mutable_from() = part.from();
  } else if (!update_.has_value() || part.nonce() != update_->head.nonce() ||
             part.part() != update_->next_part || !SameVersion(part.to(), update_->head.to()) ||
             part.hash() != update_->head.hash() || part.has_from() != update_->head.has_from()) {
    return absl::OutOfRangeError(absl::StrCat("part ", part.part(), " is out of order"));
  }
  Update& update = *update_;
  ++update.next_part;
  for (v1::TableEntry& entry : *part.mutable_put()) {
    Key key(entry.kind(), entry.id());
    const auto held = entries_.find(key);
    std::shared_ptr<const TableEntry> parsed;
    if (held != entries_.end() && held->second->payload == entry.payload()) {
      parsed = held->second;  // what an edge remembers of an endpoint outlives a snapshot
    } else {
      RM_ASSIGN_OR_RETURN(parsed, ParseTableEntry(std::move(entry)));
    }
    update.bytes += SizeOf(*parsed);
    update.changed.insert_or_assign(std::move(key), std::move(parsed));
  }
  for (const v1::TableEntryKey& key : part.remove()) {
    update.changed.insert_or_assign(Key(key.kind(), key.id()), nullptr);
  }
  if (update.bytes > limits_.bytes || update.changed.size() > limits_.entries) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", limits_.bytes, " bytes or ",
                                                     limits_.entries, " entries in one update"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const RouteTable>> TableReplica::Finish() {
  Update& update = *update_;
  const bool is_delta = update.head.has_from();
  contract::TableHash hash = is_delta ? hash_ : contract::TableHash();
  size_t bytes = is_delta ? bytes_ : 0;
  size_t count = is_delta ? entries_.size() : 0;
  for (const auto& [key, entry] : update.changed) {
    if (const auto held = entries_.find(key); is_delta && held != entries_.end()) {
      hash.Subtract(key.first, key.second, held->second->payload);
      bytes -= SizeOf(*held->second);
      --count;
    }
    if (entry != nullptr) {
      hash.Add(key.first, key.second, entry->payload);
      bytes += SizeOf(*entry);
      ++count;
    }
  }
  if (hash.ToBytes() != update.head.hash()) {
    return absl::DataLossError(absl::StrCat("the table that results has the hash ",
                                            hash.ToShortHex(), ", not the one that was stated"));
  }
  if (bytes > limits_.bytes || count > limits_.entries) {
    return absl::ResourceExhaustedError(absl::StrCat("a table of more than ", limits_.bytes,
                                                     " bytes or ", limits_.entries, " entries"));
  }
  // From here nothing fails.
  if (is_delta) {
    for (auto& [key, entry] : update.changed) {
      if (entry == nullptr) {
        entries_.erase(key);
      } else {
        entries_.insert_or_assign(key, std::move(entry));
      }
    }
  } else {
    entries_ = std::move(update.changed);
  }
  hash_ = hash;
  bytes_ = bytes;
  version_ = update.head.to();

  RouteTableContents contents;
  contents.version = ToString(*version_);
  absl::flat_hash_map<absl::string_view, size_t> role_indexes;
  // Kinds ascend, so roles come before endpoints.
  for (const auto& [key, entry] : entries_) {
    if (const auto* mesh = std::get_if<MeshSettings>(&entry->meaning)) {
      contents.mesh = mesh->mesh;
      contents.default_role = mesh->default_role;
      contents.node_cidrs = mesh->node_cidrs;
    } else if (const auto* role = std::get_if<Role>(&entry->meaning)) {
      role_indexes.emplace(role->name, contents.roles.size());
      contents.roles.push_back(*role);
    } else if (const auto* endpoint = std::get_if<RoleEndpoint>(&entry->meaning)) {
      for (const std::string& name : endpoint->roles) {
        if (const auto found = role_indexes.find(name); found != role_indexes.end()) {
          contents.roles[found->second].endpoints.push_back(endpoint->endpoint);
        }
      }
    } else if (const auto* api_key = std::get_if<ApiKey>(&entry->meaning)) {
      contents.keys.push_back(*api_key);
    } else if (const auto* revocation = std::get_if<Revocation>(&entry->meaning)) {
      (revocation->serial.empty() ? contents.revoked_identities : contents.revoked_serials)
          .insert(revocation->serial.empty() ? revocation->identity : revocation->serial);
    }
  }
  return std::make_shared<const RouteTable>(std::move(contents));
}

TableReplica::Contents TableReplica::contents() const {
  Contents contents;
  if (version_.has_value()) contents.version = *version_;
  contents.hash = hash();
  contents.entries.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) {
    contents.entries.push_back(entry);
  }
  return contents;
}

std::vector<v1::TableUpdate> ToSnapshot(const TableReplica::Contents& contents) {
  std::vector<v1::TableUpdate> parts;
  size_t bytes = 0;
  const auto begin_part = [&] {
    v1::TableUpdate& part = parts.emplace_back();
    part.set_nonce(1);
    *part.mutable_to() = contents.version;
    part.set_hash(contents.hash);
    part.set_part(static_cast<uint32_t>(parts.size() - 1));
    bytes = 0;
  };
  begin_part();
  for (const std::shared_ptr<const TableEntry>& entry : contents.entries) {
    if (bytes > 0 && bytes + SizeOf(*entry) > contract::kMaxTablePartBytes) {
      begin_part();
    }
    v1::TableEntry& put = *parts.back().add_put();
    put.set_kind(entry->kind);
    put.set_id(entry->id);
    put.set_payload(entry->payload);
    bytes += SizeOf(*entry);
  }
  parts.back().set_last_part(true);
  return parts;
}

}  // namespace rolemesh::dataplane
