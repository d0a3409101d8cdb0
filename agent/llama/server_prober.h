// Asks a llama-server whether it is there and what it can do.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "agent/llama/server_properties.h"
#include "base/net/socket_address.h"
#include "base/tls/secret.h"

namespace rolemesh::agent {

/// What to ask whom.
/// Thread-safety: a value.
struct ProbeTarget {
  base::SocketAddress address;
  base::Secret key;
  bool try_embeddings = false;
};

/// Thread-safety: thread-safe.
class ServerProber {
 public:
  /// Properties when the server is up (abilities.embeddings only if they were tried). Otherwise:
  /// Unavailable: not yet (nobody listens, or the model is being loaded): ask again soon;
  /// others: it answers wrongly; the message says how.
  using Callback = absl::AnyInvocable<void(absl::StatusOr<ServerProperties>)>;

  virtual ~ServerProber() = default;

  /// Runs `done` once, on any thread, unless the prober is destroyed before.
  virtual void Probe(ProbeTarget target, Callback done) = 0;
};

/// Over HTTP: /health, then /props with the key, then one embedding if wished. On a thread of its
/// own.
class HttpServerProber final : public ServerProber {
 public:
  /// `timeout`: for each of the requests.
  explicit HttpServerProber(absl::Duration timeout = absl::Seconds(5));
  ~HttpServerProber() override;

  void Probe(ProbeTarget target, Callback done) override;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace rolemesh::agent
