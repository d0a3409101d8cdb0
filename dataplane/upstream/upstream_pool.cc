#include "dataplane/upstream/upstream_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rolemesh::dataplane {

UpstreamPool::UpstreamPool(base::IoExecutor executor, const base::Clock& clock, PoolOptions options,
                           HopSecurity security)
    : executor_(executor), clock_(clock), options_(options), security_(std::move(security)) {}

UpstreamPool::~UpstreamPool() = default;

void UpstreamPool::Drop(IdleList::iterator idle) {
  const auto found = by_destination_.find(idle->connection->destination);
  found->second.remove(idle);
  if (found->second.empty()) {
    by_destination_.erase(found);
  }
  idle_.erase(idle);
}

void UpstreamPool::Sweep(base::SteadyTime now) {
  const auto oldest = now - absl::ToChronoNanoseconds(options_.idle_timeout);
  while (!idle_.empty() && (idle_.size() > options_.idle_total || idle_.front().since < oldest)) {
    Drop(idle_.begin());
  }
}

std::unique_ptr<UpstreamConnection> UpstreamPool::TakeIdle(const Destination& destination) {
  Sweep(clock_.SteadyNow());
  for (;;) {
    const auto found = by_destination_.find(destination);
    if (found == by_destination_.end()) {
      return nullptr;
    }
    // The newest is the likeliest to be alive.
    const IdleList::iterator newest = found->second.back();
    std::unique_ptr<UpstreamConnection> connection = std::move(newest->connection);
    found->second.pop_back();
    if (found->second.empty()) {
      by_destination_.erase(found);
    }
    idle_.erase(newest);
    if (connection->connection->PollPeer() == base::PeerEvent::kNone &&
        connection->not_after > clock_.WallNow()) {
      return connection;
    }
  }
}

base::IoTask<absl::StatusOr<std::unique_ptr<UpstreamConnection>>> UpstreamPool::Connect(
    Destination destination) {
  const base::SteadyTime deadline =
      clock_.SteadyNow() + absl::ToChronoNanoseconds(options_.connect_timeout);
  absl::StatusOr<std::unique_ptr<base::Connection>> connection =
      co_await Dial(executor_, destination, options_.connect_timeout);
  if (!connection.ok()) {
    co_return connection.status();
  }
  auto made = std::make_unique<UpstreamConnection>();
  made->connection = *std::move(connection);
  if (!destination.spiffe_id.empty()) {
    const std::shared_ptr<const base::TlsContext> context =
        security_.context != nullptr ? security_.context() : nullptr;
    if (context == nullptr) {
      co_return absl::FailedPreconditionError("no certificate for the hop to fronts yet");
    }
    made->connection->SetDeadline(deadline);
    const absl::Status shaken =
        co_await made->connection->HandshakeClient(context->native(), std::string());
    if (!shaken.ok()) {
      co_return shaken;
    }
    made->connection->SetDeadline(absl::nullopt);
    const absl::StatusOr<base::PeerIdentity> peer =
        base::VerifiedPeer(made->connection->native_tls(), clock_.WallNow());
    if (!peer.ok()) {
      co_return peer.status();
    }
    // Exactly one name: a certificate for several could be used as any of them.
    if (peer->uri_sans.size() != 1 || peer->uri_sans[0] != destination.spiffe_id) {
      co_return absl::PermissionDeniedError(absl::StrCat("front ", destination.ToString(), " is ",
                                                         absl::StrJoin(peer->uri_sans, " "),
                                                         ", not ", destination.spiffe_id));
    }
    if (security_.revoked != nullptr && security_.revoked(*peer)) {
      co_return absl::PermissionDeniedError(
          absl::StrCat("the certificate of ", destination.spiffe_id, " is revoked"));
    }
    made->not_after = peer->not_after;
  }
  made->destination = std::move(destination);
  co_return made;
}

void UpstreamPool::Return(std::unique_ptr<UpstreamConnection> connection) {
  if (options_.idle_per_destination == 0) {
    return;
  }
  const base::SteadyTime now = clock_.SteadyNow();
  connection->reused = true;
  connection->connection->SetDeadline(absl::nullopt);
  std::list<IdleList::iterator>& list = by_destination_[connection->destination];
  idle_.push_back({std::move(connection), now});
  list.push_back(std::prev(idle_.end()));
  if (list.size() > options_.idle_per_destination) {
    idle_.erase(list.front());
    list.pop_front();
  }
  Sweep(now);
}

void UpstreamPool::CloseIdle() {
  by_destination_.clear();
  idle_.clear();
}

}  // namespace rolemesh::dataplane
