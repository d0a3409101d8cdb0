#include "agent/config/agent_config.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/config/yaml_reader.h"
#include "base/status/status_macros.h"
#include "proto/contract/limits.h"
#include "proto/contract/names.h"

namespace rolemesh::agent {
namespace {

std::string ReadPath(base::YamlMap& map, absl::string_view key, absl::string_view fallback) {
  std::string path = map.GetString(key, fallback);
  if (!path.empty() && path[0] != '/') map.Fail(key, "is not absolute; begin it with \"/\"");
  return path;
}

base::SocketAddress ReadAddress(base::YamlMap& map, absl::string_view key, absl::string_view text) {
  absl::StatusOr<base::SocketAddress> address =
      base::SocketAddress::Parse(text, base::PortZero::kAllowed);
  if (!address.ok()) {
    map.Fail(key, absl::StrCat(address.status().message(), "; write ADDRESS:PORT"));
    return {};
  }
  return *address;
}

base::LogConfig ReadLog(base::YamlMap map) {
  base::LogConfig log;
  log.level = map.GetEnum<base::LogLevel>("level", base::LogLevel::kInfo,
                                          {{"debug", base::LogLevel::kDebug},
                                           {"info", base::LogLevel::kInfo},
                                           {"warn", base::LogLevel::kWarn},
                                           {"error", base::LogLevel::kError}});
  log.format = map.GetEnum<base::LogFormat>(
      "format", base::LogFormat::kText,
      {{"text", base::LogFormat::kText}, {"json", base::LogFormat::kJson}});
  log.file = map.GetStringOrEmpty("file", "");
  return log;
}

// HOST:PORT; the host may be a name.
bool IsHostPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && colon > 0 &&
         absl::SimpleAtoi(text.substr(colon + 1), &port) && port >= 1 && port <= 65535 &&
         text.find_first_of("/ \t@,") == absl::string_view::npos;
}

InstanceConfig ReadInstance(base::YamlMap& map) {
  InstanceConfig instance;
  instance.name = map.GetString("name");
  if (!instance.name.empty()) {
    if (const absl::Status status = contract::CheckInstanceName(instance.name); !status.ok()) {
      map.Fail("name", absl::StrCat(status.message(), "; choose another"));
    }
  }
  instance.roles = map.GetStringList("roles", contract::kMaxRolesPerInstance);
  if (instance.roles.empty()) {
    map.Fail("roles", "names no role; list at least one");
  }
  absl::flat_hash_set<absl::string_view> seen;
  for (const std::string& role : instance.roles) {
    if (const absl::Status status = contract::CheckRoleName(role); !status.ok()) {
      map.Fail("roles", absl::StrCat(status.message(), "; choose another"));
    }
    if (!seen.insert(role).second) {
      map.Fail("roles", absl::StrCat("names ", role, " twice; remove one"));
    }
  }
  instance.model = map.GetString("model");
  instance.slot_count = static_cast<int>(map.GetInt("slots", 1, {1, contract::kMaxSlots}));
  instance.context_per_slot =
      static_cast<int>(map.GetInt("context_per_slot", 4096, {64, 16 << 20}));
  instance.min_context = static_cast<int>(map.GetInt("min_context", 0, {0, 16 << 20}));
  if (instance.min_context > instance.context_per_slot) {
    map.Fail("min_context",
             "is more than context_per_slot, so that the instance could never serve; make it "
             "smaller");
  }
  instance.threads = static_cast<int>(map.GetInt("threads", 0, {0, 1024}));
  instance.embeddings = map.GetBool("embeddings", false);
  instance.host_cache_mib = static_cast<int>(map.GetInt("host_cache_mib", 0, {0, 16 << 20}));
  instance.batch_tokens = static_cast<int>(map.GetInt("batch_tokens", 512, {32, 1 << 16}));
  instance.extra_arguments = map.GetStringList("extra_args", 64);
  instance.where_model = map.Where("model");
  instance.where_extra_arguments = map.Where("extra_args");
  return instance;
}

absl::StatusOr<AgentConfig> Read(base::YamlDocument file) {
  base::YamlMap root = file.root();
  AgentConfig config;
  config.state_dir = ReadPath(root, "state_dir", "/var/lib/rolemesh/agent");
  config.control_planes = root.GetStringList("control_planes", 16);
  if (config.control_planes.empty()) {
    root.Fail("control_planes", "names no control plane; list at least one HOST:PORT");
  }
  for (const std::string& address : config.control_planes) {
    if (!IsHostPort(address)) {
      root.Fail("control_planes", absl::StrCat("\"", address, "\" is not HOST:PORT; write it so"));
    }
  }
  base::YamlMap front = root.GetMap("front");
  config.front_listen = ReadAddress(front, "listen", front.GetString("listen", "127.0.0.1:8091"));
  if (config.front_listen.ip().IsUnspecified()) {
    front.Fail("listen", "would listen on every network; name the one address that edges dial");
  }
  const std::string admin = root.GetStringOrEmpty("admin_listen", "127.0.0.1:9091");
  if (!admin.empty() && admin != "off") {
    config.admin_listen = ReadAddress(root, "admin_listen", admin);
    if (!config.admin_listen->IsLoopback()) {
      root.Fail("admin_listen", "is not loopback; use 127.0.0.1:PORT or off");
    }
  }
  config.join_token_file = root.GetStringOrEmpty("join_token_file", "");
  config.llama_server = ReadPath(root, "llama_server", "/usr/bin/llama-server");
  config.models_dir = ReadPath(root, "models_dir", "/var/lib/rolemesh/models");
  config.drain_cap = root.GetMap("drain").GetDuration("cap", absl::Seconds(60),
                                                      {absl::ZeroDuration(), absl::Hours(1)});
  absl::flat_hash_set<std::string> names;
  for (base::YamlMap& map : root.GetMapList("instances", contract::kMaxInstancesPerNode)) {
    config.instances.push_back(ReadInstance(map));
    if (!names.insert(config.instances.back().name).second) {
      map.Fail("name", absl::StrCat("\"", config.instances.back().name,
                                    "\" is taken by another instance; choose another"));
    }
  }
  config.log = ReadLog(root.GetMap("log"));

  config.where_state_dir = root.Where("state_dir");
  config.where_front_listen = front.Where("listen");
  config.where_admin_listen = root.Where("admin_listen");
  config.where_llama_server = root.Where("llama_server");
  config.where_models_dir = root.Where("models_dir");
  config.where_join_token_file = root.Where("join_token_file");
  RM_RETURN_IF_ERROR(file.Finish());
  return config;
}

}  // namespace

std::string AgentConfig::IdentityDir() const {
  return absl::StrCat(state_dir, "/identity");
}
std::string AgentConfig::InstancesDir() const {
  return absl::StrCat(state_dir, "/instances");
}

absl::StatusOr<AgentConfig> LoadConfig(absl::string_view path) {
  RM_ASSIGN_OR_RETURN(base::YamlDocument file, base::ParseYamlFile(path));
  return Read(std::move(file));
}

absl::StatusOr<AgentConfig> ParseConfig(absl::string_view text, absl::string_view name) {
  RM_ASSIGN_OR_RETURN(base::YamlDocument file, base::ParseYaml(text, name));
  return Read(std::move(file));
}

}  // namespace rolemesh::agent
