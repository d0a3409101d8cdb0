// The agent's own listener: the only way to its llama-servers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "agent/front/front_trust.h"
#include "agent/supervision/instance_directory.h"
#include "base/metrics/registry.h"
#include "base/net/socket_address.h"
#include "base/time/clock.h"
#include "dataplane/downstream/client_connection.h"
#include "dataplane/forwarding/http_relay.h"

namespace rolemesh::agent {

struct FrontOptions {
  base::SocketAddress listen;  ///< Port 0: the kernel chooses.
  int thread_count = 1;
  size_t max_connections = 4096;
  dataplane::ClientLimits limits;
  /// Longer than edges wait: they decide when it is too long.
  dataplane::RelayTimeouts timeouts{absl::Seconds(60), absl::Minutes(30), absl::Minutes(10)};
  /// Requests that may wait in llama-server's own queue, per slot; beyond: "busy". It has no
  /// bound of its own.
  int queued_per_slot = 64;
};

/// Accepts edges over mTLS and forwards each request to the instance that it names:
///
///   request: X-RoleMesh-Instance and X-RoleMesh-Generation, a path of the API (api_paths.h)
///   421: no such instance, or another generation of it: the edge's table is old
///   503 with X-RoleMesh-Not-Started: draining | not-ready | busy: nothing was begun
///   502 with X-RoleMesh-Instance-Died: it died, or broke off, before the first byte
///   else the instance's own answer; one that breaks off later is cut, never ended cleanly
///
/// An edge that leaves closes the connection to llama-server, which frees its slot.
///
/// Thread-safety: Start, Drain and Stop by one owner; Stop() may end a Drain() from another thread.
/// Ownership: `directory`, `trust`, `clock` and `metrics` outlive it.
class Front {
 public:
  /// Binds. Errors: of base::Listener::Build.
  static absl::StatusOr<std::unique_ptr<Front>> Build(const FrontOptions& options,
                                                      InstanceDirectory& directory,
                                                      const FrontTrust& trust,
                                                      const base::Clock& clock,
                                                      base::MetricRegistry& metrics);
  ~Front();  ///< Stop().
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  /// With the actual port.
  const base::SocketAddress& address() const;

  void Start();
  /// Accepts no more, lets what runs finish within `cap`, then cuts it. Instances should be marked
  /// draining before, so that edges go elsewhere.
  void Drain(absl::Duration cap);
  /// Closes everything, in less than 2 s.
  void Stop();

 private:
  struct State;
  explicit Front(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace rolemesh::agent
