#include "cli/commands/get_resources.h"

#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include <CLI/CLI.hpp>

#include "base/status/status_macros.h"
#include "cli/commands/connect.h"
#include "cli/output/message_format.h"
#include "cli/output/resource_table.h"

namespace rolemesh::cli {
namespace {

struct GetArguments {
  std::string kind;
  std::string name;
  std::string output = "table";
  bool watch = false;
};

const std::map<std::string, v1::ResourceKind>& Kinds() {
  static const auto* const kinds = new std::map<std::string, v1::ResourceKind>{
      {"nodes", v1::RESOURCE_KIND_NODE},   {"instances", v1::RESOURCE_KIND_INSTANCE},
      {"roles", v1::RESOURCE_KIND_ROLE},   {"edges", v1::RESOURCE_KIND_EDGE},
      {"routes", v1::RESOURCE_KIND_ROUTE}, {"keys", v1::RESOURCE_KIND_KEY}};
  return *kinds;
}

// Prints `message` in the script formats; nothing for "table".
absl::Status PrintMessage(const google::protobuf::Message& message, const std::string& output) {
  const absl::StatusOr<std::string> text =
      output == "json" ? FormatJson(message) : FormatYaml(message);
  if (!text.ok()) return text.status();
  std::cout << *text << std::flush;
  return absl::OkStatus();
}

absl::Status PrintList(const v1::ListReply& reply, const GetArguments& arguments) {
  if (arguments.output != "table") return PrintMessage(reply, arguments.output);
  std::cout << FormatResources(reply, Kinds().at(arguments.kind), absl::Now()) << std::flush;
  return absl::OkStatus();
}

absl::Status Get(MeshClient& client, const GetArguments& arguments) {
  v1::ListRequest request;
  request.set_kind(Kinds().at(arguments.kind));
  request.set_name(arguments.name);
  if (arguments.watch) {
    absl::Status printed;
    RM_RETURN_IF_ERROR(client.Watch(request, [&](const v1::ListReply& reply) {
      printed = PrintList(reply, arguments);
      if (arguments.output == "table") std::cout << std::endl;
      return printed.ok() && std::cout.good();
    }));
    return printed;
  }
  RM_ASSIGN_OR_RETURN(const v1::ListReply reply, client.List(request));
  return PrintList(reply, arguments);
}

}  // namespace

void AddGetCommands(CLI::App& app, Session& session) {
  CLI::App* const status = app.add_subcommand("status", "The mesh at a glance");
  const auto status_output = std::make_shared<std::string>("table");
  status->add_option("-o,--output", *status_output, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}));
  status->callback([&session, status_output] {
    session.Run([&](MeshClient& client) -> absl::Status {
      RM_ASSIGN_OR_RETURN(const v1::GetStatusReply reply, client.GetStatus());
      if (*status_output != "table") return PrintMessage(reply, *status_output);
      std::cout << FormatStatus(reply);
      return absl::OkStatus();
    });
  });

  CLI::App* const get =
      app.add_subcommand("get", "List nodes, instances, roles, edges, routes or keys");
  const auto arguments = std::make_shared<GetArguments>();
  get->add_option("kind", arguments->kind, "nodes, instances, roles, edges, routes or keys")
      ->required()
      ->check(CLI::IsMember(Kinds()));
  get->add_option("name", arguments->name, "Only this one");
  get->add_option("-o,--output", arguments->output, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
  get->add_flag("-w,--watch", arguments->watch, "Print again whenever it changes, until ended");
  get->callback([&session, arguments] {
    session.Run([&](MeshClient& client) { return Get(client, *arguments); });
  });
}

}  // namespace rolemesh::cli
