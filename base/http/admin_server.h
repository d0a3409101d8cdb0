// The listener for operators and probes: health, metrics, small pages.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/net/socket_address.h"

namespace rolemesh::base {

struct AdminReply {
  std::string content_type;
  std::string body;
  int status = 200;
};

struct AdminServerOptions {
  SocketAddress listen;                       ///< Port 0 for tests.
  size_t max_connections = 64;                ///< Beyond: closed at once.
  absl::Duration timeout = absl::Seconds(5);  ///< For a request, and for its answer.
};

/// Serves GET and HEAD on a thread of its own:
///   /healthz   200 "ok" while the process runs
///   /readyz    200 "ready", or 503 with the reason
///   /metrics   Prometheus text, when a source was given
///   others     as registered; else 404, other methods 405
///
/// Callbacks run on the server's thread, one at a time: they return quickly, or the probes wait.
/// What they touch outlives Stop().
///
/// On an address that is not loopback only /healthz and /readyz may be served (`health_listen`):
/// Start() refuses anything else.
///
/// Thread-safety: set up and stopped by one owner; callbacks see the server's thread.
class AdminServer {
 public:
  explicit AdminServer(AdminServerOptions options);
  /// Stops.
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Before Start():

  /// OK = ready; otherwise the message is the reason shown (on loopback only; elsewhere
  /// "not ready"). Without one: ready.
  void SetReadiness(std::function<absl::Status()> readiness);
  void SetMetrics(std::function<std::string()> render);
  /// `path` starts with "/" and is compared exactly, without the query.
  void AddPage(std::string path, std::function<AdminReply()> page);

  /// Binds, then serves until Stop().
  /// Errors: those of Listener::Build; InvalidArgument: not loopback and more than health: the
  /// message says what to change.
  absl::Status Start();

  /// Closes listener and connections, joins the thread. Harmless twice and without Start().
  void Stop();

  /// After Start(): with the actual port.
  const SocketAddress& address() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace rolemesh::base
