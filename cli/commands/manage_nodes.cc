#include "cli/commands/manage_nodes.h"

#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include <CLI/CLI.hpp>

#include "base/status/status_macros.h"
#include "cli/commands/connect.h"

namespace rolemesh::cli {
namespace {

struct NodeArguments {
  std::string node;
  std::string address;
  bool wait = false;
};

void PrintStep(const v1::DrainNodeReply& step) {
  if (step.done()) {
    std::cout << "done: no edge routes there" << std::endl;
    return;
  }
  if (step.edges_waiting_size() > 0) {
    std::cout << "waiting for " << absl::StrJoin(step.edges_waiting(), ", ") << std::endl;
  }
  if (step.has_running() && step.running() > 0) {
    std::cout << step.running() << " requests still run" << std::endl;
  }
}

absl::Status Drain(MeshClient& client, const NodeArguments& arguments, bool draining) {
  v1::DrainNodeRequest request;
  request.set_node_id(arguments.node);
  request.set_draining(draining);
  request.set_wait(arguments.wait);
  RM_RETURN_IF_ERROR(client.DrainNode(request, [&](const v1::DrainNodeReply& step) {
    if (arguments.wait) PrintStep(step);
  }));
  if (!arguments.wait) {
    std::cout << "node " << arguments.node << (draining ? " drains" : " takes requests again")
              << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace

void AddNodeCommands(CLI::App& app, Session& session) {
  CLI::App* const node = app.add_subcommand("node", "Take nodes out of use and back");
  node->require_subcommand(1);
  const auto arguments = std::make_shared<NodeArguments>();

  CLI::App* const drain = node->add_subcommand("drain", "Route nothing to a node any more");
  drain->add_option("node", arguments->node, "Its name")->required();
  drain->add_flag("--wait", arguments->wait, "Return when no request runs there");
  drain->callback([&session, arguments] {
    session.Run([&](MeshClient& client) { return Drain(client, *arguments, true); });
  });

  CLI::App* const undrain = node->add_subcommand("undrain", "Route to a drained node again");
  undrain->add_option("node", arguments->node, "Its name")->required();
  undrain->callback([&session, arguments] {
    session.Run([&](MeshClient& client) { return Drain(client, *arguments, false); });
  });

  CLI::App* const address = node->add_subcommand("address", "Set where edges reach a node's front");
  address->add_option("node", arguments->node, "Its name")->required();
  address->add_option("address", arguments->address,
                      "IP address; none: where its stream comes from");
  address->callback([&session, arguments] {
    session.Run([&](MeshClient& client) -> absl::Status {
      v1::SetNodeAddressRequest request;
      request.set_node_id(arguments->node);
      request.set_address(arguments->address);
      return client.SetNodeAddress(request).status();
    });
  });
}

}  // namespace rolemesh::cli
