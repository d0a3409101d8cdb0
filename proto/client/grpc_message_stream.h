// MessageStream over a bidirectional gRPC call. For .cc files: it brings gRPC with it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include "proto/client/message_stream.h"
#include "proto/contract/grpc_status.h"

namespace rolemesh::client {

/// Begins a call. `connect` is `stub.async()->Method(context, reactor)`; what it captures lives as
/// long as the call.
template <class Out, class In>
class GrpcMessageStream final : public MessageStream<Out> {
 public:
  using Reactor = grpc::ClientBidiReactor<Out, In>;
  using Connect = std::function<void(grpc::ClientContext*, Reactor*)>;

  GrpcMessageStream(Connect connect, MessageStreamHandlers<In> handlers)
      : call_(std::make_shared<Call>(std::move(connect), std::move(handlers))) {
    call_->Begin();
  }
  ~GrpcMessageStream() override { call_->Abandon(); }

  void Send(Out message) override { call_->Send(std::move(message)); }
  void Finish() override { call_->Finish(); }

 private:
  // Lives until gRPC is done with it, whatever becomes of the handle.
  class Call final : public Reactor, public std::enable_shared_from_this<Call> {
   public:
    Call(Connect connect, MessageStreamHandlers<In> handlers)
        : connect_(std::move(connect)), handlers_(std::move(handlers)) {}

    void Begin() {
      self_ = this->shared_from_this();
      connect_(&context_, this);
      this->AddHold();  // for writes, which begin outside of reactions
      this->StartRead(&incoming_);
      this->StartCall();
    }

    void Send(Out message) {
      const absl::MutexLock lock(&mutex_);
      if (broken_ || finishing_) {
        return;
      }
      if (queue_.size() >= kMaxQueued) {
        overflowed_ = true;
        context_.TryCancel();
        return;
      }
      queue_.push_back(std::move(message));
      WriteNext();
    }

    void Finish() {
      const absl::MutexLock lock(&mutex_);
      finishing_ = true;
      WriteNext();
    }

    // No handler runs afterwards. Waits for one that runs.
    void Abandon() {
      {
        const absl::MutexLock lock(&handlers_mutex_);
        handlers_ = {};
      }
      context_.TryCancel();
    }

    void OnReadDone(bool ok) override {
      if (!ok) {
        const absl::MutexLock lock(&mutex_);
        broken_ = true;
        this->RemoveHold();
        return;
      }
      {
        const absl::MutexLock lock(&handlers_mutex_);
        if (handlers_.on_message) {
          handlers_.on_message(std::move(incoming_));
        }
      }
      incoming_.Clear();
      this->StartRead(&incoming_);
    }

    void OnWriteDone(bool ok) override {
      const absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (ok) {
        queue_.pop_front();
        WriteNext();
      }
    }

    void OnDone(const grpc::Status& grpc_status) override {
      absl::Status status = contract::FromGrpc(grpc_status);
      {
        const absl::MutexLock lock(&mutex_);
        if (overflowed_) {
          status = absl::ResourceExhaustedError("the control plane does not read");
        }
      }
      {
        const absl::MutexLock lock(&handlers_mutex_);
        if (handlers_.on_closed) {
          handlers_.on_closed(status);
        }
        handlers_ = {};
      }
      self_.reset();  // perhaps `delete this`
    }

   private:
    static constexpr size_t kMaxQueued = 1024;

    void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (writing_ || broken_) {
        return;
      }
      if (!queue_.empty()) {
        writing_ = true;
        this->StartWrite(&queue_.front());
      } else if (finishing_ && !done_writing_) {
        done_writing_ = true;
        this->StartWritesDone();
      }
    }

    const Connect connect_;
    grpc::ClientContext context_;
    std::shared_ptr<Call> self_;
    In incoming_;

    absl::Mutex handlers_mutex_;  // held while a handler runs
    MessageStreamHandlers<In> handlers_ ABSL_GUARDED_BY(handlers_mutex_);

    absl::Mutex mutex_;
    std::deque<Out> queue_ ABSL_GUARDED_BY(mutex_);
    bool writing_ ABSL_GUARDED_BY(mutex_) = false;
    bool broken_ ABSL_GUARDED_BY(mutex_) = false;
    bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
    bool done_writing_ ABSL_GUARDED_BY(mutex_) = false;
    bool overflowed_ ABSL_GUARDED_BY(mutex_) = false;
  };

  const std::shared_ptr<Call> call_;
};

}  // namespace rolemesh::client
