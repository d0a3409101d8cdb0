// One bidirectional gRPC stream, reduced to messages in and messages out.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "proto/contract/grpc_status.h"

namespace rolemesh::controlplane {

/// Hands over one message at a time, the next when asked for; queues what is to be written, and
/// cuts a peer that does not read.
///
/// Thread-safety: thread-safe; HandleMessage() and HandleEnd() are called by gRPC's threads.
/// Ownership: gRPC keeps it until the call is done; after that it does nothing.
template <class In, class Out>
class MessageStream : public grpc::ServerBidiReactor<In, Out>,
                      public std::enable_shared_from_this<MessageStream<In, Out>> {
 public:
  /// `max_queued`: messages that may wait to be written.
  MessageStream(grpc::CallbackServerContext* context, size_t max_queued)
      : context_(context), max_queued_(max_queued) {}

  /// Begins to read, or when `status` is an error ends the call with it.
  void Begin(const absl::Status& status, absl::Duration first_message_timeout) {
    absl::MutexLock lock(&mutex_);
    self_ = this->shared_from_this();
    if (!status.ok()) {
      ended_ = true;
      closing_ = status;
      MaybeFinish();
      return;
    }
    // Alarms keep their function for ever: a shared pointer in it would never go.
    first_message_.Set(After(first_message_timeout), [weak = std::weak_ptr(self_)](bool due) {
      if (const auto self = weak.lock(); self != nullptr) self->OnFirstMessageLate(due);
    });
    this->StartRead(&in_);
    reading_ = true;
  }

  /// Asks for the next message.
  void Next() {
    absl::MutexLock lock(&mutex_);
    if (reading_ || ended_ || finish_called_) return;
    reading_ = true;
    this->StartRead(&in_);
  }

  void Write(Out out) {
    absl::MutexLock lock(&mutex_);
    if (closing_.has_value()) return;
    if (queue_.size() >= max_queued_) {
      Cut(absl::UnavailableError("the peer does not read"));
      return;
    }
    queue_.push_back(std::move(out));
    Pump();
  }

  /// Writes what is queued, at most for kLastWrites, then ends the call.
  void Close(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (closing_.has_value()) return;
    closing_ = status;
    MaybeFinish();
    if (finish_called_) return;
    last_writes_.Set(After(kLastWrites), [weak = std::weak_ptr(self_)](bool) {
      const auto self = weak.lock();
      if (self == nullptr) return;
      absl::MutexLock lock(&self->mutex_);
      if (!self->done_ && !self->finish_called_) self->context_->TryCancel();
    });
  }

 protected:
  /// A message came; the next does only after Next().
  virtual void HandleMessage(In& in) = 0;
  /// No message comes any more. Once, unless Begin() had an error.
  virtual void HandleEnd() = 0;

 private:
  static constexpr absl::Duration kLastWrites = absl::Seconds(5);

  static gpr_timespec After(absl::Duration delay) {
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_millis(absl::ToInt64Milliseconds(delay), GPR_TIMESPAN));
  }

  void OnReadDone(bool ok) final {
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      if (!first_came_) first_message_.Cancel();
      first_came_ = true;
      if (ended_) return;
    }
    if (ok) {
      HandleMessage(in_);
    } else {
      End(absl::OkStatus());
    }
  }

  void OnWriteDone(bool ok) final {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    queue_.pop_front();
    if (!ok) {
      queue_.clear();
      if (!closing_.has_value()) closing_ = absl::CancelledError("the peer is gone");
    }
    Pump();
    MaybeFinish();
  }

  void OnCancel() final { End(absl::CancelledError("the call was cancelled")); }

  void OnDone() final {
    std::shared_ptr<MessageStream> self;  // perhaps the last one: goes after the lock
    {
      absl::MutexLock lock(&mutex_);
      done_ = true;
      first_message_.Cancel();
      last_writes_.Cancel();
      self = std::move(self_);
      if (std::exchange(ended_, true)) return;
    }
    HandleEnd();
  }

  void OnFirstMessageLate(bool due) {
    {
      absl::MutexLock lock(&mutex_);
      if (!due || first_came_ || done_) return;
    }
    Close(absl::InvalidArgumentError("no hello in time"));
  }

  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (!closing_.has_value()) closing_ = status;
      if (absl::IsCancelled(status) && queue_.size() > (writing_ ? 1u : 0u)) {
        queue_.resize(writing_ ? 1 : 0);
      }
      const bool was_ended = std::exchange(ended_, true);
      MaybeFinish();
      if (was_ended) return;
    }
    HandleEnd();
  }

  void Cut(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    closing_ = std::move(status);
    if (!finish_called_) context_->TryCancel();
  }

  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || queue_.empty() || finish_called_) return;
    writing_ = true;
    this->StartWrite(&queue_.front());
  }

  void MaybeFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!closing_.has_value() || writing_ || !queue_.empty() || finish_called_) return;
    finish_called_ = true;
    this->Finish(contract::ToGrpc(*closing_));
  }

  grpc::CallbackServerContext* const context_;  // until done_
  const size_t max_queued_;
  In in_;  // gRPC's while reading_, else HandleMessage's

  absl::Mutex mutex_;
  std::shared_ptr<MessageStream> self_ ABSL_GUARDED_BY(mutex_);
  std::deque<Out> queue_ ABSL_GUARDED_BY(mutex_);  // the first is gRPC's while writing_
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool first_came_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // HandleEnd() was called
  bool finish_called_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::optional<absl::Status> closing_ ABSL_GUARDED_BY(mutex_);  // set: nothing new is written
  grpc::Alarm first_message_;
  grpc::Alarm last_writes_;
};

}  // namespace rolemesh::controlplane
