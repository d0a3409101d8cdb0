// One conversation with one control plane, seen from its client.
#pragma once

#include <functional>

#include "absl/status/status.h"

namespace rolemesh::client {

/// Sends messages of type Out. Destroying it ends the conversation; no handler runs afterwards.
/// Thread-safety: owned by its caller.
template <class Out>
class MessageStream {
 public:
  virtual ~MessageStream() = default;

  /// Sends after all that was sent before. When the control plane does not read, the queue fills
  /// (1,024 messages) and the stream ends with ResourceExhausted: the next hello says it all.
  virtual void Send(Out message) = 0;

  /// Nothing more is sent; the control plane ends the stream.
  virtual void Finish() = 0;
};

/// What a conversation tells. Run on any thread, one at a time, and never at once: post and return.
/// `on_closed` is the last.
template <class In>
struct MessageStreamHandlers {
  std::function<void(In)> on_message;
  std::function<void(absl::Status)> on_closed;
};

}  // namespace rolemesh::client
