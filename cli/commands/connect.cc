#include "cli/commands/connect.h"

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

#include "cli/client/mesh_client.h"

namespace rolemesh::cli {

absl::StatusOr<std::unique_ptr<MeshClient>> Session::Connect() const {
  ConnectOptions options;
  options.servers = absl::StrSplit(servers, ',', absl::SkipWhitespace());
  options.identity = identity;
  options.socket = socket;
  options.timeout = absl::Seconds(timeout_s);
  return MeshClient::Connect(options);
}

void Session::Run(const std::function<absl::Status(MeshClient&)>& action) {
  const absl::StatusOr<std::unique_ptr<MeshClient>> client = Connect();
  status = client.ok() ? action(**client) : client.status();
}

void AddConnectOptions(CLI::App& app, Session& session) {
  app.add_option("--server", session.servers, "Control plane, HOST:PORT[,HOST:PORT]")
      ->envname("ROLEMESH_SERVER")
      ->group("Connection");
  app.add_option("--identity", session.identity, "Folder that `meshctl join` filled")
      ->envname("ROLEMESH_IDENTITY")
      ->group("Connection");
  app.add_option("--socket", session.socket, "Control plane's unix socket, for its own machine")
      ->envname("ROLEMESH_SOCKET")
      ->default_val("/var/lib/rolemesh/controlplane/controlplane.sock")
      ->group("Connection");
  app.add_option("--timeout", session.timeout_s, "Seconds to wait for an answer")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str()
      ->group("Connection");
}

}  // namespace rolemesh::cli
