// Keeps a member's certificate fresh over its stream to the control plane.
#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/async/executor.h"
#include "base/time/clock.h"
#include "proto/client/identity_files.h"
#include "proto/client/renewal.h"
#include "rolemesh/v1/common.pb.h"

namespace rolemesh::client {

/// Asks for a new certificate, with a new key, when two thirds of the old one's life are over;
/// later while no stream is open, and again after a failure. The owner of the stream tells it when
/// it may ask.
///
/// Thread-safety: the constructor apart, called on `executor` only, where its hooks run too.
/// Ownership: the references outlive it. Destroyed once `executor` has stopped.
class CertificateRenewer {
 public:
  struct Hooks {
    /// Sends a request on the open stream.
    std::function<void(v1::CertificateRequest request)> send;
    /// The new identity; it is on disk already.
    std::function<void(const MeshIdentity& identity)> on_renewed;
    /// In [0, 1).
    std::function<double()> random;
  };

  CertificateRenewer(MeshIdentity identity, std::string identity_dir, Hooks hooks,
                     base::Executor& executor, const base::Clock& clock);

  /// What to show at the next dial.
  const MeshIdentity& identity() const { return identity_; }

  void Start();
  /// A control plane has welcomed us: asks when it is time.
  void OnConnected();
  /// The stream is gone, and what was asked with it.
  void OnDisconnected();
  void OnReply(const v1::CertificateReply& reply);

 private:
  void Schedule(absl::Time when);
  void RenewWhenDue();

  MeshIdentity identity_;
  const std::string identity_dir_;
  const Hooks hooks_;
  base::Executor& executor_;
  const base::Clock& clock_;
  bool connected_ = false;
  absl::optional<Renewal> renewal_;  // asked for on this stream
  absl::Time renew_at_ = absl::InfiniteFuture();
  base::TimerId timer_ = base::kNoTimer;
};

}  // namespace rolemesh::client
