// agent.yaml, read and checked.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/log/logger.h"
#include "base/net/socket_address.h"

namespace rolemesh::agent {

/// One llama-server that the agent keeps running.
/// Thread-safety: a value.
struct InstanceConfig {
  std::string name;                ///< Unique on the node.
  std::vector<std::string> roles;  ///< At least one.
  std::string model;               ///< A file in models_dir.
  int slot_count = 1;              ///< Requests at once.
  int context_per_slot = 4096;     ///< Tokens.
  int min_context = 0;             ///< Advertised only with at least this; 0: any.
  int threads = 0;                 ///< 0: llama-server's default.
  bool embeddings = false;
  int host_cache_mib = 0;  ///< 0: no cache of old conversations in RAM.
  int batch_tokens = 512;
  std::vector<std::string> extra_arguments;

  // "agent.yaml:12: instances[0].model": where an error that shows up later is to be mended.
  std::string where_model;
  std::string where_extra_arguments;
};

/// What one agent is told at start; docs/reference/agent-yaml.md.
/// Thread-safety: a value.
struct AgentConfig {
  std::string state_dir;                    ///< identity/ and instances/<name>/.
  std::vector<std::string> control_planes;  ///< HOST:PORT, at least one.
  base::SocketAddress front_listen;
  absl::optional<base::SocketAddress> admin_listen;  ///< None: off.
  std::string join_token_file;                       ///< Empty: `rolemesh-agent join` by hand.
  std::string llama_server;
  std::string models_dir;
  absl::Duration drain_cap;
  std::vector<InstanceConfig> instances;
  base::LogConfig log;

  std::string where_state_dir;
  std::string where_front_listen;
  std::string where_admin_listen;
  std::string where_llama_server;
  std::string where_models_dir;
  std::string where_join_token_file;

  std::string IdentityDir() const;
  std::string InstancesDir() const;
};

/// Reads the file at `path`; looks at nothing else.
///
/// Errors: as base::ParseYamlFile and base::YamlDocument::Finish: one line for stderr, exit 2.
absl::StatusOr<AgentConfig> LoadConfig(absl::string_view path);

/// The same of `text`; `name` stands for the file in messages.
absl::StatusOr<AgentConfig> ParseConfig(absl::string_view text, absl::string_view name);

}  // namespace rolemesh::agent
