// Accepts connections on several threads and serves each with a coroutine.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/metrics/registry.h"
#include "base/net/io_task.h"
#include "base/net/socket_address.h"
#include "base/time/clock.h"
#include "base/tls/tls_context.h"
#include "dataplane/downstream/client_connection.h"

namespace rolemesh::dataplane {

struct ServerOptions {
  std::string name;             ///< "edge", "front": for logs and metric names.
  base::SocketAddress address;  ///< Port 0: the kernel chooses.
  int thread_count = 1;
  size_t max_connections = 9000;  ///< Of all threads together; beyond, they are closed at once.
  ClientLimits limits;
  /// Set: every connection starts with a TLS handshake under the context that it returns
  /// then, so that certificates can change. Called on the server's threads.
  std::function<std::shared_ptr<const base::TlsContext>()> tls;
  absl::Duration handshake_timeout = absl::Seconds(10);
};

/// Threads, each with an event loop, a listener on the same port (SO_REUSEPORT) and a Handler.
///
/// Start, then once Drain, then Stop (or Stop at once).
/// Thread-safety: Start, Drain and Stop by one owner, but Stop() may end a Drain() from another
/// thread; the rest is thread-safe.
class ConnectionServer {
 public:
  /// One per thread: what connections of that thread share. Called on that thread only.
  class Handler {
   public:
    virtual ~Handler() = default;
    /// Serves the connection until it ends; it is closed afterwards. `client` lives until then.
    virtual base::IoTask<> Serve(ClientConnection* client) = 0;
    /// Before the end: close what belongs to the event loop (pooled connections, timers).
    virtual void Close() {}
  };
  using MakeHandler =
      std::function<std::unique_ptr<Handler>(base::IoExecutor executor, int thread)>;

  /// Binds; nothing is accepted before Start(). `clock` and `metrics` outlive the server.
  /// Errors: of base::Listener::Build.
  static absl::StatusOr<std::unique_ptr<ConnectionServer>> Build(ServerOptions options,
                                                                 const base::Clock& clock,
                                                                 base::MetricRegistry& metrics,
                                                                 const MakeHandler& make_handler);
  ~ConnectionServer();  ///< Stop().
  ConnectionServer(const ConnectionServer&) = delete;
  ConnectionServer& operator=(const ConnectionServer&) = delete;

  const base::SocketAddress& address() const;

  void Start();

  /// draining() from now on; after `delay` nothing new is accepted and idle connections are closed;
  /// what runs may finish within `cap`, then it is cut. Returns when no connection is
  /// left or Stop() was called.
  void Drain(absl::Duration delay, absl::Duration cap);
  bool draining() const;

  /// Closes everything and ends the threads, in less than 2 s.
  void Stop();

  size_t connection_count() const;
  /// Runs `function` on every thread, soon.
  void Post(const std::function<void(Handler&)>& function);

 private:
  struct Thread;
  struct Shared;
  ConnectionServer();

  std::unique_ptr<Shared> shared_;
};

}  // namespace rolemesh::dataplane
