#include "controlplane/catalog/catalog_codec.h"

#include <cstdint>
#include <string>
#include <vector>

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/repeated_ptr_field.h>
#include <google/protobuf/timestamp.pb.h>

namespace rolemesh::controlplane {
namespace {

constexpr absl::Duration kFirstByteTimeout = absl::Seconds(300);
constexpr absl::Duration kIdleTimeout = absl::Seconds(120);
constexpr uint32_t kMaxConcurrent = 4;

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

absl::Duration FromProto(const google::protobuf::Duration& duration, absl::Duration if_zero) {
  const absl::Duration d = absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  return d == absl::ZeroDuration() ? if_zero : d;
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds))));
}

std::vector<std::string> Strings(const google::protobuf::RepeatedPtrField<std::string>& field) {
  return {field.begin(), field.end()};
}

}  // namespace

Role FromSpec(const v1::RoleSpec& spec, absl::Time created_at) {
  Role role;
  role.name = spec.name();
  role.aliases = Strings(spec.aliases());
  for (const v1::UpstreamSpec& upstream : spec.upstreams()) {
    role.upstreams.push_back(
        {upstream.proxy_url(), upstream.upstream_model(),
         upstream.max_concurrent() == 0 ? kMaxConcurrent : upstream.max_concurrent()});
  }
  role.first_byte_timeout = FromProto(spec.first_byte_timeout(), kFirstByteTimeout);
  role.idle_timeout = FromProto(spec.idle_timeout(), kIdleTimeout);
  role.created_at = created_at;
  return role;
}

v1::RoleSpec ToSpec(const Role& role) {
  v1::RoleSpec spec;
  spec.set_name(role.name);
  for (const std::string& alias : role.aliases) spec.add_aliases(alias);
  for (const Upstream& upstream : role.upstreams) {
    v1::UpstreamSpec* out = spec.add_upstreams();
    out->set_proxy_url(upstream.proxy_url);
    out->set_upstream_model(upstream.upstream_model);
    out->set_max_concurrent(upstream.max_concurrent);
  }
  SetDuration(role.first_byte_timeout, spec.mutable_first_byte_timeout());
  SetDuration(role.idle_timeout, spec.mutable_idle_timeout());
  return spec;
}

v1::MeshRecord ToRecord(const Mesh& mesh, absl::Time created_at) {
  v1::MeshRecord record;
  record.set_mesh(mesh.name);
  record.set_default_role(mesh.default_role);
  for (const std::string& cidr : mesh.node_cidrs) record.add_node_cidrs(cidr);
  SetTime(created_at, record.mutable_created_at());
  return record;
}

v1::RoleRecord ToRecord(const Role& role) {
  v1::RoleRecord record;
  *record.mutable_spec() = ToSpec(role);
  SetTime(role.created_at, record.mutable_created_at());
  return record;
}

v1::NodeRecord ToRecord(const NodeGrant& grant) {
  v1::NodeRecord record;
  record.set_node_id(grant.node.value());
  for (const std::string& role : grant.granted_roles) record.add_granted_roles(role);
  record.set_front_address(grant.front_address);
  record.set_draining(grant.draining);
  record.set_pending(grant.pending);
  SetTime(grant.enrolled_at, record.mutable_enrolled_at());
  record.set_token_id(grant.token_id);
  return record;
}

v1::EdgeRecord ToRecord(const EdgeGrant& grant) {
  v1::EdgeRecord record;
  record.set_edge_id(grant.edge.value());
  record.set_pending(grant.pending);
  SetTime(grant.enrolled_at, record.mutable_enrolled_at());
  record.set_token_id(grant.token_id);
  return record;
}

v1::KeyRecord ToRecord(const ApiKeyVerifier& key) {
  v1::KeyRecord record;
  record.set_key_id(key.key.value());
  record.set_secret_sha256(key.secret_sha256);
  for (const std::string& role : key.roles) record.add_roles(role);
  SetTime(key.created_at, record.mutable_created_at());
  if (key.expires_at != absl::InfiniteFuture())
    SetTime(key.expires_at, record.mutable_expires_at());
  record.set_note(key.note);
  return record;
}

v1::RevocationRecord ToRecord(const Revocation& revocation) {
  v1::RevocationRecord record;
  record.set_serial(revocation.serial);
  record.set_identity(revocation.identity);
  SetTime(revocation.revoked_at, record.mutable_revoked_at());
  record.set_revoked_by(revocation.revoked_by);
  return record;
}

Mesh FromRecord(const v1::MeshRecord& record) {
  return {record.mesh(), record.default_role(), Strings(record.node_cidrs())};
}

Role FromRecord(const v1::RoleRecord& record) {
  return FromSpec(record.spec(), FromProto(record.created_at()));
}

NodeGrant FromRecord(const v1::NodeRecord& record) {
  NodeGrant grant;
  grant.node = NodeId(record.node_id());
  grant.granted_roles = Strings(record.granted_roles());
  grant.front_address = record.front_address();
  grant.draining = record.draining();
  grant.pending = record.pending();
  grant.enrolled_at = FromProto(record.enrolled_at());
  grant.token_id = record.token_id();
  return grant;
}

EdgeGrant FromRecord(const v1::EdgeRecord& record) {
  return {EdgeId(record.edge_id()), record.pending(), FromProto(record.enrolled_at()),
          record.token_id()};
}

ApiKeyVerifier FromRecord(const v1::KeyRecord& record) {
  ApiKeyVerifier key;
  key.key = KeyId(record.key_id());
  key.secret_sha256 = record.secret_sha256();
  key.roles = Strings(record.roles());
  key.created_at = FromProto(record.created_at());
  if (record.has_expires_at()) key.expires_at = FromProto(record.expires_at());
  key.note = record.note();
  return key;
}

Revocation FromRecord(const v1::RevocationRecord& record) {
  return {record.serial(), record.identity(), FromProto(record.revoked_at()), record.revoked_by()};
}

}  // namespace rolemesh::controlplane
