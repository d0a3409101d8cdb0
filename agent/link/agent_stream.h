// One conversation with one control plane, seen from the agent.
#pragma once

#include <memory>

#include "absl/strings/string_view.h"

#include "proto/client/identity_files.h"
#include "proto/client/message_stream.h"
#include "rolemesh/v1/agent.pb.h"

namespace rolemesh::agent {

using AgentStream = client::MessageStream<v1::AgentMessage>;

/// Where conversations begin: the outside world.
/// Thread-safety: thread-safe.
class AgentStreamDialer {
 public:
  using Handlers = client::MessageStreamHandlers<v1::ControlMessage>;

  virtual ~AgentStreamDialer() = default;

  /// Dials `address` (HOST:PORT). Failures are told to `on_closed`.
  virtual std::unique_ptr<AgentStream> Dial(absl::string_view address,
                                            const client::MeshIdentity& identity,
                                            Handlers handlers) = 0;
};

}  // namespace rolemesh::agent
