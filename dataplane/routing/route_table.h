// All that an edge needs to know to serve a request.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/net/socket_address.h"
#include "dataplane/routing/endpoint.h"

namespace rolemesh::dataplane {

/// The name that clients put in `model`, and who serves it.
struct Role {
  std::string name;
  std::vector<std::string> aliases;
  int64_t created = 0;  ///< Unix seconds.
  absl::Duration first_byte_timeout = absl::Seconds(300);
  absl::Duration idle_timeout = absl::Seconds(120);
  std::vector<std::shared_ptr<const Endpoint>> endpoints;  ///< May be empty.
};

/// What recognises a client's API key.
struct ApiKey {
  std::string id;
  std::string secret_sha256;               ///< 32 bytes.
  absl::flat_hash_set<std::string> roles;  ///< Empty: all.
  absl::Time expires_at = absl::InfiniteFuture();
};

/// Plain contents of a table, checked by whoever made them.
struct RouteTableContents {
  std::string version;                 ///< "<store id>.<revision>", for X-RoleMesh-Table-Version.
  std::string mesh;                    ///< Trust domain.
  std::string default_role;            ///< Empty: none.
  std::vector<base::Cidr> node_cidrs;  ///< Where fronts may be.
  std::vector<Role> roles;
  std::vector<ApiKey> keys;
  absl::flat_hash_set<std::string> revoked_serials;     ///< Lower-case hex.
  absl::flat_hash_set<std::string> revoked_identities;  ///< spiffe://...
};

/// An immutable answer to "who serves this role, and who may ask?". A request takes one table when
/// it starts and keeps it to its end.
///
/// Thread-safety: immutable.
class RouteTable {
 public:
  explicit RouteTable(RouteTableContents contents);

  const std::string& version() const { return contents_.version; }
  const std::string& mesh() const { return contents_.mesh; }
  /// The role by its name or an alias; null: there is none.
  const Role* FindRole(absl::string_view name) const;
  /// The role of requests without `model`; null: none is named, or it does not exist.
  const Role* default_role() const;
  bool names_default_role() const { return !contents_.default_role.empty(); }
  /// In the order of the contents.
  const std::vector<Role>& roles() const { return contents_.roles; }
  /// Null: unknown or revoked.
  const ApiKey* FindKey(absl::string_view key_id) const;
  bool has_keys() const { return !contents_.keys.empty(); }
  /// Whether fronts may be at `address`; checked when one is dialled.
  bool NodeMayBeAt(const base::IpAddress& address) const;
  bool IsRevoked(absl::string_view serial_hex, absl::string_view spiffe_id) const;

 private:
  RouteTableContents contents_;
  absl::flat_hash_map<std::string, size_t> role_by_name_;  // aliases too
  absl::flat_hash_map<std::string, size_t> key_by_id_;
};

/// Where the newest table is. One writer publishes, every request reads.
/// Thread-safety: thread-safe.
class RouteTableHolder {
 public:
  /// Null until the first table is in.
  std::shared_ptr<const RouteTable> Current() const {
    return std::atomic_load_explicit(&table_, std::memory_order_acquire);
  }
  void Publish(std::shared_ptr<const RouteTable> table) {
    std::atomic_store_explicit(&table_, std::move(table), std::memory_order_release);
  }

 private:
  std::shared_ptr<const RouteTable> table_;
};

}  // namespace rolemesh::dataplane
