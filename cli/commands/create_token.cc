#include "cli/commands/create_token.h"

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include <CLI/CLI.hpp>

#include "base/status/status_macros.h"
#include "cli/commands/connect.h"
#include "proto/contract/validators.h"

namespace rolemesh::cli {
namespace {

struct TokenArguments {
  std::string kind;
  std::string name;
  std::vector<std::string> roles;
  std::string ttl = "15m";
  std::string address;
  std::string scope = "admin";
  bool reusable = false;
  uint32_t max_live = 0;
  std::string approve = "manual";
};

const std::map<std::string, v1::IdentityKind>& IdentityKinds() {
  static const auto* const kinds =
      new std::map<std::string, v1::IdentityKind>{{"node", v1::IDENTITY_KIND_NODE},
                                                  {"edge", v1::IDENTITY_KIND_EDGE},
                                                  {"operator", v1::IDENTITY_KIND_OPERATOR}};
  return *kinds;
}

const std::map<std::string, v1::OperatorScope>& Scopes() {
  static const auto* const scopes =
      new std::map<std::string, v1::OperatorScope>{{"viewer", v1::OPERATOR_SCOPE_VIEWER},
                                                   {"operator", v1::OPERATOR_SCOPE_OPERATOR},
                                                   {"admin", v1::OPERATOR_SCOPE_ADMIN}};
  return *scopes;
}

absl::Status CreateToken(MeshClient& client, const TokenArguments& arguments) {
  absl::Duration ttl;
  if (!absl::ParseDuration(arguments.ttl, &ttl)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--ttl: \"", arguments.ttl, "\" must be a duration such as 15m or 24h"));
  }
  v1::CreateTokenRequest request;
  request.set_kind(IdentityKinds().at(arguments.kind));
  request.set_name_pattern(arguments.name);
  for (const std::string& role : arguments.roles) request.add_roles(role);
  request.mutable_ttl()->set_seconds(absl::ToInt64Seconds(ttl));
  request.set_front_address(arguments.address);
  if (arguments.kind == "operator") request.set_scope(Scopes().at(arguments.scope));
  request.set_reusable(arguments.reusable);
  request.set_max_live(arguments.max_live);
  request.set_auto_approve(arguments.approve == "auto");
  RM_RETURN_IF_ERROR(contract::Validate(request));
  RM_ASSIGN_OR_RETURN(const v1::CreateTokenReply reply, client.CreateToken(request));
  // The token alone goes to standard output, so that it can be piped.
  std::cout << reply.token() << std::endl;
  std::cerr << "token " << reply.token_id() << " for " << arguments.kind << " " << arguments.name
            << ", shown only once, good until "
            << absl::FormatTime("%H:%M:%S UTC", absl::FromUnixSeconds(reply.expires_at().seconds()),
                                absl::UTCTimeZone())
            << std::endl;
  return absl::OkStatus();
}

}  // namespace

void AddTokenCommands(CLI::App& app, Session& session) {
  CLI::App* const token = app.add_subcommand("token", "Join tokens");
  token->require_subcommand(1);
  CLI::App* const create = token->add_subcommand("create", "Make a join token");
  const auto arguments = std::make_shared<TokenArguments>();
  create->add_option("--kind", arguments->kind, "node, edge or operator")
      ->required()
      ->check(CLI::IsMember(IdentityKinds()));
  create->add_option("--name", arguments->name, "Name, or pattern ending in *")->required();
  create->add_option("--role", arguments->roles, "Role that the node may serve; repeatable");
  create->add_option("--ttl", arguments->ttl, "How long it may be used")->capture_default_str();
  create->add_option("--address", arguments->address,
                     "Where edges reach the node's front, when not where it connects from");
  create->add_option("--scope", arguments->scope, "Of an operator: viewer, operator or admin")
      ->check(CLI::IsMember(Scopes()))
      ->capture_default_str();
  create->add_flag("--reusable", arguments->reusable, "May be used until it expires");
  create->add_option("--max-live", arguments->max_live, "With --reusable: members at once");
  create->add_option("--approve", arguments->approve, "With --reusable: manual or auto")
      ->check(CLI::IsMember({"manual", "auto"}))
      ->capture_default_str();
  create->callback([&session, arguments] {
    session.Run([&](MeshClient& client) { return CreateToken(client, *arguments); });
  });
}

}  // namespace rolemesh::cli
