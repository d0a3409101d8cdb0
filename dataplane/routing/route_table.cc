#include "dataplane/routing/route_table.h"

#include <algorithm>
#include <utility>

namespace rolemesh::dataplane {

RouteTable::RouteTable(RouteTableContents contents) : contents_(std::move(contents)) {
  for (size_t i = 0; i < contents_.roles.size(); ++i) {
    role_by_name_[contents_.roles[i].name] = i;
  }
  for (size_t i = 0; i < contents_.roles.size(); ++i) {
    for (const std::string& alias : contents_.roles[i].aliases) {
      role_by_name_.emplace(alias, i);  // a role's own name wins
    }
  }
  for (size_t i = 0; i < contents_.keys.size(); ++i) {
    key_by_id_[contents_.keys[i].id] = i;
  }
}

const Role* RouteTable::FindRole(absl::string_view name) const {
  const auto found = role_by_name_.find(name);
  return found != role_by_name_.end() ? &contents_.roles[found->second] : nullptr;
}

const Role* RouteTable::default_role() const {
  return contents_.default_role.empty() ? nullptr : FindRole(contents_.default_role);
}

const ApiKey* RouteTable::FindKey(absl::string_view key_id) const {
  const auto found = key_by_id_.find(key_id);
  return found != key_by_id_.end() ? &contents_.keys[found->second] : nullptr;
}

bool RouteTable::NodeMayBeAt(const base::IpAddress& address) const {
  return std::any_of(contents_.node_cidrs.begin(), contents_.node_cidrs.end(),
                     [&](const base::Cidr& cidr) { return cidr.Contains(address); });
}

bool RouteTable::IsRevoked(absl::string_view serial_hex, absl::string_view spiffe_id) const {
  return contents_.revoked_serials.contains(serial_hex) ||
         contents_.revoked_identities.contains(spiffe_id);
}

}  // namespace rolemesh::dataplane
