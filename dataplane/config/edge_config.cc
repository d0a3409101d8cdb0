#include "dataplane/config/edge_config.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "base/config/settings.h"
#include "base/config/yaml_reader.h"
#include "base/status/status_macros.h"

namespace rolemesh::dataplane {
namespace {

constexpr base::DurationRange kTimeout{absl::Milliseconds(100), absl::Hours(1)};

EdgeLimits ReadLimits(base::YamlMap map) {
  EdgeLimits limits;
  limits.body_bytes = map.GetBytes("body_bytes", 16 << 20, {1 << 10, 256 << 20});
  limits.header_bytes = map.GetBytes("header_bytes", 16 << 10, {1 << 10, 256 << 10});
  limits.header_count = map.GetInt("header_count", 100, {8, 1000});
  limits.connections = map.GetInt("connections", 9000, {1, 1'000'000});
  limits.requests_per_connection =
      static_cast<int>(map.GetInt("requests_per_connection", 10'000, {1, 1'000'000'000}));
  limits.header_timeout = map.GetDuration("header_timeout", absl::Seconds(10), kTimeout);
  limits.idle_timeout = map.GetDuration("idle_timeout", absl::Seconds(75), kTimeout);
  limits.write_timeout = map.GetDuration("write_timeout", absl::Seconds(60), kTimeout);
  limits.body_bytes_per_second = map.GetBytes("body_bytes_per_second", 1000, {1, 1 << 30});
  return limits;
}

absl::StatusOr<EdgeConfig> Read(base::YamlDocument file) {
  base::YamlMap root = file.root();
  EdgeConfig config;
  config.state_dir = base::ReadPath(root, "state_dir", "/var/lib/rolemesh/edge");
  config.control_planes = base::ReadControlPlanes(root);
  config.listen = base::ReadListen(root, "listen", "127.0.0.1:8080");
  config.admin_listen = base::ReadAdminListen(root, "127.0.0.1:9080");
  config.join_token_file = root.GetStringOrEmpty("join_token_file", "");
  config.thread_count = static_cast<int>(root.GetInt("threads", 0, {0, 256}));
  config.limits = ReadLimits(root.GetMap("limits"));
  base::YamlMap drain = root.GetMap("drain");
  config.drain_delay =
      drain.GetDuration("delay", absl::Seconds(5), {absl::ZeroDuration(), absl::Minutes(10)});
  config.drain_cap =
      drain.GetDuration("cap", absl::Seconds(600), {absl::ZeroDuration(), absl::Hours(24)});
  config.log = base::ReadLog(root);

  config.where_state_dir = root.Where("state_dir");
  config.where_listen = root.Where("listen");
  config.where_admin_listen = root.Where("admin_listen");
  config.where_join_token_file = root.Where("join_token_file");
  RM_RETURN_IF_ERROR(file.Finish());
  return config;
}

}  // namespace

std::string EdgeConfig::IdentityDir() const {
  return absl::StrCat(state_dir, "/identity");
}
std::string EdgeConfig::TablePath() const {
  return absl::StrCat(state_dir, "/table.snapshot");
}

absl::StatusOr<EdgeConfig> LoadConfig(absl::string_view path) {
  RM_ASSIGN_OR_RETURN(base::YamlDocument file, base::ParseYamlFile(path));
  return Read(std::move(file));
}

absl::StatusOr<EdgeConfig> ParseConfig(absl::string_view text, absl::string_view name) {
  RM_ASSIGN_OR_RETURN(base::YamlDocument file, base::ParseYaml(text, name));
  return Read(std::move(file));
}

}  // namespace rolemesh::dataplane
