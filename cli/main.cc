// meshctl: what people and scripts do with a mesh.
#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include <CLI/CLI.hpp>

#include "base/status/build_version.h"
#include "base/status/exit_code.h"
#include "cli/commands/apply_roles.h"
#include "cli/commands/completion.h"
#include "cli/commands/connect.h"
#include "cli/commands/create_token.h"
#include "cli/commands/get_resources.h"
#include "cli/commands/join_mesh.h"
#include "cli/commands/manage_keys.h"
#include "cli/commands/manage_nodes.h"
#include "cli/commands/tail_logs.h"

namespace {

constexpr char kFooter[] =
    "Exit codes: 0 done, 1 failure, 2 usage, 3 not found, 4 not allowed, 5 unavailable,\n"
    "6 timed out, 7 conflict.\n\n"
    "First steps, on the control plane's machine as root:\n"
    "  meshctl token create --kind operator --name you | \\\n"
    "    meshctl join --server HOST:7443 --identity ~/.config/rolemesh --token-file -";

}  // namespace

int main(int argc, char** argv) {
  // gRPC's own log lines would stand between the answers.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  rolemesh::cli::Session session;
  CLI::App app("Operates a RoleMesh: nodes, roles, keys and routes.", "meshctl");
  app.set_version_flag("--version",
                       absl::StrCat("meshctl ", std::string(rolemesh::base::BuildVersion())));
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kFooter);
  rolemesh::cli::AddConnectOptions(app, session);
  rolemesh::cli::AddGetCommands(app, session);
  rolemesh::cli::AddTokenCommands(app, session);
  rolemesh::cli::AddKeyCommands(app, session);
  rolemesh::cli::AddNodeCommands(app, session);
  rolemesh::cli::AddRoleCommands(app, session);
  rolemesh::cli::AddLogsCommand(app, session);
  rolemesh::cli::AddJoinCommand(app, session);
  rolemesh::cli::AddCompletionCommand(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11's way to say so
    return app.exit(error) == 0 ? static_cast<int>(rolemesh::base::ExitCode::kOk) : 2;
  }
  if (!session.status.ok()) {
    std::cerr << "meshctl: " << session.status.message() << std::endl;
  }
  return rolemesh::base::ExitCodeFor(session.status);
}
