// Connections to fronts and upstreams, kept for the next request.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/net/connection.h"
#include "base/net/io_task.h"
#include "base/time/clock.h"
#include "base/tls/tls_context.h"
#include "dataplane/upstream/destination.h"

namespace rolemesh::dataplane {

/// How the hop to fronts is secured. Both functions are called on the pool's thread.
struct HopSecurity {
  /// Our certificate and the mesh's roots, as of now; null: none yet.
  std::function<std::shared_ptr<const base::TlsContext>()> context;
  /// Whether a certificate that verified must be refused all the same.
  std::function<bool(const base::PeerIdentity&)> revoked;
};

struct PoolOptions {
  size_t idle_per_destination = 2;
  size_t idle_total = 1024;                           ///< The least recently used go first.
  absl::Duration idle_timeout = absl::Seconds(60);    ///< llama-server closes after 5 s.
  absl::Duration connect_timeout = absl::Seconds(1);  ///< TCP and TLS together.
};

/// A connection that one exchange owns.
struct UpstreamConnection {
  std::unique_ptr<base::Connection> connection;
  Destination destination;
  /// It has answered a request before, so the server may have closed it meanwhile.
  bool reused = false;
  /// The peer's certificate ends; infinite without TLS.
  absl::Time not_after = absl::InfiniteFuture();
};

/// Makes connections and keeps idle ones, of one thread.
///
/// An idle connection is looked at before it is used again: one that the server has closed,
/// or on which it said something unasked, is dropped.
/// Thread-safety: owned by the thread of its event loop.
class UpstreamPool {
 public:
  /// `clock` outlives the pool.
  UpstreamPool(base::IoExecutor executor, const base::Clock& clock, PoolOptions options,
               HopSecurity security);
  ~UpstreamPool();
  UpstreamPool(const UpstreamPool&) = delete;
  UpstreamPool& operator=(const UpstreamPool&) = delete;

  /// An idle connection that still looks alive, or null.
  std::unique_ptr<UpstreamConnection> TakeIdle(const Destination& destination);

  /// A new connection, TLS handshake and name check included.
  /// Errors: Unavailable, DeadlineExceeded: nobody there: eject it and try another;
  /// PermissionDenied, Unauthenticated: not whom we want; FailedPrecondition: no TLS, or we
  /// have no certificate yet; ResourceExhausted: no descriptors.
  base::IoTask<absl::StatusOr<std::unique_ptr<UpstreamConnection>>> Connect(
      Destination destination);

  /// Takes a connection back whose answer has ended in order.
  void Return(std::unique_ptr<UpstreamConnection> connection);

  /// Closes all idle connections (the certificate or the deny-list has changed, or the end).
  void CloseIdle();

  size_t idle_count() const { return idle_.size(); }

 private:
  struct Idle {
    std::unique_ptr<UpstreamConnection> connection;
    base::SteadyTime since;
  };
  using IdleList = std::list<Idle>;  // oldest first

  void Drop(IdleList::iterator idle);
  void Sweep(base::SteadyTime now);

  const base::IoExecutor executor_;
  const base::Clock& clock_;
  const PoolOptions options_;
  const HopSecurity security_;
  IdleList idle_;
  absl::flat_hash_map<Destination, std::list<IdleList::iterator>> by_destination_;
};

}  // namespace rolemesh::dataplane
