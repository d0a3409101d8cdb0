// A server stream that others write to from their own threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include <grpcpp/support/server_callback.h>

#include "controlplane/rpc/open_streams.h"
#include "proto/contract/grpc_status.h"

namespace rolemesh::controlplane {

/// Sends replies one after the other. Keeps itself alive until gRPC is done with it; others hold
/// weak or shared pointers as they like, since calls after the end do nothing.
///
/// Thread-safety: thread-safe.
template <class Reply>
class ReplyStream final : public grpc::ServerWriteReactor<Reply> {
 public:
  /// The method returns get(); `max_queued` replies may wait for a slow reader. `open`, which
  /// outlives the stream, may end it.
  static std::shared_ptr<ReplyStream> Make(size_t max_queued, OpenStreams* open) {
    std::shared_ptr<ReplyStream> stream(new ReplyStream(max_queued, open));
    {
      absl::MutexLock lock(&stream->mutex_);
      stream->self_ = stream;
    }
    stream->number_ =
        open->Add([weak = std::weak_ptr<ReplyStream>(stream)](const absl::Status& status) {
          if (const std::shared_ptr<ReplyStream> stream = weak.lock()) stream->End(status);
        });
    return stream;
  }

  /// Called once when the stream is over, whoever ended it. Set before the first reply.
  void OnClosed(std::function<void()> closed) {
    absl::MutexLock lock(&mutex_);
    closed_ = std::move(closed);
  }

  /// Queues `reply`; a reader who is too slow for the queue is cut off.
  void Push(Reply reply) {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_) return;
      if (queue_.size() >= max_queued_) {
        ended_ = true;
        queue_.clear();
        status_ = absl::ResourceExhaustedError("the reader is too slow");
      } else {
        queue_.push_back(std::move(reply));
      }
    }
    Advance();
  }

  /// Queues `reply` in place of those that were not sent yet.
  void PushNewest(Reply reply) {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_) return;
      queue_.clear();
      queue_.push_back(std::move(reply));
    }
    Advance();
  }

  /// Ends the stream with `status` once everything queued is sent. Only the first counts.
  void End(absl::Status status) {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_) return;
      ended_ = true;
      status_ = std::move(status);
    }
    Advance();
  }

  bool ended() const {
    absl::MutexLock lock(&mutex_);
    return ended_;
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      busy_ = false;
      if (!ok) {
        ended_ = true;
        queue_.clear();
      }
    }
    Advance();
  }

  void OnCancel() override {
    {
      absl::MutexLock lock(&mutex_);
      queue_.clear();
      if (!ended_) status_ = absl::CancelledError("the caller left");
      ended_ = true;
    }
    Advance();
  }

  void OnDone() override {
    std::function<void()> closed;
    std::shared_ptr<ReplyStream> self;
    {
      absl::MutexLock lock(&mutex_);
      ended_ = true;
      closed = std::move(closed_);
      self = std::move(self_);
    }
    open_->Remove(number_);
    if (closed) closed();
  }

 private:
  ReplyStream(size_t max_queued, OpenStreams* open) : max_queued_(max_queued), open_(open) {}

  // Starts what is next. gRPC is called without the lock: busy_ keeps others away meanwhile.
  void Advance() {
    const Reply* write = nullptr;
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      if (busy_ || finished_) return;
      if (!queue_.empty()) {
        current_ = std::move(queue_.front());
        queue_.pop_front();
        busy_ = true;
        write = &current_;
      } else if (ended_) {
        finished_ = true;
        status = status_;
      } else {
        return;
      }
    }
    if (write != nullptr) {
      this->StartWrite(write);
    } else {
      this->Finish(contract::ToGrpc(status));
    }
  }

  const size_t max_queued_;
  OpenStreams* const open_;
  uint64_t number_ = 0;  // in open_; set before gRPC knows of this
  mutable absl::Mutex mutex_;
  std::shared_ptr<ReplyStream> self_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> closed_ ABSL_GUARDED_BY(mutex_);
  std::deque<Reply> queue_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;      // a write is under way
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;     // nothing more is queued
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // Finish was called
  Reply current_;                                  // owned by gRPC while busy_
};

}  // namespace rolemesh::controlplane
