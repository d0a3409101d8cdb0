// One conversation with one control plane, seen from the agent.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "proto/client/identity_files.h"
#include "rolemesh/v1/agent.pb.h"

namespace rolemesh::agent {

/// Destroying it ends the conversation; no handler runs afterwards.
/// Thread-safety: owned by its caller.
class AgentStream {
 public:
  virtual ~AgentStream() = default;

  /// Sends after all that was sent before. When the control plane does not read, the queue fills
  /// (1,024 messages) and the stream ends with ResourceExhausted: the next hello says it all.
  virtual void Send(v1::AgentMessage message) = 0;

  /// Nothing more is sent; the control plane ends the stream.
  virtual void Finish() = 0;
};

/// Where conversations begin: the outside world.
/// Thread-safety: thread-safe.
class AgentStreamDialer {
 public:
  /// Run on any thread, never at once: post and return. `on_closed` is the last.
  struct Handlers {
    std::function<void(v1::ControlMessage)> on_message;
    std::function<void(absl::Status)> on_closed;
  };

  virtual ~AgentStreamDialer() = default;

  /// Dials `address` (HOST:PORT). Failures are told to `on_closed`.
  virtual std::unique_ptr<AgentStream> Dial(absl::string_view address,
                                            const client::MeshIdentity& identity,
                                            Handlers handlers) = 0;
};

}  // namespace rolemesh::agent
