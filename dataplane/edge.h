// The edge, put together: table, link to the control plane, listener, admin listener.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "base/net/socket_address.h"
#include "base/time/clock.h"
#include "dataplane/config/edge_config.h"

namespace rolemesh::dataplane {

/// One running edge.
///
/// Thread-safety: Build, Open and Drain by one owner; Cut() from anywhere.
class Edge {
 public:
  /// Looks at all that the configuration names: folders, identity, table, ports.
  /// Errors: as Build(), each message beginning with FILE:LINE: key.
  static absl::Status Check(const EdgeConfig& config);

  /// Becomes a member of the mesh unless it is one: with `token_file` ("-": standard input; empty:
  /// the environment's ROLEMESH_TOKEN). Blocks. `name` may be empty: the token's own.
  /// Errors: AlreadyExists: it is a member; those of client::Join.
  static absl::Status Join(const EdgeConfig& config, const std::string& token_file,
                           const std::string& name, const base::Clock& clock);

  /// Binds, takes the table from disk, dials. Joins first when it is no member and the
  /// configuration names a token.
  /// Errors: FailedPrecondition: a port in use, another edge on the same state_dir, not joined;
  /// Unavailable, DeadlineExceeded: joining reached no control plane, try again; others: fix the
  /// configuration or the machine. One line.
  static absl::StatusOr<std::unique_ptr<Edge>> Build(const EdgeConfig& config,
                                                     const base::Clock& clock);
  ~Edge();
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  /// Begins to serve clients. On a loopback address at once, and without a table everything is
  /// 503; elsewhere only with a table that has an API key.
  /// Errors: Unavailable: no table yet, ask again; FailedPrecondition: it has no key: make one.
  absl::Status Open();

  /// Leaves the mesh's list, fails /ready, lets what runs finish. Blocks.
  void Drain();
  /// Makes a Drain() end within 2 s.
  void Cut();

  /// With the actual port.
  const base::SocketAddress& address() const;

 private:
  struct State;
  explicit Edge(std::unique_ptr<State> state);

  const std::unique_ptr<State> state_;
};

}  // namespace rolemesh::dataplane
