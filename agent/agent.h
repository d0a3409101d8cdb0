// The agent, put together: instances, front, link, admin listener.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "agent/config/agent_config.h"
#include "base/net/socket_address.h"
#include "base/time/clock.h"

namespace rolemesh::agent {

/// One running agent. Its llama-servers outlive a crash of it, but not a Drain().
///
/// Thread-safety: Build and Drain by one owner; Cut() from anywhere.
class Agent {
 public:
  /// Looks at all that the configuration names: folders, programs, models, ports.
  /// Errors: as Build(), each message beginning with FILE:LINE: key.
  static absl::Status Check(const AgentConfig& config);

  /// Becomes a member of the mesh unless it is one: with `token_file` ("-": standard input; empty:
  /// the environment's ROLEMESH_TOKEN). Blocks. `name` may be empty: the token's own.
  /// Errors: AlreadyExists: it is a member; those of client::Join.
  static absl::Status Join(const AgentConfig& config, const std::string& token_file,
                           const std::string& name, const base::Clock& clock);

  /// Binds, adopts and starts the instances, dials. Joins first when it is no member and the
  /// configuration names a token.
  /// Errors: FailedPrecondition: a port in use, another agent on the same state_dir, not joined;
  /// Unavailable, DeadlineExceeded: joining reached no control plane, try again; others: fix the
  /// configuration or the machine. One line.
  static absl::StatusOr<std::unique_ptr<Agent>> Build(const AgentConfig& config,
                                                      const base::Clock& clock);
  /// Lets the servers run on, as a crash would.
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Leaves the route tables, refuses new work, lets what runs finish within the cap, stops
  /// the servers. Blocks.
  void Drain();
  /// Makes a Drain() end within 2 s: requests are cut, servers killed.
  void Cut();

  /// With the actual port.
  const base::SocketAddress& front_address() const;

 private:
  struct State;
  explicit Agent(std::unique_ptr<State> state);

  const std::unique_ptr<State> state_;
};

}  // namespace rolemesh::agent
