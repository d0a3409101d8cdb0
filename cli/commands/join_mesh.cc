#include "cli/commands/join_mesh.h"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include <CLI/CLI.hpp>

#include "base/status/status_macros.h"
#include "base/time/clock.h"
#include "cli/commands/connect.h"
#include "proto/client/enrollment.h"
#include "proto/client/identity_files.h"
#include "proto/contract/join_token.h"
#include "proto/contract/spiffe_id.h"

namespace rolemesh::cli {
namespace {

struct JoinArguments {
  std::string token_file;
  std::string name;
};

absl::StatusOr<contract::JoinToken> FindToken(const JoinArguments& arguments) {
  if (!arguments.token_file.empty()) return client::ReadJoinToken(arguments.token_file);
  const char* const text = std::getenv("ROLEMESH_TOKEN");
  if (text == nullptr) {
    return absl::InvalidArgumentError(
        "give the token by --token-file FILE, --token-file - (standard input) or ROLEMESH_TOKEN; "
        "an admin makes one with `meshctl token create --kind operator --name NAME`");
  }
  return contract::ParseJoinToken(text);
}

absl::Status Join(const Session& session, const JoinArguments& arguments) {
  if (session.servers.empty() || session.identity.empty()) {
    return absl::InvalidArgumentError(
        "join needs --server HOST:PORT and --identity FOLDER (where to put the identity)");
  }
  client::JoinOptions options;
  options.control_planes = absl::StrSplit(session.servers, ',', absl::SkipWhitespace());
  RM_ASSIGN_OR_RETURN(options.token, FindToken(arguments));
  options.kind = contract::IdentityKind::kOperator;
  options.name = arguments.name;
  const auto clock = base::MakeSystemClock();
  RM_ASSIGN_OR_RETURN(const client::MeshIdentity identity, client::Join(options, *clock));
  RM_RETURN_IF_ERROR(client::SaveIdentity(session.identity, identity));
  std::cout << "joined as " << identity.id.ToUri() << "; the identity is in " << session.identity
            << std::endl;
  return absl::OkStatus();
}

}  // namespace

void AddJoinCommand(CLI::App& app, Session& session) {
  CLI::App* const join = app.add_subcommand("join", "Become an operator of a mesh by a join token");
  const auto arguments = std::make_shared<JoinArguments>();
  join->add_option("--token-file", arguments->token_file, "File with the token; - is stdin");
  join->add_option("--name", arguments->name, "Your name, where the token leaves it open");
  join->callback([&session, arguments] { session.status = Join(session, *arguments); });
}

}  // namespace rolemesh::cli
