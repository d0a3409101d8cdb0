// edge.yaml, read and checked.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/log/logger.h"
#include "base/net/socket_address.h"

namespace rolemesh::dataplane {

/// What clients may cost; each has its key in `limits`.
struct EdgeLimits {
  uint64_t body_bytes = 0;
  size_t header_bytes = 0;  ///< All fields of a head.
  size_t header_count = 0;
  size_t connections = 0;
  int requests_per_connection = 0;
  absl::Duration header_timeout;
  absl::Duration idle_timeout;
  absl::Duration write_timeout;
  uint64_t body_bytes_per_second = 0;
};

/// What one edge is told at start; docs/reference/edge-yaml.md.
/// Thread-safety: a value.
struct EdgeConfig {
  std::string state_dir;                    ///< identity/ and table.snapshot.
  std::vector<std::string> control_planes;  ///< HOST:PORT, at least one.
  base::SocketAddress listen;
  absl::optional<base::SocketAddress> admin_listen;  ///< None: off.
  std::string join_token_file;                       ///< Empty: `rolemesh-edge join` by hand.
  int thread_count = 0;                              ///< 0: one per core.
  EdgeLimits limits;
  absl::Duration drain_delay;
  absl::Duration drain_cap;
  base::LogConfig log;

  std::string where_state_dir;
  std::string where_listen;
  std::string where_admin_listen;
  std::string where_join_token_file;

  std::string IdentityDir() const;
  std::string TablePath() const;
};

/// Reads the file at `path`; looks at nothing else.
///
/// Errors: as base::ParseYamlFile and base::YamlDocument::Finish: one line for stderr, exit 2.
absl::StatusOr<EdgeConfig> LoadConfig(absl::string_view path);

/// The same of `text`; `name` stands for the file in messages.
absl::StatusOr<EdgeConfig> ParseConfig(absl::string_view text, absl::string_view name);

}  // namespace rolemesh::dataplane
