// controlplane.yaml, read and checked.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/log/logger.h"
#include "base/net/socket_address.h"

namespace rolemesh::controlplane {

/// What one control plane replica is told at start; docs/reference/controlplane-yaml.md.
///
/// Thread-safety: a value.
struct ControlPlaneConfig {
  std::string mesh;            ///< Trust domain.
  std::string replica;         ///< This one's name, "cp-1".
  std::string state_dir;       ///< ca/, tls/, store.db and the unix socket.
  base::SocketAddress listen;  ///< gRPC with mutual TLS.
  std::string socket_path;     ///< For root and our own user: admin without certificate.
  absl::optional<base::SocketAddress> admin_listen;  ///< None: off.
  std::vector<base::Cidr> node_cidrs;                ///< Where fronts may be; empty: nowhere.
  std::string default_role;                          ///< May be empty.

  absl::Duration lease_duration;
  absl::Duration heartbeat_interval;  ///< At most half of `lease_duration`.
  absl::Duration removal_grace;       ///< From suspect to out of the table.

  base::LogConfig log;

  // "controlplane.yaml:3: listen": where an error that shows up later is to be mended.
  std::string where_listen;
  std::string where_admin_listen;
  std::string where_socket;
  std::string where_state_dir;

  std::string StorePath() const;
  std::string CaDir() const;
  std::string TlsDir() const;
};

/// Reads the file at `path`; looks at nothing else.
///
/// Errors: as base::ParseYamlFile and base::YamlDocument::Finish: one line for stderr, exit 2.
absl::StatusOr<ControlPlaneConfig> LoadConfig(absl::string_view path);

/// The same of `text`; `name` stands for the file in messages.
absl::StatusOr<ControlPlaneConfig> ParseConfig(absl::string_view text, absl::string_view name);

}  // namespace rolemesh::controlplane
