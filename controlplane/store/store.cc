#include "controlplane/store/store.h"

#include <utility>

#include "absl/synchronization/notification.h"

namespace rolemesh::controlplane {

absl::StatusOr<CommitResult> Store::CommitAndWait(Transaction transaction) {
  struct Answer {
    absl::StatusOr<CommitResult> result = absl::UnknownError("");
    absl::Notification arrived;
  } answer;
  Commit(std::move(transaction), [&answer](absl::StatusOr<CommitResult> result) {
    answer.result = std::move(result);
    answer.arrived.Notify();
  });
  answer.arrived.WaitForNotification();
  return std::move(answer.result);
}

}  // namespace rolemesh::controlplane
