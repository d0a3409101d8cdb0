// Everything the control plane must not forget, with etcd's meaning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "controlplane/store/key_value.h"
#include "controlplane/store/transaction.h"

namespace rolemesh::controlplane {

/// A subscription; lives as long as its owner wants changes.
///
/// Destroying it returns when no callback of it runs and none will; from within
/// its own callback it returns at once. The Store must outlive it.
class Watch {
 public:
  virtual ~Watch() = default;
};

/// Keys and values ordered by key, changed by transactions, watched by revision.
///
/// Written by catalog, identity, rpc; watched by reconcile. Never heartbeats or
/// load. Two implementations, SqliteStore and (for replicas) etcd, and FakeStore
/// pass the same conformance suite, tests/component/controlplane/store.
///
/// Callbacks run on a thread of the store's, or (refused commits; FakeStore's all)
/// before the call returns. They must return at once (post an event), and may
/// call Commit but nothing that waits.
///
/// Thread-safety: thread-safe.
/// Ownership: destroy every Watch first. The destructor answers every pending Commit.
class Store {
 public:
  using CommitDone = absl::AnyInvocable<void(absl::StatusOr<CommitResult>)>;
  using WatchCallback = absl::AnyInvocable<void(absl::StatusOr<ChangeBatch>)>;

  struct Lease {
    int64_t id = 0;  ///< Greater than 0, never reused.
    absl::Duration ttl;
  };

  virtual ~Store() = default;

  /// Names this history of revisions: new at creation and at restore, the same
  /// for all replicas. Revisions of different ids must not be compared.
  virtual std::string store_id() const = 0;

  /// OK, or why the store takes no commits (as Commit's Unavailable): for /readyz and metrics.
  virtual absl::Status health() const = 0;

  /// Applies `transaction` atomically and calls `done` once: after OK it is
  /// durable. Transactions of one thread are applied in the order of calling. A
  /// lease that is due expires before any later transaction is applied.
  ///
  /// Errors: InvalidArgument: see ValidateTransaction; NotFound: a lease that
  /// expired: nothing happened; ResourceExhausted: too many are pending, slow
  /// down: nothing happened; Unavailable: read-only, closing or unreachable: it
  /// may or may not have happened: read before trying again.
  virtual void Commit(Transaction transaction, CommitDone done) = 0;

  /// As Commit, waiting. Never from a callback.
  absl::StatusOr<CommitResult> CommitAndWait(Transaction transaction);

  /// No or one key, at a revision not older than any acknowledged commit. Waits.
  /// Errors: Unavailable: retry with backoff; DataLoss: the file is damaged: restore a backup.
  virtual absl::StatusOr<RangeResult> Get(absl::string_view key) = 0;

  /// The first `limit` keys (0 = all) that begin with `prefix` (empty = all). As Get.
  virtual absl::StatusOr<RangeResult> List(absl::string_view prefix, size_t limit = 0) = 0;

  /// Calls `callback` with every batch of `start_revision` or later that touches
  /// `prefix` (empty = all): in order, none missing, none twice. 0 = from the
  /// next change on; a revision in the future is waited for.
  ///
  /// An error is the last call: OutOfRange: changes from start_revision on are
  /// no longer kept: List again and watch from its revision + 1; Unavailable:
  /// watch again, with backoff, from after the last batch received.
  virtual std::unique_ptr<Watch> WatchFrom(absl::string_view prefix, int64_t start_revision,
                                           WatchCallback callback) = 0;

  /// A lease of at least `ttl`, rounded up to whole seconds; the answer tells
  /// what was granted. Its expiry deletes its keys as one revision. Time
  /// during which the store was closed does not count. Waits.
  /// Errors: InvalidArgument: not 1 s to 30 days; else as Commit.
  virtual absl::StatusOr<Lease> GrantLease(absl::Duration ttl) = 0;

  /// The lease has its whole ttl (returned) again. Nothing is written. May wait.
  /// Errors: NotFound: it expired or was revoked: grant anew and write the keys
  /// again; Unavailable: retry.
  virtual absl::StatusOr<absl::Duration> KeepAlive(int64_t lease_id) = 0;

  /// Deletes its keys as one revision, now. Waits.
  /// Errors: NotFound: already gone; else as Commit.
  virtual absl::Status RevokeLease(int64_t lease_id) = 0;

  /// Forgets changes before `revision`: watches from an older one end with
  /// OutOfRange, those from `revision` on still work. The keys stay. Waits.
  /// Errors: OutOfRange: later than the next revision; else as Commit. Forgetting
  /// what is forgotten is OK.
  virtual absl::Status Compact(int64_t revision) = 0;

  /// Writes a consistent copy to `path`, a new file of mode 0600, while the store
  /// goes on. Waits, as long as copying takes.
  /// Errors: AlreadyExists; those of writing a file.
  virtual absl::Status Backup(const std::string& path) = 0;
};

}  // namespace rolemesh::controlplane
