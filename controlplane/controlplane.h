// The control plane put together: store, identity, reconciler, servers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "base/time/clock.h"
#include "controlplane/config/controlplane_config.h"

namespace rolemesh::controlplane {

/// One replica, from Build() until Stop().
///
/// Thread-safety: owned by its maker.
/// Ownership: `clock` outlives it.
class ControlPlane {
 public:
  /// Makes the mesh: store, certificate authority, record. Returns the SHA-256 of the root's public
  /// key. An authority that is there already (an earlier attempt, or brought along) is kept.
  /// Errors: AlreadyExists: the store holds a mesh: nothing was changed; those of files and store.
  static absl::StatusOr<std::string> Init(const ControlPlaneConfig& config,
                                          const base::Clock& clock);

  /// Looks whether Build() would succeed, without changing anything: files there and readable,
  /// ports free. Errors: FailedPrecondition and others, as one line with file, line, key and
  /// remedy.
  static absl::Status Check(const ControlPlaneConfig& config, const base::Clock& clock);

  /// Starts everything; serves when it returns.
  /// Errors: as Check().
  static absl::StatusOr<std::unique_ptr<ControlPlane>> Build(const ControlPlaneConfig& config,
                                                             const base::Clock& clock);

  /// Stops.
  ~ControlPlane();
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;

  /// Says goodbye on every stream, waits at most 2 s for calls to end, ends everything in steps.
  /// Harmless twice.
  void Stop();

  uint16_t port() const;              ///< Of gRPC over TLS.
  std::string admin_address() const;  ///< "127.0.0.1:9070"; empty when off.

 private:
  struct Parts;
  explicit ControlPlane(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace rolemesh::controlplane
