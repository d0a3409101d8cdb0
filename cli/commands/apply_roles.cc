#include "cli/commands/apply_roles.h"

#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include <CLI/CLI.hpp>

#include "base/config/yaml_reader.h"
#include "base/status/annotate.h"
#include "base/status/status_macros.h"
#include "cli/commands/connect.h"
#include "proto/contract/limits.h"
#include "proto/contract/validators.h"

namespace rolemesh::cli {
namespace {

constexpr base::DurationRange kTimeoutRange = {absl::ZeroDuration(), absl::Hours(24)};

struct RoleArguments {
  std::string file;
  bool dry_run = false;
  std::string kind;
  std::string name;
};

v1::RoleSpec ReadRole(base::YamlMap& map) {
  v1::RoleSpec role;
  role.set_name(map.GetString("name"));
  for (const std::string& alias : map.GetStringList("aliases")) role.add_aliases(alias);
  role.mutable_first_byte_timeout()->set_seconds(absl::ToInt64Seconds(
      map.GetDuration("first_byte_timeout", absl::ZeroDuration(), kTimeoutRange)));
  role.mutable_idle_timeout()->set_seconds(
      absl::ToInt64Seconds(map.GetDuration("idle_timeout", absl::ZeroDuration(), kTimeoutRange)));
  for (base::YamlMap& item : map.GetMapList("upstreams")) {
    v1::UpstreamSpec& upstream = *role.add_upstreams();
    upstream.set_proxy_url(item.GetString("proxy_url"));
    upstream.set_upstream_model(item.GetStringOrEmpty("upstream_model", ""));
    upstream.set_max_concurrent(
        static_cast<uint32_t>(item.GetInt("max_concurrent", 0, {0, contract::kMaxSlots})));
  }
  return role;
}

absl::StatusOr<v1::ApplyRolesRequest> ReadRoles(const std::string& path) {
  RM_ASSIGN_OR_RETURN(base::YamlDocument document, base::ParseYamlFile(path));
  v1::ApplyRolesRequest request;
  base::YamlMap root = document.root();
  for (base::YamlMap& map : root.GetMapList("roles")) *request.add_roles() = ReadRole(map);
  RM_RETURN_IF_ERROR(document.Finish());
  RM_RETURN_IF_ERROR(base::Annotate(contract::Validate(request), path));
  return request;
}

absl::Status Apply(MeshClient& client, const RoleArguments& arguments) {
  RM_ASSIGN_OR_RETURN(v1::ApplyRolesRequest request, ReadRoles(arguments.file));
  request.set_dry_run(arguments.dry_run);
  RM_ASSIGN_OR_RETURN(const v1::ApplyRolesReply reply, client.ApplyRoles(request));
  for (const std::string& change : reply.changes()) {
    std::cout << change << (arguments.dry_run ? " (dry run)" : "") << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace

void AddRoleCommands(CLI::App& app, Session& session) {
  const auto arguments = std::make_shared<RoleArguments>();
  CLI::App* const apply = app.add_subcommand("apply", "Write the roles of a mesh.yaml");
  apply->add_option("-f,--file", arguments->file, "The file")->required();
  apply->add_flag("--dry-run", arguments->dry_run, "Say what would change; change nothing");
  apply->callback([&session, arguments] {
    session.Run([&](MeshClient& client) { return Apply(client, *arguments); });
  });

  CLI::App* const remove = app.add_subcommand("delete", "Delete a role");
  remove->add_option("kind", arguments->kind, "role")->required()->check(CLI::IsMember({"role"}));
  remove->add_option("name", arguments->name, "Its name")->required();
  remove->callback([&session, arguments] {
    session.Run([&](MeshClient& client) -> absl::Status {
      v1::DeleteRoleRequest request;
      request.set_name(arguments->name);
      RM_RETURN_IF_ERROR(client.DeleteRole(request).status());
      std::cout << "role " << arguments->name << " deleted" << std::endl;
      return absl::OkStatus();
    });
  });
}

}  // namespace rolemesh::cli
