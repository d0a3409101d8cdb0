// What every command of meshctl shares: the options that name a control plane.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <CLI/CLI.hpp>

#include "cli/client/mesh_client.h"

namespace rolemesh::cli {

/// Filled by the command line; outlives every command. `status` is what the
/// command that ran ended with.
///
/// Thread-safety: one thread.
struct Session {
  std::string servers;  ///< HOST:PORT, comma-separated.
  std::string identity;
  std::string socket;
  double timeout_s = 10;
  absl::Status status;

  absl::StatusOr<std::unique_ptr<MeshClient>> Connect() const;

  /// Runs `action` with a connected client and keeps what it returns.
  void Run(const std::function<absl::Status(MeshClient&)>& action);
};

/// Adds --server, --identity, --socket and --timeout, with their variables
/// ROLEMESH_SERVER, ROLEMESH_IDENTITY, ROLEMESH_SOCKET.
void AddConnectOptions(CLI::App& app, Session& session);

}  // namespace rolemesh::cli
