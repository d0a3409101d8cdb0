#include "controlplane/reconcile/applied_store.h"

#include <utility>

namespace rolemesh::controlplane {

void AppliedStore::Mailbox::Post(base::Executor::Task task) {
  absl::MutexLock lock(&mutex);
  if (executor != nullptr) executor->Post(std::move(task));
}

AppliedStore::AppliedStore(base::Executor* executor, Store* store)
    : store_(store), mailbox_(std::make_shared<Mailbox>()) {
  absl::MutexLock lock(&mailbox_->mutex);
  mailbox_->executor = executor;
}

AppliedStore::~AppliedStore() {
  watch_.reset();
  absl::MutexLock lock(&mailbox_->mutex);
  mailbox_->executor = nullptr;
}

void AppliedStore::Commit(Transaction transaction, Done done) {
  if (shut_down_) {
    done(absl::UnavailableError("the control plane shuts down"));
    return;
  }
  store_->Commit(std::move(transaction), [this, mailbox = mailbox_, done = std::move(done)](
                                             absl::StatusOr<CommitResult> result) mutable {
    mailbox->Post([this, done = std::move(done), result = std::move(result)]() mutable {
      if (!result.ok()) {
        done(std::move(result));
        return;
      }
      const int64_t revision = result->revision;
      WhenApplied(revision, [done = std::move(done),
                             result = std::move(result)](absl::Status status) mutable {
        if (!status.ok()) result = std::move(status);
        done(std::move(result));
      });
    });
  });
}

void AppliedStore::WhenApplied(int64_t revision, absl::AnyInvocable<void(absl::Status)> done) {
  if (applied_ >= revision) {
    done(absl::OkStatus());
  } else if (shut_down_) {
    done(absl::UnavailableError("the control plane shuts down"));
  } else {
    waiting_.emplace(revision, std::move(done));
  }
}

void AppliedStore::WatchFrom(int64_t revision,
                             absl::AnyInvocable<void(absl::StatusOr<ChangeBatch>)> on_batch) {
  watch_.reset();
  auto shared =
      std::make_shared<absl::AnyInvocable<void(absl::StatusOr<ChangeBatch>)>>(std::move(on_batch));
  watch_ = store_->WatchFrom(
      "", revision, [mailbox = mailbox_, shared](absl::StatusOr<ChangeBatch> batch) {
        mailbox->Post(
            [shared, batch = std::move(batch)]() mutable { (*shared)(std::move(batch)); });
      });
}

void AppliedStore::SetApplied(int64_t revision) {
  applied_ = revision;
  while (!waiting_.empty() && waiting_.begin()->first <= applied_) {
    auto done = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    done(absl::OkStatus());
  }
}

void AppliedStore::Shutdown() {
  shut_down_ = true;
  while (!waiting_.empty()) {
    auto done = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    done(absl::UnavailableError("the control plane shuts down"));
  }
}

}  // namespace rolemesh::controlplane
