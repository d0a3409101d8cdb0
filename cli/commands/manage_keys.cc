#include "cli/commands/manage_keys.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include <CLI/CLI.hpp>

#include "base/status/status_macros.h"
#include "cli/commands/connect.h"
#include "cli/output/resource_table.h"

namespace rolemesh::cli {
namespace {

struct KeyArguments {
  std::vector<std::string> roles;
  std::string ttl;
  std::string note;
  std::string key_id;
  bool wait = false;
};

absl::Status CreateKey(MeshClient& client, const KeyArguments& arguments) {
  v1::CreateKeyRequest request;
  for (const std::string& role : arguments.roles) request.add_roles(role);
  request.set_note(arguments.note);
  if (!arguments.ttl.empty()) {
    absl::Duration ttl;
    if (!absl::ParseDuration(arguments.ttl, &ttl)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--ttl: \"", arguments.ttl, "\" must be a duration such as 24h"));
    }
    request.mutable_ttl()->set_seconds(absl::ToInt64Seconds(ttl));
  }
  RM_ASSIGN_OR_RETURN(const v1::CreateKeyReply reply, client.CreateKey(request));
  std::cout << reply.key() << std::endl;
  std::cerr << "key " << reply.key_id() << ", shown only once" << std::endl;
  return absl::OkStatus();
}

absl::Status RevokeKey(MeshClient& client, const KeyArguments& arguments) {
  v1::RevokeKeyRequest request;
  request.set_key_id(arguments.key_id);
  request.set_wait(arguments.wait);
  RM_ASSIGN_OR_RETURN(const v1::RevokeKeyReply reply, client.RevokeKey(request));
  if (reply.edges_waiting_size() > 0) {
    return absl::DeadlineExceededError(
        absl::StrCat("revoked, but these edges have not said so yet: ",
                     absl::StrJoin(reply.edges_waiting(), ", ")));
  }
  std::cout << "key " << arguments.key_id << " revoked" << std::endl;
  return absl::OkStatus();
}

}  // namespace

void AddKeyCommands(CLI::App& app, Session& session) {
  CLI::App* const key = app.add_subcommand("key", "API keys of clients");
  key->require_subcommand(1);
  const auto arguments = std::make_shared<KeyArguments>();

  CLI::App* const create = key->add_subcommand("create", "Make an API key");
  create->add_option("--role", arguments->roles, "Role it may use; repeatable; none: all");
  create->add_option("--ttl", arguments->ttl, "How long it is good; none: until revoked");
  create->add_option("--note", arguments->note, "For people");
  create->callback([&session, arguments] {
    session.Run([&](MeshClient& client) { return CreateKey(client, *arguments); });
  });

  CLI::App* const list = key->add_subcommand("list", "List API keys, without their secrets");
  list->callback([&session] {
    session.Run([&](MeshClient& client) -> absl::Status {
      v1::ListRequest request;
      request.set_kind(v1::RESOURCE_KIND_KEY);
      RM_ASSIGN_OR_RETURN(const v1::ListReply reply, client.List(request));
      std::cout << FormatResources(reply, v1::RESOURCE_KIND_KEY, absl::Now());
      return absl::OkStatus();
    });
  });

  CLI::App* const revoke = key->add_subcommand("revoke", "End an API key");
  revoke->add_option("id", arguments->key_id, "Id, as `meshctl key list` shows it")->required();
  revoke->add_flag("--wait", arguments->wait, "Return when every connected edge refuses it");
  revoke->callback([&session, arguments] {
    session.Run([&](MeshClient& client) { return RevokeKey(client, *arguments); });
  });
}

}  // namespace rolemesh::cli
