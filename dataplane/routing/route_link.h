// Keeps the edge's conversation with the control plane going, and its table new.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

#include "base/async/executor.h"
#include "base/metrics/registry.h"
#include "base/time/clock.h"
#include "dataplane/routing/route_stream.h"
#include "dataplane/routing/route_table.h"
#include "dataplane/routing/table_replica.h"
#include "proto/client/address_rotation.h"
#include "proto/client/certificate_renewer.h"
#include "proto/client/identity_files.h"
#include "rolemesh/v1/route.pb.h"

namespace rolemesh::dataplane {

struct RouteLinkOptions {
  std::vector<std::string> control_planes;  ///< HOST:PORT each, at least one.
  std::string identity_dir;                 ///< Renewed certificates are saved there.
  std::string listen_address;               ///< For display.
  /// Without a welcome in this time the next address is tried.
  absl::Duration welcome_timeout = absl::Seconds(15);
  /// After the control plane said not to come back; a person may change its mind.
  absl::Duration refused_pause = absl::Seconds(60);
  /// How often `unreachable` is asked.
  absl::Duration sight_interval = absl::Milliseconds(100);
};

/// What the link tells the rest of the edge, and asks it; all called on its executor.
struct RouteLinkHooks {
  /// A newer table; every request that begins after this call uses it.
  std::function<void(std::shared_ptr<const RouteTable> table,
                     const TableReplica::Contents& contents)>
      on_table;
  /// A renewed certificate; it is saved already.
  std::function<void(const client::MeshIdentity& identity)> on_identity;
  /// Ids of endpoints that this edge cannot reach now.
  std::function<absl::flat_hash_set<std::string>()> unreachable;
  /// In [0, 1).
  std::function<double()> random;
};

/// Says what table it holds, applies what comes, acknowledges it or says why not; tells which
/// endpoints it cannot reach; renews the certificate; comes back, with jitter and to the next
/// control plane, when the stream ends. The table stays in force meanwhile.
///
/// Thread-safety: Leave and connected() from anywhere; the rest before Start().
/// Ownership: the references outlive it. Destroyed once `executor` has stopped.
class RouteLink {
 public:
  /// `replica`: the table from disk, or an empty one.
  RouteLink(RouteLinkOptions options, client::MeshIdentity identity, TableReplica replica,
            RouteLinkHooks hooks, base::Executor& executor, const base::Clock& clock,
            RouteStreamDialer& dialer, base::MetricRegistry& metrics);
  ~RouteLink();

  void Start();

  /// Tells the control plane that the edge goes, and dials no more. `left` runs once, on the
  /// executor, when it is told or cannot be, within 2 s.
  void Leave(std::string reason, std::function<void()> left);

  /// A control plane has welcomed us.
  bool connected() const { return connected_.load(std::memory_order_relaxed); }

 private:
  void Dial() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void DialAfter(absl::Duration pause) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void SendHello() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void OnMessage(uint64_t session, v1::RouteMessage message);
  void OnClosed(uint64_t session, const absl::Status& status);
  void HandleWelcome(const v1::EdgeWelcome& welcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void HandleUpdate(v1::TableUpdate update) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void TellSights(uint64_t session);
  void EndSession() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);
  void FinishLeaving() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_);

  const RouteLinkOptions options_;
  const RouteLinkHooks hooks_;
  base::Executor& executor_;
  const base::SerialOwner& owner_;
  const base::Clock& clock_;
  RouteStreamDialer& dialer_;
  base::MetricRegistry& metrics_;
  base::Counter& dials_;
  base::Counter& applied_;
  base::Counter& refused_;
  base::Gauge& revision_;
  std::atomic<bool> connected_{false};

  client::CertificateRenewer renewer_ ABSL_GUARDED_BY(owner_);
  client::AddressRotation rotation_ ABSL_GUARDED_BY(owner_);
  TableReplica replica_ ABSL_GUARDED_BY(owner_);
  /// What is held is in doubt: the next hello claims nothing, so that a snapshot comes.
  bool doubtful_ ABSL_GUARDED_BY(owner_) = false;
  /// Of an update whose parts are refused to its end.
  absl::optional<uint64_t> refused_nonce_ ABSL_GUARDED_BY(owner_);
  std::unique_ptr<RouteStream> stream_ ABSL_GUARDED_BY(owner_);
  uint64_t session_ ABSL_GUARDED_BY(owner_) = 0;  // of ours: one per dial
  absl::optional<v1::Closing> closing_ ABSL_GUARDED_BY(owner_);
  absl::flat_hash_set<std::string> unreachable_told_ ABSL_GUARDED_BY(owner_);
  std::function<void()> left_ ABSL_GUARDED_BY(owner_);
  bool leaving_ ABSL_GUARDED_BY(owner_) = false;
};

}  // namespace rolemesh::dataplane
