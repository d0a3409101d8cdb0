#include "cli/commands/tail_logs.h"

#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include <CLI/CLI.hpp>

#include "cli/commands/connect.h"
#include "proto/contract/limits.h"

namespace rolemesh::cli {
namespace {

struct LogArguments {
  std::string target;
  uint32_t line_count = 100;
};

absl::Status TailLogs(MeshClient& client, const LogArguments& arguments) {
  const size_t slash = arguments.target.find('/');
  if (slash == std::string::npos) {
    return absl::InvalidArgumentError(
        "name it as NODE/INSTANCE; `meshctl get instances` lists them");
  }
  v1::TailLogsRequest request;
  request.set_node_id(arguments.target.substr(0, slash));
  request.set_instance_id(arguments.target.substr(slash + 1));
  request.set_line_count(arguments.line_count);
  return client.TailLogs(request, [](const std::string& data) { std::cout << data << std::flush; });
}

}  // namespace

void AddLogsCommand(CLI::App& app, Session& session) {
  CLI::App* const logs = app.add_subcommand("logs", "Newest lines of a llama-server's output");
  const auto arguments = std::make_shared<LogArguments>();
  logs->add_option("instance", arguments->target, "NODE/INSTANCE")->required();
  logs->add_option("-n,--lines", arguments->line_count, "How many lines")
      ->check(CLI::Range(1, contract::kMaxLogLines))
      ->capture_default_str();
  logs->callback([&session, arguments] {
    session.Run([&](MeshClient& client) { return TailLogs(client, *arguments); });
  });
}

}  // namespace rolemesh::cli
