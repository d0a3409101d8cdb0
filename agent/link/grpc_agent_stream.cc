#include "agent/link/grpc_agent_stream.h"

#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include "proto/client/channel.h"
#include "proto/contract/grpc_status.h"
#include "rolemesh/v1/agent.grpc.pb.h"

namespace rolemesh::agent {
namespace {

constexpr size_t kMaxQueued = 1024;

// Lives until gRPC is done with it, whatever becomes of the handle.
class Reactor final : public grpc::ClientBidiReactor<v1::AgentMessage, v1::ControlMessage>,
                      public std::enable_shared_from_this<Reactor> {
 public:
  Reactor(std::shared_ptr<grpc::Channel> channel, AgentStreamDialer::Handlers handlers)
      : channel_(std::move(channel)),
        stub_(v1::AgentService::NewStub(channel_)),
        handlers_(std::move(handlers)) {}

  void Begin() {
    self_ = shared_from_this();
    stub_->async()->Connect(&context_, this);
    AddHold();  // for writes, which begin outside of reactions
    StartRead(&incoming_);
    StartCall();
  }

  void Send(v1::AgentMessage message) {
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
      RemoveHold();
      return;
    }
    {
      const absl::MutexLock lock(&handlers_mutex_);
      if (handlers_.on_message) {
        handlers_.on_message(std::move(incoming_));
      }
    }
    incoming_.Clear();
    StartRead(&incoming_);
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
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || broken_) {
      return;
    }
    if (!queue_.empty()) {
      writing_ = true;
      StartWrite(&queue_.front());
    } else if (finishing_ && !done_writing_) {
      done_writing_ = true;
      StartWritesDone();
    }
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  std::shared_ptr<Reactor> self_;
  v1::ControlMessage incoming_;

  absl::Mutex handlers_mutex_;  // held while a handler runs
  AgentStreamDialer::Handlers handlers_ ABSL_GUARDED_BY(handlers_mutex_);

  absl::Mutex mutex_;
  std::deque<v1::AgentMessage> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool overflowed_ ABSL_GUARDED_BY(mutex_) = false;
};

class GrpcAgentStream final : public AgentStream {
 public:
  explicit GrpcAgentStream(std::shared_ptr<Reactor> reactor) : reactor_(std::move(reactor)) {}
  ~GrpcAgentStream() override { reactor_->Abandon(); }

  void Send(v1::AgentMessage message) override { reactor_->Send(std::move(message)); }
  void Finish() override { reactor_->Finish(); }

 private:
  const std::shared_ptr<Reactor> reactor_;
};

}  // namespace

std::unique_ptr<AgentStream> GrpcAgentStreamDialer::Dial(absl::string_view address,
                                                         const client::MeshIdentity& identity,
                                                         Handlers handlers) {
  auto reactor =
      std::make_shared<Reactor>(client::MakeChannel(address, identity), std::move(handlers));
  reactor->Begin();
  return std::make_unique<GrpcAgentStream>(std::move(reactor));
}

}  // namespace rolemesh::agent
