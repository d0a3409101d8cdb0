// The edge's listener: OpenAI-compatible HTTP in, requests to endpoints out.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/metrics/registry.h"
#include "base/net/socket_address.h"
#include "base/time/clock.h"
#include "base/tls/tls_context.h"
#include "dataplane/downstream/client_connection.h"
#include "dataplane/routing/route_table.h"
#include "dataplane/upstream/endpoint_health.h"
#include "dataplane/upstream/upstream_pool.h"

namespace rolemesh::dataplane {

struct EdgeOptions {
  base::SocketAddress listen;  ///< Port 0: the kernel chooses.
  int thread_count = 0;        ///< 0: one per core.
  size_t max_connections = 9000;
  ClientLimits limits;
  PoolOptions pool;
  absl::Duration upstream_write_timeout = absl::Seconds(60);
};

/// The key of `table` that `text` (what the client sent) proves; one that holds for that table.
/// Errors: Unauthenticated: any reason; clients are told no difference.
/// Called on all threads at once.
using KeyVerifier =
    std::function<absl::StatusOr<const ApiKey*>(const RouteTable& table, absl::string_view text)>;

/// Our certificate on the hop to fronts, as of now; null: none yet. Called on all threads at once.
using HopContext = std::function<std::shared_ptr<const base::TlsContext>()>;

/// One thread per core, each with its own listener on the port, event loop and pools.
///
/// Thread-safety: Start, Drain and Stop by one owner; Stop() may end a Drain() from another
/// thread; the rest is thread-safe.
class EdgeServer {
 public:
  /// Binds. `tables`, `clock` and `metrics` outlive it. Errors: of base::Listener::Build.
  static absl::StatusOr<std::unique_ptr<EdgeServer>> Build(
      const EdgeOptions& options, const RouteTableHolder& tables, KeyVerifier verify_key,
      HopContext hop_context, const base::Clock& clock, base::MetricRegistry& metrics);
  ~EdgeServer();  ///< Stop().
  EdgeServer(const EdgeServer&) = delete;
  EdgeServer& operator=(const EdgeServer&) = delete;

  /// With the actual port.
  const base::SocketAddress& address() const;

  void Start();
  /// /ready fails at once, the listener stays for `delay`, what runs may finish within `cap`; then
  /// streams end with an error event. Returns when all is done or Stop() was called.
  void Drain(absl::Duration delay, absl::Duration cap);
  /// Closes everything, in less than 2 s.
  void Stop();

  /// The certificate has changed: idle connections to fronts are closed.
  void OnHopContextChanged();

  /// For the edge's reports to the control plane.
  EndpointHealth& health();

 private:
  struct State;
  explicit EdgeServer(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace rolemesh::dataplane
