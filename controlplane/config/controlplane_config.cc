#include "controlplane/config/controlplane_config.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include <sys/un.h>

#include "base/config/settings.h"
#include "base/config/yaml_reader.h"
#include "base/status/status_macros.h"
#include "proto/contract/names.h"

namespace rolemesh::controlplane {
namespace {

constexpr base::DurationRange kLeaseRange{absl::Milliseconds(100), absl::Minutes(10)};

void FailUnless(base::YamlMap& map, absl::string_view key, const absl::Status& status) {
  if (!status.ok()) map.Fail(key, absl::StrCat(status.message(), "; choose another"));
}

absl::StatusOr<ControlPlaneConfig> Read(base::YamlDocument file) {
  base::YamlMap root = file.root();
  ControlPlaneConfig config;
  config.mesh = root.GetString("mesh");
  FailUnless(root, "mesh", contract::CheckMeshName(config.mesh));
  config.replica = root.GetString("replica", "cp-1");
  FailUnless(root, "replica", contract::CheckReplicaName(config.replica));
  config.state_dir = base::ReadPath(root, "state_dir");
  config.listen = base::ReadListen(root, "listen", "127.0.0.1:7443");
  config.socket_path = root.GetStringOrEmpty("socket", "");
  if (config.socket_path.empty()) {
    config.socket_path = absl::StrCat(config.state_dir, "/controlplane.sock");
  } else if (config.socket_path[0] != '/') {
    root.Fail("socket", "is not absolute; begin it with \"/\"");
  }
  if (config.socket_path.size() >= sizeof(sockaddr_un::sun_path)) {
    root.Fail("socket",
              absl::StrCat("\"", config.socket_path, "\" is longer than ",
                           sizeof(sockaddr_un::sun_path) - 1, " bytes; set a shorter path"));
  }
  config.admin_listen = base::ReadAdminListen(root, "127.0.0.1:9070");
  for (const std::string& text : root.GetStringList("node_cidrs", 64)) {
    absl::StatusOr<base::Cidr> cidr = base::Cidr::Parse(text);
    if (!cidr.ok()) {
      root.Fail("node_cidrs", absl::StrCat(cidr.status().message(), "; write NETWORK/LENGTH"));
      break;
    }
    config.node_cidrs.push_back(*cidr);
  }
  config.default_role = root.GetStringOrEmpty("default_role", "");
  if (!config.default_role.empty()) {
    FailUnless(root, "default_role", contract::CheckRoleName(config.default_role));
  }

  base::YamlMap lease = root.GetMap("lease");
  config.lease_duration = lease.GetDuration("duration", absl::Seconds(6), kLeaseRange);
  config.heartbeat_interval = lease.GetDuration("heartbeat_interval", config.lease_duration / 3,
                                                {absl::Milliseconds(20), absl::Minutes(5)});
  config.removal_grace = lease.GetDuration("removal_grace", absl::Seconds(60),
                                           {absl::ZeroDuration(), absl::Hours(24)});
  if (config.heartbeat_interval * 2 > config.lease_duration) {
    lease.Fail("heartbeat_interval",
               "is more than half of lease.duration, so that one late heartbeat would end the "
               "lease; make it smaller");
  }
  config.log = base::ReadLog(root);

  config.where_listen = root.Where("listen");
  config.where_admin_listen = root.Where("admin_listen");
  config.where_socket = root.Where("socket");
  config.where_state_dir = root.Where("state_dir");
  RM_RETURN_IF_ERROR(file.Finish());
  return config;
}

}  // namespace

std::string ControlPlaneConfig::StorePath() const {
  return absl::StrCat(state_dir, "/store.db");
}
std::string ControlPlaneConfig::CaDir() const {
  return absl::StrCat(state_dir, "/ca");
}
std::string ControlPlaneConfig::TlsDir() const {
  return absl::StrCat(state_dir, "/tls");
}

absl::StatusOr<ControlPlaneConfig> LoadConfig(absl::string_view path) {
  RM_ASSIGN_OR_RETURN(base::YamlDocument file, base::ParseYamlFile(path));
  return Read(std::move(file));
}

absl::StatusOr<ControlPlaneConfig> ParseConfig(absl::string_view text, absl::string_view name) {
  RM_ASSIGN_OR_RETURN(base::YamlDocument file, base::ParseYaml(text, name));
  return Read(std::move(file));
}

}  // namespace rolemesh::controlplane
