// A unary call that is always answered.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "proto/contract/grpc_status.h"

namespace rolemesh::controlplane {

/// Owns the answer to one unary call while it travels through queues: dropped unanswered, because
/// a queue was full or has stopped, it ends the call with Unavailable.
///
/// Thread-safety: one thread at a time.
class UnaryCall {
 public:
  explicit UnaryCall(grpc::CallbackServerContext* context) : reactor_(context->DefaultReactor()) {}
  UnaryCall(UnaryCall&& other) noexcept : reactor_(std::exchange(other.reactor_, nullptr)) {}
  UnaryCall& operator=(UnaryCall&&) = delete;
  ~UnaryCall() { Finish(absl::UnavailableError("the control plane is busy or stops; retry")); }

  /// Sends the reply, or the error. The request and reply must not be touched afterwards.
  void Finish(const absl::Status& status) {
    if (reactor_ == nullptr) return;
    std::exchange(reactor_, nullptr)->Finish(contract::ToGrpc(status));
  }

  /// For the method to return.
  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

 private:
  grpc::ServerUnaryReactor* reactor_;
};

}  // namespace rolemesh::controlplane
